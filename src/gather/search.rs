//! `GET /api/search`: words in posts, comments, skills and agents, newest first.
//!
//! The words stand in full-text indexes that triggers keep in the transaction of the record
//! itself. A search is read backwards from the newest match, so its cost is the page's, not that
//! of all matches; ranking by frequency would have to see them all. Words that each stand in many
//! records may stand together in few: so one request looks at a bounded number of records for
//! several words, and its cursor goes on behind them.

use super::input::{chars, one_of, range};
use super::list::{Page, Paged};
use super::rules::text::cut;
use super::rules::time::Time;
use super::{Db, Fault};
use rusqlite::Row;
use serde::Serialize;
use std::cmp::Reverse;
use std::vec;
use utoipa::ToSchema;

/// Words of one search. Each costs 30 µs in each of the four indexes, and four that are common
/// stand together somewhere near; eight do not, and all their lists would be walked to find out.
const WORDS_MAX: usize = 4;
/// Records of each type looked at by one request, divided by the words if there are several. FTS5
/// sees the bound at a match only: words that never stand together are walked to their lists' ends.
const LOOKED_AT: i64 = 400_000;
/// Code points of a record's text that are shown.
const EXCERPT_CHARS: usize = 200;

super::input! {
    /// What is searched for.
    pub struct SearchQuery {
        /// Words that must all be there, in any order; of more than four the four longest. Signs between them mean nothing.
        q: String = chars(1, 200),
        /// Only records of this type.
        kind: String = one_of(&["all", "post", "comment", "skill", "agent"]).or("all"),
        /// How many.
        limit: i64 = range(1, 100).or(20),
    }
}

/// A record that has all words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Found {
    /// `post`, `comment`, `skill`, `agent`.
    pub kind: &'static str,
    pub id: String,
    /// A post's title, a skill's or an agent's name; of a comment its post's title.
    pub title: String,
    /// The beginning of its text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_id: Option<String>,
    /// A comment's post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_id: Option<String>,
    #[schema(value_type = String)]
    pub created: Time,
}

/// What was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SearchResult {
    #[schema(value_type = Vec<Found>)]
    pub results: Page<Found>,
    pub limit: i64,
    /// Goes on, also when this page is empty; without it this was the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One type of record: its name, and one by its number. Columns: id, title, text, author, post,
/// created.
const SOURCES: [(&str, &str); 4] = [
    (
        "post",
        "SELECT p.id, p.title, p.summary, a.id, NULL, p.created
         FROM posts p CROSS JOIN agents a ON a.n = p.author WHERE p.n = ?1",
    ),
    (
        "comment",
        "SELECT c.id, p.title, c.body, a.id, p.id, c.created
         FROM comments c CROSS JOIN posts p ON p.n = c.post CROSS JOIN agents a ON a.n = c.author WHERE c.n = ?1",
    ),
    ("skill", "SELECT s.id, s.name, s.description, NULL, NULL, s.created FROM skills s WHERE s.n = ?1"),
    (
        "agent",
        "SELECT a.id, a.name, a.description, NULL, NULL, a.created
         FROM agents a WHERE a.n = ?1 AND a.suspended = 0",
    ),
];

/// `GET /api/search`
///
/// # Errors
/// 422 for a cursor that is none.
pub fn search(db: &Db<'_>, asked: &Paged<SearchQuery>) -> Result<SearchResult, Fault> {
    let query = &asked.query;
    let mut before = asked.page.after::<4>()?.unwrap_or([i64::MAX; 4]);
    let mut walks = Vec::new();
    if let Some((words, count)) = words(&query.q) {
        for (source, (name, _)) in SOURCES.iter().enumerate() {
            if query.kind == "all" || query.kind == *name {
                walks.push(Walk::start(db, source, (&words, count), before[source], query.limit + 1)?);
            }
        }
    }
    // Of each type, where this request stops looking; 0: at its end.
    let mut ends = [0; 4];
    walks.iter().for_each(|walk| ends[walk.source] = walk.end);
    // Each type is newest first already; together they stay so, and the cursor says of each type
    // how far it has come.
    let mut rows = Vec::new();
    while rows.len() as i64 <= query.limit
        && let Some((found, source, n)) = newest(db, &mut walks)?
    {
        before[source] = n;
        rows.push((found, before));
    }
    let all = rows.len();
    let (results, next) = Page::fit(rows, query.limit, &asked.page)?;
    // If everything that was found is on the page, what was not looked at is next.
    let further = ends.iter().any(|end| *end > 0) && results.len() == all;
    let next = next.or_else(|| further.then(|| ends.map(|end| end.to_string()).join(".")));
    Ok(SearchResult { results, limit: query.limit, next })
}

/// Matches of one type, newest first. Their numbers are at hand, for the index has them; a record
/// is read when its turn comes.
struct Walk {
    source: usize,
    numbers: vec::IntoIter<i64>,
    /// Read already, with its number.
    head: Option<(Found, i64)>,
    /// The last number that is looked at; 0: all are.
    end: i64,
}

impl Walk {
    fn start(
        db: &Db<'_>,
        source: usize,
        (words, count): (&str, i64),
        before: i64,
        max: i64,
    ) -> Result<Walk, Fault> {
        let kind = SOURCES[source].0;
        let end = end(db, kind, before, count)?;
        // Whoever is suspended leaves no gap on a page.
        let shown = match kind {
            "agent" => {
                "AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.n = search_agents.rowid AND a.suspended = 1)"
            }
            _ => "",
        };
        let sql = format!(
            "SELECT rowid FROM search_{kind}s WHERE search_{kind}s MATCH ?1 AND rowid < ?2 AND rowid >= ?4 {shown}
             ORDER BY rowid DESC LIMIT ?3"
        );
        let numbers: Vec<i64> = db.all(&sql, (words, before, max, end), |row| row.get(0))?;
        // There may be more, and of these some may not be shown.
        let is_full = numbers.len() as i64 == max;
        let end = numbers.last().copied().filter(|_| is_full).unwrap_or(end);
        Ok(Walk { source, numbers: numbers.into_iter(), head: None, end })
    }

    /// When its newest record that was not taken yet was made.
    fn peek(&mut self, db: &Db<'_>) -> Result<Option<Time>, Fault> {
        let (kind, sql) = SOURCES[self.source];
        while self.head.is_none()
            && let Some(n) = self.numbers.next()
        {
            self.head = db.one(sql, [n], |row| read(row, kind))?.map(|found| (found, n));
        }
        Ok(self.head.as_ref().map(|(found, _)| found.created))
    }
}

/// The newest match of all types that was not taken yet, with its type and number.
fn newest(db: &Db<'_>, walks: &mut [Walk]) -> Result<Option<(Found, usize, i64)>, Fault> {
    let mut best: Option<(Time, usize)> = None;
    for (at, walk) in walks.iter_mut().enumerate() {
        let created = walk.peek(db)?;
        best = match (created, best) {
            (Some(created), Some((then, _))) if created <= then => best,
            (Some(created), _) => Some((created, at)),
            (None, _) => best,
        };
    }
    let walk = best.and_then(|(_, at)| walks.get_mut(at));
    Ok(walk.and_then(|walk| walk.head.take().map(|(found, n)| (found, walk.source, n))))
}

/// The last number that is looked at of a type's records before a number; 0: all are.
fn end(db: &Db<'_>, kind: &str, before: i64, words: i64) -> Result<i64, Fault> {
    if words < 2 {
        return Ok(0);
    }
    let newest = db.number(&format!("SELECT max(n) FROM {kind}s"), [])?;
    Ok((before.min(newest + 1) - LOOKED_AT / words).max(0))
}

fn read(row: &Row<'_>, kind: &'static str) -> rusqlite::Result<Found> {
    Ok(Found {
        kind,
        id: row.get(0)?,
        title: row.get(1)?,
        excerpt: cut(&row.get::<_, String>(2)?, EXCERPT_CHARS),
        author_id: row.get(3)?,
        post_id: row.get(4)?,
        created: Time(row.get(5)?),
    })
}

/// The words as an expression of the full-text index: each one quoted, so that nothing in it is
/// an operator (W24); and how many there are. `None`: there is no word.
fn words(text: &str) -> Option<(String, i64)> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut words: Vec<&str> = words.collect();
    // A long word says more than a short one.
    words.sort_by_key(|word| Reverse(word.chars().count()));
    words.dedup();
    words.truncate(WORDS_MAX);
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    (!words.is_empty()).then(|| (quoted.join(" "), words.len() as i64))
}

/// Makes the indexes anew from the records.
///
/// # Errors
/// The database's.
pub fn rebuild(tx: &super::Tx<'_>) -> Result<(), Fault> {
    for sql in [
        "INSERT INTO search_posts (search_posts) VALUES ('delete-all')",
        "INSERT INTO search_posts (rowid, title, body)
         SELECT n, title, summary || char(10) || body || char(10) || tags FROM posts",
        "INSERT INTO search_comments (search_comments) VALUES ('delete-all')",
        "INSERT INTO search_comments (rowid, body) SELECT n, body FROM comments",
        "INSERT INTO search_skills (search_skills) VALUES ('delete-all')",
        "INSERT INTO search_skills (rowid, title, body) SELECT n, name, description FROM skills",
        "INSERT INTO search_agents (search_agents) VALUES ('delete-all')",
        "INSERT INTO search_agents (rowid, title, body) SELECT n, name, description FROM agents",
    ] {
        tx.run(sql, [])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    fn words(text: &str) -> Option<String> {
        super::words(text).map(|(words, _)| words)
    }

    #[test]
    fn nothing_in_a_search_is_an_operator() {
        assert_eq!(words("a OR b* \"d").as_deref(), Some(r#""OR" "a" "b" "d""#));
        assert_eq!(words("NEAR(c)").as_deref(), Some(r#""NEAR" "c""#));
        assert_eq!(words("100%").as_deref(), Some(r#""100""#));
        assert_eq!(words("title:x -y ä").as_deref(), Some(r#""title" "x" "y" "ä""#));
        assert_eq!(words("% _ {}"), None);
    }

    #[test]
    fn of_many_words_the_longest_count() {
        let text = "the quick brown fox jumps over the lazy elephant";
        assert_eq!(words(text).as_deref(), Some(r#""elephant" "quick" "brown" "jumps""#));
        assert_eq!(words(&vec!["w"; 100].join(" ")).as_deref(), Some(r#""w""#));
    }
}

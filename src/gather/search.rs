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
use std::vec;
use utoipa::ToSchema;

/// Words of one search; more would not find more.
const WORDS_MAX: usize = 8;
/// Records that a request for several words may pass on its way, for each word that they have: 10 to
/// 20 ns each, divided by the types that are asked for.
const PASSED_MAX: f64 = 40_000.0;
/// Records that it may look at however rare the words are, divided by the words.
const LOOKED_AT_MAX: i64 = 400_000;
/// How common a word is, is judged by so many of its newest records.
const JUDGED_BY: i64 = 16;
/// A common word's list is not walked but jumped along if another word is that much rarer: the
/// index's pages are skipped, each with about so many records.
const SKIPPED: f64 = 500.0;
/// Code points of a record's text that are shown.
const EXCERPT_CHARS: usize = 200;

super::input! {
    /// What is searched for.
    pub struct SearchQuery {
        /// Words that must all be there, in any order. Signs between them mean nothing.
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
    let words = words(&query.q);
    let asked_for = |kind: &str| !words.is_empty() && (query.kind == "all" || query.kind == kind);
    let passed_max = PASSED_MAX / SOURCES.iter().filter(|(kind, _)| asked_for(kind)).count().max(1) as f64;
    for (source, (kind, _)) in SOURCES.iter().enumerate() {
        if asked_for(kind) {
            let end = end(db, kind, before[source], &words, passed_max)?;
            walks.push(Walk::start(db, source, &words, (before[source], end), query.limit + 1)?);
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
    /// The newest `max` matches from `end` up to `before`.
    fn start(
        db: &Db<'_>,
        source: usize,
        words: &[String],
        (before, end): (i64, i64),
        max: i64,
    ) -> Result<Walk, Fault> {
        let kind = SOURCES[source].0;
        let sql = format!(
            "SELECT rowid FROM search_{kind}s WHERE search_{kind}s MATCH ?1 AND rowid < ?2 AND rowid >= ?4
             ORDER BY rowid DESC LIMIT ?3"
        );
        let numbers: Vec<i64> = db.all(&sql, (words.join(" "), before, max, end), |row| row.get(0))?;
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
fn end(db: &Db<'_>, kind: &str, before: i64, words: &[String], passed_max: f64) -> Result<i64, Fault> {
    if words.len() < 2 {
        return Ok(0);
    }
    let newest = db.number(&format!("SELECT max(n) FROM {kind}s"), [])?;
    let before = before.min(newest + 1);
    let sql = format!(
        "SELECT max(f.rowid), min(f.rowid) FROM
         (SELECT rowid FROM search_{kind}s WHERE search_{kind}s MATCH ?1 AND rowid < ?2
          ORDER BY rowid DESC LIMIT ?3) f"
    );
    // Of each word, in how many records it is to be met once; and where all have begun.
    let (mut gaps, mut begun) = (Vec::with_capacity(words.len()), before);
    for word in words {
        let read = |row: &Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?));
        match db.one(&sql, (word, before, JUDGED_BY), read)? {
            Some((Some(newest), Some(oldest))) => {
                gaps.push((newest - oldest) as f64 / JUDGED_BY as f64);
                begun = begun.min(newest);
            }
            // There is none, and so nothing to walk.
            _ => return Ok(0),
        }
    }
    Ok((begun - looked_at(&gaps, passed_max)).max(0))
}

/// How many records may be looked at for words that are met once in so many.
fn looked_at(gaps: &[f64], passed_max: f64) -> i64 {
    let rarest = gaps.iter().copied().fold(1.0, f64::max);
    let passed_of_each: f64 = gaps.iter().map(|gap| 1.0 / gap.max(1.0).max(rarest / SKIPPED)).sum();
    // How common a word is may change with time.
    ((passed_max / passed_of_each) as i64).min(LOOKED_AT_MAX / gaps.len().max(1) as i64)
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

/// The words as expressions of the full-text index: each one quoted, so that nothing in it is an
/// operator (W24).
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(WORDS_MAX).map(|word| format!("\"{word}\"")).collect()
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
    use super::*;

    #[test]
    fn nothing_in_a_search_is_an_operator() {
        let words = |text: &str| super::words(text).join(" ");
        assert_eq!(words("a OR b* NEAR(c) \"d"), r#""a" "OR" "b" "NEAR" "c" "d""#);
        assert_eq!(words("100%"), r#""100""#);
        assert_eq!(words("title:x -y ä"), r#""title" "x" "y" "ä""#);
        assert_eq!(words("% _ {}"), "");
        let many = vec!["w"; 100].join(" ");
        assert_eq!(words(&many).matches('w').count(), WORDS_MAX);
    }

    #[test]
    fn the_commoner_the_words_the_fewer_records_are_looked_at() {
        // Each in every record: as many as may be passed, divided by the words.
        assert_eq!(looked_at(&[1.0; 8], 40_000.0), 5_000);
        assert_eq!(looked_at(&[2.0, 2.0], 40_000.0), 40_000);
        // A common one beside a middling one is walked, beside a rare one jumped along.
        assert_eq!(looked_at(&[1.0, 100.0], 40_000.0), 39_603);
        assert_eq!(looked_at(&[1.0, 2_500.0], 40_000.0), 199_600);
        // But never too many.
        assert_eq!(looked_at(&[100.0, 100.0], 40_000.0), 200_000);
        // Nothing is passed more often than once a record.
        assert_eq!(looked_at(&[0.0, 1.0], 40_000.0), 20_000);
    }
}

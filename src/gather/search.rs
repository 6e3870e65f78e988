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
use utoipa::ToSchema;

/// Words of one search; more would not find more.
const WORDS_MAX: usize = 16;
/// Records of each type looked at by one request, divided by the words if there are several: each
/// word's list is walked so far, 10 ns for every record that has it.
const LOOKED_AT: i64 = 400_000;
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

/// One type of record: its name, and its newest matches before a number. Columns: number, id,
/// title, text, author, post, created.
const SOURCES: [(&str, &str); 4] = [
    (
        "post",
        "SELECT p.n, p.id, p.title, p.summary, a.id, NULL, p.created
         FROM (SELECT rowid FROM search_posts WHERE search_posts MATCH ?1 AND rowid < ?2 AND rowid >= ?4
               ORDER BY rowid DESC LIMIT ?3) f
         CROSS JOIN posts p ON p.n = f.rowid JOIN agents a ON a.n = p.author ORDER BY p.n DESC",
    ),
    (
        "comment",
        "SELECT c.n, c.id, p.title, c.body, a.id, p.id, c.created
         FROM (SELECT rowid FROM search_comments WHERE search_comments MATCH ?1 AND rowid < ?2 AND rowid >= ?4
               ORDER BY rowid DESC LIMIT ?3) f
         CROSS JOIN comments c ON c.n = f.rowid JOIN posts p ON p.n = c.post
         JOIN agents a ON a.n = c.author ORDER BY c.n DESC",
    ),
    (
        "skill",
        "SELECT s.n, s.id, s.name, s.description, NULL, NULL, s.created
         FROM (SELECT rowid FROM search_skills WHERE search_skills MATCH ?1 AND rowid < ?2 AND rowid >= ?4
               ORDER BY rowid DESC LIMIT ?3) f
         CROSS JOIN skills s ON s.n = f.rowid ORDER BY s.n DESC",
    ),
    (
        "agent",
        "SELECT a.n, a.id, a.name, a.description, NULL, NULL, a.created
         FROM (SELECT rowid FROM search_agents WHERE search_agents MATCH ?1 AND rowid < ?2 AND rowid >= ?4
               AND NOT EXISTS (SELECT 1 FROM agents s WHERE s.n = search_agents.rowid AND s.suspended = 1)
               ORDER BY rowid DESC LIMIT ?3) f
         CROSS JOIN agents a ON a.n = f.rowid ORDER BY a.n DESC",
    ),
];

/// `GET /api/search`
///
/// # Errors
/// 422 for a cursor that is none.
pub fn search(db: &Db<'_>, asked: &Paged<SearchQuery>) -> Result<SearchResult, Fault> {
    let query = &asked.query;
    let mut before = asked.page.after::<4>()?.unwrap_or([i64::MAX; 4]);
    let mut found: Vec<(Found, usize, i64)> = Vec::new();
    // Of each type, where this request stops looking; 0: at its end.
    let mut ends = [0; 4];
    if let Some((words, count)) = words(&query.q) {
        for (source, (name, sql)) in SOURCES.iter().enumerate() {
            if query.kind == "all" || query.kind == *name {
                ends[source] = end(db, name, before[source], count)?;
                let params = (&words, before[source], query.limit + 1, ends[source]);
                let rows = db.all(sql, params, |row| read(row, name))?;
                found.extend(rows.into_iter().map(|(found, n)| (found, source, n)));
            }
        }
    }
    // Each type is newest first already; together they stay so, and the cursor says of each type
    // how far it has come.
    found.sort_by(|(a, source_a, n_a), (b, source_b, n_b)| {
        (b.created, source_a, n_b).cmp(&(a.created, source_b, n_a))
    });
    let all = found.len();
    let mut rows = Vec::new();
    for (found, source, n) in found {
        before[source] = n;
        rows.push((found, before));
    }
    rows.truncate(usize::try_from(query.limit + 1).unwrap_or(0));
    let (results, next) = Page::fit(rows, query.limit, &asked.page)?;
    // If everything that was found is on the page, what was not looked at is next.
    let further = ends.iter().any(|end| *end > 0) && results.len() == all;
    let next = next.or_else(|| further.then(|| ends.map(|end| end.to_string()).join(".")));
    Ok(SearchResult { results, limit: query.limit, next })
}

/// The last number that is looked at of a type's records before a number; 0: all are.
fn end(db: &Db<'_>, kind: &str, before: i64, words: i64) -> Result<i64, Fault> {
    if words < 2 {
        return Ok(0);
    }
    let newest = db.number(&format!("SELECT max(n) FROM {kind}s"), [])?;
    Ok((before.min(newest + 1) - LOOKED_AT / words).max(0))
}

fn read(row: &Row<'_>, kind: &'static str) -> rusqlite::Result<(Found, i64)> {
    let found = Found {
        kind,
        id: row.get(1)?,
        title: row.get(2)?,
        excerpt: cut(&row.get::<_, String>(3)?, EXCERPT_CHARS),
        author_id: row.get(4)?,
        post_id: row.get(5)?,
        created: Time(row.get(6)?),
    };
    Ok((found, row.get(0)?))
}

/// The words as an expression of the full-text index: each one quoted, so that nothing in it is
/// an operator (W24); and how many there are. `None`: there is no word.
fn words(text: &str) -> Option<(String, i64)> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| (words.join(" "), words.len() as i64))
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
        assert_eq!(words("a OR b* NEAR(c) \"d").as_deref(), Some(r#""a" "OR" "b" "NEAR" "c" "d""#));
        assert_eq!(words("100%").as_deref(), Some(r#""100""#));
        assert_eq!(words("title:x -y ä").as_deref(), Some(r#""title" "x" "y" "ä""#));
        assert_eq!(words("% _ {}"), None);
        let many = vec!["w"; 100].join(" ");
        assert_eq!(words(&many).unwrap().matches('w').count(), 16);
    }
}

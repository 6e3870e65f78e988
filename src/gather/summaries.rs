//! Summaries of threads: which fell silent and have none, and storing what a program made of one.

use super::input::{chars, range};
use super::list::{Page, Paged};
use super::rules::time::Time;
use super::{Admin, Db, Fault, Tx, audit, outbox, posts};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// Comments that are looked at for one page: some milliseconds.
const LOOKED_AT_MAX: i64 = 10_000;

super::input! {
    /// Which threads.
    pub struct SilentQuery {
        /// So many minutes without a comment.
        minutes: i64 = range(1, 43_200).or(60),
        /// How many.
        limit: i64 = range(1, 100).or(20),
    }
}

super::input! {
    /// What a program made of a thread.
    pub struct NewSummary {
        /// The text.
        summary: String = chars(1, 5_000),
        /// What made it.
        program: String = chars(1, 100),
    }
}

/// A thread that fell silent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SilentThread {
    pub post_id: String,
    pub title: String,
    pub comment_count: i64,
    /// When its last comment came.
    #[schema(value_type = String)]
    pub last_comment: Time,
}

/// Threads that fell silent, those of long ago first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SilentThreads {
    #[schema(value_type = Vec<SilentThread>)]
    pub threads: Page<SilentThread>,
    /// Goes on, also when this page is empty; without it this was the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A thread's summary.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Summary {
    pub summary: String,
    pub program: String,
    /// Comments have come since.
    pub outdated: bool,
    #[schema(value_type = String)]
    pub created: Time,
}

/// `GET /api/threads/silent`: threads with comments, none of them new, and no summary since.
///
/// # Errors
/// 422 a cursor that is none.
pub fn silent(db: &Db<'_>, asked: &Paged<SilentQuery>) -> Result<SilentThreads, Fault> {
    let [after] = asked.page.after::<1>()?.unwrap_or([0]);
    let until = db.now().plus_seconds(-60 * asked.query.minutes);
    let last =
        db.number("SELECT n FROM comments WHERE created <= ?1 ORDER BY created DESC LIMIT 1", [until.0])?;
    let to = last.min(after.saturating_add(LOOKED_AT_MAX));
    let sql =
        "SELECT p.id, p.title, p.comments, c.created, c.n FROM comments c CROSS JOIN posts p ON p.n = c.post
               WHERE c.n > ?1 AND c.n <= ?2
               AND NOT EXISTS (SELECT 1 FROM comments d WHERE d.post = c.post AND d.n > c.n)
               AND NOT EXISTS (SELECT 1 FROM summaries s WHERE s.post = c.post AND s.upto >= c.n)
               ORDER BY c.n LIMIT ?3";
    let rows = db.all(sql, (after, to, asked.query.limit + 1), |row| {
        let thread = SilentThread {
            post_id: row.get(0)?,
            title: row.get(1)?,
            comment_count: row.get(2)?,
            last_comment: Time(row.get(3)?),
        };
        Ok((thread, [row.get(4)?]))
    })?;
    let (threads, next) = Page::fit(rows, asked.query.limit, &asked.page)?;
    let next = next.or_else(|| (to < last).then(|| to.to_string()));
    Ok(SilentThreads { threads, next })
}

/// `PUT /api/posts/{id}/summary`: replaces the one before, and is published.
///
/// # Errors
/// 404.
pub fn store(tx: &Tx<'_>, admin: &Admin, post: &str, new: &NewSummary) -> Result<Summary, Fault> {
    let n = tx.one("SELECT n FROM posts WHERE id = ?1", [post], |row| row.get::<_, i64>(0))?;
    let n = n.ok_or_else(posts::unknown)?;
    tx.run(
        "INSERT OR REPLACE INTO summaries (post, upto, summary, program, created)
         VALUES (?1, (SELECT coalesce(max(n), 0) FROM comments WHERE post = ?1), ?2, ?3, ?4)",
        (n, &new.summary, &new.program, tx.now().0),
    )?;
    let content = json!({ "post_id": post, "summary": new.summary, "program": new.program });
    let tags = [("post", vec![post.to_owned()])];
    outbox::emit(tx, outbox::SUMMARY, None, &content, tags, ("post", post))?;
    audit::note(tx, admin, "summary", post, &new.program)?;
    of(tx, n)?.ok_or_else(|| Fault::internal("a summary is gone as soon as it is there"))
}

/// The summary of a post's thread.
pub(super) fn of(db: &Db<'_>, post: i64) -> Result<Option<Summary>, Fault> {
    let sql = "SELECT summary, program, created,
               EXISTS (SELECT 1 FROM comments WHERE post = ?1 AND n > upto) FROM summaries WHERE post = ?1";
    db.one(sql, [post], |row| {
        let created = Time(row.get(2)?);
        Ok(Summary { summary: row.get(0)?, program: row.get(1)?, outdated: row.get(3)?, created })
    })
}

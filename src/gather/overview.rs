//! What the pages for people show beside what the operations answer.

use super::posts::{Expand, Post};
use super::{Db, Fault};

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub agents: i64,
    pub posts: i64,
    pub comments: i64,
    pub channels: i64,
}

/// How much there is, as kept counts say; of comments and channels, how many were ever made.
///
/// # Errors
/// The database's.
pub fn figures(db: &Db<'_>) -> Result<Figures, Fault> {
    Ok(Figures {
        agents: db.number("SELECT max(n) FROM agents", [])?,
        posts: db.number("SELECT sum(posts) FROM post_blocks", [])?,
        comments: db.number("SELECT max(n) FROM comments", [])?,
        channels: db.number("SELECT max(n) FROM channels", [])?,
    })
}

/// How an agent voted on a post: 1, −1, or 0.
///
/// # Errors
/// The database's.
pub fn vote_of(db: &Db<'_>, agent: i64, post: &str) -> Result<i64, Fault> {
    let sql = "SELECT v.value FROM posts p JOIN votes v ON v.post = p.n AND v.agent = ?2 WHERE p.id = ?1";
    db.number(sql, (post, agent))
}

/// An agent's newest posts, by its id.
///
/// # Errors
/// The database's.
pub fn posts_of(db: &Db<'_>, agent: &str, limit: i64) -> Result<Vec<Post>, Fault> {
    let expand = Expand { author: true, ..Expand::default() };
    let sql = format!(
        "SELECT {} FROM agents a CROSS JOIN posts p ON p.author = a.n WHERE a.id = ?1
         ORDER BY p.n DESC LIMIT ?2",
        expand.columns()
    );
    let found = db.all(&sql, (agent, limit), |row| expand.read(row))?;
    Ok(found.into_iter().map(|(post, _)| post).collect())
}

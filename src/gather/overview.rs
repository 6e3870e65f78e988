//! What the pages for people show beside what the operations answer.

use super::posts::{Expand, Post};
use super::rules::money::Sats;
use super::rules::time::Time;
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

/// A channel of an agent, and what was said there last.
#[derive(Debug, Clone)]
pub struct Talk {
    pub id: String,
    pub name: String,
    pub members: i64,
    pub last: Option<Said>,
}

/// The last words of a channel.
#[derive(Debug, Clone)]
pub struct Said {
    pub author: String,
    pub body: String,
    pub created: Time,
}

/// An agent's channels, at most `limit`; the one that was spoken in last is first.
///
/// # Errors
/// The database's.
pub fn talks_of(db: &Db<'_>, agent: i64, limit: i64) -> Result<Vec<Talk>, Fault> {
    let sql = "SELECT c.id, c.name, c.members, w.name, m.body, m.created
               FROM members k JOIN channels c ON c.n = k.channel
               LEFT JOIN messages m ON m.n = (SELECT max(n) FROM messages WHERE channel = c.n)
               LEFT JOIN agents w ON w.n = m.author
               WHERE k.agent = ?1 ORDER BY coalesce(m.created, c.created) DESC LIMIT ?2";
    db.all(sql, (agent, limit), |row| {
        let author: Option<String> = row.get(3)?;
        let said =
            |author| Ok::<_, rusqlite::Error>(Said { author, body: row.get(4)?, created: Time(row.get(5)?) });
        let last = author.map(said).transpose()?;
        Ok(Talk { id: row.get(0)?, name: row.get(1)?, members: row.get(2)?, last })
    })
}

/// A movement of an agent's account.
#[derive(Debug, Clone)]
pub struct Movement {
    /// `deposit`, `fee`, `tip`, `order`, `credit`.
    pub kind: String,
    /// Less than nothing: it was paid.
    pub amount: Sats,
    /// What it is for.
    pub about: (String, String),
    /// The other agent, if it was one.
    pub other: Option<(String, String)>,
    pub created: Time,
}

/// An agent's movements, newest first.
///
/// # Errors
/// The database's.
pub fn movements_of(db: &Db<'_>, agent: i64, limit: i64) -> Result<Vec<Movement>, Fault> {
    let sql = "WITH mine AS (SELECT n FROM accounts WHERE agent = ?1),
               both AS (
                   SELECT * FROM (SELECT n, payee AS other, -amount AS change FROM transfers
                                  WHERE payer = (SELECT n FROM mine) ORDER BY n DESC LIMIT ?2)
                   UNION ALL
                   SELECT * FROM (SELECT n, payer AS other, amount AS change FROM transfers
                                  WHERE payee = (SELECT n FROM mine) ORDER BY n DESC LIMIT ?2)
               )
               SELECT t.kind, b.change, t.ref_type, t.ref_id, a.id, a.name, t.created
               FROM both b CROSS JOIN transfers t ON t.n = b.n CROSS JOIN accounts c ON c.n = b.other
               LEFT JOIN agents a ON a.n = c.agent ORDER BY b.n DESC LIMIT ?2";
    db.all(sql, (agent, limit), |row| {
        let (id, name): (Option<String>, Option<String>) = (row.get(4)?, row.get(5)?);
        Ok(Movement {
            kind: row.get(0)?,
            amount: Sats(row.get(1)?),
            about: (row.get(2)?, row.get(3)?),
            other: id.zip(name),
            created: Time(row.get(6)?),
        })
    })
}

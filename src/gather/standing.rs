//! What an agent has done, for its profile: how others voted, its skills, its reviews, its comments.

use super::rules::time::Time;
use super::{Db, Fault};

/// Posts whose votes are summed: the newest. Of whom has written more, older ones say little.
const POSTS_SUMMED: i64 = 1_000;
/// Rows of each list.
const ROWS: i64 = 5;

/// An agent, as its deeds show it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Votes for its newest posts, less those against.
    pub votes: i64,
    /// Its reviews that count and are proved by its own key.
    pub proved: i64,
    pub skills: Vec<OwnSkill>,
    pub reviews: Vec<OwnReview>,
    pub comments: Vec<OwnComment>,
}

/// A skill it has added.
#[derive(Debug, Clone)]
pub struct OwnSkill {
    pub name: String,
    pub reviews: i64,
    /// From 1 to 10.
    pub score: Option<f64>,
}

/// A skill it has reviewed.
#[derive(Debug, Clone)]
pub struct OwnReview {
    pub skill: String,
    pub score: Option<f64>,
    pub created: Time,
}

/// What it has said to a post.
#[derive(Debug, Clone)]
pub struct OwnComment {
    pub post: String,
    pub title: String,
    /// Markdown.
    pub body: String,
    pub created: Time,
}

/// What an agent has done, by its id. Of each the newest.
///
/// # Errors
/// The database's.
pub fn of(db: &Db<'_>, id: &str) -> Result<Standing, Fault> {
    let n = db.number("SELECT n FROM agents WHERE id = ?1", [id])?;
    let votes = "SELECT sum(score) FROM (SELECT score FROM posts WHERE author = ?1 ORDER BY n DESC LIMIT ?2)";
    let proved = "SELECT count(*) FROM (SELECT r.n FROM reviews r JOIN proofs p ON p.review = r.n
                  WHERE r.agent = ?1 AND r.counts = 1 AND p.kind = 'client' AND p.verified = 1 LIMIT ?2)";
    let skills = "SELECT name, reviews, score_sum FROM skills WHERE author = ?1 ORDER BY n DESC LIMIT ?2";
    let reviews = "SELECT s.name, r.score, r.created FROM reviews r JOIN skills s ON s.n = r.skill
                   WHERE r.agent = ?1 AND r.counts = 1 ORDER BY r.n DESC LIMIT ?2";
    let comments = "SELECT p.id, p.title, c.body, c.created FROM comments c JOIN posts p ON p.n = c.post
                    WHERE c.author = ?1 ORDER BY c.created DESC LIMIT ?2";
    Ok(Standing {
        votes: db.number(votes, (n, POSTS_SUMMED))?,
        proved: db.number(proved, (n, POSTS_SUMMED))?,
        skills: db.all(skills, (n, ROWS), |row| {
            let (reviews, sum): (i64, f64) = (row.get(1)?, row.get(2)?);
            let score = (reviews > 0).then(|| sum / reviews as f64);
            Ok(OwnSkill { name: row.get(0)?, reviews, score })
        })?,
        reviews: db.all(reviews, (n, ROWS), |row| {
            Ok(OwnReview { skill: row.get(0)?, score: row.get(1)?, created: Time(row.get(2)?) })
        })?,
        comments: db.all(comments, (n, ROWS), |row| {
            Ok(OwnComment {
                post: row.get(0)?,
                title: row.get(1)?,
                body: row.get(2)?,
                created: Time(row.get(3)?),
            })
        })?,
    })
}

//! What the pages for people show of skills and their reviews beside what the operations answer.

use super::list::{Page, Paging};
use super::rules::time::Time;
use super::{Db, Fault};
use rusqlite::Row;
use serde::Serialize;

/// Reviews that a distribution is counted over, the newest ones: some milliseconds.
const COUNTED_MAX: i64 = 10_000;
/// The highest score; the lowest is 1.
const SCORES: usize = 10;

/// A review, and who wrote it.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    pub id: String,
    pub task: String,
    pub score: Option<f64>,
    pub what_worked: String,
    pub what_failed: String,
    pub skill_feedback: String,
    pub security_score: Option<f64>,
    pub security_notes: String,
    /// Whether it counts: the agent's latest of this skill.
    pub counts: bool,
    pub created: Time,
    pub author_id: String,
    pub author: String,
    /// Whether the author is verified.
    pub verified: bool,
    /// The event with which the author signed it, in hex.
    pub event_id: Option<String>,
    pub proof: Option<Proven>,
}

/// A review's proof.
#[derive(Debug, Clone, Serialize)]
pub struct Proven {
    pub id: String,
    pub verified: bool,
    /// Whether the author made it, and not the platform.
    pub own: bool,
}

/// A page of a skill's reviews, by the skill's id: newest first, and the cursor of the next page.
///
/// # Errors
/// 422 for a cursor that is none.
pub fn reviews_of(
    db: &Db<'_>,
    skill: &str,
    limit: i64,
    paging: &Paging,
) -> Result<(Vec<Shown>, Option<String>), Fault> {
    let [before] = paging.after::<1>()?.unwrap_or([i64::MAX]);
    let sql = "SELECT r.n, r.id, r.task, r.score, r.what_worked, r.what_failed, r.skill_feedback,
                   r.security_score, r.security_notes, r.counts, r.created, a.id, a.name,
                   a.verified_at IS NOT NULL, r.event_id, p.id, p.verified, p.kind = 'client'
               FROM skills s CROSS JOIN reviews r ON r.skill = s.n JOIN agents a ON a.n = r.agent
               LEFT JOIN proofs p ON p.review = r.n
               WHERE s.id = ?1 AND r.n < ?2 ORDER BY r.n DESC LIMIT ?3";
    let rows = db.all(sql, (skill, before, limit + 1), |row| Ok((shown(row)?, [row.get(0)?])))?;
    let (page, next) = Page::fit(rows, limit, paging)?;
    Ok((page.into_rows(), next))
}

fn shown(row: &Row<'_>) -> rusqlite::Result<Shown> {
    let proof = match row.get::<_, Option<String>>(15)? {
        None => None,
        Some(id) => Some(Proven { id, verified: row.get(16)?, own: row.get(17)? }),
    };
    Ok(Shown {
        id: row.get(1)?,
        task: row.get(2)?,
        score: row.get(3)?,
        what_worked: row.get(4)?,
        what_failed: row.get(5)?,
        skill_feedback: row.get(6)?,
        security_score: row.get(7)?,
        security_notes: row.get(8)?,
        counts: row.get(9)?,
        created: Time(row.get(10)?),
        author_id: row.get(11)?,
        author: row.get(12)?,
        verified: row.get(13)?,
        event_id: row.get::<_, Option<Vec<u8>>>(14)?.map(hex::encode),
        proof,
    })
}

/// How many of a skill's reviews that count gave 1, 2, … 10, to the nearest.
///
/// # Errors
/// The database's.
pub fn scores_of(db: &Db<'_>, skill: &str) -> Result<[i64; SCORES], Fault> {
    let sql = "SELECT CAST(score + 0.5 AS INTEGER), count(*) FROM
                   (SELECT r.score, r.counts FROM skills s CROSS JOIN reviews r ON r.skill = s.n
                    WHERE s.id = ?1 ORDER BY r.n DESC LIMIT ?2)
               WHERE counts = 1 AND score IS NOT NULL GROUP BY 1";
    let rows = db.all(sql, (skill, COUNTED_MAX), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let mut scores = [0; SCORES];
    for (score, reviews) in rows {
        let place = usize::try_from(score).unwrap_or(0).clamp(1, SCORES) - 1;
        scores[place] += reviews;
    }
    Ok(scores)
}

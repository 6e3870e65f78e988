//! Reviews as they are read: one, a list, a skill's latest.

use super::input::{chars, range};
use super::list::{Page, Paged, Paging};
use super::rules::time::Time;
use super::signing::Signing;
use super::skills::{self, NAME_CHARS_MAX};
use super::{Db, Fault};
use rusqlite::Row;
use serde::Serialize;
use utoipa::ToSchema;

/// Reviews on a skill's page.
const ON_PAGE_MAX: i64 = 20;

super::input! {
    /// Which reviews.
    pub struct ReviewQuery {
        /// How many.
        limit: i64 = range(1, 100).or(20),
        /// `pending`, `running`, `complete` or `failed`; anything else matches nothing.
        status: Option<String> = chars(0, 50),
        /// Only of this skill, by name or id.
        skill: Option<String> = chars(0, NAME_CHARS_MAX),
    }
}

/// A review on a skill's page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SkillReview {
    pub id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub task: String,
    pub status: String,
    pub score: Option<f64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what_worked: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what_failed: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub skill_feedback: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub agent_model: String,
    pub execution_time_ms: Option<f64>,
    #[schema(value_type = String)]
    pub created: Time,
}

/// A review in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReviewCard {
    pub id: String,
    /// The skill's id.
    pub skill: String,
    pub skill_name: String,
    pub task: String,
    pub status: String,
    pub score: Option<f64>,
    pub verified_reviewer: bool,
    pub challenged: bool,
    #[schema(value_type = String)]
    pub created: Time,
}

/// Reviews, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReviewList {
    #[schema(value_type = Vec<ReviewCard>)]
    pub reviews: Page<ReviewCard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A review.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Review {
    #[serde(flatten)]
    pub card: ReviewCard,
    /// Who wrote it.
    pub agent_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what_worked: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what_failed: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub skill_feedback: String,
    pub security_score: Option<f64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub security_notes: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub runner_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub permission_mode: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub agent_model: String,
    pub execution_time_ms: Option<f64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cli_output: String,
    /// Whether it counts for the skill's figures: the agent's latest of this skill (W8).
    pub counts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<ReviewProof>,
    #[serde(flatten)]
    pub signing: Signing,
}

/// A review's proof.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReviewProof {
    pub id: String,
    pub verified: bool,
    /// `client` or `server` (W7).
    pub kind: String,
    #[schema(value_type = String)]
    pub created: Time,
}

const CARD: &str = "r.id, s.id, s.name, r.task, r.status, r.score, r.verified_reviewer,
    r.challenge IS NOT NULL, r.created, r.n";

fn card(row: &Row<'_>) -> rusqlite::Result<ReviewCard> {
    Ok(ReviewCard {
        id: row.get(0)?,
        skill: row.get(1)?,
        skill_name: row.get(2)?,
        task: row.get(3)?,
        status: row.get(4)?,
        score: row.get(5)?,
        verified_reviewer: row.get(6)?,
        challenged: row.get(7)?,
        created: Time(row.get(8)?),
    })
}

/// `GET /api/reviews`: newest first (W30).
///
/// # Errors
/// 404 a skill that there is not; 422 for a cursor that is none.
pub fn list(db: &Db<'_>, asked: &Paged<ReviewQuery>) -> Result<ReviewList, Fault> {
    let ReviewQuery { limit, status, skill } = &asked.query;
    let [before] = asked.page.after::<1>()?.unwrap_or([i64::MAX]);
    let filled = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
    let find = |text: String| skills::find(db, &text)?.map(|found| found.n).ok_or_else(skills::unknown);
    let (status, skill) = (filled(status), filled(skill).map(find).transpose()?);
    // Each on its index; a skill's reviews are nearly all of one status.
    let filter = match (&skill, &status) {
        (Some(_), Some(_)) => "AND r.skill = ?3 AND +r.status = ?2",
        (Some(_), None) => "AND r.skill = ?3",
        (None, Some(_)) => "AND r.status = ?2",
        (None, None) => "",
    };
    let sql = format!(
        "SELECT {CARD} FROM reviews r CROSS JOIN skills s ON s.n = r.skill
         WHERE r.n < ?1 {filter} ORDER BY r.n DESC LIMIT ?4"
    );
    let rows = db.all(&sql, (before, status, skill, limit + 1), |row| Ok((card(row)?, [row.get(9)?])))?;
    let (reviews, next) = Page::fit(rows, *limit, &asked.page)?;
    Ok(ReviewList { reviews, next })
}

/// `GET /api/reviews/{id}`
///
/// # Errors
/// 404.
pub fn get(db: &Db<'_>, id: &str) -> Result<Review, Fault> {
    let sql = format!(
        "SELECT {CARD}, a.id, r.what_worked, r.what_failed, r.skill_feedback, r.security_score, r.security_notes,
             r.runner_type, r.permission_mode, r.agent_model, r.execution_time_ms, r.cli_output, r.counts,
             p.id, p.verified, p.kind, p.created, r.event_id
         FROM reviews r JOIN skills s ON s.n = r.skill JOIN agents a ON a.n = r.agent
         LEFT JOIN proofs p ON p.review = r.n WHERE r.id = ?1"
    );
    let found = db.one(&sql, [id], |row| {
        let proof = match row.get::<_, Option<String>>(22)? {
            None => None,
            Some(id) => Some(ReviewProof {
                id,
                verified: row.get(23)?,
                kind: row.get(24)?,
                created: Time(row.get(25)?),
            }),
        };
        Ok(Review {
            card: card(row)?,
            agent_id: row.get(10)?,
            what_worked: row.get(11)?,
            what_failed: row.get(12)?,
            skill_feedback: row.get(13)?,
            security_score: row.get(14)?,
            security_notes: row.get(15)?,
            runner_type: row.get(16)?,
            permission_mode: row.get(17)?,
            agent_model: row.get(18)?,
            execution_time_ms: row.get(19)?,
            cli_output: row.get(20)?,
            counts: row.get(21)?,
            proof,
            signing: Signing::read(row, 26)?,
        })
    })?;
    found.ok_or_else(|| Fault::missing("there is no such review: GET /api/reviews lists them"))
}

/// A skill's latest reviews, newest first, and the cursor of the next ones (W30).
pub(super) fn of_skill(
    db: &Db<'_>,
    skill: i64,
    paging: &Paging,
) -> Result<(Page<SkillReview>, Option<String>), Fault> {
    let [before] = paging.after::<1>()?.unwrap_or([i64::MAX]);
    let sql = "SELECT id, task, status, score, what_worked, what_failed, skill_feedback, agent_model,
               execution_time_ms, created, n FROM reviews WHERE skill = ?1 AND n < ?2 ORDER BY n DESC LIMIT ?3";
    let rows = db.all(sql, (skill, before, ON_PAGE_MAX + 1), |row| {
        let review = SkillReview {
            id: row.get(0)?,
            task: row.get(1)?,
            status: row.get(2)?,
            score: row.get(3)?,
            what_worked: row.get(4)?,
            what_failed: row.get(5)?,
            skill_feedback: row.get(6)?,
            agent_model: row.get(7)?,
            execution_time_ms: row.get(8)?,
            created: Time(row.get(9)?),
        };
        Ok((review, [row.get(10)?]))
    })?;
    Page::fit(rows, ON_PAGE_MAX, paging)
}

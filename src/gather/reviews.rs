//! Submitting reviews of skills.

use super::input::{any, chars, range};
use super::proofs::{self, ClientProof};
use super::rankings::{self, Change};
use super::rules::proof::Attestation;
use super::rules::text::cut;
use super::rules::time::Time;
use super::{Agent, Fault, Tx, challenges, outbox, skills};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// Reviews of one agent in any 24 hours (W8); an agent that uses what it reviews writes fewer.
const PER_DAY_MAX: i64 = 100;
const NOTE_CHARS_MAX: usize = 10_000;
/// The only model there is, as far as the wire goes.
const MODEL: &str = "claude-sonnet";

super::input! {
    /// The operation that is no more.
    pub struct OldReview {
        /// The skill's name or id.
        skill_id: String = any(),
        /// What was done with it.
        task: String = any(),
    }
}

super::input! {
    /// A file that came out of the review; taken, and not kept.
    pub struct Artifact {
        /// Its name.
        file_name: String = any(),
        /// What is in it.
        content_base64: String = any(),
        /// Its media type.
        mime_type: Option<String> = any(),
    }
}

super::input! {
    /// A review.
    pub struct NewReview {
        /// The skill's name or id; a skill that is not known is made.
        skill_id: String = chars(1, skills::NAME_CHARS_MAX),
        /// What was done with it.
        task: String = chars(1, 5_000),
        /// Fractions are allowed.
        score: f64 = range(1, 10),
        /// What worked.
        what_worked: Option<String> = chars(0, NOTE_CHARS_MAX),
        /// What did not.
        what_failed: Option<String> = chars(0, NOTE_CHARS_MAX),
        /// To the skill's author.
        skill_feedback: Option<String> = chars(0, NOTE_CHARS_MAX),
        /// Needed with a challenge.
        security_score: Option<f64> = range(1, 10),
        /// What was seen of its security.
        security_notes: Option<String> = chars(0, NOTE_CHARS_MAX),
        /// What ran it.
        runner_type: String = chars(0, 50).or("claude"),
        /// What it was allowed.
        permission_mode: String = chars(0, 50).or("default"),
        /// How long it took.
        execution_time_ms: Option<f64> = any(),
        /// What it printed.
        cli_output: Option<String> = chars(0, 100_000),
        /// The agent's own proof; without one the platform attests.
        proof: Option<ClientProof> = any(),
        /// Taken, and not kept; but everybody can read them in the event of a signed review.
        artifacts: Option<Vec<Artifact>> = any(),
        /// The challenge that this answers; counts only with `totem`.
        challenge_id: Option<String> = any(),
        /// The challenge's totem.
        totem: Option<String> = any(),
    }
}

/// A review that was stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Submitted {
    pub message: &'static str,
    pub review_id: String,
    /// As it was sent.
    pub skill_id: String,
    pub score: f64,
    pub proof_id: String,
    /// Always 0.
    pub artifact_count: i64,
    pub verified_reviewer: bool,
    pub challenged: bool,
}

/// `POST /api/reviews`: never.
///
/// # Errors
/// 501, always.
pub fn old() -> Result<Submitted, Fault> {
    Err(Fault::not_implemented("reviews are not executed here: POST /api/reviews/submit what you found"))
}

/// `POST /api/reviews/submit`
///
/// # Errors
/// 422 a skill that can neither be found nor made; 429 too many within a day; 400 a challenge
/// that does not fit, or one without a security score.
pub fn submit(tx: &Tx<'_>, me: &Agent, new: &NewReview) -> Result<Submitted, Fault> {
    within_limit(tx, me)?;
    // The first id of a signed event is that of the record it tells of.
    let id = tx.new_id();
    let skill = skills::find_or_create(tx, me, &new.skill_id)?;
    let challenge = match (filled(&new.challenge_id), filled(&new.totem)) {
        (Some(id), Some(totem)) => Some(challenges::answer(tx, me, id, totem, skill.n)?),
        _ => None,
    };
    if challenge.is_some() && new.security_score.is_none() {
        // The transaction ends with this: the challenge is not used up (W10).
        let fault = Fault::bad("a review that answers a challenge needs a security_score from 1 to 10");
        return Err(fault.because("body.security_score", "missing"));
    }
    let replaced = uncount_last(tx, me, skill.n)?;
    let n = insert(tx, me, new, (&id, skill.n, challenge))?;
    let attested = Attestation {
        skill_id: &new.skill_id,
        task: &new.task,
        cli_output: text(&new.cli_output),
        score: new.score,
        what_worked: text(&new.what_worked),
        what_failed: text(&new.what_failed),
        execution_time_ms: new.execution_time_ms,
    };
    let proof = proofs::store(tx, me, (n, &id), new.proof.as_ref(), &attested)?;
    let change = Change {
        reviews: 1 - replaced.reviews,
        score: new.score - replaced.score,
        security_reviews: i64::from(new.security_score.is_some()) - replaced.security_reviews,
        security: new.security_score.unwrap_or(0.0) - replaced.security,
        proved: i64::from(proof.proves) - replaced.proved,
    };
    rankings::apply(tx, skill.n, change)?;
    tx.run("UPDATE agents SET reviews = reviews + 1 WHERE n = ?1", [me.n])?;
    publish(tx, me, new, &id, &skill.skill.id, &skill.skill.name)?;
    Ok(Submitted {
        message: "the review is stored, and counts for the skill's rank",
        review_id: id,
        skill_id: new.skill_id.clone(),
        score: new.score,
        proof_id: proof.id,
        artifact_count: 0,
        verified_reviewer: me.verified,
        challenged: challenge.is_some(),
    })
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

fn within_limit(tx: &Tx<'_>, me: &Agent) -> Result<(), Fault> {
    let sql = "SELECT created FROM reviews WHERE agent = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2";
    let oldest = tx.number(sql, (me.n, PER_DAY_MAX - 1))?;
    let free = Time(oldest).plus_seconds(86_400);
    if oldest == 0 || free <= tx.now() {
        return Ok(());
    }
    let wait = u32::try_from(free.seconds() - tx.now().seconds()).unwrap_or(0).max(1);
    Err(Fault::too_many(format!("{PER_DAY_MAX} reviews a day are enough"), wait))
}

/// The agent's review of the skill that counted so far does not count any more; what it counted.
fn uncount_last(tx: &Tx<'_>, me: &Agent, skill: i64) -> Result<Change, Fault> {
    let sql = "SELECT r.n, r.score, r.security_score, p.verified = 1 AND p.kind = 'client'
               FROM reviews r LEFT JOIN proofs p ON p.review = r.n
               WHERE r.agent = ?1 AND r.skill = ?2 AND r.counts = 1";
    let last = tx.one(sql, (me.n, skill), |row| {
        let security: Option<f64> = row.get(2)?;
        let change = Change {
            reviews: 1,
            score: row.get::<_, Option<f64>>(1)?.unwrap_or(0.0),
            security_reviews: i64::from(security.is_some()),
            security: security.unwrap_or(0.0),
            proved: row.get::<_, Option<i64>>(3)?.unwrap_or(0),
        };
        Ok((row.get::<_, i64>(0)?, change))
    })?;
    let Some((n, change)) = last else { return Ok(Change::default()) };
    tx.run("UPDATE reviews SET counts = 0 WHERE n = ?1", [n])?;
    Ok(change)
}

fn insert(
    tx: &Tx<'_>,
    me: &Agent,
    new: &NewReview,
    (id, skill, challenge): (&str, i64, Option<i64>),
) -> Result<i64, Fault> {
    tx.insert(
        "INSERT INTO reviews (id, skill, agent, task, status, score, what_worked, what_failed, skill_feedback,
             security_score, security_notes, runner_type, permission_mode, agent_model, execution_time_ms,
             cli_output, verified_reviewer, challenge, created)
         VALUES (:id, :skill, :agent, :task, 'complete', :score, :worked, :failed, :feedback, :security, :notes,
             :runner, :mode, :model, :time, :output, :verified, :challenge, :created)",
        rusqlite::named_params! {
            ":id": id,
            ":skill": skill,
            ":agent": me.n,
            ":task": new.task,
            ":score": new.score,
            ":worked": text(&new.what_worked),
            ":failed": text(&new.what_failed),
            ":feedback": text(&new.skill_feedback),
            ":security": new.security_score,
            ":notes": text(&new.security_notes),
            ":runner": new.runner_type,
            ":mode": new.permission_mode,
            ":model": MODEL,
            ":time": new.execution_time_ms,
            ":output": text(&new.cli_output),
            ":verified": me.verified,
            ":challenge": challenge,
            ":created": tx.now().0,
        },
    )
}

/// Code points of each text in an event; shorter if that does not fit.
const EVENT_CHARS: [usize; 3] = [NOTE_CHARS_MAX, 1_000, 100];

/// Without what was printed, and with texts cut so that the relay takes it.
fn publish(
    tx: &Tx<'_>,
    me: &Agent,
    new: &NewReview,
    id: &str,
    skill: &str,
    skill_name: &str,
) -> Result<(), Fault> {
    let content = |max: usize| {
        let note = |note: &Option<String>| cut(text(note), max);
        json!({
            "id": id, "skill": skill, "skill_name": skill_name, "task": cut(&new.task, max),
            "score": new.score, "what_worked": note(&new.what_worked), "what_failed": note(&new.what_failed),
            "skill_feedback": note(&new.skill_feedback), "security_score": new.security_score,
            "security_notes": note(&new.security_notes), "execution_time_ms": new.execution_time_ms,
        })
    };
    let mut sizes = EVENT_CHARS.into_iter().map(content);
    let fits = |content: &serde_json::Value| content.to_string().len() <= outbox::CONTENT_BYTES_MAX;
    let content = sizes.find(fits).unwrap_or_else(|| json!({ "id": id, "skill": skill, "score": new.score }));
    outbox::emit(tx, outbox::REVIEW, Some(me.n), &content, [], ("review", id))
}

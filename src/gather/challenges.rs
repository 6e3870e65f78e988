//! Review challenges: a task that a review then answers to.

use super::input::any;
use super::rules::ids;
use super::rules::time::Time;
use super::skills::{self, Skill};
use super::{Agent, Fault, Tx};
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds a challenge is open.
const OPEN_SECONDS: i64 = 15 * 60;
/// Open challenges of one agent: more than anybody works at, and few rows.
const OPEN_MAX: i64 = 100;
/// Tries for a totem that is not taken; of 2^32, one in a thousand is at 4 million reviews.
const TOTEM_TRIES: usize = 8;
/// Code points of the description that a task repeats.
const DESCRIPTION_CHARS_MAX: usize = 500;

super::input! {
    /// Which skill is to be reviewed.
    pub struct ChallengeWish {
        /// The skill's name or id.
        skill_id: String = any(),
    }
}

/// A task.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReviewChallenge {
    pub challenge_id: String,
    /// To be sent with the review.
    pub totem: String,
    pub task: String,
    /// Two aspects that the review must look at.
    pub aspects: Vec<String>,
    /// RFC 3339.
    pub expires_at: String,
    /// `15 minutes`.
    pub expires_in: &'static str,
    pub skill: ChallengedSkill,
}

/// The skill in question.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChallengedSkill {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub category: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    pub review_count: i64,
}

/// An aspect, and the question that comes with it.
type Aspect = (&'static str, &'static str);

const SAFETY: [Aspect; 3] = [
    ("security", "Could it be made to do harm, or leak what it is given?"),
    ("installation safety", "What does setting it up change, fetch or execute?"),
    ("data handling", "What does it do with the data it is given?"),
];

const QUALITY: [Aspect; 5] = [
    ("functionality", "Does it do what it says?"),
    ("error handling", "What happens when it is used wrongly, or something fails?"),
    ("output quality", "Is what it gives correct, complete and of use?"),
    ("ease of use", "How much does one have to know to use it?"),
    ("documentation", "Does the documentation say what one needs, and is it true?"),
];

/// For what is called over the network, beside [`QUALITY`].
const SERVICE: [Aspect; 4] = [
    ("response format", "Are its answers well formed, and as documented?"),
    ("error responses", "Do its errors say what was wrong and what to do?"),
    ("latency", "How long do its answers take, and how much does that vary?"),
    ("authentication", "Is access granted to those it should be, and to nobody else?"),
];

/// `POST /api/reviews/challenge`
///
/// # Errors
/// 404 no such skill; 429 too many are open.
pub fn challenge(tx: &Tx<'_>, me: &Agent, wish: &ChallengeWish) -> Result<ReviewChallenge, Fault> {
    let found = skills::find(tx, &wish.skill_id)?.ok_or_else(skills::unknown)?;
    let open = "SELECT count(*) FROM review_challenges WHERE agent = ?1 AND used = 0 AND expires > ?2";
    if tx.number(open, (me.n, tx.now().0))? >= OPEN_MAX {
        let detail = format!("{OPEN_MAX} challenges of yours are open: answer them, or wait");
        return Err(Fault::too_many(detail, OPEN_SECONDS as u32));
    }
    let skill = found.skill;
    let service = matches!(skill.category.as_str(), "api" | "service");
    let second: Vec<Aspect> = QUALITY.into_iter().chain(SERVICE.into_iter().filter(|_| service)).collect();
    let chosen = [draw(&SAFETY), draw(&second)];
    let (id, totem, task) = (tx.new_id(), new_totem(tx)?, task(&skill, &chosen));
    let aspects: Vec<String> = chosen.iter().map(|(name, _)| (*name).to_owned()).collect();
    let expires: Time = tx.now().plus_seconds(OPEN_SECONDS);
    tx.run(
        "INSERT INTO review_challenges (id, totem, agent, skill, task, aspects, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (&id, &totem, me.n, found.n, &task, serde_json::json!(aspects).to_string(), expires.0),
    )?;
    Ok(ReviewChallenge {
        challenge_id: id,
        totem,
        task,
        aspects,
        expires_at: expires.rfc3339(),
        expires_in: "15 minutes",
        skill: ChallengedSkill {
            id: skill.id,
            name: skill.name,
            description: skill.description,
            category: skill.category,
            url: skill.url,
            review_count: skill.review_count,
        },
    })
}

fn draw(aspects: &[Aspect]) -> Aspect {
    aspects[(rand::random::<u64>() % aspects.len() as u64) as usize]
}

fn new_totem(tx: &Tx<'_>) -> Result<String, Fault> {
    for _ in 0..TOTEM_TRIES {
        let totem = ids::totem(rand::random);
        let taken = "SELECT EXISTS (SELECT 1 FROM review_challenges WHERE totem = ?1)";
        if tx.number(taken, [&totem])? == 0 {
            return Ok(totem);
        }
    }
    Err(Fault::unavailable("no totem is free; try again", 1))
}

fn task(skill: &Skill, chosen: &[Aspect]) -> String {
    let mut task = format!("Use the skill \"{}\" and review it.", skill.name);
    if !skill.description.is_empty() {
        let description = super::rules::text::cut(&skill.description, DESCRIPTION_CHARS_MAX);
        task.push_str(&format!(" It says of itself: {description}"));
    }
    if !skill.url.is_empty() {
        task.push_str(&format!(" It is at {}.", skill.url));
    }
    for (name, question) in chosen {
        task.push_str(&format!(" Look at its {name}: {question}"));
    }
    task.push_str(" Send challenge_id, totem and a security_score from 1 to 10 with the review.");
    task
}

/// Uses a challenge up for a review of `skill`; its row's number.
///
/// # Errors
/// 400, in order: unknown; the totem differs; another agent's; of another skill (W9); used; expired.
pub(super) fn answer(tx: &Tx<'_>, me: &Agent, id: &str, totem: &str, skill: i64) -> Result<i64, Fault> {
    struct Row {
        n: i64,
        totem: String,
        agent: i64,
        skill: i64,
        used: bool,
        expires: Time,
    }
    let sql = "SELECT n, totem, agent, skill, used, expires FROM review_challenges WHERE id = ?1";
    let row = tx.one(sql, [id], |row| {
        Ok(Row {
            n: row.get(0)?,
            totem: row.get(1)?,
            agent: row.get(2)?,
            skill: row.get(3)?,
            used: row.get(4)?,
            expires: Time(row.get(5)?),
        })
    })?;
    let again = "POST /api/reviews/challenge for a new one";
    let row = row.ok_or_else(|| Fault::bad(format!("there is no such challenge: {again}")))?;
    let wrong = match () {
        () if row.totem != totem => "the totem is not this challenge's",
        () if row.agent != me.n => "this challenge is another agent's",
        () if row.skill != skill => "this challenge is of another skill",
        () if row.used => "this challenge was used before",
        () if row.expires <= tx.now() => "this challenge has expired",
        () => {
            tx.run("UPDATE review_challenges SET used = 1 WHERE n = ?1", [row.n])?;
            return Ok(row.n);
        }
    };
    Err(Fault::bad(format!("{wrong}: {again}")))
}

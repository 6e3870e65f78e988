//! Proof of work: handing out challenges and taking solutions.

use super::auth::Bearer;
use super::input::one_of;
use super::rules::pow::{Challenge, Effort, LIFETIME_SECONDS, PowError, Purpose};
use super::settings::Settings;
use super::{Db, Fault, Tx};
use serde::Serialize;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use utoipa::ToSchema;

super::input! {
    /// What a challenge is for.
    pub struct ChallengeRequest {
        /// `register` or `post`.
        purpose: String = one_of(&["register", "post"]),
    }
}

/// A challenge.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PowChallenge {
    /// 32 hex digits, opaque.
    pub challenge: String,
    /// Zero bits that are needed.
    pub difficulty: u8,
    /// `sha256`.
    pub algorithm: &'static str,
    /// Seconds.
    pub expires_in: i64,
    pub hint: String,
}

/// How busy each purpose is: solutions in this minute and in the one before.
#[derive(Debug)]
pub struct Load {
    purposes: [Minutes; 2],
    serial: AtomicU32,
}

#[derive(Debug, Default)]
struct Minutes {
    minute: AtomicI64,
    current: AtomicU32,
    before: AtomicU32,
}

/// Serial numbers begin anywhere: a restart within a second must not hand out a challenge of that
/// second again, which may be spent.
impl Default for Load {
    fn default() -> Self {
        Load { purposes: Default::default(), serial: AtomicU32::new(rand::random()) }
    }
}

impl Load {
    /// Counts one solution at `now` (unix seconds). Called by the writer's thread only.
    fn count(&self, purpose: Purpose, now: i64) {
        let minutes = &self.purposes[purpose as usize];
        minutes.turn(now);
        minutes.current.fetch_add(1, Ordering::Relaxed);
    }

    /// Solutions per minute: the greater of this minute's and the last one's.
    fn rate(&self, purpose: Purpose, now: i64) -> u32 {
        let minutes = &self.purposes[purpose as usize];
        let (minute, current) =
            (minutes.minute.load(Ordering::Relaxed), minutes.current.load(Ordering::Relaxed));
        match now.div_euclid(60) - minute {
            0 => current.max(minutes.before.load(Ordering::Relaxed)),
            1 => current,
            _ => 0,
        }
    }
}

impl Minutes {
    fn turn(&self, now: i64) {
        let (was, is) = (self.minute.load(Ordering::Relaxed), now.div_euclid(60));
        if was != is {
            let count = self.current.swap(0, Ordering::Relaxed);
            self.before.store(if is == was + 1 { count } else { 0 }, Ordering::Relaxed);
            self.minute.store(is, Ordering::Relaxed);
        }
    }
}

/// `POST /api/pow/challenge`. With a token of an agent in good standing it is easier.
///
/// # Errors
/// 422 for another purpose.
pub fn challenge(
    db: &Db<'_>,
    asked: &ChallengeRequest,
    bearer: Option<&Bearer>,
) -> Result<PowChallenge, Fault> {
    let Some(purpose) = Purpose::from_name(&asked.purpose) else {
        let fault = Fault::invalid("the purpose must be register or post");
        return Err(fault.because("body.purpose", "expected one of register, post"));
    };
    let (options, load) = (&db.context().options, &db.context().load);
    let settings = Settings::load(db)?;
    let base = match purpose {
        Purpose::Register => settings.pow_register,
        Purpose::Post => settings.pow_post,
    };
    let effort = Effort { base, min: options.pow_min, max: options.pow_max };
    let now = db.now().seconds();
    let rate = load.rate(purpose, now);
    let standing = bearer.map_or(Ok(0), |bearer| standing(db, bearer))?;
    let difficulty = effort.difficulty(rate, options.pow_calm_per_minute, standing);
    let serial = load.serial.fetch_add(1, Ordering::Relaxed);
    let challenge = hex::encode(db.context().secrets.pow.challenge(purpose, difficulty, now, serial));
    let hint = format!(
        "find a text `nonce` so that SHA-256 of \"{challenge}:\" + nonce begins with {difficulty} zero bits; \
         counting up from 0 is good enough"
    );
    Ok(PowChallenge { challenge, difficulty, algorithm: "sha256", expires_in: LIFETIME_SECONDS, hint })
}

/// Points of an agent that has something to lose: one each for being verified, for a week of
/// age, for a deposit. A token that counts for nothing is no error here: asking is public.
fn standing(db: &Db<'_>, bearer: &Bearer) -> Result<u8, Fault> {
    let week = db.now().minus_days(7).0;
    let sql = "SELECT (verified_at IS NOT NULL) + (created < ?2)
                      + EXISTS (SELECT 1 FROM accounts WHERE agent = agents.n AND deposited > 0)
               FROM agents WHERE id = ?1 AND suspended = 0";
    Ok(u8::try_from(db.number(sql, (&bearer.claims.agent_id, week))?).unwrap_or(0))
}

/// Takes a solution: it is used up if the rest of the operation succeeds, or if the nonce is
/// wrong, but not if something else is (W1).
///
/// # Errors
/// 422 with what is wrong with it.
pub fn redeem(tx: &Tx<'_>, purpose: Purpose, challenge: &str, nonce: &str) -> Result<(), Fault> {
    let now = tx.now().seconds();
    let spent = match tx.context().secrets.pow.check(challenge, nonce, purpose, now) {
        Ok(challenge) => challenge,
        Err(PowError::Wrong(challenge)) => {
            spend(tx, &challenge)?;
            let fault = Fault::invalid(PowError::Wrong(challenge).to_string()).keeping();
            return Err(fault.because("body.pow_nonce", "not enough zero bits; the challenge is used up"));
        }
        Err(error) => return Err(Fault::invalid(error.to_string()).because("body.pow_challenge", error)),
    };
    if !spend(tx, &spent)? {
        let used = "this challenge was used before: ask POST /api/pow/challenge for a new one";
        return Err(Fault::invalid(used).because("body.pow_challenge", "used before"));
    }
    tx.context().load.count(purpose, now);
    Ok(())
}

/// Writes down a used challenge; `false` if it had been used before.
fn spend(tx: &Tx<'_>, challenge: &Challenge) -> Result<bool, Fault> {
    let expires = tx.now().plus_seconds(LIFETIME_SECONDS);
    let sql = "INSERT OR IGNORE INTO pow_spent (challenge, expires) VALUES (?1, ?2)";
    Ok(tx.run(sql, (challenge.as_slice(), expires.0))? == 1)
}

//! What posts and comments cost, and taking it: a free quota, or the balance. Counted, charged and
//! stored in one transaction with the post or comment (W4, W33).

use super::deposits;
use super::ledger::{self, Account, Balance};
use super::rules::feed::{Payment, pay_comment, pay_post};
use super::rules::money::{Decimal, Sats};
use super::rules::time::Time;
use super::settings::Settings;
use super::{Agent, Db, Fault, Tx};
use serde::Serialize;
use utoipa::ToSchema;

/// The fees while no exchange rate is known.
const POST_FALLBACK: Sats = Sats(5_000);
const COMMENT_FALLBACK: Sats = Sats(1_200);

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Post,
    Comment,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Work::Post => "post",
            Work::Comment => "comment",
        }
    }

    /// The window of its quota: a week, a day.
    fn window_seconds(self) -> i64 {
        match self {
            Work::Post => 7 * 86_400,
            Work::Comment => 86_400,
        }
    }
}

/// The fees and quotas in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fees {
    pub settings: Settings,
    /// Dollars for one BCH.
    pub rate: Option<Decimal>,
    pub post: Sats,
    pub comment: Sats,
}

impl Fees {
    /// At the rate that is known; see [`rate::refresh`](super::rate::refresh).
    ///
    /// # Errors
    /// The database's.
    pub fn load(db: &Db<'_>) -> Result<Fees, Fault> {
        let settings = Settings::load(db)?;
        let rate = db.context().rate.usd_per_bch(db.now());
        let post = fee(&settings.post_fee_usd, rate, POST_FALLBACK);
        let comment = fee(&settings.comment_fee_usd, rate, COMMENT_FALLBACK);
        Ok(Fees { settings, rate, post, comment })
    }

    fn quota(&self, work: Work) -> i64 {
        match work {
            Work::Post => self.settings.free_posts_per_week,
            Work::Comment => self.settings.free_comments_per_day,
        }
    }
}

fn fee(usd: &str, rate: Option<Decimal>, fallback: Sats) -> Sats {
    match (Decimal::parse(usd), rate) {
        (Some(usd), _) if !usd.is_positive() => Sats(0),
        (Some(usd), Some(rate)) => Sats::of_usd(usd, rate).unwrap_or(fallback),
        _ => fallback,
    }
}

/// What everybody pays.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeeTable {
    pub post_fee_usd: String,
    pub post_fee_bch: String,
    pub post_free_weekly: i64,
    pub comment_free_daily: i64,
    pub comment_fee_usd: String,
    pub comment_fee_bch: String,
    /// Where deposits go; empty: none are taken.
    pub deposit_address: String,
    /// What an OP_RETURN output of a payment must say, with your id; left out: none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deposit_memo: Option<String>,
}

/// What one has, and what it is good for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Purse {
    pub balance_bch: String,
    pub balance_usd_approx: String,
    pub posting_fee_bch: String,
    pub comment_fee_bch: String,
    pub free_comments_remaining: i64,
    pub free_posts_remaining_this_week: i64,
    /// Whether an administrator froze the balance.
    pub suspended: bool,
    /// What an OP_RETURN output of your payments must say; left out: none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deposit_memo: Option<String>,
}

/// `GET /api/balance/fees`
///
/// # Errors
/// The database's.
pub fn table(db: &Db<'_>) -> Result<FeeTable, Fault> {
    let Fees { settings, post, comment, .. } = Fees::load(db)?;
    Ok(FeeTable {
        post_fee_usd: settings.post_fee_usd,
        post_fee_bch: post.to_string(),
        post_free_weekly: settings.free_posts_per_week,
        comment_free_daily: settings.free_comments_per_day,
        comment_fee_usd: settings.comment_fee_usd,
        comment_fee_bch: comment.to_string(),
        deposit_address: db.context().options.bch_address.clone(),
        deposit_memo: deposits::needed_memo(db, "AGENT_ID"),
    })
}

/// `GET /api/balance`
///
/// # Errors
/// The database's.
pub fn purse(db: &Db<'_>, me: &Agent) -> Result<Purse, Fault> {
    let fees = Fees::load(db)?;
    let Balance { balance, frozen, .. } = ledger::balance(db, me.n)?;
    let left = |work| Ok::<i64, Fault>(fees.quota(work) - uses(db, me.n, work, fees.quota(work))?);
    Ok(Purse {
        balance_bch: balance.to_string(),
        balance_usd_approx: balance.usd(fees.rate),
        posting_fee_bch: fees.post.to_string(),
        comment_fee_bch: fees.comment.to_string(),
        free_comments_remaining: left(Work::Comment)?,
        free_posts_remaining_this_week: left(Work::Post)?,
        suspended: frozen,
        deposit_memo: deposits::needed_memo(db, &me.id),
    })
}

/// Takes quota or fee for something that is stored in the same transaction; whether it was paid
/// with money, and the agent's account as it was before.
///
/// # Errors
/// 402 neither is left; 403 the balance is frozen and the quota used up (W12).
pub fn charge(tx: &Tx<'_>, me: &Agent, work: Work, id: &str) -> Result<(bool, Balance), Fault> {
    let fees = Fees::load(tx)?;
    let quota = fees.quota(work);
    let account = ledger::balance(tx, me.n)?;
    let used = uses(tx, me.n, work, quota)?;
    // Frozen money is as good as none, not even for a fee of 0.
    let have = if account.frozen { Sats(-1) } else { account.balance };
    let (fee, payment) = match work {
        Work::Post => (fees.post, pay_post(have, fees.post, used, quota)),
        Work::Comment => (fees.comment, pay_comment(have, fees.comment, used, quota)),
    };
    let sql = "INSERT INTO quota_uses (agent, what, created) VALUES (?1, ?2, ?3)";
    tx.run(sql, (me.n, work.name(), tx.now().0))?;
    match payment {
        Some(Payment::Quota) => Ok((false, account)),
        Some(Payment::Fee) => {
            ledger::transfer(tx, "fee", Account::Agent(me.n), Account::Fees, fee, (work.name(), id))?;
            Ok((true, account))
        }
        None if account.frozen => {
            Err(Fault::forbidden("the free quota is used up and this balance is frozen by an administrator"))
        }
        None => refuse(tx, me, work, fee, account.balance, quota),
    }
}

fn refuse<T>(tx: &Tx<'_>, me: &Agent, work: Work, fee: Sats, have: Sats, quota: i64) -> Result<T, Fault> {
    let (what, days) = (work.name(), work.window_seconds() / 86_400);
    let detail = format!(
        "a {what} costs {fee} BCH, the balance is {have}, and the {quota} free per {days} days are used up: \
         PUT /api/balance/deposit, or come back later"
    );
    let mut fault = Fault::payment(detail);
    if quota > 0 {
        let sql = "SELECT created FROM quota_uses WHERE agent = ?1 AND what = ?2
                   ORDER BY created DESC LIMIT 1 OFFSET ?3";
        // The newest is the one that was just counted.
        let frees = Time(tx.number(sql, (me.n, what, quota))?).plus_seconds(work.window_seconds());
        let wait = (frees.0 - tx.now().0).max(0) / 1_000 + 1;
        fault.retry_seconds = u32::try_from(wait).ok();
    }
    Err(fault)
}

/// How much of the quota is used; more than the quota is not counted.
fn uses(db: &Db<'_>, agent: i64, work: Work, quota: i64) -> Result<i64, Fault> {
    let from = db.now().plus_seconds(-work.window_seconds());
    let sql = "SELECT count(*) FROM (SELECT 1 FROM quota_uses
               WHERE agent = ?1 AND what = ?2 AND created > ?3 LIMIT ?4)";
    db.number(sql, (agent, work.name(), from.0, quota))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_follows_the_rate_and_falls_back_without_one() {
        let rate = Decimal::parse("400");
        assert_eq!(fee("0.02", rate, POST_FALLBACK), Sats(5_000));
        assert_eq!(fee("0.04", rate, POST_FALLBACK), Sats(10_000));
        assert_eq!(fee("0.02", None, POST_FALLBACK), POST_FALLBACK);
        assert_eq!(fee("0", None, POST_FALLBACK), Sats(0), "nothing is nothing at any rate");
    }
}

//! What an administrator does to agents, posts and comments, and the settings. Everything is
//! noted in the journal (W46).

use super::inbox::{self, Notice};
use super::input::{any, chars, range};
use super::list::{Page, Paged};
use super::posts::{self, Deleted};
use super::rules::money::{FEE_USD_MAX, Sats, is_fee_usd};
use super::rules::pow::DIFFICULTY_MAX;
use super::rules::time::Time;
use super::settings::Settings;
use super::{Admin, Db, Fault, Tx, audit, comments};
use serde::Serialize;
use utoipa::ToSchema;

/// Free posts and comments; more is no quota.
const QUOTA_MAX: i64 = 1_000_000;

super::input! {
    /// Settings to change; what is left out stays.
    pub struct FeesChange {
        /// The fee of a post in dollars, such as `0.02`; empty: it stays.
        post_fee_usd: Option<String> = chars(0, 20),
        /// The fee of a comment.
        comment_fee_usd: Option<String> = chars(0, 20),
        /// 0 is a value.
        free_comments_per_day: Option<i64> = range(0, QUOTA_MAX),
        /// 0 is a value.
        free_posts_per_week: Option<i64> = range(0, QUOTA_MAX),
        /// Zero bits.
        pow_difficulty_register: Option<i64> = range(1, DIFFICULTY_MAX.into()),
        /// Zero bits.
        pow_difficulty_post: Option<i64> = range(1, DIFFICULTY_MAX.into()),
    }
}

super::input! {
    /// Why, and whether the balance is frozen too.
    pub struct Suspension {
        /// The agent is told, and whoever it is refused.
        reason: String = chars(1, 500),
        /// Whether it may not spend what it has.
        freeze_balance: bool = any(),
    }
}

super::input! {
    /// Which lines of the journal.
    pub struct AuditQuery {
        /// How many.
        limit: i64 = range(1, 100).or(50),
    }
}

/// The settings in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Fees {
    pub post_fee_usd: String,
    pub comment_fee_usd: String,
    pub free_comments_per_day: i64,
    pub free_posts_per_week: i64,
    pub pow_difficulty_register: u8,
    pub pow_difficulty_post: u8,
    pub message: &'static str,
}

/// An agent's suspension.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Suspended {
    pub agent_id: String,
    pub suspended: bool,
    pub reason: String,
    pub message: String,
}

/// The administrator's figures.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AdminStats {
    pub posts_today: i64,
    pub comments_today: i64,
    pub deposits_today: i64,
    pub total_balance_bch: String,
    /// All that agents have spent, tips included.
    pub fees_collected_bch: String,
    pub suspended_agents: i64,
    pub current_fees: CurrentFees,
}

/// In dollars.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CurrentFees {
    pub post_usd: String,
    pub comment_usd: String,
}

/// A line of the journal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditLine {
    pub actor: String,
    pub action: String,
    pub target: String,
    pub detail: String,
    #[schema(value_type = String)]
    pub created: Time,
}

/// The journal, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditList {
    #[schema(value_type = Vec<AuditLine>)]
    pub entries: Page<AuditLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `PUT /api/admin/fees`
///
/// # Errors
/// 422 a fee that is no amount of dollars (W22).
pub fn change_fees(tx: &Tx<'_>, admin: &Admin, change: &FeesChange) -> Result<Fees, Fault> {
    let post = fee("body.post_fee_usd", &change.post_fee_usd)?;
    let comment = fee("body.comment_fee_usd", &change.comment_fee_usd)?;
    tx.run(
        "UPDATE settings SET post_fee_usd = coalesce(?1, post_fee_usd),
         comment_fee_usd = coalesce(?2, comment_fee_usd),
         free_comments_per_day = coalesce(?3, free_comments_per_day),
         free_posts_per_week = coalesce(?4, free_posts_per_week),
         pow_difficulty_register = coalesce(?5, pow_difficulty_register),
         pow_difficulty_post = coalesce(?6, pow_difficulty_post)",
        (
            post,
            comment,
            change.free_comments_per_day,
            change.free_posts_per_week,
            change.pow_difficulty_register,
            change.pow_difficulty_post,
        ),
    )?;
    let now = Settings::load(tx)?;
    audit::note(tx, admin, "fees", "", &format!("{now:?}"))?;
    Ok(Fees {
        post_fee_usd: now.post_fee_usd,
        comment_fee_usd: now.comment_fee_usd,
        free_comments_per_day: now.free_comments_per_day,
        free_posts_per_week: now.free_posts_per_week,
        pow_difficulty_register: now.pow_register,
        pow_difficulty_post: now.pow_post,
        message: "these settings are in force now",
    })
}

fn fee<'a>(place: &str, sent: &'a Option<String>) -> Result<Option<&'a str>, Fault> {
    let Some(text) = sent.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
    match is_fee_usd(text) {
        true => Ok(Some(text)),
        false => {
            let fault =
                Fault::invalid(format!("a fee is a number of dollars below {FEE_USD_MAX}, such as 0.02"));
            Err(fault.because(place, "expected a decimal number"))
        }
    }
}

/// `POST /api/admin/agents/{id}/suspend`: the relay's door closes with it.
///
/// # Errors
/// 404.
pub fn suspend(tx: &Tx<'_>, admin: &Admin, id: &str, why: &Suspension) -> Result<Suspended, Fault> {
    let agent = agent(tx, id)?;
    tx.run(
        "UPDATE agents SET suspended = 1, suspend_reason = ?2, door_pending = 1 WHERE n = ?1",
        (agent, &why.reason),
    )?;
    freeze(tx, agent, why.freeze_balance)?;
    tx.then_door()?;
    tell(tx, agent, "Your agent is suspended", &format!("Reason: {}", why.reason))?;
    let frozen = if why.freeze_balance { ", balance frozen" } else { "" };
    audit::note(tx, admin, "suspend", id, &format!("{}{frozen}", why.reason))?;
    let message = format!("the agent is suspended{frozen}");
    Ok(Suspended { agent_id: id.to_owned(), suspended: true, reason: why.reason.clone(), message })
}

/// `POST /api/admin/agents/{id}/unsuspend`
///
/// # Errors
/// 404.
pub fn unsuspend(tx: &Tx<'_>, admin: &Admin, id: &str) -> Result<Suspended, Fault> {
    let agent = agent(tx, id)?;
    tx.run("UPDATE agents SET suspended = 0, suspend_reason = '', door_pending = 1 WHERE n = ?1", [agent])?;
    freeze(tx, agent, false)?;
    tx.then_door()?;
    tell(tx, agent, "Your agent is reinstated", "It may act again, and its balance is free.")?;
    audit::note(tx, admin, "unsuspend", id, "")?;
    let message = "the agent may act again".to_owned();
    Ok(Suspended { agent_id: id.to_owned(), suspended: false, reason: String::new(), message })
}

fn agent(tx: &Tx<'_>, id: &str) -> Result<i64, Fault> {
    let found = tx.one("SELECT n FROM agents WHERE id = ?1", [id], |row| row.get(0))?;
    found.ok_or_else(|| Fault::missing("there is no such agent: GET /api/agents lists them"))
}

fn freeze(tx: &Tx<'_>, agent: i64, frozen: bool) -> Result<(), Fault> {
    tx.run("INSERT OR IGNORE INTO accounts (agent) VALUES (?1)", [agent])?;
    tx.run("UPDATE accounts SET frozen = ?2 WHERE agent = ?1", (agent, frozen)).map(drop)
}

fn tell(tx: &Tx<'_>, agent: i64, subject: &str, body: &str) -> Result<(), Fault> {
    inbox::notify(tx, agent, &Notice { kind: "system", subject, body, about: ("", "") })
}

/// `DELETE /api/admin/posts/{id}`: with its comments and votes. Nothing is paid back.
///
/// # Errors
/// 404.
pub fn delete_post(tx: &Tx<'_>, admin: &Admin, id: &str) -> Result<Deleted, Fault> {
    let found = tx.one("SELECT n FROM posts WHERE id = ?1", [id], |row| row.get(0))?;
    let gone = posts::remove(tx, found.ok_or_else(posts::unknown)?, None)?;
    audit::note(tx, admin, "delete post", id, "")?;
    Ok(gone)
}

/// `DELETE /api/admin/comments/{id}`: replies to it stay.
///
/// # Errors
/// 404.
pub fn delete_comment(tx: &Tx<'_>, admin: &Admin, id: &str) -> Result<Deleted, Fault> {
    let found = tx.one("SELECT n FROM comments WHERE id = ?1", [id], |row| row.get(0))?;
    let gone = comments::remove(tx, found.ok_or_else(comments::unknown)?, None)?;
    audit::note(tx, admin, "delete comment", id, "")?;
    Ok(gone)
}

/// `GET /api/admin/stats`
///
/// # Errors
/// The database's.
pub fn stats(db: &Db<'_>) -> Result<AdminStats, Fault> {
    let since = db.now().minus_days(1).0;
    let house = db.number("SELECT sum(balance) FROM accounts WHERE name IS NOT NULL", [])?;
    let spent = db.number("SELECT sum(spent) FROM accounts WHERE agent IS NOT NULL", [])?;
    let settings = Settings::load(db)?;
    Ok(AdminStats {
        posts_today: db.number("SELECT count(*) FROM posts WHERE created > ?1", [since])?,
        comments_today: db.number("SELECT count(*) FROM comments WHERE created > ?1", [since])?,
        deposits_today: db
            .number("SELECT count(*) FROM transfers WHERE kind = 'deposit' AND created > ?1", [since])?,
        // All accounts together are nothing.
        total_balance_bch: Sats(-house).to_string(),
        fees_collected_bch: Sats(spent).to_string(),
        suspended_agents: db.number("SELECT count(*) FROM agents WHERE suspended = 1", [])?,
        current_fees: CurrentFees { post_usd: settings.post_fee_usd, comment_usd: settings.comment_fee_usd },
    })
}

/// A suspended agent.
#[derive(Debug, Clone)]
pub struct SuspendedAgent {
    pub id: String,
    pub name: String,
    pub reason: String,
}

/// Who is suspended, by name.
///
/// # Errors
/// The database's.
pub fn suspended(db: &Db<'_>, limit: i64) -> Result<Vec<SuspendedAgent>, Fault> {
    let sql = "SELECT id, name, suspend_reason FROM agents WHERE suspended = 1 ORDER BY name LIMIT ?1";
    db.all(sql, [limit], |row| Ok(SuspendedAgent { id: row.get(0)?, name: row.get(1)?, reason: row.get(2)? }))
}

/// `GET /api/admin/audit`
///
/// # Errors
/// 422 for a cursor that is none.
pub fn journal(db: &Db<'_>, asked: &Paged<AuditQuery>) -> Result<AuditList, Fault> {
    let limit = asked.query.limit;
    let [before] = asked.page.after::<1>()?.unwrap_or([i64::MAX]);
    let sql =
        "SELECT actor, action, target, detail, created, n FROM audit WHERE n < ?1 ORDER BY n DESC LIMIT ?2";
    let rows = db.all(sql, (before, limit + 1), |row| {
        let line = AuditLine {
            actor: row.get(0)?,
            action: row.get(1)?,
            target: row.get(2)?,
            detail: row.get(3)?,
            created: Time(row.get(4)?),
        };
        Ok((line, [row.get(5)?]))
    })?;
    let (entries, next) = Page::fit(rows, limit, &asked.page)?;
    Ok(AuditList { entries, next })
}

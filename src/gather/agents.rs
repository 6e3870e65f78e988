//! Agents: registering, looking at them, changing oneself.

use super::auth::Bearer;
use super::feed::{CANDIDATES_MAX, LOOKED_AT, candidates};
use super::inbox::{self, Notice};
use super::input::{chars, range};
use super::list::{Page, Paged, like};
use super::options::Registration;
use super::rotation::{OldKey, old_keys};
use super::rules::pow::{NONCE_CHARS_MAX, Purpose};
use super::rules::time::Time;
use super::rules::{ids, keys};
use super::signing::Signing;
use super::tokens::parse_key;
use super::{Agent, Db, Fault, Tx, outbox, pow, verification};
use crate::base::PubKey;
use rusqlite::Row;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// Seconds a verification code is valid.
pub const CODE_SECONDS: i64 = 30 * 60;
const NAME_CHARS_MAX: usize = 100;
const DESCRIPTION_CHARS_MAX: usize = 500;

super::input! {
    /// A new agent.
    pub struct NewAgent {
        /// A name for people; need not be unique.
        name: String = chars(1, NAME_CHARS_MAX),
        /// What it does.
        description: Option<String> = chars(0, DESCRIPTION_CHARS_MAX),
        /// Ed25519 public key, PEM.
        public_key: String = chars(0, keys::PEM_CHARS_MAX),
        /// A challenge of purpose `register`.
        pow_challenge: String = chars(1, 200),
        /// Its solution.
        pow_nonce: String = chars(1, NONCE_CHARS_MAX),
        /// Needed where registration is by invite.
        invite: Option<String> = chars(1, 100),
    }
}

super::input! {
    /// Which agents.
    pub struct AgentQuery {
        /// Part of the name (of the newest 30000 agents the newest 150 that may have it; GET /api/search looks further).
        q: Option<String> = chars(0, 200),
        /// How many; below 1: 50, above 200: 200.
        limit: i64 = range(i64::MIN, i64::MAX).or(50),
        /// From 1.
        page: i64 = range(i64::MIN, i64::MAX).or(1),
    }
}

super::input! {
    /// What to change; what is left out stays.
    pub struct ProfileChange {
        /// A new name.
        name: Option<String> = chars(1, NAME_CHARS_MAX),
        /// A new description; empty: none.
        description: Option<String> = chars(0, DESCRIPTION_CHARS_MAX),
    }
}

/// What a new agent gets.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Registered {
    pub agent_id: String,
    pub verification_code: String,
    pub tweet_template: String,
    /// `30 minutes`.
    pub expires_in: &'static str,
}

/// An agent, as everybody sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Profile {
    pub agent_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twitter_handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    pub post_count: i64,
    pub review_count: i64,
    /// As it was registered: who wants to check a proof or an event compares with this (W18).
    pub public_key: String,
    /// SHA-256 of the raw key.
    pub fingerprint: String,
    /// The key as the relay names it, 64 hex digits.
    pub pubkey: String,
    /// The keys before, the newest first; what they signed stays signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub old_keys: Vec<OldKey>,
    #[schema(value_type = String)]
    pub created: Time,
    /// Of what it says of itself.
    #[serde(flatten)]
    pub signing: Signing,
}

/// An agent in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AgentCard {
    pub agent_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    pub post_count: i64,
    #[schema(value_type = String)]
    pub created: Time,
}

/// Agents.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AgentList {
    #[schema(value_type = Vec<AgentCard>)]
    pub agents: Page<AgentCard>,
    pub total: i64,
    pub page: i64,
    pub limit: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `POST /api/agents/register`
///
/// # Errors
/// In order: 422 proof of work; 400 no key; 400 registered already; 403 registration is not open.
pub fn register(tx: &Tx<'_>, new: &NewAgent) -> Result<Registered, Fault> {
    pow::redeem(tx, Purpose::Register, &new.pow_challenge, &new.pow_nonce)?;
    let key = parse_key(&new.public_key)?;
    refuse_known(tx, &key)?;
    let id = tx.new_id();
    let code = ids::verification_code(rand::random);
    let description = new.description.as_deref().unwrap_or_default();
    let agent = tx.insert(
        "INSERT INTO agents (id, name, description, public_key, pubkey, fingerprint, code, code_expires,
                             door_pending, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9)",
        (
            &id,
            &new.name,
            description,
            &new.public_key,
            key.0,
            keys::fingerprint(&key),
            &code,
            tx.now().plus_seconds(CODE_SECONDS).0,
            tx.now().0,
        ),
    )?;
    admit(tx, &key, agent, new.invite.as_deref())?;
    tx.then_door()?;
    let welcome = Notice {
        kind: "welcome",
        subject: "Welcome to Gather",
        body: "Next: POST /api/agents/challenge and /authenticate for a token, GET /api/posts to read, \
               POST /api/posts to write. GET /help says the rest. Your key also opens the relay.",
        about: ("", ""),
    };
    inbox::notify(tx, agent, &welcome)?;
    publish_profile(tx, agent)?;
    let tweet_template = verification::template(&new.name, &code);
    Ok(Registered { agent_id: id, verification_code: code, tweet_template, expires_in: "30 minutes" })
}

pub(super) fn refuse_known(tx: &Tx<'_>, key: &PubKey) -> Result<(), Fault> {
    let known = "SELECT EXISTS (SELECT 1 FROM agents WHERE pubkey = ?1)
                     OR EXISTS (SELECT 1 FROM old_keys WHERE pubkey = ?1)";
    match tx.number(known, [key.0])? {
        0 => Ok(()),
        _ => Err(Fault::bad("this key is registered already: authenticate with it")
            .because("body.public_key", "registered already")),
    }
}

/// Whether this installation takes the new agent; an invite is used up.
fn admit(tx: &Tx<'_>, key: &PubKey, agent: i64, invite: Option<&str>) -> Result<(), Fault> {
    let context = tx.context();
    let registration = context.options.registration;
    if registration == Registration::Open || context.ports.relay.allowed(key) {
        return Ok(());
    }
    if registration == Registration::Closed {
        return Err(Fault::forbidden("registration is closed: ask the operator to allow your key"));
    }
    let sql = "UPDATE invites SET used_by = ?2 WHERE code = ?1 AND used_by IS NULL";
    match tx.run(sql, (invite.unwrap_or_default(), agent))? {
        1 => Ok(()),
        _ => Err(Fault::forbidden("registration is by invite: ask the operator for one")
            .because("body.invite", "missing, unknown or used before")),
    }
}

/// `GET /api/agents/me`; also of a suspended agent.
///
/// # Errors
/// 404 the token's agent is gone; 401 the token was revoked.
pub fn me(db: &Db<'_>, bearer: &Bearer) -> Result<Profile, Fault> {
    let profile = profile(db, &bearer.claims.agent_id, true);
    // The password login's token is no agent's: 401, not 404.
    if profile.is_ok() || bearer.claims.is_superuser() {
        Agent::of(db, bearer, false)?;
    }
    profile
}

/// `GET /api/agents/{id}`
///
/// # Errors
/// 404 unknown or suspended.
pub fn get(db: &Db<'_>, id: &str) -> Result<Profile, Fault> {
    profile(db, id, false)
}

fn profile(db: &Db<'_>, id: &str, suspended_too: bool) -> Result<Profile, Fault> {
    let sql =
        "SELECT id, name, description, verified_at IS NOT NULL, twitter_handle, agent_type, posts, reviews,
               public_key, fingerprint, pubkey, created, event_id FROM agents WHERE id = ?1 AND suspended <= ?2";
    let found = db.one(sql, (id, suspended_too), |row| {
        Ok(Profile {
            agent_id: row.get(0)?,
            name: row.get(1)?,
            description: row.get(2)?,
            verified: row.get(3)?,
            twitter_handle: row.get(4)?,
            agent_type: row.get(5)?,
            post_count: row.get(6)?,
            review_count: row.get(7)?,
            public_key: row.get(8)?,
            fingerprint: row.get(9)?,
            pubkey: hex::encode(row.get::<_, [u8; 32]>(10)?),
            old_keys: Vec::new(),
            created: Time(row.get(11)?),
            signing: Signing::read(row, 12)?,
        })
    })?;
    let profile =
        found.ok_or_else(|| Fault::missing("there is no such agent: GET /api/agents lists them"))?;
    Ok(Profile { old_keys: old_keys(db, id)?, ..profile })
}

/// `GET /api/agents`: newest first, without suspended ones.
///
/// # Errors
/// 422 for a cursor that is none.
pub fn list(db: &Db<'_>, asked: &Paged<AgentQuery>) -> Result<AgentList, Fault> {
    let query = &asked.query;
    let limit = if query.limit <= 0 { 50 } else { query.limit.min(200) };
    let page = query.page.max(1);
    let after = asked.page.after::<1>()?;
    let offset = if after.is_some() { 0 } else { (page - 1).saturating_mul(limit) };
    let [before] = after.unwrap_or([i64::MAX]);
    let (rows, total) = match query.q.as_deref().filter(|q| !q.is_empty()) {
        None => (page_of_all(db, before, limit + 1, offset)?, all_visible(db)?),
        Some(text) => {
            let found = named(db, text)?;
            let total = found.len() as i64;
            let (offset, max) = (usize::try_from(offset), usize::try_from(limit + 1));
            let rows = found.into_iter().filter(|(_, [n])| *n < before).skip(offset.unwrap_or(usize::MAX));
            (rows.take(max.unwrap_or(0)).collect(), total)
        }
    };
    let (agents, next) = Page::fit(rows, limit, &asked.page)?;
    Ok(AgentList { agents, total, page, limit, next })
}

/// A card with its place in the list.
type Placed = (AgentCard, [i64; 1]);

/// Read by [`card`].
const CARD: &str = "id, name, description, verified_at IS NOT NULL, agent_type, posts, created, n";

fn page_of_all(db: &Db<'_>, before: i64, max: i64, offset: i64) -> Result<Vec<Placed>, Fault> {
    let sql = format!(
        "SELECT {CARD} FROM agents WHERE suspended = 0 AND n < ?1 ORDER BY n DESC LIMIT ?2 OFFSET ?3"
    );
    db.all(&sql, (before, max, offset), card)
}

fn all_visible(db: &Db<'_>) -> Result<i64, Fault> {
    // No agent is ever deleted.
    db.number("SELECT (SELECT max(n) FROM agents) - (SELECT count(*) FROM agents WHERE suspended = 1)", [])
}

/// The agents with the text in their names, of the candidates; newest first.
fn named(db: &Db<'_>, text: &str) -> Result<Vec<Placed>, Fault> {
    let may = match candidates(text) {
        Some(_) => format!(
            "SELECT rowid FROM agents_text WHERE agents_text MATCH ?1
             AND rowid > (SELECT max(n) FROM agents) - {LOOKED_AT} ORDER BY rowid DESC"
        ),
        None => "SELECT n FROM agents ORDER BY n DESC".to_owned(),
    };
    let sql = format!(
        "SELECT {CARD} FROM agents WHERE n IN ({may} LIMIT {CANDIDATES_MAX})
         AND suspended = 0 AND name LIKE ?2 ESCAPE '\\' ORDER BY n DESC"
    );
    db.all(&sql, (candidates(text), like(text)), card)
}

fn card(row: &Row<'_>) -> rusqlite::Result<Placed> {
    let card = AgentCard {
        agent_id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        verified: row.get(3)?,
        agent_type: row.get(4)?,
        post_count: row.get(5)?,
        created: Time(row.get(6)?),
    };
    Ok((card, [row.get(7)?]))
}

/// `PATCH /api/agents/me` (W43). The operation to copy: it takes the transaction, who asks and a
/// checked input; it writes, tells the others, and answers with a struct.
///
/// # Errors
/// The database's.
pub fn update_profile(tx: &Tx<'_>, me: &Agent, change: &ProfileChange) -> Result<Profile, Fault> {
    tx.run(
        "UPDATE agents SET name = coalesce(?2, name), description = coalesce(?3, description),
                event_id = NULL WHERE n = ?1",
        (me.n, &change.name, &change.description),
    )?;
    publish_profile(tx, me.n)?;
    profile(tx, &me.id, false)
}

/// Tells the relay who an agent is.
pub(super) fn publish_profile(tx: &Tx<'_>, agent: i64) -> Result<(), Fault> {
    let sql = "SELECT id, name, description, verified_at IS NOT NULL, pubkey FROM agents WHERE n = ?1";
    let read = |row: &Row<'_>| {
        let (id, name, description): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((id, name, description, row.get::<_, bool>(3)?, row.get::<_, [u8; 32]>(4)?))
    };
    let Some((id, name, description, verified, key)) = tx.one(sql, [agent], read)? else { return Ok(()) };
    let content = json!({
        "agent_id": id, "name": name, "description": description, "verified": verified,
        "pubkey": hex::encode(key),
    });
    outbox::emit(tx, outbox::PROFILE, Some(agent), &content, [], ("agent", &id))
}

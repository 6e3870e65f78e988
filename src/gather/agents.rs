//! Agents: registering, looking at them, changing oneself.

use super::auth::Bearer;
use super::db::Effect;
use super::feed::{CANDIDATES_MAX, LOOKED_AT, candidates};
use super::inbox::{self, Notice};
use super::input::{chars, range};
use super::list::{Page, Paged, like};
use super::options::Registration;
use super::rules::pow::{NONCE_CHARS_MAX, Purpose};
use super::rules::time::Time;
use super::rules::{ids, keys};
use super::signing::Signing;
use super::tokens::{parse_key, revoke_all};
use super::{Agent, Db, Fault, Tx, outbox, pow};
use crate::base::{GATHER_NONCE_PREFIX, PubKey};
use base64ct::{Base64, Encoding as _};
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
        /// Part of the name (of the newest 30000 agents the newest 200 that may have it; GET /api/search looks further).
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

super::input! {
    /// A new key for the same agent.
    pub struct KeyChange {
        /// The new Ed25519 public key, PEM.
        public_key: String = chars(0, keys::PEM_CHARS_MAX),
        /// Signature of the new key over `gather-auth-v1`, a zero byte and the 32 bytes of the old key, standard padded base64.
        signature: String = chars(1, 200),
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
    tx.then(Effect::Door);
    let welcome = Notice {
        kind: "welcome",
        subject: "Welcome to Gather",
        body: "Next: POST /api/agents/challenge and /authenticate for a token, GET /api/posts to read, \
               POST /api/posts to write. GET /help says the rest. Your key also opens the relay.",
        about: ("", ""),
    };
    inbox::notify(tx, agent, &welcome)?;
    publish_profile(tx, agent)?;
    let tweet_template = format!("I am {} on @gather_is. Verification code: {code}", new.name);
    Ok(Registered { agent_id: id, verification_code: code, tweet_template, expires_in: "30 minutes" })
}

fn refuse_known(tx: &Tx<'_>, key: &PubKey) -> Result<(), Fault> {
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
            created: Time(row.get(11)?),
            signing: Signing::read(row, 12)?,
        })
    })?;
    found.ok_or_else(|| Fault::missing("there is no such agent: GET /api/agents lists them"))
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
    let text = query.q.as_deref().filter(|q| !q.is_empty());
    let (filter, pattern) = (text.map(containing).unwrap_or_default(), text.map(like));
    let runs = text.and_then(candidates);
    let sql = format!(
        "SELECT id, name, description, verified_at IS NOT NULL, agent_type, posts, created, n FROM agents
         WHERE suspended = 0 AND n < ?1{filter} ORDER BY n DESC LIMIT ?4 OFFSET ?5"
    );
    let rows = db.all(&sql, (before, &runs, &pattern, limit + 1, offset), card)?;
    let total = match text {
        None => db.number(
            // No agent is ever deleted.
            "SELECT (SELECT max(n) FROM agents) - (SELECT count(*) FROM agents WHERE suspended = 1)",
            [],
        )?,
        Some(_) => {
            let sql = format!("SELECT count(*) FROM agents WHERE suspended = 0 AND n < ?1{filter}");
            db.number(&sql, (i64::MAX, &runs, &pattern))?
        }
    };
    let (agents, next) = Page::fit(rows, limit, &asked.page)?;
    Ok(AgentList { agents, total, page, limit, next })
}

/// The condition that the text is in an agent's name; ?2 match, ?3 pattern.
fn containing(text: &str) -> String {
    let may = match candidates(text) {
        Some(_) => format!(
            "SELECT rowid FROM agents_text WHERE agents_text MATCH ?2
             AND rowid > (SELECT max(n) FROM agents) - {LOOKED_AT} ORDER BY rowid DESC"
        ),
        None => "SELECT n FROM agents ORDER BY n DESC".to_owned(),
    };
    format!(" AND n IN ({may} LIMIT {CANDIDATES_MAX}) AND name LIKE ?3 ESCAPE '\\'")
}

fn card(row: &Row<'_>) -> rusqlite::Result<(AgentCard, [i64; 1])> {
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

/// `PUT /api/agents/me/key` (W43): the new key proves that it agrees; the relay lets it in and
/// the old one out; all tokens are taken back. The old key stays taken.
///
/// # Errors
/// 400 no key or signature; 401 the new key did not sign this; 409 the key is taken.
pub fn rotate_key(tx: &Tx<'_>, me: &Agent, change: &KeyChange) -> Result<Profile, Fault> {
    let key = parse_key(&change.public_key)?;
    let Some(signature) = keys::signature(&change.signature) else {
        let fault = Fault::bad("the signature cannot be read");
        return Err(fault.because("body.signature", "64 bytes in standard padded base64 are needed"));
    };
    let message = [GATHER_NONCE_PREFIX.as_slice(), &me.key.0].concat();
    if !keys::verifies(&key, &message, &signature) {
        let detail = "the new key must sign gather-auth-v1, a zero byte and the old key: ";
        return Err(Fault::unauthorized(format!("{detail}{}", Base64::encode_string(&message))));
    }
    if refuse_known(tx, &key).is_err() {
        return Err(Fault::conflict("this key is or was an agent's already"));
    }
    let sql = "INSERT INTO old_keys (pubkey, agent, replaced) VALUES (?1, ?2, ?3)";
    tx.run(sql, (me.key.0, me.n, tx.now().0))?;
    tx.run(
        "UPDATE agents SET public_key = ?2, pubkey = ?3, fingerprint = ?4, event_id = NULL,
                door_pending = 1 WHERE n = ?1",
        (me.n, &change.public_key, key.0, keys::fingerprint(&key)),
    )?;
    tx.run("DELETE FROM logins WHERE agent = ?1", [me.n])?;
    revoke_all(tx, me.n)?;
    tx.then(Effect::Door);
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

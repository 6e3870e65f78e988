//! What an administrator sees of the relay and changes there: its figures, what it stores, its
//! rules, its allowlist.
//!
//! A change of the allowlist is written to the journal before it is made, so that there is none
//! the journal does not know; one that fails is noted once more.

use super::input::{chars, one_of, range};
use super::list::{Page, Paged};
use super::ports::RelayDoor;
use super::{Admin, Db, Fault, Tx, audit};
use crate::base::PubKey;
use crate::base::limits::NAME_BYTES_MAX;
use crate::ingest::ListedKey;
use crate::log::Role;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Code points of a key's name: in bytes never more than the allowlist takes.
const NAME_CHARS_MAX: usize = NAME_BYTES_MAX / 4;

super::input! {
    /// A key for the allowlist, or another role or name for one that is there.
    pub struct KeyGrant {
        /// 64 hex digits.
        pubkey: String = chars(64, 64),
        /// What it may do.
        role: String = one_of(&["member", "auditor", "admin", "agent"]),
        /// A name for people.
        name: String = chars(0, NAME_CHARS_MAX).or(""),
    }
}

super::input! {
    /// Which keys of the allowlist.
    pub struct KeyQuery {
        /// Only keys whose name contains this, or that begin with it.
        q: String = chars(0, 200).or(""),
        /// How many.
        limit: i64 = range(1, 1_000).or(100),
    }
}

/// What the relay has counted since its start, and its gauges. Rates and percentiles are the
/// difference of two answers; nothing is counted for whoever asks.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RelayFigures {
    /// Milliseconds of a clock that only goes forward.
    pub at_ms: u64,
    /// CPU time of the whole process.
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub shards: Vec<ShardFigures>,
    pub log: LogFigures,
    /// Connections that ended, by reason.
    pub closed: BTreeMap<&'static str, u64>,
    /// From reading a publish to queueing its reply, in milliseconds.
    pub publish_ms: Spread,
    /// From commit to the write to subscribers, in milliseconds.
    pub fanout_ms: Spread,
    /// From taking a batch to having it durable, in milliseconds.
    pub commit_ms: Spread,
    /// The disk sync alone, in milliseconds.
    pub sync_ms: Spread,
    /// From a query's arrival to its page, in milliseconds.
    pub query_ms: Spread,
    /// Events per verify batch.
    pub verify_batch: Spread,
    /// Events per commit.
    pub commit_batch: Spread,
}

/// One shard.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ShardFigures {
    pub connections: u64,
    pub subscriptions: u64,
    /// Publishes answered: stored or passed on.
    pub accepted: u64,
    /// Publishes answered with a refusal.
    pub refused: u64,
    /// Events written to subscribers.
    pub deliveries: u64,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// Bytes queued for readers.
    pub queue_bytes: u64,
    /// Bytes of publishes that wait for the committer.
    pub in_flight_bytes: u64,
    /// Subscriptions that went back to the log because their reader was slow.
    pub fallbacks: u64,
    /// Ephemeral events not delivered to slow readers.
    pub skipped: u64,
    /// CPU seconds by stage, sampled.
    pub stages: BTreeMap<&'static str, f64>,
}

/// The log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogFigures {
    pub head: u64,
    pub indexed: u64,
    pub commit_queue: u64,
    pub query_queue: u64,
    pub commits: u64,
    pub duplicates: u64,
    pub purged_events: u64,
    /// Why nothing is stored at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// CPU seconds by stage.
    pub stages: BTreeMap<&'static str, f64>,
}

/// How many values lie above the bound before and at or below each bound; the last count, which
/// has no bound, is of what lies above all.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Spread {
    pub bounds: Vec<f64>,
    pub counts: Vec<u64>,
}

/// What the store occupies.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RelayStorage {
    pub head: u64,
    pub ring_events: u64,
    pub ring_bytes: u64,
    pub cache_bytes: u64,
    /// Empty while the store is closed after a failure.
    pub families: Vec<FamilyFigures>,
}

/// One column family of the store.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FamilyFigures {
    pub name: &'static str,
    /// An estimate.
    pub rows: u64,
    pub disk_bytes: u64,
    pub memory_bytes: u64,
}

/// A sample of the log, by kind.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StoredKinds {
    /// Events that were read; if fewer than there are, every amount is an estimate.
    pub read: u64,
    pub events: u64,
    pub bytes: u64,
    /// Largest first.
    pub kinds: Vec<KindFigures>,
}

/// The events of one kind.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KindFigures {
    pub kind: u16,
    pub events: u64,
    pub bytes: u64,
}

/// What the relay goes by.
#[derive(Debug, Clone)]
pub struct RelayRules {
    /// Limits of everybody, and of each role.
    pub limits: Vec<Setting>,
    pub retention: Vec<RetentionRule>,
}

/// A value of the configuration.
#[derive(Debug, Clone)]
pub struct Setting {
    pub name: &'static str,
    pub value: String,
    pub meaning: String,
    pub is_default: bool,
}

/// How much of some kinds stays.
#[derive(Debug, Clone)]
pub struct RetentionRule {
    /// Inclusive ranges; empty: all.
    pub kinds: Vec<(u16, u16)>,
    pub age_seconds_max: Option<u64>,
    pub bytes_max: Option<u64>,
    pub count_max: Option<u64>,
}

/// A key of the allowlist.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AllowedKey {
    pub pubkey: String,
    pub role: &'static str,
    pub name: String,
    /// What it says instead of its role's limits.
    pub limits: BTreeMap<&'static str, u64>,
}

/// Some keys of the allowlist.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AllowedKeys {
    #[schema(value_type = Vec<AllowedKey>)]
    pub keys: Page<AllowedKey>,
    /// How many match.
    pub matching: i64,
    pub total: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A change of the allowlist, done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyChanged {
    pub pubkey: String,
    /// `null`: it was removed.
    pub role: Option<&'static str>,
    pub message: &'static str,
}

/// `GET /api/admin/relay/keys`: by name, those without one last. A cursor is the last key that was
/// seen.
///
/// # Errors
/// 422 a cursor that is none, or whose key is not on the list any more.
pub fn keys(db: &Db<'_>, asked: &Paged<KeyQuery>) -> Result<AllowedKeys, Fault> {
    let mut listed = db.context().ports.relay.list();
    let total = listed.len() as i64;
    listed.sort_by_cached_key(|key| (key.name.is_empty(), key.name.to_lowercase(), key.pubkey.0));
    let gone = || {
        let fault = Fault::invalid("the list cannot go on behind a key that was removed: begin again");
        fault.because("query.cursor", "its key is gone")
    };
    let place = |words| listed.iter().position(|key| key_words(&key.pubkey) == words).ok_or_else(gone);
    let after = asked.page.after::<4>()?.map(place).transpose()?;
    let wanted = asked.query.q.trim().to_lowercase();
    let matches = |key: &ListedKey| {
        key.name.to_lowercase().contains(&wanted) || key.pubkey.to_hex().starts_with(&wanted)
    };
    let matching = listed.iter().filter(|key| matches(key)).count() as i64;
    let after = after.map_or(0, |seen| seen + 1);
    let limit = asked.query.limit;
    let shown = listed.into_iter().skip(after).filter(matches).take(usize::try_from(limit + 1).unwrap_or(0));
    let row = |key: ListedKey| {
        let words = key_words(&key.pubkey);
        let limits = key.limits.iter().map(|(limit, n)| (limit.name(), n)).collect();
        (AllowedKey { pubkey: key.pubkey.to_hex(), role: key.role.name(), limits, name: key.name }, words)
    };
    let (keys, next) = Page::fit(shown.map(row).collect(), limit, &asked.page)?;
    Ok(AllowedKeys { keys, matching, total, next })
}

/// A key as a cursor's numbers.
fn key_words(key: &PubKey) -> [i64; 4] {
    let word = |at: usize| {
        let bytes = key.0.iter().skip(8 * at).take(8);
        bytes.fold(0i64, |word, byte| word << 8 | i64::from(*byte))
    };
    [word(0), word(1), word(2), word(3)]
}

/// A change of the allowlist that was found good and noted.
#[derive(Debug, Clone)]
pub struct KeyChange {
    key: PubKey,
    /// `None`: it is removed.
    grant: Option<(Role, String)>,
}

/// Checks and notes `POST /api/admin/relay/keys`.
///
/// # Errors
/// 422 a key that is none; 403 one's own, or the platform's.
pub fn note_grant(tx: &Tx<'_>, admin: &Admin, grant: &KeyGrant) -> Result<KeyChange, Fault> {
    let key = PubKey::from_hex(&grant.pubkey)
        .ok_or_else(|| Fault::invalid("not a key").because("body.pubkey", "expected 64 hex digits"))?;
    let role = Role::from_name(&grant.role)
        .ok_or_else(|| Fault::invalid("not a role").because("body.role", "expected a role"))?;
    check(tx, admin, &key)?;
    audit::note(tx, admin, "allow key", &key.to_hex(), &format!("{} {}", role.name(), grant.name))?;
    Ok(KeyChange { key, grant: Some((role, grant.name.clone())) })
}

/// Checks and notes `DELETE /api/admin/relay/keys/{pubkey}`.
///
/// # Errors
/// 404 a key that is not allowed; 403 one's own, or the platform's.
pub fn note_removal(tx: &Tx<'_>, admin: &Admin, pubkey: &str) -> Result<KeyChange, Fault> {
    let known = PubKey::from_hex(pubkey).filter(|key| tx.context().ports.relay.allowed(key));
    let missing = "this key is not on the allowlist: GET /api/admin/relay/keys lists it";
    let key = known.ok_or_else(|| Fault::missing(missing))?;
    check(tx, admin, &key)?;
    audit::note(tx, admin, "remove key", &key.to_hex(), "")?;
    Ok(KeyChange { key, grant: None })
}

/// Notes that the relay did not make a change.
///
/// # Errors
/// The database's.
pub fn note_failure(tx: &Tx<'_>, admin: &Admin, change: &KeyChange, error: &str) -> Result<(), Fault> {
    audit::note(tx, admin, "key change failed", &change.key.to_hex(), error)
}

/// Nobody shuts himself out, or the platform that publishes for everybody.
fn check(tx: &Tx<'_>, admin: &Admin, key: &PubKey) -> Result<(), Fault> {
    let own = tx.one("SELECT pubkey FROM agents WHERE id = ?1", [&admin.actor], |row| row.get(0))?;
    if own == Some(key.0) {
        return Err(Fault::forbidden("this is your own key: another administrator can change it"));
    }
    match *key == tx.context().secrets.platform_key() {
        true => Err(Fault::forbidden("this is the platform's own key, which publishes for everybody")),
        false => Ok(()),
    }
}

impl KeyChange {
    /// Makes the change; in force when it returns. Blocks.
    ///
    /// # Errors
    /// The store's own message.
    pub fn carry_out(&self, door: &dyn RelayDoor) -> Result<(), String> {
        match &self.grant {
            Some((role, name)) => door.allow(&self.key, *role, name),
            None => door.remove(&self.key).map(drop),
        }
    }

    /// The answer.
    pub fn done(&self) -> KeyChanged {
        let role = self.grant.as_ref().map(|(role, _)| role.name());
        let message = match role {
            Some(_) => "the key is allowed now",
            None => "the key was removed and its connections closed",
        };
        KeyChanged { pubkey: self.key.to_hex(), role, message }
    }
}

//! Every key with the check it must pass and the field it sets. Meaning, cost and default are
//! in the sample file.

use super::source::Value;
use super::{Config, Durability, LogFormat};
use crate::base::KeyLimit;
use crate::base::limits::{
    COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, CONTENT_BYTES_MAX, NAME_BYTES_MAX, SHARDS_MAX,
};
use crate::log::Role;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// One key of the configuration.
pub(super) struct Key {
    /// `section.key`.
    pub path: &'static str,
    /// How text from the environment or a flag becomes a value.
    pub shape: Shape,
    /// A variable beside `AXON_…` that sets it, too.
    pub alias: Option<&'static str>,
    /// Its value is shown to nobody.
    pub secret: bool,
    /// Sets the field, or says what is allowed.
    pub set: fn(&mut Config, &Value) -> Result<(), String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Int,
    Bool,
    Text,
    List,
}

/// Every key there is.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(super::gather::KEYS)
}

/// Keys outside `limits`, `roles` and `retention` that a running relay takes.
const LIVE: [&str; 5] =
    ["relay.max_future_seconds", "relay.private_kinds", "tls.cert", "tls.key", "log.level"];

/// Limits that are built into what the relay makes when it starts.
const FIXED_LIMITS: [&str; 2] = ["limits.seen_window_seconds", "limits.seen_ids_max"];

impl Key {
    /// Whether a running relay takes a change of it.
    pub fn is_live(&self) -> bool {
        let is_limit = self.path.starts_with("limits.") && !FIXED_LIMITS.contains(&self.path);
        let is_group = ["roles.", "retention."].iter().any(|group| self.path.starts_with(group));
        is_limit || is_group || LIVE.contains(&self.path)
    }
}

/// The key of that path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    all().find(|key| key.path == path)
}

/// URLs of one relay: every login may be checked against each of them.
const URLS_MAX: usize = 16;
const URL_BYTES_MAX: usize = 256;

/// Ranges of one role: each is looked at for every event.
const KIND_RANGES_MAX: usize = 64;

const GIB: i64 = 1 << 30;
/// A day: longer times are mistaken units.
const DAY_MS: i64 = 86_400_000;
const DAY_SECONDS: i64 = 86_400;

/// A key that holds a number in the given range and sets the field named behind it.
macro_rules! int {
    ($path:literal, $range:expr, $($field:ident).+) => {
        Key {
            path: $path,
            shape: Shape::Int,
            alias: None,
            secret: false,
            set: |config, value| number(value, $range).map(|n| config.$($field).+ = n),
        }
    };
}

/// One limit of every key of a role.
macro_rules! role_limit {
    ($path:literal, $role:ident, $limit:ident) => {
        Key {
            path: $path,
            shape: Shape::Int,
            alias: None,
            secret: false,
            set: |config, value| {
                let limit = KeyLimit::$limit;
                let n = number(value, 0..=limit.value_max() as i64)?;
                config.rules.of_mut(Role::$role).limits.set(limit, n);
                Ok(())
            },
        }
    };
}

/// The kinds that keys of a role may sign.
macro_rules! role_kinds {
    ($path:literal, $role:ident) => {
        Key {
            path: $path,
            shape: Shape::List,
            alias: None,
            secret: false,
            set: |config, value| {
                config.rules.of_mut(Role::$role).kinds = kinds(value)?;
                Ok(())
            },
        }
    };
}

#[rustfmt::skip]
const KEYS: &[Key] = &[
    Key { path: "relay.listen", shape: Shape::Text, alias: None, secret: false, set: |c, v| address(v).map(|a| c.relay.listen = a) },
    Key { path: "relay.urls", shape: Shape::List, alias: None, secret: false, set: |c, v| urls(v).map(|list| c.relay.urls = list) },
    Key { path: "relay.name", shape: Shape::Text, alias: None, secret: false, set: |c, v| name(v).map(|n| c.relay.name = n) },
    Key { path: "relay.data_dir", shape: Shape::Text, alias: None, secret: false, set: |c, v| filled(v).map(|p| c.relay.data_dir = p.into()) },
    int!("relay.shards", 0..=SHARDS_MAX as i64, relay.shards),
    Key { path: "relay.durability", shape: Shape::Text, alias: None, secret: false, set: |c, v| {
        choice(v, &[("fsync", Durability::Fsync), ("os", Durability::Os)]).map(|d| c.relay.durability = d)
    } },
    int!("relay.max_future_seconds", 0..=DAY_SECONDS, limits.max_future_seconds),
    Key { path: "relay.private_kinds", shape: Shape::Bool, alias: None, secret: false, set: |c, v| switch(v).map(|on| c.relay.private_kinds = on) },

    Key { path: "http.listen", shape: Shape::Text, alias: None, secret: false, set: |c, v| optional_address(v).map(|a| c.http.listen = a) },
    Key { path: "http.admin", shape: Shape::Bool, alias: None, secret: false, set: |c, v| switch(v).map(|on| c.http.admin = on) },

    Key { path: "tls.cert", shape: Shape::Text, alias: None, secret: false, set: |c, v| optional_path(v).map(|p| c.tls.cert = p) },
    Key { path: "tls.key", shape: Shape::Text, alias: None, secret: false, set: |c, v| optional_path(v).map(|p| c.tls.key = p) },

    int!("limits.message_bytes_max", 4_096..=64 << 20, limits.message_bytes_max),
    int!("limits.content_bytes_max", 0..=CONTENT_BYTES_MAX as i64, limits.content_bytes_max),
    int!("limits.subscriptions_max", 1..=65_536, limits.subscriptions_max),
    int!("limits.filter_entries_max", 1..=65_536, limits.filter_entries_max),
    int!("limits.filter_tags_max", 1..=256, limits.filter_tags_max),
    int!("limits.in_flight_max", 1..=1 << 20, limits.in_flight_max),
    int!("limits.in_flight_bytes_max", 4_096..=4 * GIB, limits.in_flight_bytes_max),
    int!("limits.shard_in_flight_bytes_max", 4_096..=64 * GIB, limits.shard_in_flight_bytes_max),
    int!("limits.queue_bytes_max", 4_096..=4 * GIB, limits.queue_bytes_max),
    int!("limits.shard_queue_bytes_max", 4_096..=64 * GIB, limits.shard_queue_bytes_max),
    int!("limits.seen_window_seconds", 1..=DAY_SECONDS, limits.seen_window_seconds),
    int!("limits.seen_ids_max", 1_024..=1 << 30, limits.seen_ids_max),
    int!("limits.auth_timeout_ms", 100..=DAY_MS, limits.auth_timeout_ms),
    // Sessions look at the clock once a second: a shorter time would close connections that live.
    int!("limits.ping_interval_ms", 1_000..=DAY_MS, limits.ping_interval_ms),
    int!("limits.idle_timeout_ms", 100..=DAY_MS, limits.idle_timeout_ms),
    int!("limits.stall_timeout_ms", 100..=DAY_MS, limits.stall_timeout_ms),
    int!("limits.linger_ms", 0..=60_000, limits.linger_ms),
    int!("limits.connections_max", 1..=10_000_000, limits.connections_max),
    int!("limits.half_open_max", 1..=10_000_000, limits.half_open_max),
    int!("limits.connections_per_address_max", 0..=10_000_000, limits.connections_per_address_max),
    int!("limits.half_open_per_address_max", 0..=10_000_000, limits.half_open_per_address_max),
    Key { path: "limits.exempt_loopback", shape: Shape::Bool, alias: None, secret: false, set: |c, v| {
        switch(v).map(|on| c.limits.exempt_loopback = on)
    } },

    role_limit!("roles.member.publishes_per_s", Member, PublishesPerSecond),
    role_limit!("roles.member.bytes_per_s", Member, BytesPerSecond),
    role_limit!("roles.member.replay_bytes_per_s", Member, ReplayBytesPerSecond),
    role_limit!("roles.member.thread_publishes_per_min", Member, ThreadPublishesPerMinute),
    role_limit!("roles.member.connections_max", Member, Connections),
    role_limit!("roles.member.subscriptions_max", Member, Subscriptions),
    role_limit!("roles.member.filter_entries_max", Member, FilterEntries),
    role_kinds!("roles.member.kinds", Member),

    role_limit!("roles.agent.publishes_per_s", Agent, PublishesPerSecond),
    role_limit!("roles.agent.bytes_per_s", Agent, BytesPerSecond),
    role_limit!("roles.agent.replay_bytes_per_s", Agent, ReplayBytesPerSecond),
    role_limit!("roles.agent.thread_publishes_per_min", Agent, ThreadPublishesPerMinute),
    role_limit!("roles.agent.connections_max", Agent, Connections),
    role_limit!("roles.agent.subscriptions_max", Agent, Subscriptions),
    role_limit!("roles.agent.filter_entries_max", Agent, FilterEntries),
    role_kinds!("roles.agent.kinds", Agent),

    role_limit!("roles.auditor.publishes_per_s", Auditor, PublishesPerSecond),
    role_limit!("roles.auditor.bytes_per_s", Auditor, BytesPerSecond),
    role_limit!("roles.auditor.replay_bytes_per_s", Auditor, ReplayBytesPerSecond),
    role_limit!("roles.auditor.thread_publishes_per_min", Auditor, ThreadPublishesPerMinute),
    role_limit!("roles.auditor.connections_max", Auditor, Connections),
    role_limit!("roles.auditor.subscriptions_max", Auditor, Subscriptions),
    role_limit!("roles.auditor.filter_entries_max", Auditor, FilterEntries),
    role_kinds!("roles.auditor.kinds", Auditor),

    role_limit!("roles.admin.publishes_per_s", Admin, PublishesPerSecond),
    role_limit!("roles.admin.bytes_per_s", Admin, BytesPerSecond),
    role_limit!("roles.admin.replay_bytes_per_s", Admin, ReplayBytesPerSecond),
    role_limit!("roles.admin.thread_publishes_per_min", Admin, ThreadPublishesPerMinute),
    role_limit!("roles.admin.connections_max", Admin, Connections),
    role_limit!("roles.admin.subscriptions_max", Admin, Subscriptions),
    role_limit!("roles.admin.filter_entries_max", Admin, FilterEntries),
    role_kinds!("roles.admin.kinds", Admin),

    int!("store.cache_bytes", 1 << 20..=1_024 * GIB, store.cache_bytes),
    int!("store.log_memtable_bytes", 1 << 20..=16 * GIB, store.log_memtable_bytes),
    int!("store.ids_memtable_bytes", 1 << 20..=16 * GIB, store.ids_memtable_bytes),
    int!("store.index_memtable_bytes", 1 << 20..=16 * GIB, store.index_memtable_bytes),
    int!("store.open_files_max", 64..=1 << 20, store.open_files_max),
    int!("store.reader_threads", 1..=64, store.reader_threads),
    int!("store.background_threads", 1..=64, store.background_threads),
    // The ring must take at least two whole commits, or the committer waits for itself.
    int!("store.ring_events_max", 2 * COMMIT_EVENTS_MAX as i64..=1 << 26, store.ring_events_max),
    int!("store.ring_bytes_max", 2 * COMMIT_BYTES_MAX as i64..=64 * GIB, store.ring_bytes_max),
    int!("store.index_run_events", 1..=1 << 24, store.index_run_events),
    int!("store.index_run_bytes", 4_096..=4 * GIB, store.index_run_bytes),
    int!("store.index_delay_ms", 1..=60_000, store.index_delay_ms),
    int!("store.index_flush_events", 1..=1 << 30, store.index_flush_events),
    int!("store.reserve_bytes", 0..=1_024 * GIB, store.reserve_bytes),

    int!("retention.interval_ms", 10..=DAY_MS, store.retention.interval_ms),
    int!("retention.share_percent", 1..=100, store.retention.share_percent),
    int!("retention.tombstones_max", 0..=1 << 30, store.retention.tombstones_max),
    int!("retention.tombstone_seconds", 0..=365 * DAY_SECONDS, store.retention.tombstone_seconds),

    Key { path: "log.level", shape: Shape::Text, alias: None, secret: false, set: |c, v| level(v).map(|l| c.log.level = l) },
    Key { path: "log.format", shape: Shape::Text, alias: None, secret: false, set: |c, v| {
        choice(v, &[("text", LogFormat::Text), ("json", LogFormat::Json)]).map(|f| c.log.format = f)
    } },
];

pub(super) fn number<T: TryFrom<i64>>(value: &Value, range: RangeInclusive<i64>) -> Result<T, String> {
    match value {
        Value::Int(n) if range.contains(n) => T::try_from(*n).ok(),
        _ => None,
    }
    .ok_or_else(|| format!("must be an integer from {} to {}", range.start(), range.end()))
}

pub(super) fn switch(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(on) => Ok(*on),
        _ => Err("must be true or false".to_owned()),
    }
}

pub(super) fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err("must be a string".to_owned()),
    }
}

fn address(value: &Value) -> Result<SocketAddr, String> {
    const LIMIT: &str = "must be an IP address and port, such as \"127.0.0.1:7447\" or \"[::1]:7447\"";
    text(value).ok().and_then(|text| text.parse().ok()).ok_or_else(|| LIMIT.to_owned())
}

fn optional_address(value: &Value) -> Result<Option<SocketAddr>, String> {
    match value {
        Value::Text(text) if text.is_empty() => Ok(None),
        _ => address(value).map(Some).map_err(|limit| format!("{limit}, or empty for none")),
    }
}

fn optional_path(value: &Value) -> Result<Option<PathBuf>, String> {
    let path = text(value).map_err(|limit| format!("{limit}, a file's path, or empty for none"))?;
    Ok((!path.is_empty()).then(|| path.into()))
}

fn urls(value: &Value) -> Result<Vec<String>, String> {
    let good = |url: &String| {
        ["ws://", "wss://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
            && url.len() <= URL_BYTES_MAX
    };
    match value {
        Value::List(urls) if urls.len() <= URLS_MAX && urls.iter().all(good) => Ok(urls.clone()),
        _ => Err(format!(
            "must be a list of at most {URLS_MAX} URLs that begin with ws:// or wss://, \
             each at most {URL_BYTES_MAX} bytes long"
        )),
    }
}

/// Kinds and ranges of kinds; none: all.
pub(super) fn kinds(value: &Value) -> Result<Arc<[(u16, u16)]>, String> {
    let range = |text: &String| {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let (low, high) = (low.trim().parse::<u16>().ok()?, high.trim().parse::<u16>().ok()?);
        (low <= high).then_some((low, high))
    };
    match value {
        Value::List(texts) if texts.len() <= KIND_RANGES_MAX => texts.iter().map(range).collect(),
        _ => None,
    }
    .ok_or_else(|| {
        format!(
            "must be a list of at most {KIND_RANGES_MAX} kinds and ranges of kinds, each a string: \
             [\"1000\", \"2000-2999\"]"
        )
    })
}

fn name(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) if text.len() <= NAME_BYTES_MAX => Ok(text.clone()),
        _ => Err(format!("must be a string of at most {NAME_BYTES_MAX} bytes")),
    }
}

pub(super) fn filled(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) if !text.is_empty() => Ok(text.clone()),
        _ => Err("must be a string that is not empty".to_owned()),
    }
}

pub(super) fn choice<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, String> {
    text(value)
        .ok()
        .and_then(|text| choices.iter().find(|(name, _)| *name == text))
        .map(|(_, choice)| *choice)
        .ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            format!("must be {}", names.join(" or "))
        })
}

fn level(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    // A bare word that is no level would name a module, and silence everything else.
    let plain =
        |part: &str| part.contains('=') || (!part.is_empty() && part.trim().parse::<LevelFilter>().is_ok());
    match EnvFilter::builder().parse(text) {
        Ok(_) if text.split(',').all(plain) => Ok(text.to_owned()),
        _ => Err("must be error, warn, info, debug or trace, or a list such as \
                  \"info,axon::store=debug\""
            .to_owned()),
    }
}

//! Memory, and the keys of the configuration whose defaults are too small for a load.

use super::calibration::Calibration;
use super::coefficients::Counts;
use super::deployment::Deployment;
use super::resources::DAY_SECONDS;
use super::sizes;
use crate::base::limits::{KEY_CACHE_MAX, Limits};
use serde::Serialize;

/// Memory of a shard before its first connection: counts beside the interest table, read
/// buffer, ring, scratch buffers (`tuning.md`).
const SHARD_BYTES: f64 = 6e6;
/// A checked public key in a shard's cache.
const KEY_BYTES: f64 = 200.0;

/// A cache that must grow, grows in steps of this.
const CACHE_STEP_BYTES: f64 = 268_435_456.0;

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Memory {
    /// The process without load, and its shards.
    pub relay: f64,
    /// The database's blocks, and the filters and indexes of all ids in the log: `store.cache_bytes`
    /// as it must be.
    pub block_cache: f64,
    /// Of that, filters and indexes of ids at the end of the retention.
    pub ids: f64,
    /// What is written and not yet in files.
    pub memtables: f64,
    /// The newest events.
    pub ring: f64,
    pub connections: f64,
    pub subscriptions: f64,
    /// Checked keys and remembered ephemeral ids.
    pub caches: f64,
    /// The kernel's, of idle sockets.
    pub sockets: f64,
    pub total: f64,
    /// More, if readers are slow and the disk stalls at the same time: the bounds of the queues.
    pub queues_at_most: f64,
}

/// A key of the configuration whose default is too small, and what it must at least be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    pub key: &'static str,
    pub value: u64,
    /// What happens otherwise.
    pub why: String,
}

impl Memory {
    pub(super) fn of(
        deployment: &Deployment,
        calibration: &Calibration,
        shards: usize,
        counts: &Counts,
    ) -> Memory {
        let (facts, limits, shards) = (&calibration.facts, Limits::default(), shards as f64);
        let stores = if counts.stored > 0.0 { 1.0 } else { 0.0 };
        let ids = ids_bytes(deployment, counts);
        let keys = deployment.connections.max(deployment.authors).min(KEY_CACHE_MAX as f64);
        let of_shard = (limits.shard_queue_bytes_max + limits.shard_in_flight_bytes_max) as f64;
        let of_connections = deployment.connections * limits.queue_bytes_max as f64;
        let mut memory = Memory {
            relay: facts.idle_bytes + SHARD_BYTES * shards,
            block_cache: stores * cache_bytes(ids),
            ids,
            memtables: stores * memtable_bytes(deployment),
            ring: stores * ring_bytes(deployment),
            connections: facts.connection_bytes * deployment.connections,
            subscriptions: facts.subscription_bytes * deployment.subscriptions,
            caches: keys * KEY_BYTES * shards + seen_bytes(counts),
            sockets: facts.socket_bytes * deployment.connections,
            total: 0.0,
            queues_at_most: (of_shard * shards).min(of_connections),
        };
        memory.total = memory.relay
            + memory.block_cache
            + memory.memtables
            + memory.ring
            + memory.connections
            + memory.subscriptions
            + memory.caches
            + memory.sockets;
        memory
    }
}

/// Filters and indexes of the ids of a log that is as long as it gets. Every publish asks them
/// whether its id is new.
fn ids_bytes(deployment: &Deployment, counts: &Counts) -> f64 {
    let kept = counts.stored * DAY_SECONDS * deployment.retention_days;
    kept * (1.0 + sizes::IDS_DELETED_SHARE) * sizes::ID_HELD_BYTES
}

/// Half of the default is left to all other blocks.
fn cache_bytes(ids: f64) -> f64 {
    let needed = ids + sizes::CACHE_BYTES / 2.0;
    if needed <= sizes::CACHE_BYTES {
        sizes::CACHE_BYTES
    } else {
        (needed / CACHE_STEP_BYTES).ceil() * CACHE_STEP_BYTES
    }
}

/// Log and ids until they are full, indexes until they are flushed.
fn memtable_bytes(deployment: &Deployment) -> f64 {
    let index = |rows: f64| {
        (sizes::INDEX_FLUSH_EVENTS * rows * sizes::INDEX_ROW_BYTES).min(sizes::INDEX_MEMTABLE_BYTES)
    };
    let indexes = sizes::INDEX_ROWS * index(1.0) + index(deployment.tags);
    sizes::MEMTABLES * (sizes::LOG_MEMTABLE_BYTES + sizes::IDS_MEMTABLE_BYTES + indexes)
}

fn ring_bytes(deployment: &Deployment) -> f64 {
    let events = (sizes::RING_BYTES / deployment.event_bytes).min(sizes::RING_EVENTS);
    let beside = sizes::RING_EVENT_BYTES + sizes::RING_TAG_BYTES * deployment.tags;
    events * (deployment.event_bytes + beside)
}

fn seen_bytes(counts: &Counts) -> f64 {
    let ids = seen_ids(counts);
    let seconds = Limits::default().seen_window_seconds as f64 * sizes::SEEN_PARTITIONS;
    ids * sizes::SEEN_ID_BYTES + ids.min(seconds) * sizes::SEEN_SECOND_BYTES
}

/// Ephemeral events of the time for which duplicates are known.
fn seen_ids(counts: &Counts) -> f64 {
    (counts.events - counts.stored).max(0.0) * Limits::default().seen_window_seconds as f64
}

/// What must be set for the memory to be used as it is counted.
pub(super) fn settings(deployment: &Deployment, counts: &Counts, memory: &Memory) -> Vec<Setting> {
    let limits = Limits::default();
    let mut out = Vec::new();
    let mut at_least = |key, needed: f64, default: f64, why: &str| {
        if needed > default {
            // Saturates: far beyond what a key may be, and then memory is what does not fit.
            out.push(Setting { key, value: needed.ceil() as u64, why: why.to_owned() });
        }
    };
    at_least(
        "store.cache_bytes",
        memory.block_cache,
        sizes::CACHE_BYTES,
        "or the filters of ids do not fit, and publishes read them from the disk, megabytes each time",
    );
    at_least(
        "limits.connections_max",
        deployment.connections,
        limits.connections_max as f64,
        "or further connections get 503; the limit on open files must be above it",
    );
    at_least(
        "limits.seen_ids_max",
        seen_ids(counts),
        limits.seen_ids_max as f64,
        "or an ephemeral event is known as a duplicate for a shorter time",
    );
    out
}

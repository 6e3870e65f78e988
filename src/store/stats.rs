//! Figures for people.

use super::database::Database;
use super::families::Family;
use super::shared::Shared;
use crate::base::{LogId, Seq};

/// What `axon info` shows of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStats {
    pub log_id: LogId,
    /// The last committed position; every position up to it holds one event.
    pub head: Seq,
    /// The position up to which every index family is complete.
    pub indexed: Seq,
    /// Events and bytes in the tail ring.
    pub ring_events: usize,
    pub ring_bytes: usize,
    /// Bytes in the block cache.
    pub cache_bytes: usize,
    /// None while the store is closed after a failure.
    pub families: Vec<FamilyStats>,
}

/// One column family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyStats {
    pub name: &'static str,
    /// RocksDB's estimate.
    pub rows: u64,
    /// Bytes of its files.
    pub disk_bytes: u64,
    /// Bytes of its memtables.
    pub memory_bytes: u64,
}

pub(super) fn gather(shared: &Shared) -> StoreStats {
    let db = shared.database().ok();
    let (ring_events, ring_bytes) = shared.tail.size();
    StoreStats {
        log_id: shared.tail.log_id(),
        head: shared.tail.head(),
        indexed: shared.indexed(),
        ring_events,
        ring_bytes,
        cache_bytes: db.as_ref().map_or(0, |db| db.cache_bytes()),
        families: db
            .map(|db| Family::ALL.map(|family| family_stats(&db, family)).to_vec())
            .unwrap_or_default(),
    }
}

pub(super) fn family_stats(db: &Database, family: Family) -> FamilyStats {
    let cf = db.cf(family);
    // A property that RocksDB does not give shows as 0.
    let property = |name: &str| db.raw().property_int_value_cf(cf, name).ok().flatten().unwrap_or(0);
    FamilyStats {
        name: family.name(),
        rows: property("rocksdb.estimate-num-keys"),
        disk_bytes: property("rocksdb.total-sst-files-size"),
        memory_bytes: property("rocksdb.cur-size-all-mem-tables"),
    }
}

//! From configuration to what each room is given.

use super::config::{AllowEntry, Config, Durability};
use crate::base::limits::SHARDS_MAX;
use crate::ingest::Grant;
use crate::store::{self, StoreOptions};

/// One shard per core the process may use, or as many as configured; a shard beyond the cores
/// is not pinned.
pub(super) fn shard_cores(configured: usize) -> Vec<Option<usize>> {
    let allowed: Vec<usize> = match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect(),
        Err(_) => Vec::new(),
    };
    let n = if configured == 0 { allowed.len().clamp(1, SHARDS_MAX) } else { configured };
    (0..n).map(|shard| allowed.get(shard).copied()).collect()
}

/// The allowlist's rows of the configuration file.
pub(super) fn grants(config: &Config) -> Vec<Grant> {
    let grant =
        |entry: &AllowEntry| Grant { pubkey: entry.pubkey, role: entry.role, name: entry.name.clone() };
    config.allow.iter().map(grant).collect()
}

/// The store's options.
pub(super) fn store(config: &Config) -> StoreOptions {
    let store = &config.store;
    StoreOptions {
        dir: config.relay.data_dir.clone(),
        durability: match config.relay.durability {
            Durability::Fsync => store::Durability::Fsync,
            Durability::Os => store::Durability::Os,
        },
        cache_bytes: store.cache_bytes,
        log_memtable_bytes: store.log_memtable_bytes,
        ids_memtable_bytes: store.ids_memtable_bytes,
        index_memtable_bytes: store.index_memtable_bytes,
        background_threads: store.background_threads,
        reader_threads: store.reader_threads,
        open_files_max: store.open_files_max,
        ring_events_max: store.ring_events_max,
        ring_bytes_max: store.ring_bytes_max,
        index_run_events: store.index_run_events,
        index_run_bytes: store.index_run_bytes,
        index_delay_ms: store.index_delay_ms,
        index_flush_events: store.index_flush_events,
        ..StoreOptions::default()
    }
}

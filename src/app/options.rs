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
    let grant = |entry: &AllowEntry| Grant {
        pubkey: entry.pubkey,
        role: entry.role,
        name: entry.name.clone(),
        limits: entry.limits,
    };
    config.allow.iter().map(grant).collect()
}

/// The store's options.
pub(super) fn store(config: &Config) -> StoreOptions {
    StoreOptions {
        dir: config.relay.data_dir.clone(),
        durability: match config.relay.durability {
            Durability::Fsync => store::Durability::Fsync,
            Durability::Os => store::Durability::Os,
        },
        ..config.store.clone()
    }
}

//! Which part limits. Every part's use is counted with the largest batches there can be: while a
//! part has time left, batches are small and dear, so how busy it looks says nothing about how
//! much more it could do.

use super::batches::Mill;
use super::calibration::Calibration;
use super::coefficients::{Counts, Part, cpu_us};
use super::deployment::{Deployment, Durability};
use super::resources::{Disk, Network};
use super::sizes::{MERGE_THREADS, READER_THREADS};
use serde::Serialize;

/// How often the relay and the kernel copy a byte that comes in (to the socket's buffer, to the
/// shard, into the event), one that goes out (to the socket's buffer; the frames themselves stay
/// in the cache), and one that is stored (log, memtable, flush, merge, each read and written).
const COPIES_IN: f64 = 3.0;
const COPIES_OUT: f64 = 1.0;
const COPIES_STORED: f64 = 4.0;

/// What can be the bottleneck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    ShardCpu,
    Committer,
    Indexer,
    Compaction,
    Readers,
    Cores,
    MemoryBandwidth,
    NetworkIn,
    NetworkOut,
    Disk,
}

impl Limit {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Limit::ShardCpu => "shard CPU",
            Limit::Committer => "the committer thread",
            Limit::Indexer => "the indexer thread",
            Limit::Compaction => "compaction threads",
            Limit::Readers => "reader threads",
            Limit::Cores => "cores",
            Limit::MemoryBandwidth => "memory bandwidth",
            Limit::NetworkIn => "network in",
            Limit::NetworkOut => "network out",
            Limit::Disk => "disk writes",
        }
    }
}

/// How much of a part a load takes; 1 is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Use {
    pub limit: Limit,
    pub share: f64,
}

/// Every part's use at `rate`, the most used first, where the relay has so many `cores`.
pub(super) fn uses(
    deployment: &Deployment,
    calibration: &Calibration,
    shards: usize,
    rate: f64,
    cores: f64,
) -> Vec<Use> {
    let mill = Mill::new(deployment, calibration, shards, cores);
    let full = mill.full_batches(rate);
    let counts = mill.counts(rate, &full);
    let cpu = cpu_us(&counts, &calibration.prices);
    let cores_of = |part: Part| cpu[&part] / 1e6;
    // A committer without time left makes the largest commits.
    let committing = mill.counts(rate, &mill.full_commits(full));
    let committer_us = cpu_us(&committing, &calibration.prices)[&Part::Committer];
    let network = Network::full(&counts);
    let disk = Disk::of(&counts, deployment, calibration);
    let sync_us = if deployment.durability == Durability::Fsync { deployment.sync_us } else { 0.0 };
    let shares = [
        (Limit::ShardCpu, cores_of(Part::Shards) / shards.max(1) as f64),
        (Limit::Committer, (committer_us + committing.commits * sync_us) / 1e6),
        (Limit::Indexer, cores_of(Part::Indexer)),
        (Limit::Compaction, cores_of(Part::Compaction) / MERGE_THREADS),
        (Limit::Readers, cores_of(Part::Readers) / READER_THREADS),
        (Limit::Cores, cpu.values().sum::<f64>() / 1e6 / cores),
        (Limit::MemoryBandwidth, copied(&counts) / calibration.facts.copy_bytes_per_second),
        (Limit::NetworkIn, network.in_bytes_per_second / deployment.nic_bytes_per_second),
        (Limit::NetworkOut, network.out_bytes_per_second / deployment.nic_bytes_per_second),
        (Limit::Disk, disk.written_bytes_per_second / deployment.disk_bytes_per_second),
    ];
    let mut uses: Vec<Use> = shares.into_iter().map(|(limit, share)| Use { limit, share }).collect();
    uses.sort_by(|a, b| b.share.total_cmp(&a.share));
    uses
}

fn copied(counts: &Counts) -> f64 {
    COPIES_IN * counts.received_bytes + COPIES_OUT * counts.sent_bytes + COPIES_STORED * counts.stored_bytes
}

/// Events per second at which the first part is full, and which one; the replays stay as they are.
pub(super) fn capacity(
    deployment: &Deployment,
    calibration: &Calibration,
    shards: usize,
    cores: f64,
) -> (f64, Limit) {
    /// Of one relay: far above what 64 shards can do.
    const RATE_MAX: f64 = 1e10;
    /// Less than an event in a day counts as none.
    const RATE_MIN: f64 = 1e-5;
    let most = |rate: f64| uses(deployment, calibration, shards, rate, cores)[0];
    let (mut low, mut high) = (RATE_MIN, RATE_MAX);
    if most(high).share <= 1.0 {
        return (high, most(high).limit);
    }
    if most(RATE_MIN).share > 1.0 {
        // The replays alone are too much.
        return (0.0, most(RATE_MIN).limit);
    }
    // By ratios, to a ten thousandth.
    while high / low > 1.0001 {
        let middle = (low * high).sqrt();
        if most(middle).share <= 1.0 { low = middle } else { high = middle }
    }
    (low, most(high).limit)
}

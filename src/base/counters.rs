//! What the relay counts. Each owner writes its own counters (one shard, one log), on cache
//! lines of its own; the HTTP thread reads them all. Relaxed: a reader may be a moment late.

use super::closing::Closings;
use super::quota::KeyLimit;
use super::reason::Reason;
use super::stages::StageCounters;
use hdrhistogram::Histogram as Hdr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A number that goes up, or is set.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Subtracts `n`, for gauges.
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A text that is there while something is wrong.
#[derive(Debug, Default)]
pub struct Note(Mutex<Option<String>>);

impl Note {
    /// Sets or, with `None`, removes it.
    pub fn set(&self, text: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// The present text.
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A latency or size distribution with two significant digits. Recorded once per batch, so the
/// lock is taken rarely and never waited for by a shard: only the HTTP thread competes.
#[derive(Debug)]
pub struct Distribution(Mutex<Hdr<u64>>);

impl Distribution {
    /// Largest value told apart: 60 s in nanoseconds.
    const MAX: u64 = 60_000_000_000;

    /// Records `value`, `times` times.
    pub fn record(&self, value: u64, times: u64) {
        let mut hdr = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hdr.saturating_record_n(value.clamp(1, Self::MAX), times);
    }

    /// Sum (approximate) and how many values lie above the bound before and at or below each of
    /// `bounds`, which ascend; the last number counts what is above all of them.
    pub fn buckets<const N: usize>(&self, bounds: &[u64; N]) -> (f64, [u64; N], u64) {
        let hdr = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut inside, mut above) = ([0; N], 0);
        for step in hdr.iter_recorded() {
            match inside.get_mut(bounds.partition_point(|bound| *bound < step.value_iterated_to())) {
                Some(bucket) => *bucket += step.count_at_value(),
                None => above += step.count_at_value(),
            }
        }
        (hdr.mean() * hdr.len() as f64, inside, above)
    }
}

impl Default for Distribution {
    fn default() -> Self {
        match Hdr::new_with_bounds(1, Self::MAX, 2) {
            Ok(hdr) => Distribution(Mutex::new(hdr)),
            Err(_) => unreachable!("the bounds are constants that hdrhistogram accepts"),
        }
    }
}

/// Bounds that latencies are shown by, in nanoseconds: 10 µs to 10 s.
pub const NANOS_BOUNDS: [u64; 19] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Bounds that sizes of batches are shown by.
pub const SIZE_BOUNDS: [u64; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096];

/// Results of publishes, by the code of the answer.
pub const RESULT_CODES: [u16; 8] = [200, 400, 401, 403, 409, 413, 429, 503];

/// One shard's counters.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShardCounters {
    pub connections: Count,
    pub connections_total: Count,
    pub subscriptions: Count,
    /// Publishes answered, in the order of [`RESULT_CODES`].
    pub publishes: [Count; RESULT_CODES.len()],
    /// What was refused for a limit of its key, in the order of [`KeyLimit::ALL`].
    pub over_limit: [Count; KeyLimit::ALL.len()],
    /// Connections that ended, by reason.
    pub closings: Closings,
    /// Events written to subscribers.
    pub deliveries: Count,
    pub bytes_in: Count,
    pub bytes_out: Count,
    /// Bytes queued for readers.
    pub queue_bytes: Count,
    /// Bytes of publishes that wait for the committer.
    pub in_flight_bytes: Count,
    /// Live subscriptions that fell back to the log because their reader was slow.
    pub fallbacks: Count,
    /// Ephemeral events not delivered to a slow reader.
    pub skipped_ephemerals: Count,
    /// Events the interest table sent here that no subscription matched.
    pub false_positives: Count,
    /// Write calls to sockets.
    pub writes: Count,
    /// Cross-thread wake-ups.
    pub wakeups: Count,
    /// Events per verify batch.
    pub verify_batch: Distribution,
    /// Nanoseconds from reading a publish to queueing its reply.
    pub publish_nanos: Distribution,
    /// Nanoseconds from commit (or verdict, for ephemerals) to the write to subscribers.
    pub fanout_nanos: Distribution,
    /// CPU time of the shard's thread.
    pub stages: Arc<StageCounters>,
}

impl ShardCounters {
    /// Counts one refusal, if it was for a limit of its key.
    pub fn count_over_limit(&self, reason: Reason) {
        if let Some(limit) = reason.key_limit() {
            self.over_limit[limit as usize].add(1);
        }
    }

    /// Counts one answered publish.
    pub fn count_publish(&self, code: u16) {
        if let Some(index) = RESULT_CODES.iter().position(|c| *c == code) {
            self.publishes[index].add(1);
        }
    }
}

/// The log's counters.
#[derive(Debug, Default)]
pub struct LogCounters {
    pub head: Count,
    /// The position up to which every index family is complete.
    pub indexed: Count,
    /// Submissions waiting for the committer.
    pub commit_queue: Count,
    /// Queries waiting for a reader thread.
    pub query_queue: Count,
    pub commits: Count,
    pub duplicates: Count,
    pub failures: Count,
    /// Why nothing is stored at present: a write has failed, or the disk is full.
    pub failure: Note,
    /// Events that retention and the operator have deleted, and their bytes.
    pub purged_events: Count,
    pub purged_bytes: Count,
    /// Ids of deleted events that may not come again.
    pub tombstones: Count,
    /// The first position that may hold an event.
    pub first: Count,
    /// When the retention rules were looked at last, in unix seconds; 0: not yet.
    pub purge_looked_at: Count,
    /// How often the store was opened again after a failure.
    pub reopened: Count,
    /// Events per commit.
    pub commit_batch: Distribution,
    /// Nanoseconds from taking a batch to having it durable.
    pub commit_nanos: Distribution,
    /// Nanoseconds of the disk sync alone.
    pub sync_nanos: Distribution,
    /// Nanoseconds from a query's arrival to its page.
    pub query_nanos: Distribution,
    /// CPU time of the committer, the indexer and the readers.
    pub stages: Arc<StageCounters>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_every_value_once() {
        let distribution = Distribution::default();
        for (value, times) in [(1, 3), (10, 2), (11, 1), (100, 5), (1_000_000, 7)] {
            distribution.record(value, times);
        }
        let (sum, inside, above) = distribution.buckets(&[10, 100, 1_000]);
        assert_eq!((inside, above), ([5, 6, 0], 7));
        let exact = 3.0 + 20.0 + 11.0 + 500.0 + 7_000_000.0;
        assert!((sum / exact - 1.0).abs() < 0.02, "{sum}");
    }
}

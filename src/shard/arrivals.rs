//! Publishes that wait for the end of the turn: the next verify batch.

use super::conns::ConnIndex;
use crate::base::limits::{VERIFY_BATCH_BYTES_MAX, VERIFY_BATCH_EVENTS_MAX};
use std::ops::Range;

/// One publish that was read and not judged yet.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub conn: ConnIndex,
    /// Its place in the session's replies.
    pub number: u64,
    pub range: Range<usize>,
    pub suspect: bool,
    /// Clock nanoseconds when it was read.
    pub since: u64,
}

/// Waiting publishes, their bytes one after the other.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
    /// Already taken from the front.
    taken: usize,
}

impl Arrivals {
    pub fn push(&mut self, conn: ConnIndex, number: u64, event: &[u8], suspect: bool, since: u64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(event);
        self.waiting.push(Waiting { conn, number, range: start..self.bytes.len(), suspect, since });
    }

    /// Publishes that wait to be judged.
    pub fn len(&self) -> usize {
        self.waiting.len() - self.taken
    }

    pub fn is_empty(&self) -> bool {
        self.taken == self.waiting.len()
    }

    /// Whether connections should not be read before a batch has been judged.
    pub fn is_full(&self) -> bool {
        self.len() >= 2 * VERIFY_BATCH_EVENTS_MAX || self.bytes.len() >= VERIFY_BATCH_BYTES_MAX
    }

    /// The next batch: a bounded number of publishes and their bytes.
    pub fn batch(&self) -> (&[Waiting], &[u8]) {
        let rest = &self.waiting[self.taken..];
        let start = rest.first().map_or(0, |w| w.range.start);
        let within = |w: &&Waiting| w.range.end - start <= VERIFY_BATCH_BYTES_MAX;
        let n = rest.iter().take(VERIFY_BATCH_EVENTS_MAX).take_while(within).count().max(1).min(rest.len());
        (&rest[..n], &self.bytes)
    }

    /// Drops the first `n`.
    pub fn consume(&mut self, n: usize) {
        self.taken += n;
        if self.is_empty() {
            self.taken = 0;
            self.waiting.clear();
            self.bytes.clear();
            self.bytes.shrink_to(VERIFY_BATCH_BYTES_MAX);
        }
    }
}

//! The words that shards and the committer share, and one shard's hold on them.
//!
//! A slot is a mask with one bit per shard. Only the shard itself changes its bit, on the first
//! and the last of its own counts, so nobody ever waits or tries again. Everything is SeqCst:
//! the order of a bit and the head of the log, two different words, is what counts (see the
//! documentation of `fanout`). `tests/loom` compiles this very file against loom's atomics, so
//! it names nothing but them.

use super::sync::{AtomicU64, Ordering};

/// A fixed number of shard masks.
pub struct Slots(Box<[AtomicU64]>);

impl Slots {
    /// `count` empty masks.
    pub fn new(count: usize) -> Self {
        Slots((0..count).map(|_| AtomicU64::new(0)).collect())
    }

    /// The shards that hold `slot`.
    pub fn load(&self, slot: usize) -> u64 {
        self.0[slot].load(Ordering::SeqCst)
    }

    /// As [`load`](Self::load), for a slot that nobody holds without also holding `gate`: as
    /// long as the gate is held by nobody, `slot` is not even computed. No order between the two
    /// is needed: each of them alone stands in the one total order with the head.
    pub fn load_behind(&self, gate: usize, slot: impl FnOnce() -> usize) -> u64 {
        if self.load(gate) == 0 { 0 } else { self.load(slot()) }
    }
}

/// How often one shard holds each slot.
pub struct Held {
    bit: u64,
    counts: Box<[u32]>,
}

impl Held {
    /// Nothing held yet, by the shard with this index (0 to 63).
    pub fn new(slots: &Slots, shard: usize) -> Self {
        Held { bit: 1 << shard, counts: vec![0; slots.0.len()].into() }
    }

    /// Holds `slot` once more; the first time, its bit appears.
    pub fn add(&mut self, slots: &Slots, slot: usize) {
        if self.counts[slot] == 0 {
            slots.0[slot].fetch_or(self.bit, Ordering::SeqCst);
        }
        self.counts[slot] += 1;
    }

    /// Holds `slot` once less; the last time, its bit disappears.
    ///
    /// # Panics
    /// If `slot` is not held: what is removed must have been added.
    pub fn remove(&mut self, slots: &Slots, slot: usize) {
        assert!(self.counts[slot] > 0, "removed from the interest table without having been added");
        self.counts[slot] -= 1;
        if self.counts[slot] == 0 {
            slots.0[slot].fetch_and(!self.bit, Ordering::SeqCst);
        }
    }
}

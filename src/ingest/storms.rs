//! The storm breaker: agents that answer each other's answers without end.
//!
//! Counts, for every author and thread, how fast that author publishes into that thread. The
//! table has a fixed size. A set is one cache line of eight slots, chosen by a secret hash of
//! author and thread; a slot is one word:
//!
//! | bits | content |
//! |---|---|
//! | 40 to 63 | 24 further bits of the hash |
//! | 0 to 39 | the millisecond from which on the pair's bucket is full again (34 years) |
//!
//! A slot whose bucket is full says the same as no slot, so it may be taken for another pair.
//! If all eight are in use the one that is full first is given up, and its pair starts again
//! with a full bucket: that takes nine authors' or threads' storms in one of the sets at
//! once, and lets no more through than a burst. Two pairs that share set and bits share a
//! bucket; of two active pairs one in 10^11 does.

use crate::base::{EventId, PubKey};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// 65 536 pairs at once, in 512 KiB.
const SETS: usize = 8_192;
const WAYS: usize = 8;

const TIME_BITS: u32 = 40;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// A full bucket holds what comes in so long: at 60 a minute, 30 answers at once.
const BURST_MS: u64 = 30_000;
const MINUTE_MS: u64 = 60_000;

/// See the module's documentation.
pub(super) struct Storms {
    sets: Box<[Set]>,
    secret: RandomState,
}

#[repr(align(64))]
#[derive(Default)]
struct Set([AtomicU64; WAYS]);

impl Storms {
    pub fn new() -> Self {
        Storms { sets: (0..SETS).map(|_| Set::default()).collect(), secret: RandomState::new() }
    }

    /// Counts an event of `author` in the thread that begins with `root`, which may have
    /// `per_minute` of them (not 0).
    ///
    /// # Errors
    /// It is one too many and was not counted; after so many milliseconds it would be.
    pub fn count(&self, author: &PubKey, root: &EventId, per_minute: u64, now_ms: u64) -> Result<(), u64> {
        let hash = self.secret.hash_one((author, root));
        let set = &self.sets[(hash % SETS as u64) as usize];
        // The set was chosen by the low bits; the high ones are left.
        let mark = (hash >> TIME_BITS) << TIME_BITS;
        let cost = (MINUTE_MS / per_minute.max(1)).max(1);
        let now = now_ms & TIME_MASK;
        loop {
            let (way, word) = set.slot(mark, now);
            let full_at = if word & !TIME_MASK == mark { word & TIME_MASK } else { 0 };
            let missing = full_at.saturating_sub(now);
            let after = missing + cost;
            if missing > 0 && after > BURST_MS {
                return Err(missing.min(after - BURST_MS));
            }
            let next = mark | (now + after).min(TIME_MASK);
            if set.0[way].compare_exchange(word, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
        }
    }
}

impl Set {
    /// The pair's slot, or else the one to take: what is full first is missed least. Two
    /// threads that meet a new pair at once may give it two slots, and one burst more.
    fn slot(&self, mark: u64, now: u64) -> (usize, u64) {
        let words: [u64; WAYS] = std::array::from_fn(|way| self.0[way].load(Ordering::Relaxed));
        let own = words.iter().position(|word| word & !TIME_MASK == mark && word & TIME_MASK > now);
        let way =
            own.unwrap_or_else(|| (0..WAYS).min_by_key(|&way| words[way] & TIME_MASK).unwrap_or_default());
        (way, words[way])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(n: u64) -> (PubKey, EventId) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        (PubKey(bytes), EventId([1; 32]))
    }

    fn passed(storms: &Storms, n: u64, times: u64, per_minute: u64, now_ms: u64) -> u64 {
        let (author, root) = pair(n);
        (0..times).filter(|_| storms.count(&author, &root, per_minute, now_ms).is_ok()).count() as u64
    }

    #[test]
    fn half_a_minutes_answers_pass_at_once_and_then_the_rate() {
        let storms = Storms::new();
        assert_eq!(passed(&storms, 1, 100, 60, 5_000), 30);
        let (author, root) = pair(1);
        assert_eq!(storms.count(&author, &root, 60, 5_000), Err(1_000));
        assert_eq!(storms.count(&author, &root, 60, 6_000), Ok(()));
        assert_eq!(passed(&storms, 1, 100, 60, 16_000), 10);
        assert_eq!(passed(&storms, 1, 1_000, 60, 10_000_000), 30);
    }

    #[test]
    fn another_author_and_another_thread_have_buckets_of_their_own() {
        let storms = Storms::new();
        assert_eq!(passed(&storms, 1, 31, 60, 1), 30);
        assert_eq!(passed(&storms, 2, 31, 60, 1), 30);
        let (author, _) = pair(1);
        assert_eq!(storms.count(&author, &EventId([2; 32]), 60, 1), Ok(()));
    }

    /// Sixteen times as many pairs as there are slots: nobody is refused for another's storm,
    /// and a pair that storms while the crowd passes gets at most a burst more per eviction.
    #[test]
    fn a_crowd_of_pairs_neither_blocks_others_nor_grows_the_table() {
        let storms = Storms::new();
        let crowd = (SETS * WAYS * 16) as u64;
        assert_eq!((10..crowd).filter(|&n| passed(&storms, n, 1, 60, 1_000) == 0).count(), 0);
        assert_eq!(storms.sets.len() * WAYS, SETS * WAYS);
        // A storm is deeper in debt than the crowd: it is the last to be given up.
        assert_eq!(passed(&storms, 1, 30, 60, 1_000), 30);
        assert_eq!((crowd..2 * crowd).filter(|&n| passed(&storms, n, 1, 60, 1_000) == 0).count(), 0);
        assert_eq!(passed(&storms, 1, 30, 60, 1_000), 0);
    }

    #[test]
    fn threads_that_count_the_same_pair_pass_no_more_than_the_burst() {
        let storms = Storms::new();
        assert_eq!(passed(&storms, 1, 1, 60, 1), 1);
        let taken: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| passed(&storms, 1, 100, 60, 1))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 29);
    }
}

//! The ids of ephemeral events, remembered for as long as a copy could still be accepted.
//!
//! Ids are kept by the second of their `created_at`. A second is forgotten when it leaves the
//! window, or, at the bound on memory, when it is the oldest; in either case it is then at or
//! below the horizon, and whatever is dated there is refused as too old. So an id that is not
//! remembered is either new or too old, and no event is accepted twice.
//!
//! Ids dated ahead of the clock take at most half of the room: whoever fills the set with them would
//! otherwise push everybody's present out of it for as long as they lie ahead.
//!
//! Partitioned by id, each partition behind its own lock with its own horizon: shards meet only
//! when two ids fall into the same one. Which one is secret, so no author can aim at it.

use crate::base::EventId;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Enough that two of at most 64 shards rarely meet, few enough that a second's ids lie together.
const PARTITIONS: usize = 64;

/// What the set says about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Not seen; for [`SeenSet::insert`]: and now remembered, for this caller alone.
    Fresh,
    /// Seen before.
    Duplicate,
    /// It could have been forgotten. `limit` is how old an event may be at present, in seconds:
    /// the window, or less while the bound on memory keeps it shorter.
    TooOld { limit: i64 },
    /// Dated ahead of the clock, while ids from ahead fill their part of the set.
    TooFarAhead,
}

/// See the module's documentation. 20 to 40 B per id, and at most 150 B for each second and partition
/// in use, which is 16 MiB with the default window.
pub struct SeenSet {
    partitions: Box<[Mutex<Partition>]>,
    secret: RandomState,
    ids_max_per_partition: usize,
    window_seconds: i64,
}

/// 16 bytes of an id; finding two ids that share them takes 2^64 hashes of one's own events.
type ShortId = [u8; 16];

struct Partition {
    seconds: BTreeMap<i64, HashSet<ShortId>>,
    ids: usize,
    /// Everything dated at or before it may have been forgotten. Never falls.
    horizon: i64,
}

impl SeenSet {
    /// A set that remembers at most `ids_max` ids, for `window_seconds` after their date.
    pub fn new(ids_max: usize, window_seconds: i64) -> Self {
        Self::with_partitions(PARTITIONS, ids_max, window_seconds)
    }

    fn with_partitions(partitions: usize, ids_max: usize, window_seconds: i64) -> Self {
        let empty = || Mutex::new(Partition { seconds: BTreeMap::new(), ids: 0, horizon: i64::MIN });
        SeenSet {
            partitions: (0..partitions).map(|_| empty()).collect(),
            secret: RandomState::new(),
            ids_max_per_partition: ids_max / partitions,
            window_seconds,
        }
    }

    /// What [`insert`](Self::insert) would say now, changing nothing.
    pub fn peek(&self, id: &EventId, created_at: i64, unix_now: i64) -> Seen {
        let partition = self.partition(id);
        if let Some(limit) = self.too_old(&partition, created_at, unix_now) {
            return Seen::TooOld { limit };
        }
        let known = partition.seconds.get(&created_at).is_some_and(|ids| ids.contains(&short(id)));
        if known { Seen::Duplicate } else { Seen::Fresh }
    }

    /// Remembers the id; of all callers that bring one, exactly one is told it is fresh.
    pub fn insert(&self, id: &EventId, created_at: i64, unix_now: i64) -> Seen {
        let mut partition = self.partition(id);
        partition.forget_before(unix_now.saturating_sub(self.window_seconds));
        if let Some(limit) = self.too_old(&partition, created_at, unix_now) {
            return Seen::TooOld { limit };
        }
        if partition.seconds.get(&created_at).is_some_and(|ids| ids.contains(&short(id))) {
            return Seen::Duplicate;
        }
        if created_at > unix_now && partition.ids_after(unix_now, self.ids_max_per_partition / 2) {
            return Seen::TooFarAhead;
        }
        if partition.ids >= self.ids_max_per_partition {
            partition.make_room(created_at);
            if let Some(limit) = self.too_old(&partition, created_at, unix_now) {
                return Seen::TooOld { limit };
            }
        }
        partition.ids += 1;
        partition.seconds.entry(created_at).or_default().insert(short(id));
        Seen::Fresh
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.partitions.iter().map(|p| p.lock().unwrap_or_else(PoisonError::into_inner).ids).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn partition(&self, id: &EventId) -> MutexGuard<'_, Partition> {
        let index = self.secret.hash_one(id) as usize % self.partitions.len();
        self.partitions[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Some(limit)` if an event of that date could have been forgotten.
    fn too_old(&self, partition: &Partition, created_at: i64, unix_now: i64) -> Option<i64> {
        if created_at < unix_now.saturating_sub(self.window_seconds) {
            return Some(self.window_seconds);
        }
        let youngest_refused = partition.horizon;
        (created_at <= youngest_refused)
            .then(|| unix_now.saturating_sub(youngest_refused).saturating_sub(1).max(0))
    }
}

impl Partition {
    fn forget_before(&mut self, second: i64) {
        while self.seconds.first_key_value().is_some_and(|(oldest, _)| *oldest < second) {
            self.forget_oldest();
        }
    }

    /// Whether so many ids are dated after a second: of at most as many seconds as an event may
    /// lie ahead, which are only counted where there are enough ids.
    fn ids_after(&self, second: i64, many: usize) -> bool {
        let after =
            || self.seconds.range(second.saturating_add(1)..).map(|(_, ids)| ids.len()).sum::<usize>();
        self.ids >= many && after() >= many
    }

    /// At the bound: gives up the oldest second, or `created_at` itself if that is older still.
    fn make_room(&mut self, created_at: i64) {
        match self.seconds.first_key_value() {
            Some((oldest, _)) if *oldest <= created_at => self.forget_oldest(),
            _ => self.horizon = self.horizon.max(created_at),
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((second, ids)) = self.seconds.pop_first() {
            self.ids -= ids.len();
            self.horizon = self.horizon.max(second);
        }
    }
}

fn short(id: &EventId) -> ShortId {
    let mut short = [0; 16];
    short.copy_from_slice(&id.0[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use std::sync::Barrier;

    fn id(n: u64) -> EventId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        EventId(bytes)
    }

    /// Remembers everything ever accepted; bounded like the set by dropping oldest seconds.
    #[derive(Default)]
    struct Naive {
        accepted: Vec<(i64, u64)>,
        kept: Vec<(i64, u64)>,
        horizon: Option<i64>,
    }

    impl Naive {
        fn insert(&mut self, n: u64, at: i64, now: i64, window: i64, max: usize) -> &'static str {
            for gone in self.kept.iter().map(|k| k.0).filter(|s| *s < now - window) {
                self.horizon = self.horizon.max(Some(gone));
            }
            self.kept.retain(|k| k.0 >= now - window);
            if at < now - window || Some(at) <= self.horizon {
                return "too old";
            }
            if self.kept.contains(&(at, n)) {
                return "duplicate";
            }
            if at > now && self.kept.iter().filter(|k| k.0 > now).count() >= max / 2 {
                return "too far ahead";
            }
            if self.kept.len() >= max {
                let oldest = self.kept.iter().map(|k| k.0).min().unwrap().min(at);
                self.kept.retain(|k| k.0 != oldest);
                self.horizon = self.horizon.max(Some(oldest));
                if at == oldest {
                    return "too old";
                }
            }
            self.kept.push((at, n));
            assert!(!self.accepted.contains(&(at, n)), "accepted twice");
            self.accepted.push((at, n));
            "fresh"
        }
    }

    fn word(seen: Seen) -> &'static str {
        match seen {
            Seen::Fresh => "fresh",
            Seen::Duplicate => "duplicate",
            Seen::TooOld { limit } => {
                assert!(limit >= 0);
                "too old"
            }
            Seen::TooFarAhead => "too far ahead",
        }
    }

    #[test]
    fn agrees_with_a_naive_set_also_at_the_bound_and_when_the_clock_jumps() {
        let mut words = std::collections::HashMap::new();
        for seed in 0..40 {
            let mut rng = StdRng::seed_from_u64(seed);
            let (window, max) = (rng.random_range(1..20), rng.random_range(1..40));
            let set = SeenSet::with_partitions(1, max, window);
            let mut naive = Naive::default();
            let mut now = 1_000;
            for step in 0..500 {
                match rng.random_range(0..40) {
                    0 => now += rng.random_range(0..3 * window),
                    1 => now -= rng.random_range(0..window),
                    2..8 => now += 1,
                    _ => {}
                }
                // The date belongs to the id, as it does for events.
                let n = rng.random_range(0..60u64) + now.unsigned_abs() / 8 * 4;
                let at = (n / 4 * 8) as i64 + n as i64 % 7 - 60;
                let peeked = word(set.peek(&id(n), at, now));
                let said = word(set.insert(&id(n), at, now));
                assert_eq!(said, naive.insert(n, at, now, window, max), "seed {seed} step {step}");
                assert!(peeked == said || (peeked == "fresh" && said.starts_with("too")), "{peeked} {said}");
                assert_eq!(set.len(), naive.kept.len());
                assert!(set.len() <= max);
                *words.entry(said).or_insert(0) += 1;
            }
        }
        assert!(words.len() == 4 && words.values().all(|&times| times > 500), "{words:?}");
    }

    #[test]
    fn ids_dated_ahead_leave_room_for_the_present() {
        let set = SeenSet::with_partitions(1, 100, 900);
        let now = 10_000;
        let ahead = (0..100).map(|n| word(set.insert(&id(n), now + 1 + n as i64, now))).collect::<Vec<_>>();
        assert_eq!(ahead.iter().filter(|said| **said == "fresh").count(), 50, "{ahead:?}");
        for n in 1_000..1_050 {
            assert_eq!(word(set.insert(&id(n), now, now)), "fresh");
        }
        // One second more than there is room for: the older one goes, as without the others.
        assert_eq!(word(set.insert(&id(2_000), now, now + 1)), "too old");
        assert_eq!(word(set.insert(&id(2_001), now + 1, now + 1)), "fresh");
    }

    #[test]
    fn an_id_offered_by_many_threads_at_once_is_fresh_once() {
        const THREADS: usize = 8;
        const IDS: u64 = 2_000;
        let set = SeenSet::new(1 << 20, 900);
        let start = Barrier::new(THREADS);
        let fresh: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let offer = || {
                start.wait();
                (0..IDS).filter(|&n| set.insert(&id(n), n as i64 % 50, 60) == Seen::Fresh).collect()
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(offer)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut all: Vec<u64> = fresh.concat();
        all.sort_unstable();
        assert_eq!(all, (0..IDS).collect::<Vec<_>>());
        assert_eq!(set.len(), IDS as usize);
    }

    /// What is said here of memory, computed from how tables lie: it is what the planner counts with.
    #[test]
    fn an_id_takes_as_much_as_the_planner_counts() {
        use crate::plan::sizes::{SEEN_ID_BYTES, SEEN_PARTITIONS, SEEN_SECOND_BYTES};
        /// Entries of a tree's node, of which the least are in use, and what is beside them.
        const NODE: (usize, usize, usize) = (11, 6, 16);
        assert_eq!(PARTITIONS as f64, SEEN_PARTITIONS);
        for ids in [1, 3, 4, 7, 8, 28, 29, 448, 449, 7_168, 7_169, 100_000] {
            let set = SeenSet::with_partitions(1, 1 << 20, 900);
            assert!((0..ids).all(|n| set.insert(&id(n), 1_000, 1_000) == Seen::Fresh));
            let partition = set.partitions[0].lock().unwrap();
            // At most seven of eight buckets are used; each has a byte beside it, and so have 16
            // behind the last one.
            let buckets = (partition.seconds[&1_000].capacity() * 8 / 7).next_power_of_two();
            let table = buckets * (size_of::<ShortId>() + 1) + 16;
            let entry = (NODE.0 * size_of::<(i64, HashSet<ShortId>)>() + NODE.2).div_ceil(NODE.1);
            let (ids, held) = (ids as f64, (table + entry) as f64);
            assert!(held <= ids * SEEN_ID_BYTES + SEEN_SECOND_BYTES, "{ids}: {held}");
            assert!(held >= ids * SEEN_ID_BYTES * 0.48, "{ids}: {held}");
        }
    }

    #[test]
    fn a_bound_of_nothing_refuses_everything() {
        let set = SeenSet::new(0, 900);
        assert!(matches!(set.insert(&id(1), 1_000, 1_000), Seen::TooOld { limit: 0 }));
        assert!(set.is_empty());
    }
}

//! What is limited for every key of the allowlist, and the bucket that counts it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// One limit of a key. All connections of the key share it, on whatever shard; 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum KeyLimit {
    /// Events published per second, whoever signed them.
    PublishesPerSecond,
    /// Bytes of those events per second.
    BytesPerSecond,
    /// Bytes of stored events read from the log per second; live events are not counted.
    ReplayBytesPerSecond,
    /// Events of one author into one thread per minute: the storm breaker.
    ThreadPublishesPerMinute,
    /// Open connections.
    Connections,
    /// Open subscriptions, over all connections.
    Subscriptions,
    /// Entries of each list of a filter, and values of all its tags together.
    FilterEntries,
}

impl KeyLimit {
    /// Every limit, for loops and messages that list them.
    pub const ALL: [KeyLimit; 7] = [
        KeyLimit::PublishesPerSecond,
        KeyLimit::BytesPerSecond,
        KeyLimit::ReplayBytesPerSecond,
        KeyLimit::ThreadPublishesPerMinute,
        KeyLimit::Connections,
        KeyLimit::Subscriptions,
        KeyLimit::FilterEntries,
    ];

    /// Whether what is over it gets Error 429; what is a matter of form gets 400.
    pub fn answers_429(self) -> bool {
        !matches!(self, KeyLimit::ReplayBytesPerSecond | KeyLimit::Subscriptions | KeyLimit::FilterEntries)
    }

    /// The largest value. Above what any machine does, and small enough to count in
    /// nanoseconds; the storm breaker counts in milliseconds.
    pub fn value_max(self) -> u64 {
        match self {
            KeyLimit::ThreadPublishesPerMinute => 60_000,
            _ => 1 << 40,
        }
    }

    /// The name used in configuration, on the command line and in errors.
    pub fn name(self) -> &'static str {
        match self {
            KeyLimit::PublishesPerSecond => "publishes_per_s",
            KeyLimit::BytesPerSecond => "bytes_per_s",
            KeyLimit::ReplayBytesPerSecond => "replay_bytes_per_s",
            KeyLimit::ThreadPublishesPerMinute => "thread_publishes_per_min",
            KeyLimit::Connections => "connections_max",
            KeyLimit::Subscriptions => "subscriptions_max",
            KeyLimit::FilterEntries => "filter_entries_max",
        }
    }

    /// The limit of that name.
    pub fn from_name(name: &str) -> Option<KeyLimit> {
        KeyLimit::ALL.into_iter().find(|limit| limit.name() == name)
    }
}

impl fmt::Display for KeyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value for every limit; 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyLimits([u64; KeyLimit::ALL.len()]);

impl KeyLimits {
    /// The value; 0 is no limit.
    pub fn get(&self, limit: KeyLimit) -> u64 {
        self.0[limit as usize]
    }

    /// Sets a value, at most [`KeyLimit::value_max`].
    pub fn set(&mut self, limit: KeyLimit, value: u64) {
        self.0[limit as usize] = value.min(limit.value_max());
    }

    /// These limits where `overrides` says nothing else.
    pub fn with(mut self, overrides: &KeyOverrides) -> KeyLimits {
        for (limit, value) in overrides.iter() {
            self.set(limit, value);
        }
        self
    }
}

/// What one key's entry says instead of its role's limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyOverrides([Option<u64>; KeyLimit::ALL.len()]);

impl KeyOverrides {
    /// Sets a value, at most [`KeyLimit::value_max`]; 0 is no limit.
    pub fn set(&mut self, limit: KeyLimit, value: u64) {
        self.0[limit as usize] = Some(value.min(limit.value_max()));
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// What is said, in the order of [`KeyLimit::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (KeyLimit, u64)> {
        KeyLimit::ALL.into_iter().filter_map(|limit| Some((limit, self.0[limit as usize]?)))
    }
}

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Units per period; not 0.
    pub units: u64,
    pub period_nanos: u64,
    /// What a full bucket holds, as the time it takes to fill.
    pub burst_nanos: u64,
}

impl Rate {
    /// So many units in a second, and a full bucket holds as many: whoever publishes once a
    /// second in bursts is not slowed down.
    pub fn per_second(units: u64) -> Rate {
        Rate { units, period_nanos: 1_000_000_000, burst_nanos: 1_000_000_000 }
    }

    /// Nanoseconds that `n` units take to fill; at least 1. Rounded down, so that a full bucket
    /// holds all of its units one by one.
    fn nanos(self, n: u64) -> u64 {
        (n.saturating_mul(self.period_nanos) / self.units.max(1)).max(1)
    }
}

/// A token bucket in one word, shared without a lock (GCRA): the instant from which on it is
/// full. Taking moves that instant into the future, and time does the filling, so that a
/// bucket nobody uses needs no attention. Nanoseconds of any one clock.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

impl Bucket {
    /// Takes `n` units. A full bucket gives any number, so that what is larger than the bucket
    /// passes, too, and is paid for afterwards.
    ///
    /// # Errors
    /// Nothing was taken; after so many nanoseconds it would be.
    pub fn take(&self, rate: Rate, now_nanos: u64, n: u64) -> Result<(), u64> {
        let cost = rate.nanos(n);
        let mut full_at = self.0.load(Ordering::Relaxed);
        loop {
            let missing = full_at.saturating_sub(now_nanos);
            let after = missing.saturating_add(cost);
            if missing > 0 && after > rate.burst_nanos {
                return Err(missing.min(after - rate.burst_nanos));
            }
            let next = now_nanos.saturating_add(after);
            match self.0.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now_there) => full_at = now_there,
            }
        }
    }

    /// Gives back what [`take`](Self::take) took.
    pub fn give_back(&self, rate: Rate, n: u64) {
        let cost = rate.nanos(n);
        // Never below 0: the same cost was added before.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| Some(at.saturating_sub(cost)));
    }

    /// Takes `n` units whether they are there or not.
    pub fn charge(&self, rate: Rate, now_nanos: u64, n: u64) {
        let cost = rate.nanos(n);
        let add = |full_at: u64| Some(full_at.max(now_nanos).saturating_add(cost));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Whether more was charged than a full bucket holds.
    pub fn is_in_debt(&self, rate: Rate, now_nanos: u64) -> bool {
        self.0.load(Ordering::Relaxed).saturating_sub(now_nanos) > rate.burst_nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate_and_says_when_to_come_back() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(10));
        let start = 5 * SECOND;
        assert!((0..10).all(|_| bucket.take(rate, start, 1).is_ok()));
        let wait = bucket.take(rate, start, 1).unwrap_err();
        assert_eq!(wait, SECOND / 10);
        assert!(bucket.take(rate, start + wait - 1, 1).is_err());
        assert_eq!(bucket.take(rate, start + wait, 1), Ok(()));
        // After a long pause it holds its burst and no more.
        let later = start + 100 * SECOND;
        assert!((0..10).all(|_| bucket.take(rate, later, 1).is_ok()));
        assert!(bucket.take(rate, later, 1).is_err());
    }

    #[test]
    fn what_is_larger_than_the_bucket_passes_a_full_one_and_is_paid_for() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(1_000));
        assert_eq!(bucket.take(rate, SECOND, 5_000), Ok(()));
        let wait = bucket.take(rate, SECOND, 5_000).unwrap_err();
        assert_eq!(wait, 5 * SECOND, "until it is full again");
        assert_eq!(bucket.take(rate, SECOND + wait, 5_000), Ok(()));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(2));
        assert_eq!((bucket.take(rate, 0, 1), bucket.take(rate, 0, 1)), (Ok(()), Ok(())));
        bucket.give_back(rate, 1);
        assert_eq!(bucket.take(rate, 0, 1), Ok(()));
        assert!(bucket.take(rate, 0, 1).is_err());
    }

    #[test]
    fn a_debt_is_a_debt_until_it_is_paid() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(100));
        bucket.charge(rate, SECOND, 100);
        assert!(!bucket.is_in_debt(rate, SECOND));
        bucket.charge(rate, SECOND, 200);
        assert!(bucket.is_in_debt(rate, 3 * SECOND - 1));
        assert!(!bucket.is_in_debt(rate, 3 * SECOND));
    }

    #[test]
    fn many_threads_together_get_the_rate_and_not_one_more() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(1_000));
        let take = || (0..2_000).filter(|_| bucket.take(rate, SECOND, 1).is_ok()).count();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1_000);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let (bucket, rate) = (Bucket::default(), Rate::per_second(KeyLimit::BytesPerSecond.value_max()));
        assert_eq!(bucket.take(rate, u64::MAX, u64::MAX), Ok(()));
        bucket.charge(rate, u64::MAX, u64::MAX);
        bucket.give_back(rate, u64::MAX);
    }

    #[test]
    fn an_override_counts_and_the_rest_stays_the_roles() {
        let (mut limits, mut overrides) = (KeyLimits::default(), KeyOverrides::default());
        limits.set(KeyLimit::Connections, 5);
        limits.set(KeyLimit::Subscriptions, 6);
        overrides.set(KeyLimit::Subscriptions, 0);
        let both = limits.with(&overrides);
        assert_eq!((both.get(KeyLimit::Connections), both.get(KeyLimit::Subscriptions)), (5, 0));
        assert!(KeyLimit::ALL.iter().all(|limit| KeyLimit::from_name(limit.name()) == Some(*limit)));
    }
}

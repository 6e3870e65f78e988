//! How long to wait before connecting again.

use std::time::Duration;

/// The first wait: a relay that restarts is back in about this time.
const FIRST_MS: u64 = 250;
/// The longest wait: above it people notice that a relay is back before their agents do.
const LONGEST_MS: u64 = 30_000;

/// Doubles from try to try up to a bound. Half of each wait is random, so that the clients of a
/// relay that restarted do not all come back in the same moment.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The wait before the next try.
    pub(super) fn next(&mut self) -> Duration {
        let whole = FIRST_MS.saturating_mul(1 << self.tries.min(16)).min(LONGEST_MS);
        self.tries = self.tries.saturating_add(1);
        Duration::from_millis(whole / 2 + rand::random_range(0..=whole / 2))
    }

    /// The connection proved itself.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_success() {
        let mut backoff = Backoff::default();
        let bounds = |n: u32| {
            let whole = (FIRST_MS << n.min(10)).min(LONGEST_MS);
            Duration::from_millis(whole / 2)..=Duration::from_millis(whole)
        };
        for n in 0..1_000 {
            let wait = backoff.next();
            assert!(bounds(n).contains(&wait), "try {n}: {wait:?}");
        }
        backoff.reset();
        assert!(bounds(0).contains(&backoff.next()));
    }
}

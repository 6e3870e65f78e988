//! One line per connection when it ends, with the reason; not more than an operator can read.

use crate::base::{Bucket, Closing, Now, PubKey, Rate};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lines per second of one shard: a hundred clients that leave are all seen, and a flood of
/// connections does not become a flood of the log.
const LINES_PER_SECOND: u64 = 100;

/// What there is to say of a connection that has ended. Never a secret: the key is the public one.
#[derive(Debug)]
pub(super) struct Farewell {
    pub peer: SocketAddr,
    /// Whose login it was, if there was one.
    pub key: Option<PubKey>,
    pub closing: Closing,
    /// Between accept and end.
    pub lasted_ms: u64,
}

/// Writes the lines of one thread.
#[derive(Debug, Default)]
pub(super) struct Farewells {
    bucket: Bucket,
    /// Lines left out since the last one that was written.
    left_out: AtomicU64,
}

impl Farewells {
    /// Writes one, if there is room. Whether it was written.
    pub fn say(&self, now: Now, farewell: &Farewell) -> bool {
        if self.bucket.take(Rate::per_second(LINES_PER_SECOND), now.nanos, 1).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let Farewell { peer, key, closing, lasted_ms } = farewell;
        let key = key.map(tracing::field::display);
        let left_out = Some(self.left_out.swap(0, Ordering::Relaxed)).filter(|n| *n > 0);
        tracing::info!(%peer, key, reason = %closing, lasted_ms, left_out, "a connection has ended");
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_endings_is_cut_to_the_rate() {
        let farewells = Farewells::default();
        let farewell = Farewell {
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            key: None,
            closing: Closing::Gone,
            lasted_ms: 1,
        };
        let at = |nanos| Now { nanos, ..Now::default() };
        let said = (0..1_000).filter(|_| farewells.say(at(1), &farewell)).count();
        assert_eq!(said as u64, LINES_PER_SECOND);
        assert_eq!(farewells.left_out.load(Ordering::Relaxed), 900);
        assert!(farewells.say(at(20_000_000), &farewell));
        assert_eq!(farewells.left_out.load(Ordering::Relaxed), 0);
    }
}

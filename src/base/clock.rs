//! The one place where time is read. Everyone else is handed a value.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic milliseconds since the process's clock was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// This instant, `ms` later.
    pub fn plus(self, ms: u64) -> Millis {
        Millis(self.0.saturating_add(ms))
    }

    /// How long ago `earlier` was; 0 if it is later than this.
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The time of one input, read once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    pub ms: Millis,
    /// Of the same clock as `ms`.
    pub nanos: u64,
    pub unix_seconds: i64,
}

/// Reads the machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts now.
    #[allow(clippy::disallowed_methods, reason = "the one site that reads time")]
    pub fn new() -> Self {
        Clock { start: Instant::now() }
    }

    /// All of it.
    pub fn read(&self) -> Now {
        let nanos = self.nanos();
        Now { ms: Millis(nanos / 1_000_000), nanos, unix_seconds: self.unix_seconds() }
    }

    /// Monotonic milliseconds.
    pub fn now(&self) -> Millis {
        Millis(self.nanos() / 1_000_000)
    }

    /// Monotonic nanoseconds, for latency histograms.
    pub fn nanos(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Seconds since the Unix epoch; 0 if the machine's clock is before it.
    pub fn unix_seconds(&self) -> i64 {
        self.unix_millis() / 1_000
    }

    /// Milliseconds since the Unix epoch; 0 if the machine's clock is before it.
    #[allow(clippy::disallowed_methods, reason = "the one site that reads time")]
    pub fn unix_millis(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
}

/// CPU nanoseconds the calling thread has used. A system call: some 0.2 µs.
pub fn thread_cpu_nanos() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = used.tv_sec as i128 * 1_000_000_000 + i128::from(used.tv_nsec);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

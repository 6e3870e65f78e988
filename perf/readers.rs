//! Subscribers: connections whose deliveries are counted, and timed for some of them.

use crate::conn::Conn;
use crate::failure::Result;
use crate::frame::{ENVELOPE, ERROR};
use crate::poll::Poll;
use axon::base::Clock;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Which events reach a reader, so that its k-th delivery can be told from the others without
/// reading it: of every `cycle` events, `run` in a row from `start` on.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub start: usize,
    pub run: usize,
    pub cycle: usize,
}

impl Share {
    /// A reader that gets every event.
    pub const ALL: Share = Share { start: 0, run: 1, cycle: 1 };

    /// The number of the event that is delivery number `k`.
    pub fn event(self, k: usize) -> usize {
        k / self.run * self.cycle + self.start + k % self.run
    }
}

/// One subscriber.
pub struct Reader {
    pub conn: Conn,
    /// `None`: its deliveries are counted but not timed.
    pub timed: Option<Share>,
}

/// Send times of one publisher's events, in clock nanoseconds; 0: not sent.
pub type SendTimes = Vec<AtomicU64>;

/// What one loop tells the others.
#[derive(Debug, Default)]
pub struct Progress {
    pub delivered: AtomicU64,
    /// Deliveries of the reader that has the fewest.
    pub slowest: AtomicU64,
}

/// The readers of one loop.
pub struct Readers {
    readers: Vec<Reader>,
    delivered: Vec<u64>,
    total: u64,
    pub errors: u64,
    pub latency: Histogram<u64>,
    /// Events before this one are not timed.
    warmup: usize,
}

/// Three digits up to a minute; longer times are shown as a minute.
pub fn histogram() -> Histogram<u64> {
    match Histogram::new_with_bounds(1, 60_000_000_000, 3) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("the bounds are constants that hdrhistogram accepts"),
    }
}

impl Readers {
    pub fn new(readers: Vec<Reader>, warmup: usize) -> Readers {
        let delivered = vec![0; readers.len()];
        Readers { readers, delivered, total: 0, errors: 0, latency: histogram(), warmup }
    }

    /// Watches all of them; their numbers begin at `first`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn register(&self, poll: &Poll, first: usize) -> Result<()> {
        self.readers.iter().enumerate().try_for_each(|(at, reader)| poll.add(&reader.conn.stream, first + at))
    }

    /// Reads once from reader `at`.
    ///
    /// # Errors
    /// Its socket failed or was closed.
    pub fn read(&mut self, at: usize, buf: &mut [u8], sent: &SendTimes, clock: &Clock) -> Result<()> {
        let reader = &mut self.readers[at];
        let (mut count, mut errors) = (0, 0);
        reader.conn.read(buf, true, &mut |kind, _| {
            count += u64::from(kind == ENVELOPE);
            errors += u64::from(kind == ERROR);
        })?;
        if reader.conn.closed {
            return Err(crate::failure::Failure::Protocol("the relay closed a subscriber".to_owned()));
        }
        if let Some(share) = reader.timed {
            let now = clock.nanos();
            let first = self.delivered[at] as usize;
            for k in first..first + count as usize {
                let event = share.event(k);
                let sent = sent.get(event).map_or(0, |time| time.load(Ordering::Relaxed));
                if event >= self.warmup && sent != 0 {
                    self.latency.saturating_record(now.saturating_sub(sent));
                }
            }
        }
        self.delivered[at] += count;
        self.total += count;
        self.errors += errors;
        Ok(())
    }

    /// Tells the others how far these have come.
    pub fn report(&self, progress: &Progress) {
        progress.delivered.store(self.total, Ordering::Relaxed);
        let slowest = self.delivered.iter().copied().min().unwrap_or(u64::MAX);
        progress.slowest.store(slowest, Ordering::Relaxed);
    }

    /// Bytes received by all of them.
    pub fn bytes_in(&self) -> u64 {
        self.readers.iter().map(|reader| reader.conn.bytes_in).sum()
    }

    /// Reads on a thread of its own until `stop`; the share of the time it was on its core.
    ///
    /// # Errors
    /// A socket failed.
    pub fn run(
        &mut self,
        sent: &SendTimes,
        clock: &Clock,
        progress: &Progress,
        stop: &AtomicBool,
    ) -> Result<f64> {
        const LOOK_FOR_STOP_NANOS: u64 = 5_000_000;
        let mut poll = Poll::new()?;
        self.register(&poll, 0)?;
        let (start, start_cpu) = (clock.nanos(), crate::process::thread_cpu_nanos());
        let mut ready = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            poll.wait(LOOK_FOR_STOP_NANOS, &mut ready)?;
            for &at in &ready {
                self.read(at, &mut poll.buf, sent, clock)?;
            }
            self.report(progress);
        }
        let busy = crate::process::thread_cpu_nanos() - start_cpu;
        Ok(busy as f64 / (clock.nanos() - start).max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn deliveries_are_matched_to_events() {
        let share = Share { start: 4, run: 2, cycle: 10 };
        assert_eq!((0..5).map(|k| share.event(k)).collect::<Vec<_>>(), [4, 5, 14, 15, 24]);
        assert_eq!(Share::ALL.event(7), 7);
    }
}

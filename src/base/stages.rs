//! Where the CPU time goes: each thread's work by stage, cheap enough to stay on.
//!
//! A [`Stopwatch`] belongs to one thread and always stands in one [`Stage`]; entering another
//! one adds the time since to the stage that is left. So every stage is measured on its own, by
//! clock reads at its beginning and end, none is counted twice when one is entered inside
//! another, and what no stopwatch has seen can be shown as unexplained.
//!
//! What the figures are, exactly:
//!
//! * The clock is the thread's CPU time. Waiting (for a disk sync, for work, for the core) costs
//!   nothing, and being preempted does not count.
//! * The store's threads measure everything, a few reads per commit, and so do shards with
//!   verify and match batches that are worth it ([`Stopwatch::begin_long`]). Of the rest, shards
//!   measure one piece in [`PIECES_PER_SAMPLE`] on average and count it so many times. A turn,
//!   with the time in the runtime before it, is one piece; a fan-out is one more for each
//!   connection, since few turns make up a second of it. The distance is random: turns come in
//!   patterns (read, judge, answer), and a fixed one could always meet the same kind.
//! * The host may take the core away for milliseconds without the kernel knowing; that counts as
//!   CPU time of whoever ran, for the process and for the stage. If it hits a sampled piece it
//!   counts many times, else not at all: on such a machine sampled stages want a longer look.
//! * A read of this clock is a system call of some 0.2 µs. Every lap contains one; its cost,
//!   measured at the start, is taken off.

use super::clock::thread_cpu_nanos;
use super::counters::Count;
use std::cell::Cell;
use std::sync::Arc;

/// What a thread is doing, in the order an event meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading from sockets, the kernel's part included.
    Receive,
    /// Frames, messages and events out of bytes.
    Decode,
    /// The canonical id, and the cheap checks around it.
    Hash,
    /// Signatures.
    Verify,
    /// Passing work between threads: submissions, outcomes, wake-ups, waiting for them.
    HandOff,
    /// Duplicates, log and ids, and the CPU part of the disk sync.
    Commit,
    /// Index rows.
    Index,
    /// Answering queries from the store.
    Query,
    /// Which subscriptions want an event.
    Match,
    /// Frames for readers, and the bookkeeping of their queues.
    Encode,
    /// Writing to sockets, the kernel's part included.
    Send,
    /// A shard's runtime between two turns: its tasks, its timers and the kernel's ring.
    Runtime,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 12] = [
        Stage::Receive,
        Stage::Decode,
        Stage::Hash,
        Stage::Verify,
        Stage::HandOff,
        Stage::Commit,
        Stage::Index,
        Stage::Query,
        Stage::Match,
        Stage::Encode,
        Stage::Send,
        Stage::Runtime,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Receive => "receive",
            Stage::Decode => "decode",
            Stage::Hash => "hash",
            Stage::Verify => "verify",
            Stage::HandOff => "hand-off",
            Stage::Commit => "commit",
            Stage::Index => "index",
            Stage::Query => "query",
            Stage::Match => "match",
            Stage::Encode => "encode",
            Stage::Send => "send",
            Stage::Runtime => "runtime",
        }
    }
}

/// CPU nanoseconds by stage.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct StageCounters([Count; Stage::ALL.len()]);

impl StageCounters {
    /// CPU nanoseconds of one stage so far.
    pub fn nanos(&self, stage: Stage) -> u64 {
        self.0[stage as usize].get()
    }
}

/// Pieces of work per measured one, on average. One that sends reads the clock four times, some
/// 0.8 µs beside the 8 µs or more of its send: 10 %, or 0.6 % over all.
pub const PIECES_PER_SAMPLE: u64 = 16;

/// Reads to learn the clock's own cost from; the median counts, as the first ones are cold.
const CALIBRATION_READS: usize = 31;

/// One thread's stopwatch.
#[derive(Debug)]
pub struct Stopwatch {
    counters: Arc<StageCounters>,
    /// The thread's CPU time in nanoseconds.
    clock: fn() -> u64,
    /// How often a sampled lap counts.
    sample_weight: u64,
    /// How often a lap counts now.
    weight: Cell<u64>,
    /// Whether this piece is sampled.
    sampled: Cell<bool>,
    read_nanos: u64,
    stage: Cell<Stage>,
    /// When the stage was entered, if it is measured.
    since: Cell<Option<u64>>,
    /// Pieces to the next sampled one.
    pieces_left: Cell<u64>,
    random: Cell<u64>,
}

impl Stopwatch {
    /// Measures some pieces, for a thread whose turns are short; in the runtime at first.
    pub fn sampling(counters: Arc<StageCounters>) -> Stopwatch {
        Stopwatch::new(counters, thread_cpu_nanos, PIECES_PER_SAMPLE, Stage::Runtime, None)
    }

    /// Measures everything from the beginning of the thread it is given to, which waits for
    /// work at first.
    pub fn exact(counters: Arc<StageCounters>) -> Stopwatch {
        Stopwatch::new(counters, thread_cpu_nanos, 1, Stage::HandOff, Some(0))
    }

    fn new(
        counters: Arc<StageCounters>,
        clock: fn() -> u64,
        weight: u64,
        stage: Stage,
        since: Option<u64>,
    ) -> Stopwatch {
        let mut reads = [0; CALIBRATION_READS].map(|_: u64| {
            let begin = clock();
            clock().saturating_sub(begin)
        });
        reads.sort_unstable();
        Stopwatch {
            counters,
            clock,
            sample_weight: weight,
            weight: Cell::new(weight),
            sampled: Cell::new(since.is_some()),
            read_nanos: reads[CALIBRATION_READS / 2],
            stage: Cell::new(stage),
            since: Cell::new(since),
            pieces_left: Cell::new(1),
            random: Cell::new(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// From now on the thread does this. The stage it was in, to go back to it.
    pub fn enter(&self, stage: Stage) -> Stage {
        let left = self.stage.replace(stage);
        if left != stage {
            self.lap(left);
        }
        left
    }

    /// From now on, until [`Stopwatch::end_long`], everything is measured and counts once: for
    /// work that is long beside a few clock reads.
    pub fn begin_long(&self, stage: Stage) {
        self.lap(self.stage.replace(stage));
        self.weight.set(1);
        if !self.sampled.get() {
            self.since.set(Some((self.clock)()));
        }
    }

    /// The long work is over; the thread goes on in `stage`.
    pub fn end_long(&self, stage: Stage) {
        self.lap(self.stage.replace(stage));
        self.weight.set(self.sample_weight);
        if !self.sampled.get() {
            self.since.set(None);
        }
    }

    /// A turn is over, and with it its last piece; the runtime belongs to the next one.
    pub fn end_turn(&self) {
        self.lap(self.stage.replace(Stage::Runtime));
        self.draw();
    }

    /// A piece of a turn is over; the next one begins in the same stage. Not inside long work.
    pub fn next_piece(&self) {
        self.lap(self.stage.get());
        self.draw();
    }

    /// Whether the piece that begins now is sampled.
    fn draw(&self) {
        let left = self.pieces_left.get() - 1;
        let sampled = left == 0;
        self.sampled.set(sampled);
        self.pieces_left.set(if sampled { self.distance() } else { left });
        self.since.set(sampled.then(|| self.since.get().unwrap_or_else(self.clock)));
    }

    /// Adds the time since the last lap to a stage, if it is measured.
    fn lap(&self, stage: Stage) {
        if let Some(since) = self.since.get() {
            let now = (self.clock)();
            let lap = now.saturating_sub(since).saturating_sub(self.read_nanos);
            self.counters.0[stage as usize].add(lap * self.weight.get());
            self.since.set(Some(now));
        }
    }

    /// From 1 to twice the weight of a sample less 1, so that the mean is the weight (xorshift).
    fn distance(&self) -> u64 {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        1 + random % (2 * self.sample_weight - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    fn now() -> u64 {
        NOW.get()
    }

    fn work(nanos: u64) {
        NOW.set(NOW.get() + nanos);
    }

    fn watch(weight: u64) -> (Stopwatch, Arc<StageCounters>) {
        let counters: Arc<StageCounters> = Arc::default();
        (Stopwatch::new(Arc::clone(&counters), now, weight, Stage::Runtime, None), counters)
    }

    #[test]
    fn a_stage_inside_another_is_counted_once() {
        let (watch, counters) = watch(1);
        watch.end_turn();
        watch.enter(Stage::Match);
        work(2);
        let outer = watch.enter(Stage::Send);
        assert_eq!(outer, Stage::Match);
        work(4);
        watch.enter(outer);
        work(1);
        watch.enter(Stage::HandOff);
        assert_eq!((counters.nanos(Stage::Match), counters.nanos(Stage::Send)), (3, 4));
        assert_eq!(Stage::ALL.iter().map(|stage| counters.nanos(*stage)).sum::<u64>(), 7);
    }

    #[test]
    fn sampled_turns_stand_for_all() {
        let (watch, counters) = watch(PIECES_PER_SAMPLE);
        // Turns of two kinds alternate; no fixed distance would meet both.
        for turn in 0..20_000 {
            watch.enter(if turn % 2 == 0 { Stage::Decode } else { Stage::Verify });
            work(2_000);
            watch.end_turn();
        }
        for stage in [Stage::Decode, Stage::Verify] {
            let ratio = counters.nanos(stage) as f64 / (10_000.0 * 2_000.0);
            assert!((0.9..1.1).contains(&ratio), "{stage:?}: {ratio}");
        }
    }

    #[test]
    fn the_pieces_of_one_long_turn_are_sampled_each() {
        let (watch, counters) = watch(PIECES_PER_SAMPLE);
        for _ in 0..5_000 {
            watch.enter(Stage::Encode);
            work(2_000);
            watch.enter(Stage::Send);
            work(6_000);
            watch.enter(Stage::Encode);
            watch.next_piece();
        }
        watch.end_turn();
        // A turn that is one piece would count sixteen times or not at all.
        for (stage, each) in [(Stage::Encode, 2_000.0), (Stage::Send, 6_000.0)] {
            let ratio = counters.nanos(stage) as f64 / (5_000.0 * each);
            assert!((0.9..1.1).contains(&ratio), "{stage:?}: {ratio}");
        }
    }

    #[test]
    fn long_work_counts_once_in_every_turn() {
        // Also where the stage is the same before, meanwhile and afterwards.
        for around in [Stage::HandOff, Stage::Verify] {
            let (watch, counters) = watch(PIECES_PER_SAMPLE);
            for _ in 0..100 {
                watch.enter(around);
                watch.begin_long(Stage::Verify);
                work(50_000);
                watch.end_long(around);
                watch.end_turn();
            }
            assert_eq!(counters.nanos(Stage::Verify), 100 * 50_000, "{around:?}");
        }
    }

    #[test]
    fn distances_have_the_mean_that_the_weight_assumes() {
        let watch = Stopwatch::sampling(Arc::default());
        let n = 100_000;
        let sum: u64 = (0..n).map(|_| watch.distance()).sum();
        let mean = sum as f64 / n as f64;
        assert!((mean / PIECES_PER_SAMPLE as f64 - 1.0).abs() < 0.02, "{mean}");
    }
}

//! Everything between the socket and the disk, under seeded chance.
//!
//! Set-up: real shards (`shard::Core`) on bounded pipes, real doors, interest table and
//! dispatcher, and the log in memory; time is a number, and one thread decides what happens
//! next: bytes, batches, the three steps of a commit, pages, outcomes, wake-ups, slow and
//! stalled readers, disconnects, removals of keys. Clients subscribe, replace, unsubscribe,
//! resume and publish at random.
//!
//! Wrong would be: a matching event lost, repeated, out of order or on the wrong side of Eose;
//! a reply that is missing, out of turn or another one than a naive oracle gives; a queue above
//! its bound; a reader that stops others; anything from a key that was removed.
//!
//! `AXON_SIM_SEEDS=n` sets how many seeds are run, `AXON_SIM_SEED=n` runs one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod act;
mod check;
mod conn;
mod frames;
mod log;
mod pipes;
mod pool;
mod world;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// About ten seconds on two cores.
const SEEDS: u64 = 2_500;
const THREADS: usize = 2;

thread_local! {
    /// The step of the present run, for the message of a failure.
    static STEP: Cell<usize> = const { Cell::new(0) };
}

fn run(seed: u64) -> world::Seen {
    catch_unwind(AssertUnwindSafe(|| world::run(seed, &|step| STEP.set(step)))).unwrap_or_else(|failure| {
        eprintln!("failed at step {}; run it again with AXON_SIM_SEED={seed}", STEP.get());
        resume_unwind(failure)
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = number("AXON_SIM_SEED") {
        println!("{:?}", run(seed));
        return;
    }
    let seeds = number("AXON_SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let work = || {
        let mut seen = world::Seen::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return seen;
            }
            seen.add(&run(seed));
        }
    };
    let seen = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let mut seen = world::Seen::default();
        for thread in threads {
            seen.add(&thread.join().unwrap_or_else(|failure| resume_unwind(failure)));
        }
        seen
    });
    println!("{seeds} seeds: {seen:?}");
    seen.assert_everything_happened(seeds);
}

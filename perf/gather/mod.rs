//! Gather with a million posts: what every list, search, profile and write costs over HTTP, how
//! long it takes, what it all needs of memory, and whether the relay feels it.
//!
//! | file | what |
//! |---|---|
//! | `world.rs`, `text.rs` | the data set as functions of a seed |
//! | `fill.rs`, `away.rs` | making it with Gather's own operations |
//! | `store.rs` | the directory it is in, and the relay on it |
//! | `client.rs`, `calls.rs`, `drive.rs` | asking |
//! | `beside.rs` | the relay meanwhile |
//! | `result.rs` | what was found |

mod away;
mod beside;
mod calls;
mod client;
mod drive;
mod fill;
mod result;
mod store;
mod text;
mod world;

use crate::failure::{Failure, Result};
use crate::keys::Identity;
use crate::machine::{self, DiskSync, Machine};
use crate::options::Options;
use crate::process::Sample;
use crate::report::{Latency, RelaySetting};
use axon::base::Clock;
use beside::Scene;
use calls::{Call, Known};
use client::Http;
use drive::Asked;
use result::{Findings, Row};
use std::sync::atomic::AtomicBool;
use store::{Served, Store};
use text::Draws;
use world::{Size, World};

/// Posts if nothing is said, and those of a smoke run.
const POSTS: usize = 1_000_000;
const POSTS_SMOKE: usize = 2_000;
/// Requests per second of an open loop: enough for a 99th percentile, few enough to queue seldom.
const RATE: u64 = 200;
/// Of everything that reads in turn, as it comes when many agents are at work.
const MIXED: &str = "all of these in turn";
/// Keys that publish beside it.
const PUBLISHERS: usize = 4;

/// How long each part lasts.
struct Pace {
    /// Of each call one after the other: at most so many, and so long.
    count: usize,
    closed_nanos: u64,
    /// Of each call at a fixed rate, and of all together.
    steady_seconds: u64,
    mixed_seconds: u64,
    /// With and without requests beside the relay, so often.
    beside_seconds: u64,
    rounds: usize,
}

impl Pace {
    fn of(options: &Options) -> Pace {
        if options.smoke {
            return Pace {
                count: 5,
                closed_nanos: 1_000_000_000,
                steady_seconds: 0,
                mixed_seconds: 1,
                beside_seconds: 1,
                rounds: 1,
            };
        }
        Pace {
            count: 500,
            closed_nanos: 1_000_000_000,
            steady_seconds: options.load.seconds.unwrap_or(2),
            mixed_seconds: 20,
            beside_seconds: 10,
            rounds: 3,
        }
    }

    /// Requests of one call at a fixed rate.
    fn steady(&self) -> usize {
        (self.steady_seconds * RATE) as usize
    }
}

/// Makes the store or finds it, asks everything, says what it costs.
///
/// # Errors
/// The store cannot be made, the relay does not start, or an answer is not what it should be.
pub fn run(options: &Options, clock: Clock) -> Result<()> {
    if options.relay.url.is_some() {
        return Err(Failure::Usage("gather fills a store of its own: no --url".to_owned()));
    }
    let posts = options.posts.unwrap_or(if options.smoke { POSTS_SMOKE } else { POSTS });
    let world = World { seed: options.load.seed, size: Size::of_posts(posts) };
    let store = Store::open(options, world, clock)?;
    let publishers = Identity::pool(options.load.seed.wrapping_add(1), PUBLISHERS);
    let mut findings = {
        let served = store.serve(&options.relay, &publishers)?;
        machine::pin(&options.relay.client_cores.0)?;
        measure(options, &store, &served, &publishers, clock)?
    };
    findings.judge();
    if options.json {
        println!("{}", findings.json()?);
    } else {
        println!("{}{}", findings.table(), findings.compare(&options.results));
    }
    if options.save {
        findings.keep(&options.results)?;
    }
    // A small store on a busy machine says nothing about limits, but errors are errors.
    match findings.rows.iter().find_map(|row| row.first_error.clone()) {
        Some(error) => Err(Failure::Broken(error)),
        None => Ok(()),
    }
}

fn measure(
    options: &Options,
    store: &Store,
    served: &Served,
    publishers: &[Identity],
    clock: Clock,
) -> Result<Findings> {
    let pace = Pace::of(options);
    let args = &options.relay;
    let world = &store.made.world;
    store::look(world, &mut Http::connect(served.http)?)?;
    store::wait_until_quiet(served.relay.pid)?;
    // The first one may have been idle for too long.
    let mut http = Http::connect(served.http)?;
    let known = Known::gather(world, &mut http, (store.now_millis(), clock.unix_millis()))?;
    let (reads, writes) = (calls::reads(&known), calls::writes(&known));
    let whole = options.only.is_empty();
    let wanted = |call: &&Call<'_>| whole || options.only.iter().any(|part| call.name.contains(part));
    let mut asking = Asking { served, http, pace, draws: Draws(options.load.seed), clock };
    let mut rows = Vec::new();
    for call in reads.iter().chain(&writes).filter(wanted) {
        rows.push(asking.row(call)?);
    }
    if whole {
        rows.push(asking.mixed(&reads)?);
    }
    let scene = Scene {
        relay: &served.relay,
        http: served.http,
        identities: publishers,
        cores: &args.client_cores.0,
        clock,
    };
    let compare = || scene.compare(&reads, asking.pace.beside_seconds, asking.pace.rounds);
    let beside = whole.then(compare).transpose()?;
    Ok(Findings {
        made_at: clock.unix_seconds(),
        machine: Machine::facts(),
        disk_sync: DiskSync::measure(&args.scratch, &clock)?,
        relay: RelaySetting::of(args, args.set.clone()),
        store: store.made,
        database_bytes: store.database_bytes(),
        rows,
        memory: Sample::take(served.relay.pid)?.memory,
        beside,
        over: Vec::new(),
    })
}

/// Who asks, and how.
struct Asking<'a> {
    served: &'a Served,
    http: Http,
    pace: Pace,
    draws: Draws,
    clock: Clock,
}

impl Asking<'_> {
    /// One call: one after the other, then at a fixed rate.
    fn row(&mut self, call: &Call<'_>) -> Result<Row> {
        self.http = Http::connect(self.served.http)?;
        let asked = |requests: Vec<_>| requests.into_iter().map(|r| (r, call.expected)).collect::<Vec<_>>();
        let requests = asked(call.requests(&mut self.draws, self.pace.count, &mut self.http)?);
        let steady = self.pace.steady().max(self.pace.count);
        let steady = asked(call.requests(&mut self.draws, steady, &mut self.http)?);
        self.both(call.name, call.is_read(), &requests, &steady)
    }

    /// Everything in turn.
    fn mixed(&mut self, reads: &[Call<'_>]) -> Result<Row> {
        let count = (self.pace.mixed_seconds * RATE) as usize;
        let requests = drive::mixed(reads, &mut self.draws, count, &mut self.http)?;
        let (closed, steady) = requests.split_at(requests.len() / 4);
        self.both(MIXED, true, closed, steady)
    }

    fn both(&mut self, name: &str, reads: bool, closed: &[Asked], steady: &[Asked]) -> Result<Row> {
        let (pid, clock) = (self.served.relay.pid, self.clock);
        // The old one may have been idle for too long.
        self.http = Http::connect(self.served.http)?;
        let limits = (self.pace.closed_nanos, !reads);
        let (alone, cpu) = drive::closed(&mut self.http, closed, limits, pid, &clock)?;
        let never = AtomicBool::new(false);
        let steady = drive::open(self.served.http, steady, RATE, &never, &clock)?;
        let latency = |tally: &drive::Tally| {
            Latency::of(&tally.latency).ok_or_else(|| Failure::Usage(format!("{name}: nothing was asked")))
        };
        let row = Row {
            name: name.to_owned(),
            reads,
            count: alone.done,
            cpu_ms: cpu as f64 / 1e6 / alone.done.max(1) as f64,
            alone: latency(&alone)?,
            steady: latency(&steady)?,
            bytes: alone.bytes / alone.done.max(1),
            errors: alone.errors + steady.errors,
            first_error: alone.first_error.or(steady.first_error),
        };
        eprintln!("axon-perf: {name}: {:.3} ms CPU, p99 {:.2} ms", row.cpu_ms, row.steady.p99 / 1e3);
        Ok(row)
    }
}

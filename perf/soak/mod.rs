//! A soak: hours of everyday load at a modest rate, looked at once a second, to see whether
//! anything grows that should not.
//!
//! What may be remembered is bounded by small caches and a short seen window, so that a relay that
//! keeps more than it should shows within minutes. After the warm-up a line is fitted to resident
//! memory and to open descriptors; the run fails if either rises by more than [`verdict`] allows.

mod load;
mod verdict;
mod watch;

use crate::bench::relay_options;
use crate::failure::{Doing, Failure, Result};
use crate::keys::Identity;
use crate::options::{Options, RelayArgs};
use crate::page;
use crate::relay::{Relay, Scratch};
use crate::report::RelaySetting;
use axon::base::Clock;
use load::Load;
use serde_json::json;
use std::time::Duration;
pub use verdict::Verdict;
pub use watch::Second;
use watch::Watch;

/// Bounds on what a relay remembers, so that they are reached during the warm-up.
const SMALL: &[(&str, &str)] = &[
    ("store.cache_bytes", "8388608"),
    ("store.log_memtable_bytes", "2097152"),
    ("store.ids_memtable_bytes", "1048576"),
    ("store.index_memtable_bytes", "1048576"),
    ("store.index_flush_events", "8192"),
    ("store.open_files_max", "64"),
    ("store.ring_events_max", "16384"),
    ("store.index_run_events", "4096"),
    ("limits.seen_window_seconds", "60"),
];

/// Part of the run that is warm-up: the first fifth.
const WARM_UP_PARTS: usize = 5;

/// Events a second unless told otherwise: a fraction of what one core can do.
const RATE: u64 = 1_000;

/// Runs it and says what has grown.
///
/// # Errors
/// The relay does not start, the load breaks off, or something grows; then its figures are printed first.
pub fn run(options: &Options, clock: Clock) -> Result<()> {
    let args = &options.relay;
    if args.url.is_some() {
        return Err(Failure::Usage("a soak starts its own relay: no --url".to_owned()));
    }
    let relay_options = relay_options(args, &RelaySetting::of(args, settings(args)))?;
    let identities = Identity::pool(options.load.seed, load::KEYS);
    let scratch = Scratch::new(&relay_options, &clock)?;
    let relay = Relay::start(&relay_options, scratch, &identities, &clock)?;
    let seconds = (options.minutes * 60.0) as usize;
    let rate = options.load.rate.unwrap_or(RATE);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let rows = runtime.doing("a runtime")?.block_on(watched(&relay, rate, seconds, options, clock))?;
    let disk_bytes = relay.disk_bytes();
    drop(relay);
    finish(options, &rows, rate, disk_bytes, clock)
}

async fn watched(
    relay: &Relay,
    rate: u64,
    seconds: usize,
    options: &Options,
    clock: Clock,
) -> Result<Vec<Second>> {
    let mut load = Load::start(&relay.target.url, options.load.seed, rate, clock);
    let mut watch = Watch::new(relay, clock);
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    beat.tick().await;
    let mut rows = Vec::new();
    while rows.len() < seconds {
        beat.tick().await;
        load.check().await?;
        rows.push(watch.second(&load)?);
        if rows.len().is_multiple_of(60) {
            eprintln!("axon-perf: {} of {seconds} s, {}", rows.len(), rows[rows.len() - 1]);
        }
    }
    Ok(rows)
}

fn settings(args: &RelayArgs) -> Vec<(String, String)> {
    let small = SMALL.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    small.chain(args.set.iter().cloned()).collect()
}

fn finish(options: &Options, rows: &[Second], rate: u64, disk_bytes: u64, clock: Clock) -> Result<()> {
    let verdict = Verdict::of(&rows[rows.len() / WARM_UP_PARTS..]);
    let report = json!({
        "made_at": clock.unix_seconds(),
        "minutes": options.minutes,
        "rate": rate,
        "published": rows.iter().map(|row| row.published).sum::<u64>(),
        "delivered": rows.iter().map(|row| row.delivered).sum::<u64>(),
        "errors": rows.iter().map(|row| row.errors).sum::<u64>(),
        "disk_bytes": disk_bytes,
        "verdict": verdict,
        "seconds": rows,
    });
    if let Some(path) = &options.html {
        std::fs::write(path, page::soak(rows, &verdict, options.minutes))
            .doing(&path.display().to_string())?;
    }
    if let Some(path) = &options.out {
        std::fs::write(path, report.to_string()).doing(&path.display().to_string())?;
    }
    if options.json {
        println!("{report}");
    } else {
        println!("{} events published, {} delivered\n{verdict}", report["published"], report["delivered"]);
    }
    // A second is too short for a verdict.
    match verdict.has_grown() && !options.smoke {
        false => Ok(()),
        true => Err(Failure::Broken(verdict.to_string())),
    }
}

//! What is measured directly, without a model: memory, disk, and how fast bytes are copied.

use super::Measured;
use super::fit::fit;
use super::runs::{Role, SUBSCRIPTIONS_EACH};
use crate::failure::{Doing, Failure, Result};
use crate::machine::DiskSync;
use crate::options::Command;
use axon::base::Clock;
use axon::plan::Facts;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// Larger than every cache, for source and target each.
const COPY_BYTES: usize = 64 << 20;
const COPY_NANOS: u64 = 500_000_000;
/// Written in one stretch, in pieces, as a merge writes.
const WRITE_BYTES: usize = 256 << 20;
const WRITE_PIECE_BYTES: usize = 1 << 20;
const WRITES: usize = 3;
/// A slow disk is measured for this long, each time, and for its sync.
const WRITE_NANOS_MAX: u64 = 2_000_000_000;

/// Takes the facts; `scratch` is on the disk that is measured.
///
/// # Errors
/// The disk cannot be written.
pub fn facts(measured: &[Measured], scratch: &Path, clock: Clock) -> Result<Facts> {
    let dir = scratch.join(format!("axon-perf-facts-{}", std::process::id()));
    std::fs::create_dir_all(&dir).doing("the scratch directory")?;
    let disk = write_speed(&dir, clock);
    std::fs::remove_dir_all(&dir).doing("removing the scratch directory")?;
    let disk_bytes_per_second = disk?;
    let (sync_p50_us, sync_p99_us) = syncs(measured);
    let of = |role: Role| measured.iter().find(|one| one.run.role == role).map(|one| &one.report);
    let further =
        |role: Role, name: &str| of(role).and_then(|report| report.further.get(name)).copied().unwrap_or(0.0);
    let connection_bytes = further(Role::Idle, "bytes/connection");
    let with_subscriptions = further(Role::Subscribed, "bytes/connection");
    let idle_bytes = of(Role::Idle)
        .and_then(|report| report.server.as_ref().map(|server| (server.memory.rss_anon, report.count)))
        .map_or(0.0, |(rss, count)| (rss as f64 - connection_bytes * count as f64).max(0.0));
    let (disk_event_bytes, disk_byte_factor, write_amplification) = disk_rows(measured);
    Ok(Facts {
        sync_p50_us,
        sync_p99_us,
        copy_bytes_per_second: copy_speed(clock)?,
        disk_bytes_per_second,
        idle_bytes,
        connection_bytes,
        subscription_bytes: (with_subscriptions - connection_bytes).max(0.0) / SUBSCRIPTIONS_EACH as f64,
        socket_bytes: further(Role::Idle, "kernel bytes/connection"),
        disk_event_bytes,
        disk_byte_factor,
        write_amplification,
    })
}

/// A disk sync's median and 99th percentile: of those measured before each run the median.
fn syncs(measured: &[Measured]) -> (f64, f64) {
    let middle = |of: fn(&DiskSync) -> f64| {
        let mut all: Vec<f64> =
            measured.iter().filter_map(|one| one.report.disk_sync.as_ref().map(of)).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(0.0)
    };
    (middle(|sync| sync.p50_us), middle(|sync| sync.p99_us))
}

/// Bytes on disk for each event and each of its bytes, and bytes written for each that stays, of
/// the run that stored most.
fn disk_rows(measured: &[Measured]) -> (f64, f64, f64) {
    let stored = |one: &&Measured| one.run.plan.command == Command::Ingest && !one.run.plan.is_ephemeral();
    let per_event = |one: &Measured| one.report.further.get("disk bytes/event").copied().unwrap_or(0.0);
    let rows: Vec<(Vec<f64>, f64)> = measured
        .iter()
        .filter(stored)
        .map(|one| (vec![1.0, one.run.plan.size as f64], per_event(one)))
        .filter(|(_, bytes)| *bytes > 0.0)
        .collect();
    let found = fit(&rows, 2);
    let longest = measured.iter().filter(stored).max_by_key(|one| one.report.count_all);
    let amplification = longest.and_then(|one| {
        let written = one.report.server.as_ref()?.disk_written_bytes as f64;
        let kept = per_event(one) * one.report.count_all as f64;
        (kept > 0.0).then(|| (written / kept).max(1.0))
    });
    (found[0], found[1], amplification.unwrap_or(1.0))
}

/// Bytes per second that all cores together copy.
fn copy_speed(clock: Clock) -> Result<f64> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let copy = || {
        let (from, mut to) = (vec![1u8; COPY_BYTES], vec![0u8; COPY_BYTES]);
        let (start, mut bytes) = (clock.nanos(), 0u64);
        while clock.nanos() - start < COPY_NANOS {
            to.copy_from_slice(&from);
            // Otherwise nobody would need the copy.
            std::hint::black_box(&to);
            bytes += COPY_BYTES as u64;
        }
        bytes as f64 / ((clock.nanos() - start) as f64 / 1e9)
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(copy)).collect();
        let speeds = running.into_iter().map(|thread| thread.join());
        let speeds = speeds.collect::<std::result::Result<Vec<f64>, _>>();
        speeds
            .map(|speeds| speeds.iter().sum())
            .map_err(|_| Failure::Usage("a copying thread panicked".to_owned()))
    })
}

/// Bytes per second that the disk takes in one stretch; the median of some, for a disk is shared.
fn write_speed(dir: &Path, clock: Clock) -> Result<f64> {
    let mut speeds = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        speeds.push(write_once(dir, clock)?);
    }
    speeds.sort_by(f64::total_cmp);
    Ok(speeds[WRITES / 2])
}

fn write_once(dir: &Path, clock: Clock) -> Result<f64> {
    let mut file = File::create(dir.join("write-probe")).doing("the write probe")?;
    let piece = vec![0x5a; WRITE_PIECE_BYTES];
    let (start, mut bytes) = (clock.nanos(), 0);
    while bytes < WRITE_BYTES && clock.nanos() - start < WRITE_NANOS_MAX {
        file.write_all(&piece).doing("the write probe")?;
        bytes += piece.len();
    }
    file.sync_data().doing("the write probe")?;
    Ok(bytes as f64 / ((clock.nanos() - start).max(1) as f64 / 1e9))
}

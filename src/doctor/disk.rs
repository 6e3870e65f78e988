//! The disk of the data directory: room, and the time of a sync, which every Ok waits for.

use super::Finding;
use crate::base::Clock;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Enough for a tail, and a bound for a slow disk.
const SYNCS: usize = 200;
const SYNC_SECONDS_MAX: u64 = 2;
/// What one commit of a dozen events writes.
const SYNC_BYTES: usize = 4 << 10;

/// A tail as of a good SSD, and as of one that is no use for `fsync`.
const SYNC_GOOD_US: u64 = 5_000;
const SYNC_USABLE_US: u64 = 50_000;

/// `f_type` of a file system in memory (linux/magic.h).
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// Below this the database can no longer merge its files.
const FREE_BYTES_MIN: u64 = 2 << 30;

pub(super) fn space(dir: &Path) -> Finding {
    match rustix::fs::statvfs(dir) {
        Ok(fs) => judge_space(fs.f_bavail * fs.f_frsize),
        Err(error) => Finding::fail(
            "disk space",
            format!("{}: {error}", dir.display()),
            "choose another relay.data_dir",
        ),
    }
}

pub(super) fn judge_space(free: u64) -> Finding {
    let value = format!("{:.1} GiB free", free as f64 / (1u64 << 30) as f64);
    if free >= FREE_BYTES_MIN {
        return Finding::ok("disk space", value);
    }
    Finding::warn(
        "disk space",
        value,
        "publishes are refused when the disk is full: make room, or move relay.data_dir",
    )
}

/// Appends and syncs in `dir`.
pub(super) fn sync(dir: &Path, waits_for_disk: bool) -> Finding {
    let measured = measure(dir, &Clock::new());
    let in_memory = rustix::fs::statfs(dir).is_ok_and(|fs| fs.f_type == TMPFS_MAGIC);
    match measured {
        Ok(micros) => judge_sync(&micros, in_memory, waits_for_disk),
        Err(error) => Finding::fail(
            "disk sync",
            format!("{}: {error}", dir.display()),
            "the relay must be able to write there: change its owner, or relay.data_dir",
        ),
    }
}

/// `micros`: sorted, at least one.
pub(super) fn judge_sync(micros: &[u64], in_memory: bool, waits_for_disk: bool) -> Finding {
    let at = |percent: usize| micros[(micros.len() - 1) * percent / 100];
    let (p50, p99) = (at(50), at(99));
    let value = format!("p50 {p50} µs, p99 {p99} µs");
    match p99 {
        _ if in_memory => Finding::warn(
            "disk sync",
            "the data directory lies in memory",
            "everything is lost with the machine: put relay.data_dir on a disk",
        ),
        _ if !waits_for_disk => Finding::ok("disk sync", format!("{value}; not waited for (os)")),
        us if us <= SYNC_GOOD_US => Finding::ok("disk sync", value),
        us if us <= SYNC_USABLE_US => Finding::warn(
            "disk sync",
            value,
            "every publish waits that long: an SSD with power-loss protection is ten times faster",
        ),
        _ => Finding::fail(
            "disk sync",
            value,
            "too slow for durability = \"fsync\": another disk, or durability = \"os\"",
        ),
    }
}

fn measure(dir: &Path, clock: &Clock) -> io::Result<Vec<u64>> {
    let path = dir.join(format!(".axon-doctor-{}", std::process::id()));
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    let outcome = sync_times(&mut file, clock);
    fs::remove_file(&path)?;
    outcome
}

fn sync_times(file: &mut File, clock: &Clock) -> io::Result<Vec<u64>> {
    let start = clock.nanos();
    let mut micros = Vec::with_capacity(SYNCS);
    while micros.len() < SYNCS && clock.nanos() - start < SYNC_SECONDS_MAX * 1_000_000_000 {
        let before = clock.nanos();
        file.write_all(&[0xa5; SYNC_BYTES])?;
        file.sync_data()?;
        micros.push((clock.nanos() - before) / 1_000);
    }
    micros.sort_unstable();
    Ok(micros)
}

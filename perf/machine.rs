//! The machine: facts for the report, the disk's sync time, cores and file limits.

use crate::failure::{Doing, Failure, Result};
use axon::base::Clock;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Enough syncs for a median and a tail, and a bound for a slow disk.
const SYNCS: usize = 200;
const SYNC_SECONDS_MAX: u64 = 2;
/// What one group commit of a dozen events writes.
const SYNC_BYTES: usize = 4096;

/// `f_type` of a file system in memory (linux/magic.h), where a sync costs nothing.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// What stands beside every figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub kernel: String,
}

/// Time of write + fdatasync, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct DiskSync {
    pub p50_us: f64,
    pub p99_us: f64,
    /// The directory lies in memory: the figures say nothing about a disk.
    pub in_memory: bool,
}

impl Machine {
    /// Asks the kernel.
    pub fn facts() -> Machine {
        let line = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split(':').nth(1).unwrap_or_default().trim().to_owned()
        };
        let memory = line("/proc/meminfo", "MemTotal");
        let kib: f64 = memory.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
        Machine {
            cpu: line("/proc/cpuinfo", "model name"),
            // All of them, not only those this thread may use.
            cores: fs::read_to_string("/proc/cpuinfo")
                .map_or(0, |text| text.lines().filter(|line| line.starts_with("processor")).count()),
            memory_gib: (kib / 1_048_576.0 * 10.0).round() / 10.0,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        }
    }
}

impl DiskSync {
    /// Appends and syncs in `dir`, on the file system the relay will use.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn measure(dir: &Path, clock: &Clock) -> Result<DiskSync> {
        let path = dir.join("sync-probe");
        let mut file = File::create(&path).doing("the sync probe")?;
        let (start, mut times) = (clock.nanos(), Vec::with_capacity(SYNCS));
        while times.len() < SYNCS && clock.nanos() - start < SYNC_SECONDS_MAX * 1_000_000_000 {
            let before = clock.nanos();
            file.write_all(&[0xa5; SYNC_BYTES]).doing("the sync probe")?;
            file.sync_data().doing("the sync probe")?;
            times.push(clock.nanos() - before);
        }
        fs::remove_file(&path).doing("the sync probe")?;
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
        let in_memory = rustix::fs::statfs(dir).is_ok_and(|fs| fs.f_type == TMPFS_MAGIC);
        Ok(DiskSync { p50_us: at(0.5), p99_us: at(0.99), in_memory })
    }
}

/// Confines the calling thread, and what it will start, to `cores`.
///
/// # Errors
/// A core the machine does not have, or one this process may not use.
pub fn pin(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for &core in cores {
        if core >= CpuSet::MAX_CPU {
            return Err(Failure::Usage(format!("there is no core {core}")));
        }
        set.set(core);
    }
    sched_setaffinity(None, &set).doing(&format!("confining to cores {cores:?}"))
}

/// Cores written as taskset writes them: `0`, `0,2`, `0-3`.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_cores(text: &str) -> std::result::Result<Vec<usize>, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<usize>()
            .ok()
            .filter(|core| *core < CpuSet::MAX_CPU)
            .ok_or_else(|| format!("`{text}` is not a core number"))
    };
    let mut cores = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => cores.extend(number(first)?..=number(last)?),
            None => cores.push(number(part)?),
        }
    }
    if cores.is_empty() { Err(format!("`{text}` names no core")) } else { Ok(cores) }
}

/// The kernel's own objects: sockets, files, and everything else; 0 where it does not say.
pub fn slab_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Slab:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Raises the limit on open files as far as it goes; the relay inherits it.
pub fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is refused, the workload that needs more says so by its own failure.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_written_as_for_taskset() {
        assert_eq!(parse_cores("0"), Ok(vec![0]));
        assert_eq!(parse_cores("0,2-4"), Ok(vec![0, 2, 3, 4]));
        for wrong in ["", "x", "1-", "3-1", "99999", "0-99999999999"] {
            assert!(parse_cores(wrong).is_err(), "{wrong}");
        }
    }
}

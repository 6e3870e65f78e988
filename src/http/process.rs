//! What the process itself uses.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

/// CPU seconds of all threads since the process started.
pub fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// CPU seconds by thread name, threads that live; empty where `/proc` does not say.
pub(super) fn cpu_seconds_by_thread() -> BTreeMap<String, f64> {
    let mut seconds = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        // One that ends meanwhile is left out.
        if let Some((name, used)) = thread_cpu_seconds(&task.path()) {
            *seconds.entry(name).or_default() += used;
        }
    }
    seconds
}

fn thread_cpu_seconds(task: &Path) -> Option<(String, f64)> {
    let name = std::fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
    let nanos: u64 =
        std::fs::read_to_string(task.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()?;
    Some((name, nanos as f64 / 1e9))
}

/// Resident memory in bytes; `None` where `/proc` does not say.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = kib.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// Open file descriptors; `None` where `/proc` does not say.
pub(super) fn open_files() -> Option<u64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

//! What the kernel says about a process: CPU time of every thread, memory, switches, disk bytes.

use crate::failure::{Doing, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A process at one moment. Counters since its start; memory as it is.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// CPU nanoseconds per thread id, with the thread's name.
    threads: BTreeMap<u32, (String, u64)>,
    /// Clock ticks in user mode and in the kernel.
    user_ticks: u64,
    kernel_ticks: u64,
    pub memory: Memory,
    pub switches_voluntary: u64,
    pub switches_forced: u64,
    /// Bytes that reached (or will reach) the disk.
    pub disk_written_bytes: u64,
}

/// Bytes, from `/proc/PID/status`.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub struct Memory {
    /// Private user memory in RAM: heap and stacks.
    pub rss_anon: u64,
    /// Mapped files in RAM: code, and RocksDB's mapped tables.
    pub rss_file: u64,
    /// Highest total so far.
    pub peak: u64,
}

/// CPU between two samples.
#[derive(Debug, Clone, Default)]
pub struct Cpu {
    pub nanos: u64,
    /// Part of it in user mode, 0 to 1; coarse (clock ticks).
    pub user_share: f64,
    /// Nanoseconds by thread name.
    pub threads: BTreeMap<String, u64>,
}

impl Sample {
    /// Reads `/proc/PID`.
    ///
    /// # Errors
    /// The process is gone.
    pub fn take(pid: u32) -> Result<Sample> {
        let root = format!("/proc/{pid}");
        let root = Path::new(&root);
        let mut sample = Sample::default();
        for entry in fs::read_dir(root.join("task")).doing("reading the relay's /proc entry")? {
            let Ok(entry) = entry else { continue };
            sample.add_thread(&entry.path());
        }
        let status = fs::read_to_string(root.join("status")).doing("reading the relay's memory")?;
        sample.memory = Memory {
            rss_anon: field(&status, "RssAnon:") << 10,
            rss_file: field(&status, "RssFile:") << 10,
            peak: field(&status, "VmHWM:") << 10,
        };
        let stat = fs::read_to_string(root.join("stat")).doing("reading the relay's times")?;
        // Behind the name, which may hold spaces: state is field 3, utime 14, stime 15.
        let times: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let tick = |at: usize| times.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
        (sample.user_ticks, sample.kernel_ticks) = (tick(11), tick(12));
        // Not readable for another user's process; then the figure is 0.
        let io = fs::read_to_string(root.join("io")).unwrap_or_default();
        sample.disk_written_bytes = field(&io, "write_bytes:");
        Ok(sample)
    }

    /// A thread that ends meanwhile is left out.
    fn add_thread(&mut self, task: &Path) {
        let Some(tid) = task.file_name().and_then(|name| name.to_str()?.parse().ok()) else { return };
        let read = |name: &str| fs::read_to_string(task.join(name)).unwrap_or_default();
        let nanos = read("schedstat").split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
        self.threads.insert(tid, (read("comm").trim().to_owned(), nanos));
        let status = read("status");
        self.switches_voluntary += field(&status, "voluntary_ctxt_switches:");
        self.switches_forced += field(&status, "nonvoluntary_ctxt_switches:");
    }

    /// CPU used since `earlier`.
    pub fn cpu_since(&self, earlier: &Sample) -> Cpu {
        let mut cpu = Cpu::default();
        for (tid, (name, nanos)) in &self.threads {
            let before = earlier.threads.get(tid).map_or(0, |(_, nanos)| *nanos);
            let used = nanos.saturating_sub(before);
            cpu.nanos += used;
            *cpu.threads.entry(name.clone()).or_default() += used;
        }
        let user = self.user_ticks.saturating_sub(earlier.user_ticks) as f64;
        let kernel = self.kernel_ticks.saturating_sub(earlier.kernel_ticks) as f64;
        cpu.user_share = if user + kernel > 0.0 { user / (user + kernel) } else { 0.0 };
        cpu
    }
}

/// What some cores did, all processes together; clock ticks since the machine's start.
#[derive(Debug, Clone, Copy, Default)]
pub struct CoreTicks {
    busy: u64,
    /// Taken by the host for other machines.
    stolen: u64,
    all: u64,
}

impl CoreTicks {
    /// Sums `/proc/stat` over `cores`; zeros where it cannot be read.
    pub fn take(cores: &[usize]) -> CoreTicks {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let mut sum = CoreTicks::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            if !cores.iter().any(|core| name == format!("cpu{core}")) {
                continue;
            }
            // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user.
            let ticks: Vec<u64> = words.take(8).filter_map(|word| word.parse().ok()).collect();
            let [user, nice, system, idle, iowait, irq, softirq, steal] = ticks[..] else { continue };
            sum.busy += user + nice + system + irq + softirq;
            sum.stolen += steal;
            sum.all += user + nice + system + idle + iowait + irq + softirq + steal;
        }
        sum
    }

    /// Shares of the cores' time since `earlier`: busy, and stolen.
    pub fn shares_since(&self, earlier: &CoreTicks) -> (f64, f64) {
        let all = self.all.saturating_sub(earlier.all).max(1) as f64;
        let share = |now: u64, then: u64| now.saturating_sub(then) as f64 / all;
        (share(self.busy, earlier.busy), share(self.stolen, earlier.stolen))
    }
}

/// CPU nanoseconds of the calling thread.
pub fn thread_cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// The number behind `name` at the beginning of a line; 0 if there is none.
fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_of_a_thread_that_works_is_counted_under_its_name() {
        let (done, wait) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let before = Sample::take(std::process::id()).unwrap();
        let spin = move || {
            let start = thread_cpu_nanos();
            while thread_cpu_nanos() < start + 20_000_000 {}
            done.send(()).unwrap();
            stopped.recv().unwrap_err();
        };
        let worker = std::thread::Builder::new().name("spinner".to_owned()).spawn(spin).unwrap();
        wait.recv().unwrap();
        let cpu = Sample::take(std::process::id()).unwrap().cpu_since(&before);
        assert!(cpu.threads["spinner"] >= 20_000_000, "{cpu:?}");
        assert!(cpu.nanos >= cpu.threads["spinner"]);
        drop(stop);
        worker.join().unwrap();
    }
}

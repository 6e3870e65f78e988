//! Is this machine fit for a relay? Every finding is a value, a judgement and what to do.
//!
//! Nothing is changed, but for a file in the data directory that the disk's sync is measured
//! with and a few rings that are made and dropped. What the kernel says in files is read below
//! a [`Machine`]'s root, so that tests can have machines of their own.

mod clock;
mod cores;
mod disk;
mod kernel;
mod limits;

use std::fs;
use std::path::{Path, PathBuf};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Ok,
    /// Works, but slower or less safely than it could.
    Warn,
    /// Will not work, or not as configured.
    Fail,
}

impl State {
    /// `ok`, `warn` or `fail`.
    pub fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
        }
    }
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub name: &'static str,
    pub state: State,
    /// What was found, with its unit.
    pub value: String,
    /// What to do about it; empty if nothing.
    pub advice: String,
}

impl Finding {
    fn ok(name: &'static str, value: impl Into<String>) -> Finding {
        Finding { name, state: State::Ok, value: value.into(), advice: String::new() }
    }

    fn warn(name: &'static str, value: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { name, state: State::Warn, value: value.into(), advice: advice.into() }
    }

    fn fail(name: &'static str, value: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { name, state: State::Fail, value: value.into(), advice: advice.into() }
    }
}

/// What the relay, as it is configured, will ask of the machine.
#[derive(Debug, Clone)]
pub struct Needs {
    pub data_dir: PathBuf,
    /// Threads that serve connections.
    pub shards: usize,
    /// Cores the process may use.
    pub cores: usize,
    pub connections_max: usize,
    /// Files the database keeps open.
    pub database_files_max: usize,
    /// Connections that may wait to be accepted.
    pub accept_queue_max: usize,
    /// Whether an Ok waits for the disk.
    pub waits_for_disk: bool,
}

/// A machine, as its kernel describes it in files.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// This one.
    pub fn this() -> Machine {
        Machine { root: PathBuf::from("/") }
    }

    /// The trimmed text of a file such as `proc/meminfo`; `None` where the kernel has none.
    fn text(&self, path: &str) -> Option<String> {
        Some(fs::read_to_string(self.root.join(path)).ok()?.trim().to_owned())
    }

    /// The first number in a file.
    fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.split_whitespace().next()?.parse().ok()
    }

    /// The number behind a name in `proc/meminfo`, in bytes.
    fn memory(&self, name: &str) -> Option<u64> {
        let text = self.text("proc/meminfo")?;
        let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(rest.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// Looks at everything, in the order in which it should be read. Takes up to a few seconds,
/// for the disk.
pub fn examine(machine: &Machine, needs: &Needs) -> Vec<Finding> {
    vec![
        kernel::version(&rustix::system::uname().release().to_string_lossy()),
        kernel::rings(needs.shards),
        limits::open_files(needs),
        limits::locked_memory(needs.shards),
        limits::accept_queue(machine, needs.accept_queue_max),
        limits::tcp_memory(machine, needs.connections_max),
        kernel::swap(machine),
        kernel::huge_pages(machine),
        cores::shards(needs.shards, needs.cores),
        cores::isolation(machine),
        cores::governor(machine),
        disk::space(&nearest(&needs.data_dir)),
        disk::sync(&nearest(&needs.data_dir), needs.waits_for_disk),
        clock::synchronised(),
    ]
}

/// The directory, or the nearest one above it that exists.
fn nearest(dir: &Path) -> PathBuf {
    let here = Path::new(".");
    let found = dir.ancestors().find(|path| path.is_dir());
    found.map_or(here, |path| if path.as_os_str().is_empty() { here } else { path }).to_owned()
}

#[cfg(test)]
mod tests;

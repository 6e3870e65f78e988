//! What a run found: a row for each call, memory, the relay beside it; and what is over the limits.

use super::beside::Beside;
use super::store::Made;
use crate::failure::{Doing, Failure, Result};
use crate::machine::{DiskSync, Machine};
use crate::process::Memory;
use crate::report::{Latency, RelaySetting, short};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The limits of the issue.
const READ_P99_MS: f64 = 5.0;
const CPU_MS: f64 = 1.0;
const MEMORY_BYTES: u64 = 200 << 20;

/// The file in the directory of results.
const KEPT: &str = "gather.json";

/// A whole run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Findings {
    /// Unix seconds.
    pub made_at: i64,
    pub machine: Machine,
    pub disk_sync: DiskSync,
    pub relay: RelaySetting,
    pub store: Made,
    pub database_bytes: u64,
    pub rows: Vec<Row>,
    /// At the end.
    pub memory: Memory,
    /// `None` if only some calls were asked for.
    pub beside: Option<Beside>,
    /// What is over a limit.
    pub over: Vec<String>,
}

/// One call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub reads: bool,
    /// Requests one after the other.
    pub count: u64,
    /// CPU of the whole process per request, milliseconds; of writes with all that follows.
    pub cpu_ms: f64,
    /// One after the other, microseconds.
    pub alone: Latency,
    /// At a fixed rate, microseconds from when a request was due.
    pub steady: Latency,
    /// Of an answer, on average.
    pub bytes: u64,
    pub errors: u64,
    pub first_error: Option<String>,
}

impl Row {
    /// What is over the limits.
    fn over(&self) -> Option<String> {
        let Row { name, reads, cpu_ms, steady, errors, first_error, .. } = self;
        let mut over = Vec::new();
        if *reads && steady.p99 > READ_P99_MS * 1e3 {
            over.push(format!("p99 {} ms", short(steady.p99 / 1e3)));
        }
        if *cpu_ms > CPU_MS {
            over.push(format!("CPU {} ms", short(*cpu_ms)));
        }
        if *errors > 0 {
            over.push(format!("{errors} errors, the first: {}", first_error.as_deref().unwrap_or_default()));
        }
        (!over.is_empty()).then(|| format!("{name}: {}", over.join(", ")))
    }
}

impl Findings {
    /// Says what is over the limits.
    pub fn judge(&mut self) {
        self.over = self.rows.iter().filter_map(Row::over).collect();
        if self.memory.rss_anon > MEMORY_BYTES {
            self.over.push(format!("memory: {} MiB", self.memory.rss_anon >> 20));
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let counts = &self.store.counts;
        let mut out = format!(
            "{} posts, {} votes, {} comments, {} agents, {} skills, {} reviews: {} MiB\n\n",
            counts.posts,
            counts.votes,
            counts.comments,
            counts.agents,
            counts.skills,
            counts.reviews,
            self.database_bytes >> 20
        );
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{:<58} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "call", "n", "CPU ms", "p50 ms", "p99 ms", "max ms", "bytes"
        );
        let ms = |micros: f64| short(micros / 1e3);
        for row in &self.rows {
            let Row { name, count, cpu_ms, steady, bytes, .. } = row;
            let _ = writeln!(
                out,
                "{name:<58} {count:>7} {:>8} {:>8} {:>8} {:>8} {bytes:>8}{}",
                short(*cpu_ms),
                ms(steady.p50),
                ms(steady.p99),
                ms(steady.max),
                if row.over().is_some() { " !" } else { "" }
            );
        }
        let Memory { rss_anon, rss_file, peak } = self.memory;
        let _ = writeln!(
            out,
            "\nmemory: {} MiB private, {} MiB of mapped files, {} MiB at most",
            rss_anon >> 20,
            rss_file >> 20,
            peak >> 20
        );
        if let Some(Beside { alone, beside, requests, requests_per_second, events_per_second }) = &self.beside
        {
            let _ = writeln!(
                out,
                "the relay at {events_per_second} events/s: delivered in {:.0} µs (p50), {:.0} µs (p99); \
                 beside {requests_per_second} requests/s {:.0} µs, {:.0} µs; their p99 is {} ms",
                alone.p50,
                alone.p99,
                beside.p50,
                beside.p99,
                ms(requests.p99)
            );
        }
        match self.over.as_slice() {
            [] => out.push_str("nothing is over the limits\n"),
            over => drop(writeln!(out, "over the limits:\n  {}", over.join("\n  "))),
        }
        out
    }

    /// Beside the results of the other workloads.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn keep(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).doing("the directory of results")?;
        let path = dir.join(KEPT);
        fs::write(&path, self.json()? + "\n").doing("keeping the results")?;
        eprintln!("axon-perf: kept {}", path.display());
        Ok(())
    }

    /// As JSON.
    ///
    /// # Errors
    /// A bug: it cannot be written as JSON.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|error| Failure::Usage(format!("no JSON: {error}")))
    }

    /// Every row that was measured before, too: what it cost then and now.
    pub fn compare(&self, dir: &Path) -> String {
        let kept = fs::read(dir.join(KEPT)).ok();
        let kept = kept.and_then(|text| serde_json::from_slice::<Findings>(&text).ok());
        let same = |old: &Findings| old.machine == self.machine && old.store.world == self.store.world;
        let Some(old) = kept.filter(same) else { return String::new() };
        let mut out = "against the kept result, CPU ms and p99 ms:\n".to_owned();
        for row in &self.rows {
            if let Some(then) = old.rows.iter().find(|then| then.name == row.name) {
                let (was, is) = (short(then.cpu_ms), short(row.cpu_ms));
                let (took, takes) = (short(then.steady.p99 / 1e3), short(row.steady.p99 / 1e3));
                // Writing to a String cannot fail.
                let _ = writeln!(out, "  {:<58} {was:>8} {is:>8} {took:>8} {takes:>8}", row.name);
            }
        }
        out
    }
}

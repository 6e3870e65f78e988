//! One look a second: what the kernel says of the relay, and what the load did meanwhile.

use super::load::Load;
use crate::failure::{Doing, Result};
use crate::process::Sample;
use crate::relay::Relay;
use axon::base::Clock;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Seconds between two looks at the disk, which reads a directory.
const DISK_EVERY: u64 = 10;

/// One second of a soak.
#[derive(Debug, Clone, Serialize)]
pub struct Second {
    /// Since its start.
    pub at: f64,
    /// Bytes: heap and stacks.
    pub rss_bytes: u64,
    /// Open, but for those of the database's tables.
    pub descriptors: u64,
    /// Tables come and go with every merge; `store.open_files_max` bounds those that are open.
    pub tables: u64,
    pub threads: u64,
    pub disk_bytes: u64,
    pub published: u64,
    pub delivered: u64,
    /// Connections that were lost.
    pub errors: u64,
    /// Microseconds from sending to Ok, and from making to delivery.
    pub ack_us_p50: f64,
    pub ack_us_p99: f64,
    pub delivery_us_p50: f64,
    pub delivery_us_p99: f64,
}

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Second { rss_bytes, descriptors, threads, published, ack_us_p99, .. } = self;
        let mib = *rss_bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "{mib:.1} MiB, {descriptors} descriptors, {threads} threads, {published} events/s, ack p99 {ack_us_p99:.0} µs"
        )
    }
}

pub struct Watch<'a> {
    relay: &'a Relay,
    clock: Clock,
    started: u64,
    seconds: u64,
    disk_bytes: u64,
}

impl<'a> Watch<'a> {
    pub fn new(relay: &'a Relay, clock: Clock) -> Watch<'a> {
        Watch { relay, clock, started: clock.nanos(), seconds: 0, disk_bytes: relay.disk_bytes() }
    }

    /// What the last second was like.
    ///
    /// # Errors
    /// The relay is gone.
    pub fn second(&mut self, load: &Load) -> Result<Second> {
        let pid = self.relay.pid;
        let open = entries(pid, "fd")?;
        let is_table = |path: &&PathBuf| {
            let file = fs::read_link(path).unwrap_or_default();
            file.extension().is_some_and(|extension| extension == "sst")
        };
        let tables = open.iter().filter(is_table).count();
        if self.seconds.is_multiple_of(DISK_EVERY) {
            self.disk_bytes = self.relay.disk_bytes();
        }
        self.seconds += 1;
        let take = |n: &AtomicU64| n.swap(0, Ordering::Relaxed);
        let (ack, delivery) = (quantiles(&load.done.ack), quantiles(&load.done.delivery));
        Ok(Second {
            at: (self.clock.nanos() - self.started) as f64 / 1e9,
            rss_bytes: Sample::take(pid)?.memory.rss_anon,
            descriptors: (open.len() - tables) as u64,
            tables: tables as u64,
            threads: entries(pid, "task")?.len() as u64,
            disk_bytes: self.disk_bytes,
            published: take(&load.done.published),
            delivered: take(&load.done.delivered),
            errors: take(&load.done.errors),
            ack_us_p50: ack.0,
            ack_us_p99: ack.1,
            delivery_us_p50: delivery.0,
            delivery_us_p99: delivery.1,
        })
    }
}

/// What the kernel has of the relay in that folder.
fn entries(pid: u32, folder: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(format!("/proc/{pid}/{folder}")).doing("reading the relay's /proc entry")?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// Median and 99th percentile in microseconds, of what came since the last call.
fn quantiles(histogram: &Mutex<Histogram<u64>>) -> (f64, f64) {
    let mut histogram = histogram.lock().unwrap_or_else(PoisonError::into_inner);
    let micros = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    let found = (micros(0.5), micros(0.99));
    histogram.reset();
    found
}

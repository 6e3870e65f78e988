//! Measures one stretch of a run: the server's CPU, memory and switches, and our own CPU.

use crate::failure::{Failure, Result};
use crate::process::{CoreTicks, Cpu, Memory, Sample, thread_cpu_nanos};
use crate::scrape::{growth, scrape};
use axon::base::Clock;
use axon::cli::{Exposition, Figures};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The relay counts as quiet when a look apart from the last one by this shows less than
/// [`QUIET_NANOS`] of CPU, twice.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const QUIET_NANOS: u64 = 2_000_000;
/// Deferred work (index rows, compaction) is waited for this long.
const SETTLE_LOOKS_MAX: usize = 200;

/// Samples at four moments: before anything, at the start and the end of the measured stretch,
/// and when the relay has become quiet.
pub struct Meter {
    pub clock: Clock,
    /// 0: nothing is known about the server.
    pid: u32,
    /// The server's.
    cores: Vec<usize>,
    before: Sample,
    metrics: Option<Metrics>,
    start: Option<Mark>,
    end: Option<Mark>,
}

/// Where the server's metrics are, and what they said before anything.
struct Metrics {
    address: SocketAddr,
    nanos: u64,
    before: Exposition,
}

/// What the server says of one stretch.
#[derive(Debug, Clone)]
pub struct Told {
    /// As `axon top` shows it.
    pub figures: Figures,
    /// How much each of its numbers has grown.
    pub counters: BTreeMap<String, f64>,
}

struct Mark {
    nanos: u64,
    sample: Sample,
    cores: CoreTicks,
    client_cpu: u64,
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    pub seconds: f64,
    /// `None`: the server's process is not known.
    pub server: Option<Server>,
    /// Share of the time in which the thread that measured was on its core.
    pub client_busy: f64,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub cpu: Cpu,
    /// Share of its cores' time that other processes used, and that the host took.
    pub others_share: f64,
    pub stolen_share: f64,
    /// CPU from before the first event until the relay was quiet.
    pub settled: Cpu,
    pub memory: Memory,
    pub memory_before: Memory,
    pub switches_voluntary: u64,
    pub switches_forced: u64,
    pub disk_written_bytes: u64,
    /// What its metrics say of the time from before the first event until it was quiet.
    pub metrics: Option<Told>,
}

impl Meter {
    /// # Errors
    /// The process `pid` is gone.
    pub fn new(clock: Clock, pid: u32, cores: &[usize]) -> Result<Meter> {
        let cores = cores.to_vec();
        let mut meter =
            Meter { clock, pid, cores, before: Sample::default(), metrics: None, start: None, end: None };
        meter.before = meter.sample()?;
        Ok(meter)
    }

    /// Reads the server's metrics too: now, and again when all is over, so that reading them
    /// disturbs nothing that is measured.
    ///
    /// # Errors
    /// It does not tell them.
    pub fn with_metrics(self, address: SocketAddr) -> Result<Meter> {
        let metrics = Metrics { address, before: scrape(address)?, nanos: self.clock.nanos() };
        Ok(Meter { metrics: Some(metrics), ..self })
    }

    fn sample(&self) -> Result<Sample> {
        if self.pid == 0 { Ok(Sample::default()) } else { Sample::take(self.pid) }
    }

    fn mark(&self) -> Result<Mark> {
        Ok(Mark {
            nanos: self.clock.nanos(),
            sample: self.sample()?,
            cores: CoreTicks::take(&self.cores),
            client_cpu: thread_cpu_nanos(),
        })
    }

    /// The measured stretch begins.
    ///
    /// # Errors
    /// The server is gone.
    pub fn start(&mut self) -> Result<()> {
        self.start = Some(self.mark()?);
        Ok(())
    }

    /// Whether [`start`](Self::start) was called.
    pub fn is_started(&self) -> bool {
        self.start.is_some()
    }

    /// It ends. To be called on the thread that started it.
    ///
    /// # Errors
    /// The server is gone.
    pub fn stop(&mut self) -> Result<()> {
        self.end = Some(self.mark()?);
        Ok(())
    }

    /// Waits until the server is quiet; then all figures.
    ///
    /// # Errors
    /// The server is gone.
    pub fn settle(self) -> Result<Measured> {
        let (Some(start), Some(end)) = (&self.start, &self.end) else { return Ok(Measured::default()) };
        let nanos = end.nanos - start.nanos;
        let client_busy = (end.client_cpu - start.client_cpu) as f64 / nanos.max(1) as f64;
        let mut measured = Measured { seconds: nanos as f64 / 1e9, server: None, client_busy };
        if self.pid != 0 {
            let quiet = self.wait_until_quiet()?;
            let metrics = self.metrics.as_ref().map(|Metrics { address, nanos, before }| {
                let seconds = self.clock.nanos().saturating_sub(*nanos) as f64 / 1e9;
                let after = scrape(*address)?;
                let figures = Figures::between(before, &after, seconds);
                Ok::<_, Failure>(Told { figures, counters: growth(before, &after) })
            });
            let cpu = end.sample.cpu_since(&start.sample);
            let (busy_share, stolen_share) = end.cores.shares_since(&start.cores);
            let own_share = cpu.nanos as f64 / (nanos.max(1) * self.cores.len().max(1) as u64) as f64;
            measured.server = Some(Server {
                cpu,
                others_share: (busy_share - own_share).max(0.0),
                stolen_share,
                settled: quiet.cpu_since(&self.before),
                memory: end.sample.memory,
                memory_before: self.before.memory,
                switches_voluntary: end
                    .sample
                    .switches_voluntary
                    .saturating_sub(start.sample.switches_voluntary),
                switches_forced: end.sample.switches_forced.saturating_sub(start.sample.switches_forced),
                disk_written_bytes: quiet.disk_written_bytes.saturating_sub(self.before.disk_written_bytes),
                metrics: metrics.transpose()?,
            });
        }
        Ok(measured)
    }

    fn wait_until_quiet(&self) -> Result<Sample> {
        let mut last = self.sample()?;
        let mut quiet_looks = 0;
        for _ in 0..SETTLE_LOOKS_MAX {
            std::thread::sleep(LOOK_EVERY);
            let now = self.sample()?;
            let busy = now.cpu_since(&last).nanos > QUIET_NANOS;
            quiet_looks = if busy { 0 } else { quiet_looks + 1 };
            last = now;
            if quiet_looks == 2 {
                break;
            }
        }
        Ok(last)
    }
}

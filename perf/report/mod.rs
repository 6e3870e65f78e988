//! What a run says: one structure, as JSON and as a table.

mod table;

pub use table::short;

use crate::machine::{DiskSync, Machine};
use crate::meter::{Measured, Server};
use crate::options::RelayArgs;
use crate::plan::Plan;
use crate::process::Memory;
use crate::split::Split;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Above this share of its core the generator may be what limits the run.
const BUSY_MAX: f64 = 0.9;

/// A shorter stretch says little: a clock tick of CPU or one slow sync shows in it.
const SECONDS_MIN: f64 = 0.5;

/// Above this share of the server's cores, others disturb rate and latency.
const DISTURBED_MAX: f64 = 0.05;

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// What is compared with what: the same name means the same setting.
    pub name: String,
    pub plan: Plan,
    pub relay: RelaySetting,
    pub machine: Machine,
    pub disk_sync: Option<DiskSync>,
    /// What is counted: `event`, `connection`, `subscription`.
    pub unit: String,
    /// Of the measured stretch.
    pub seconds: f64,
    pub count: u64,
    /// Of the whole run.
    pub count_all: u64,
    pub per_second: f64,
    pub deliveries: u64,
    pub deliveries_per_second: f64,
    /// Replies or deliveries that never came.
    pub missing: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    pub server: Option<ServerFigures>,
    /// By what was timed: `ack`, `delivery`, …
    pub latency: BTreeMap<String, Latency>,
    pub client: Client,
    /// Figures only this workload has.
    pub further: BTreeMap<String, f64>,
    /// Of `mixed`.
    #[serde(default)]
    pub jobs: Option<Jobs>,
    pub warnings: Vec<String>,
    /// Runs of which every figure here is the median.
    #[serde(default = "one")]
    pub runs: usize,
    /// Smallest and largest of each key figure, where there are several.
    #[serde(default)]
    pub ranges: BTreeMap<String, [f64; 2]>,
}

fn one() -> usize {
    1
}

/// How the relay was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RelaySetting {
    pub shards: usize,
    #[serde(default)]
    pub tls: bool,
    pub durability: String,
    pub server_cores: Vec<usize>,
    pub client_cores: Vec<usize>,
    pub set: Vec<(String, String)>,
}

impl RelaySetting {
    /// As the command line says, with these keys.
    pub fn of(args: &RelayArgs, set: Vec<(String, String)>) -> RelaySetting {
        RelaySetting {
            shards: args.shards,
            tls: args.tls,
            durability: args.durability.clone(),
            server_cores: args.server_cores.0.clone(),
            client_cores: args.client_cores.0.clone(),
            set,
        }
    }

    /// What a result of this plan is compared by.
    pub fn name(&self, plan: &Plan) -> String {
        let name = plan.name(&self.durability, self.shards);
        if self.tls { name + ", TLS" } else { name }
    }
}

/// What became of the jobs that were offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// Offered, claimed, done and acknowledged, of the whole run.
    pub done: u64,
    /// Offered, but never acknowledged to the one who won.
    pub lost: u64,
    /// Done more than once, or agents do not agree on who won.
    pub doubled: u64,
}

/// Microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// The server's side, from /proc.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerFigures {
    pub cpu_us_per_unit: f64,
    /// All CPU, warm-up and the work left over for later too, by all units.
    pub cpu_us_per_unit_settled: f64,
    pub cpu_us_per_delivery: Option<f64>,
    /// Of one core.
    pub cpu_share: f64,
    pub user_share: f64,
    /// Of its cores, used by other processes and taken by the host.
    pub others_share: f64,
    pub stolen_share: f64,
    /// CPU µs per unit by thread name.
    pub threads: BTreeMap<String, f64>,
    /// Its CPU by stage; `None`: it does not tell.
    #[serde(default)]
    pub split: Option<Split>,
    pub memory: Memory,
    pub switches_voluntary: u64,
    pub switches_forced: u64,
    pub disk_written_bytes: u64,
    /// From before the first event until the relay was quiet.
    #[serde(default)]
    pub whole: Whole,
}

/// CPU and the relay's own counters over one and the same stretch: the run from before its first
/// event until the relay was quiet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Whole {
    /// CPU µs by thread name.
    pub threads: BTreeMap<String, f64>,
    /// What has grown, by the names of `/metrics`; empty for a relay that was not started here.
    pub counters: BTreeMap<String, f64>,
}

/// The generator's side.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Client {
    /// Share of the time its busiest thread was on its core.
    pub busy: f64,
    pub bytes_out: u64,
    pub bytes_in: u64,
}

/// What a workload hands over.
pub struct Figures {
    pub unit: &'static str,
    /// Units and deliveries of the measured stretch.
    pub count: u64,
    pub deliveries: u64,
    /// Units of the whole run.
    pub count_all: u64,
    pub measured: Measured,
}

impl Latency {
    /// Nanoseconds to percentiles in microseconds; `None`: nothing was timed.
    pub fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        (!histogram.is_empty()).then(|| Latency {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1000.0,
        })
    }
}

impl Report {
    /// The frame of a report: everything that follows from the figures alone.
    pub fn new(
        name: String,
        plan: Plan,
        relay: RelaySetting,
        disk_sync: Option<DiskSync>,
        figures: Figures,
    ) -> Report {
        let Figures { unit, count, deliveries, count_all, measured } = figures;
        let seconds = measured.seconds.max(1e-9);
        let server =
            measured.server.map(|server| ServerFigures::new(&server, seconds, count, count_all, deliveries));
        Report {
            name,
            plan,
            relay,
            machine: Machine::facts(),
            disk_sync,
            unit: unit.to_owned(),
            seconds,
            count,
            count_all,
            per_second: count as f64 / seconds,
            deliveries,
            deliveries_per_second: deliveries as f64 / seconds,
            missing: 0,
            errors: 0,
            first_error: None,
            server,
            latency: BTreeMap::new(),
            client: Client { busy: measured.client_busy, ..Client::default() },
            further: BTreeMap::new(),
            jobs: None,
            warnings: Vec::new(),
            runs: 1,
            ranges: BTreeMap::new(),
        }
    }

    /// Adds a latency, if anything was timed.
    pub fn time(&mut self, what: &str, histogram: &Histogram<u64>) {
        self.latency.extend(Latency::of(histogram).map(|latency| (what.to_owned(), latency)));
    }

    /// Whether the relay broke a promise that agents rely on.
    pub fn is_broken(&self) -> bool {
        self.jobs.is_some_and(|jobs| jobs.lost + jobs.doubled > 0)
    }

    /// Says what makes the figures doubtful.
    pub fn judge(&mut self) {
        let broken = self.jobs.filter(|_| self.is_broken());
        let mut warn = |text: String| self.warnings.push(text);
        if self.client.busy > BUSY_MAX && !self.plan.spin {
            warn(format!(
                "the generator's core was {:.0} % busy: it may be the limit",
                self.client.busy * 100.0
            ));
        }
        if self.client.busy < 1.0 - DISTURBED_MAX && self.plan.spin {
            warn(format!(
                "the generator had only {:.0} % of its core: latency suffers",
                self.client.busy * 100.0
            ));
        }
        if self.seconds < SECONDS_MIN {
            warn(format!("measured for {:.3} s only", self.seconds));
        }
        if self.missing > 0 {
            warn(format!("{} replies or deliveries never came", self.missing));
        }
        if self.errors > 0 {
            let first = self.first_error.as_deref().unwrap_or("about a subscription");
            warn(format!("{} errors, the first: {first}", self.errors));
        }
        if let Some(Jobs { done, lost, doubled }) = broken {
            warn(format!("{lost} jobs lost, {doubled} doubled, {done} done"));
        }
        if self.disk_sync.is_some_and(|sync| sync.in_memory) {
            warn("the data directory lies in memory: fsync costs nothing there".to_owned());
        }
        let is_shared = self.relay.server_cores.iter().any(|core| self.relay.client_cores.contains(core));
        if is_shared {
            warn("relay and generator share a core: rate and latency suffer, CPU per unit less".to_owned());
        }
        let disturbed = self.server.as_ref().filter(|_| !is_shared).map(|s| (s.others_share, s.stolen_share));
        if let Some((others, stolen)) = disturbed.filter(|(others, stolen)| others + stolen > DISTURBED_MAX) {
            warn(format!(
                "the relay's cores were not its own: others {:.0} %, host {:.0} %",
                others * 100.0,
                stolen * 100.0
            ));
        }
    }

    /// The latency a reader looks for first.
    pub fn main_latency(&self) -> Option<&Latency> {
        ["delivery", "ack", "login", "eose"].iter().find_map(|what| self.latency.get(*what))
    }

    /// The key figures, for comparing: name and value.
    pub fn key_figures(&self) -> Vec<(String, f64)> {
        let mut out = vec![(format!("{}s/s", self.unit), self.per_second)];
        if self.deliveries > 0 {
            out.push(("deliveries/s".to_owned(), self.deliveries_per_second));
        }
        if let Some(server) = &self.server {
            out.push((format!("CPU µs/{}", self.unit), server.cpu_us_per_unit));
            out.push((format!("CPU µs/{}, settled", self.unit), server.cpu_us_per_unit_settled));
            out.extend(server.cpu_us_per_delivery.map(|us| ("CPU µs/delivery".to_owned(), us)));
            out.extend(server.split.iter().flat_map(|split| split.figures(&self.unit)));
            out.push(("RSS anon MiB".to_owned(), server.memory.rss_anon as f64 / 1_048_576.0));
        }
        for (what, latency) in &self.latency {
            out.push((format!("{what} p50 µs"), latency.p50));
            out.push((format!("{what} p99 µs"), latency.p99));
        }
        out.extend(self.further.iter().map(|(name, value)| (name.clone(), *value)));
        out
    }
}

impl ServerFigures {
    fn new(server: &Server, seconds: f64, count: u64, count_all: u64, deliveries: u64) -> ServerFigures {
        let us_per = |nanos: u64, n: u64| nanos as f64 / 1000.0 / n.max(1) as f64;
        let threads = server.cpu.threads.iter().filter(|(_, nanos)| **nanos > 0);
        ServerFigures {
            cpu_us_per_unit: us_per(server.cpu.nanos, count),
            cpu_us_per_unit_settled: us_per(server.settled.nanos, count_all),
            cpu_us_per_delivery: (deliveries > 0).then(|| us_per(server.cpu.nanos, deliveries)),
            cpu_share: server.cpu.nanos as f64 / 1e9 / seconds,
            user_share: server.cpu.user_share,
            others_share: server.others_share,
            stolen_share: server.stolen_share,
            threads: threads.map(|(name, nanos)| (name.clone(), us_per(*nanos, count))).collect(),
            split: server.metrics.as_ref().map(|told| Split::of(&told.figures, count_all)),
            memory: server.memory,
            switches_voluntary: server.switches_voluntary,
            switches_forced: server.switches_forced,
            disk_written_bytes: server.disk_written_bytes,
            whole: Whole {
                threads: server
                    .settled
                    .threads
                    .iter()
                    .map(|(name, nanos)| (name.clone(), *nanos as f64 / 1e3))
                    .collect(),
                counters: server.metrics.as_ref().map(|told| told.counters.clone()).unwrap_or_default(),
            },
        }
    }
}

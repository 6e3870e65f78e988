//! The plan itself.

use super::batches::{Batches, Mill};
use super::calibration::Calibration;
use super::capacity::{Limit, Use, capacity, uses};
use super::coefficients::{Counts, Part, cpu_us};
use super::deployment::{Deployment, Pace};
use super::memory::{Memory, Setting, settings};
use super::resources::{Disk, Network};
use super::sizes;
use crate::base::limits::SHARDS_MAX;
use serde::Serialize;
use std::collections::BTreeMap;

/// Of a part's capacity, what a plan uses at most: bursts, merges and a slow minute of the disk
/// need the rest.
const USE_GOOD: f64 = 0.7;

/// Of the memory, what a plan uses at most: the rest is the kernel's page cache.
const MEMORY_GOOD: f64 = 0.8;

/// A disk whose slowest syncs take longer than so many of the usual ones was measured badly.
const SYNC_SPREAD_MAX: f64 = 1_000.0;

/// Shards of the curve.
const CURVE_SHARDS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// What a deployment needs and does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub deployment: Deployment,
    pub shards: usize,
    /// Events per second: as said, or what waiting publishers come to.
    pub rate: f64,
    pub batches: Batches,
    pub counts: Counts,
    pub cores: Cores,
    pub memory: Memory,
    pub disk: Disk,
    pub network: Network,
    /// `None`: more comes than can be done, so that it grows without end.
    pub latency: Option<Latency>,
    /// Every part, the most used first: the bottleneck.
    pub uses: Vec<Use>,
    /// Events per second at which the bottleneck is full.
    pub capacity: f64,
    pub fits: bool,
    /// What does not fit.
    pub problems: Vec<String>,
    /// What must be set in the configuration: the plan counts on it.
    pub settings: Vec<Setting>,
    pub assumptions: Vec<String>,
    pub curve: Vec<CurvePoint>,
}

/// CPU, in cores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cores {
    pub by_part: BTreeMap<Part, f64>,
    pub total: f64,
    pub us_per_event: f64,
    pub us_per_delivery: Option<f64>,
    /// Of all of it, what replays take.
    pub replay_share: f64,
}

/// Microseconds inside the relay, from a publish to its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    pub typical_us: f64,
    /// Behind two full turns and two slow syncs.
    pub bad_us: f64,
}

/// The load's mix on so many shards, each with a core, and cores for the other threads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    pub shards: usize,
    pub events_per_second: f64,
    pub deliveries_per_second: f64,
    /// Deliveries that leave in one socket write, on shards that have no time left. More shards
    /// have fewer readers each: more of what a turn brings is for the same one, and a delivery
    /// gets cheaper.
    pub deliveries_per_write: f64,
    pub limit: Limit,
    /// All threads at that rate.
    pub cores: f64,
}

/// Plans a deployment.
pub fn plan(deployment: &Deployment, calibration: &Calibration) -> Plan {
    let shards = deployment.shards.unwrap_or_else(|| shards_needed(deployment, calibration));
    let cores = deployment.cores;
    let (capacity, _) = capacity(deployment, calibration, shards, cores);
    let rate = match deployment.pace {
        Pace::Rate(rate) => rate,
        Pace::Window(_) => capacity,
    };
    let Load { batches, counts, cores: cpu } = predict(deployment, calibration, shards, rate);
    let uses = uses(deployment, calibration, shards, rate, cores);
    let overloaded = uses.iter().any(|part| part.share > 1.0) && deployment.rate().is_some();
    let disk = Disk::of(&counts, deployment, calibration);
    let memory = Memory::of(deployment, calibration, shards, &counts);
    let settings = settings(deployment, &counts, &memory);
    let mut plan = Plan {
        shards,
        rate,
        batches,
        counts,
        cores: cpu,
        memory,
        disk,
        network: Network::of(&counts),
        latency: (!overloaded).then(|| Latency::of(&batches, deployment, calibration)),
        uses,
        capacity,
        fits: false,
        problems: Vec::new(),
        settings,
        assumptions: assumptions(deployment, calibration),
        curve: curve(deployment, calibration),
        deployment: deployment.clone(),
    };
    plan.problems = problems(&plan);
    plan.fits = plan.problems.is_empty();
    plan
}

/// What a load does at a rate: the part of a plan that can be compared with a running relay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Load {
    pub batches: Batches,
    /// Of one second.
    pub counts: Counts,
    pub cores: Cores,
}

/// The work and the CPU of so many events per second on so many shards. Publishers with a window
/// come to that rate; it does not change how they batch.
pub fn predict(deployment: &Deployment, calibration: &Calibration, shards: usize, rate: f64) -> Load {
    let mill = Mill::new(deployment, calibration, shards, deployment.cores);
    let batches = mill.batches(rate);
    let counts = mill.counts(rate, &batches);
    Load { batches, counts, cores: Cores::of(&counts, calibration) }
}

/// The fewest shards whose CPU has room left; at most one per core.
fn shards_needed(deployment: &Deployment, calibration: &Calibration) -> usize {
    let most = (deployment.cores as usize).clamp(1, SHARDS_MAX);
    let Some(rate) = deployment.rate() else { return most };
    let has_room = |shards: &usize| {
        let uses = uses(deployment, calibration, *shards, rate, deployment.cores);
        uses.iter().all(|part| part.limit != Limit::ShardCpu || part.share <= USE_GOOD)
    };
    (1..=most).find(has_room).unwrap_or(most)
}

fn curve(deployment: &Deployment, calibration: &Calibration) -> Vec<CurvePoint> {
    let point = |shards: usize| {
        // Cores are what the curve asks for, so they do not limit it.
        let (rate, limit) = capacity(deployment, calibration, shards, f64::MAX);
        let mill = Mill::new(deployment, calibration, shards, f64::MAX);
        let counts = mill.counts(rate, &mill.full_batches(rate));
        let writes = counts.delivery_writes;
        CurvePoint {
            shards,
            events_per_second: rate,
            deliveries_per_second: rate * deployment.deliveries,
            deliveries_per_write: if writes > 0.0 { counts.deliveries / writes } else { 0.0 },
            limit,
            cores: cpu_us(&counts, &calibration.prices).values().sum::<f64>() / 1e6,
        }
    };
    CURVE_SHARDS.into_iter().map(point).collect()
}

impl Cores {
    fn of(counts: &Counts, calibration: &Calibration) -> Cores {
        let parts = cpu_us(counts, &calibration.prices);
        let sent_bytes = (counts.sent_bytes - counts.replayed_bytes).max(0.0);
        let without = Counts { replayed: 0.0, replayed_bytes: 0.0, sent_bytes, ..*counts };
        let total_us: f64 = parts.values().sum();
        let without_us: f64 = cpu_us(&without, &calibration.prices).values().sum();
        let per = |us: f64, of: f64| if of > 0.0 { us / of } else { 0.0 };
        Cores {
            by_part: parts.into_iter().map(|(part, us)| (part, us / 1e6)).collect(),
            total: total_us / 1e6,
            us_per_event: per(total_us, counts.events),
            us_per_delivery: (counts.deliveries > 0.0).then(|| per(total_us, counts.deliveries)),
            replay_share: per(total_us - without_us, total_us),
        }
    }
}

impl Latency {
    fn of(batches: &Batches, deployment: &Deployment, calibration: &Calibration) -> Latency {
        // Half of a turn that is under way, the own one, and for what is stored the same again
        // with the log.
        let typical = 1.5 * batches.turn_us + 1.5 * batches.commit_us;
        // A disk with another sync than the calibrated one is taken to vary as much as that.
        let facts = &calibration.facts;
        let spread = if facts.sync_p50_us > 0.0 { facts.sync_p99_us / facts.sync_p50_us } else { 1.0 };
        let slower = deployment.sync_us * (spread - 1.0).clamp(0.0, SYNC_SPREAD_MAX);
        let waits = matches!(deployment.durability, super::Durability::Fsync) && batches.commit_us > 0.0;
        let bad = 3.0 * batches.turn_us + 2.0 * (batches.commit_us + if waits { slower } else { 0.0 });
        Latency { typical_us: typical, bad_us: bad.max(typical) }
    }
}

fn problems(plan: &Plan) -> Vec<String> {
    let deployment = &plan.deployment;
    let mut out = Vec::new();
    if deployment.rate().is_some() {
        for part in plan.uses.iter().filter(|part| part.share > USE_GOOD) {
            let what = if part.share > 1.0 { "is not enough" } else { "leaves too little room" };
            out.push(format!("{} {what}: {:.0} % used", part.limit.name(), part.share * 100.0));
        }
    }
    let (memory, gib) = (&plan.memory, f64::from(1 << 30));
    if memory.total > MEMORY_GOOD * deployment.ram_bytes {
        let mut problem = format!(
            "memory is not enough: {:.1} GiB of {:.1}, and a fifth is the page cache's",
            memory.total / gib,
            deployment.ram_bytes / gib
        );
        if memory.ids > memory.total / 2.0 {
            problem += &format!(
                "; {:.1} GiB are the filters of ids in {} days of log: keep fewer days",
                memory.ids / gib,
                deployment.retention_days
            );
        }
        out.push(problem);
    }
    out
}

fn assumptions(deployment: &Deployment, calibration: &Calibration) -> Vec<String> {
    let mut out = vec![
        format!("CPU as calibrated on {}: another CPU needs its own calibration", calibration.machine),
        format!("events of {:.0} bytes on the wire, {:.0} tags, every signature checked", deployment.event_bytes, deployment.tags),
        "publishes spread evenly over shards and time; each of the readers is as likely as the others".to_owned(),
        "readers keep up; who does not is served from the log, which costs as a replay does".to_owned(),
        "socket costs are those of the loopback device: a network card adds interrupts and takes off the receiving side".to_owned(),
        format!(
            "a disk sync takes {:.0} µs; {:.1} bytes are written for each one kept, as in the calibration's runs: more when the log is much larger than memory",
            deployment.sync_us, calibration.facts.write_amplification
        ),
        format!("at most {:.0} % of each part is used, the rest is for bursts", USE_GOOD * 100.0),
    ];
    if matches!(deployment.pace, Pace::Window(_)) {
        out.push("publishers wait for answers: the rate is what the relay can do".to_owned());
    }
    if deployment.ephemeral < 1.0 {
        out.push(format!(
            "the store as it is set by default, but for what is to be set: two memtables of each family, log and ids full, \
             the indexes flushed every {:.0} events; {:.1} bytes of filter and index for each id in the log",
            sizes::INDEX_FLUSH_EVENTS,
            sizes::ID_HELD_BYTES * (1.0 + sizes::IDS_DELETED_SHARE)
        ));
    }
    if deployment.deliveries > 0.0 {
        out.push(
            "on more shards each has fewer readers, and more deliveries for one of them leave in one write: \
             where shard CPU limits, the rate may grow more than the shards do"
                .to_owned(),
        );
    }
    if deployment.connections > 1.0 {
        out.push(
            "idle sockets; each one that has unread or unsent data holds up to tcp_rmem and tcp_wmem more"
                .to_owned(),
        );
    }
    out
}

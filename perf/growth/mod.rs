//! Does an event cost the same when there is more of everything? CPU per event by connections,
//! by subscriptions that do not match, and by stored events.

mod store;

use crate::bench::Bench;
use crate::failure::{Failure, Result};
use crate::options::{Command, Load, Options, RelayArgs};
use crate::plan::Plan;
use crate::repeat;
use crate::report::{Report, short};
use axon::base::Clock;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

const CONNECTIONS: [usize; 4] = [10, 100, 1_000, 10_000];
const SUBSCRIPTIONS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// Connections that share the subscriptions.
const SUBSCRIBED_CONNECTIONS: usize = 10;

/// Runs of each point, while their time lasts.
const ROUNDS: usize = 3;
/// What connections and subscriptions may take in all.
const POINTS_SECONDS_MAX: u64 = 200;
/// What the store may take, if nothing is said: with the points and the ends it stays within
/// twelve minutes.
const STORE_SECONDS: u64 = 440;

/// A point further than this from the median of its series is not flat.
const FLAT: f64 = 0.15;
/// The store's million events differ by the merges that happen to fall into each, which are paid
/// for all that came since the one before: means of so many parts of the run are compared.
const STORE_PARTS: usize = 5;

/// One figure that grows, and what an event costs with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Series {
    /// What grows.
    pub what: String,
    /// By factors of ten, or evenly.
    pub is_by_decades: bool,
    /// Points whose mean is one figure of the verdict.
    #[serde(default = "one")]
    pub points_per_mean: usize,
    pub points: Vec<Point>,
}

/// Where it has grown to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Point {
    pub at: u64,
    /// CPU of the whole relay, µs per event.
    pub cpu_us: f64,
    /// Private memory of the relay.
    pub memory_mib: f64,
    pub disk_mib: f64,
}

/// All series, and the runs they come from.
///
/// # Errors
/// A run could not be made.
pub fn run(options: &Options, clock: Clock) -> Result<(Vec<Report>, Vec<Series>)> {
    if options.relay.url.is_some() {
        return Err(Failure::Usage("growth starts its own relays: no --url".to_owned()));
    }
    // Without waiting for the disk, which costs no CPU but shapes the batches.
    let relay = RelayArgs { durability: "os".to_owned(), ..options.relay.clone() };
    let seed = options.load.seed;
    let plan = |connections, subscriptions| {
        let (connections, subscriptions) = (Some(connections), Some(subscriptions));
        let load = Load { connections, subscriptions, seed, ..Load::default() };
        Plan::new(Command::Growth, &load, options.smoke)
    };
    let publishers = plan(1, 1).publishers;
    let smoke = |all: &[usize]| if options.smoke { all[..2].to_vec() } else { all.to_vec() };
    let (connections, subscriptions) = (smoke(&CONNECTIONS), smoke(&SUBSCRIPTIONS));
    let by_connections = connections.iter().map(|all| plan(all - publishers, all - publishers));
    let by_subscriptions = subscriptions.iter().map(|all| plan(SUBSCRIBED_CONNECTIONS, *all));
    // The load is the same everywhere, and so it is signed once.
    let first = Bench::prepare(plan(1, 1), &relay, clock)?;
    let benches: Vec<Bench> =
        by_connections.chain(by_subscriptions).map(|plan| first.with_plan(plan)).collect();
    let rounds = if options.smoke { 1 } else { ROUNDS };
    let mut runs = repeat::interleaved(&benches, rounds, Some(POINTS_SECONDS_MAX), &clock)?;
    let of = |what: &str, sizes: &[usize], runs: &[Report]| Series {
        what: what.to_owned(),
        is_by_decades: true,
        points_per_mean: 1,
        points: sizes.iter().zip(runs).filter_map(|(at, run)| Point::of(*at as u64, run)).collect(),
    };
    let mut series = vec![
        of("connections", &connections, &runs),
        of("subscriptions that do not match", &subscriptions, &runs[connections.len()..]),
    ];
    let events = if options.smoke { options.events.min(store::EVENTS_SMOKE) } else { options.events };
    let seconds = options.load.seconds.unwrap_or(STORE_SECONDS);
    let (report, points) = store::grow(&relay, events.max(1), seconds, seed, clock)?;
    runs.push(report);
    let points_per_mean = points.len().div_ceil(STORE_PARTS).max(1);
    series.push(Series { what: "stored events".to_owned(), is_by_decades: false, points_per_mean, points });
    Ok((runs, series))
}

impl Point {
    fn of(at: u64, run: &Report) -> Option<Point> {
        let server = run.server.as_ref()?;
        Some(Point {
            at,
            cpu_us: server.cpu_us_per_unit_settled,
            memory_mib: mib(server.memory.rss_anon),
            disk_mib: mib(server.disk_written_bytes),
        })
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

impl Series {
    /// Where a value of it stands on an axis.
    pub fn place(&self, at: u64) -> f64 {
        if self.is_by_decades { (at.max(1) as f64).log10() } else { at as f64 }
    }

    fn costs(&self) -> Vec<f64> {
        let mean =
            |points: &[Point]| points.iter().map(|point| point.cpu_us).sum::<f64>() / points.len() as f64;
        let mut costs: Vec<f64> = self.points.chunks(self.points_per_mean.max(1)).map(mean).collect();
        costs.sort_by(f64::total_cmp);
        costs
    }

    /// The dearest mean by the cheapest; 1 without points.
    pub fn ratio(&self) -> f64 {
        match self.costs()[..] {
            [first, .., last] if first > 0.0 => last / first,
            _ => 1.0,
        }
    }

    /// How far the mean furthest from the median lies from it, as a part of it.
    pub fn spread(&self) -> f64 {
        let costs = self.costs();
        let Some(median) = costs.get(costs.len() / 2).filter(|median| **median > 0.0) else { return 0.0 };
        costs.iter().map(|cost| (cost / median - 1.0).abs()).fold(0.0, f64::max)
    }

    /// `means of 4: max/min 1.08, furthest from the median 6 %: within ±15 %`
    pub fn verdict(&self) -> String {
        let (ratio, spread) = (self.ratio(), self.spread() * 100.0);
        let is_flat = self.spread() <= FLAT;
        let flat = FLAT * 100.0;
        let says = if is_flat { "within" } else { "NOT within" };
        let means = match self.points_per_mean {
            1 => String::new(),
            many => format!("means of {many}: "),
        };
        format!("{means}max/min {ratio:.2}, furthest from the median {spread:.0} %: {says} ±{flat:.0} %")
    }
}

fn one() -> usize {
    1
}

/// For people.
pub fn table(series: &[Series]) -> String {
    let mut out = String::new();
    for one in series {
        // Writing to a String cannot fail.
        let _ =
            writeln!(out, "{:>32} {:>12} {:>12} {:>12}", one.what, "CPU µs/event", "memory MiB", "disk MiB");
        for Point { at, cpu_us, memory_mib, disk_mib } in &one.points {
            let (cpu, memory, disk) = (short(*cpu_us), short(*memory_mib), short(*disk_mib));
            let _ = writeln!(out, "{at:>32} {cpu:>12} {memory:>12} {disk:>12}");
        }
        let _ = writeln!(out, "{:>32} {}\n", "", one.verdict());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(costs: &[f64]) -> Series {
        let point = |(at, cpu_us): (usize, &f64)| Point {
            at: at as u64,
            cpu_us: *cpu_us,
            memory_mib: 1.0,
            disk_mib: 1.0,
        };
        Series {
            what: "x".to_owned(),
            is_by_decades: true,
            points_per_mean: 1,
            points: costs.iter().enumerate().map(point).collect(),
        }
    }

    #[test]
    fn flat_is_within_fifteen_percent_of_the_median() {
        let flat = series(&[10.0, 11.4, 8.6]);
        assert!((flat.ratio() - 11.4 / 8.6).abs() < 1e-9);
        assert!(flat.verdict().contains(": within"), "{}", flat.verdict());
        assert!(series(&[10.0, 10.0, 11.6]).verdict().contains("NOT within"));
        assert!(series(&[]).verdict().contains("max/min 1.00"));
    }

    #[test]
    fn means_spread_a_merge_over_what_it_merges_and_hide_no_growth() {
        let in_pairs = |costs: &[f64]| Series { points_per_mean: 2, ..series(costs) };
        let lumpy = [10.0, 12.0, 8.0, 14.0, 11.0];
        assert!(series(&lumpy).verdict().contains("NOT within"));
        assert!(in_pairs(&lumpy).verdict().starts_with("means of 2: max/min 1.00"));
        assert!(in_pairs(&[10.0, 10.0, 12.0, 12.0, 14.0, 14.0]).verdict().contains("NOT within"));
    }
}

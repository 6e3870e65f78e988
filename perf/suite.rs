//! The canonical set: what `axon-perf all` runs, and its one table.

use crate::options::{Command, Load, RelayArgs};
use crate::plan::Plan;
use crate::report::{Report, short};
use axon::base::Kind;
use std::fmt::Write as _;

/// One run of the set.
pub struct Entry {
    pub plan: Plan,
    pub relay: RelayArgs,
}

/// The whole set, for a relay described by `args` but for shards and durability.
pub fn entries(load: &Load, args: &RelayArgs, smoke: bool) -> Vec<Entry> {
    let entry = |command, durability: &str, shards: usize, change: &dyn Fn(&mut Load)| {
        let mut load = Load { seed: load.seed, ..Load::default() };
        change(&mut load);
        let mut relay = args.clone();
        (relay.durability, relay.shards) = (durability.to_owned(), shards);
        if shards > relay.server_cores.0.len() {
            // A core for each shard, taken from the generator where the machine has no more.
            relay.server_cores.0 = (0..shards).collect();
        }
        Entry { plan: Plan::new(command, &load, smoke), relay }
    };
    let plain: &dyn Fn(&mut Load) = &|_| {};
    let mut out = Vec::new();
    for (durability, shards) in [("fsync", 1), ("os", 1), ("fsync", 2), ("os", 2)] {
        out.push(entry(Command::Ingest, durability, shards, plain));
    }
    out.push(entry(Command::Ingest, "os", 1, &|load| {
        (load.publishers, load.window, load.count) =
            (Some(1), Some(1), Some(if smoke { 1_000 } else { 20_000 }));
    }));
    for kind in [Kind::PROGRESS, Kind::MESSAGE] {
        for subscribers in [10, 100, 1_000] {
            let durability = if kind.is_ephemeral() { "fsync" } else { "os" };
            out.push(entry(Command::Fanout, durability, 1, &|load| {
                (load.kind, load.subscribers) = (Some(kind.0), Some(subscribers));
            }));
        }
    }
    out.push(entry(Command::Selective, "os", 1, plain));
    out.push(entry(Command::Selective, "os", 1, &|load| {
        load.subscriptions = Some(if smoke { 1_000 } else { 100_000 });
    }));
    out.push(entry(Command::Latency, "fsync", 1, &|load| load.kind = Some(Kind::PROGRESS.0)));
    out.push(entry(Command::Latency, "os", 1, plain));
    out.push(entry(Command::Latency, "fsync", 1, plain));
    for (command, durability) in [
        (Command::Idle, "os"),
        (Command::Connect, "os"),
        (Command::Churn, "os"),
        (Command::Mixed, "os"),
        (Command::Replay, "os"),
    ] {
        out.push(entry(command, durability, 1, plain));
    }
    out
}

/// All runs, one line each.
pub fn table(reports: &[Report]) -> String {
    let mut out = format!(
        "{:<42} {:>10} {:>12} {:>9} {:>9} {:>9} {:>9} {:>9}  {}\n",
        "run", "units/s", "deliveries/s", "µs/unit", "settled", "µs/deliv", "p50 µs", "p99 µs", "further"
    );
    for report in reports {
        let server = report.server.as_ref();
        let show = |value: Option<f64>| value.map_or("-".to_owned(), short);
        let latency = report.main_latency();
        let further: Vec<_> =
            report.further.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{:<42} {:>10} {:>12} {:>9} {:>9} {:>9} {:>9} {:>9}  {}{}",
            report.name,
            short(report.per_second),
            show((report.deliveries > 0).then_some(report.deliveries_per_second)),
            show(server.map(|server| server.cpu_us_per_unit)),
            show(server.map(|server| server.cpu_us_per_unit_settled)),
            show(server.and_then(|server| server.cpu_us_per_delivery)),
            show(latency.map(|latency| latency.p50)),
            show(latency.map(|latency| latency.p99)),
            further.join(", "),
            if report.warnings.is_empty() { "" } else { " !" }
        );
    }
    out
}

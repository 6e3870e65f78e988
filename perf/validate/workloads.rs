//! The four workloads, and how each is described to the planner.

use crate::calibrate::subscriptions;
use crate::options::{Command, Load, Options, RelayArgs};
use crate::plan::Plan;
use crate::report::Report;
use axon::plan::{Calibration, Counts, Description, Durability, event_bytes};

/// Of the relay's one core, what the replays beside the publishers are meant to take.
const REPLAY_CORES: f64 = 0.3;

/// What a calibration does not contain.
pub fn workloads(options: &Options, calibration: &Calibration) -> Vec<(Plan, RelayArgs)> {
    let relay = RelayArgs { durability: "os".to_owned(), shards: 1, ..options.relay.clone() };
    let seed = options.load.seed;
    let plan =
        |command, load: Load| (Plan::new(command, &Load { seed, ..load }, options.smoke), relay.clone());
    let replay_rate = Some(replay_rate(calibration));
    vec![
        plan(Command::Mixed, Load::default()),
        plan(
            Command::Selective,
            Load {
                subscriptions: (!options.smoke).then_some(100_000),
                count: Some(count(options, 300_000)),
                ..Load::default()
            },
        ),
        plan(
            Command::Fanout,
            Load { subscribers: Some(if options.smoke { 30 } else { 300 }), ..Load::default() },
        ),
        plan(Command::Ingest, Load { replay_rate, count: Some(count(options, 300_000)), ..Load::default() }),
    ]
}

fn count(options: &Options, count: usize) -> usize {
    if options.smoke { 3_000 } else { count }
}

/// Events per second whose replay takes [`REPLAY_CORES`].
fn replay_rate(calibration: &Calibration) -> u64 {
    let price = |name: &str| calibration.prices.get(name).copied().unwrap_or(0.0);
    let event = event_bytes(0.0, 0.0).max(300.0);
    let each = price("shard.replayed")
        + price("read.event")
        + event * (price("read.byte") + price("shard.sent_byte"));
    (REPLAY_CORES * 1e6 / each.max(0.01)) as u64
}

/// A run's counted facts in the planner's words: what was published, to whom it went, how much
/// was in flight. Nothing about CPU, batches or writes.
pub fn describe(report: &Report, counts: &Counts) -> Description {
    let plan = &report.plan;
    let events = counts.events.max(1.0);
    let (readers, run) = match plan.command {
        // Topics take turns, and a connection has neighbouring ones.
        Command::Selective => (plan.connections, plan.subscriptions.div_ceil(plan.connections)),
        // Every agent publishes and reads, over one connection.
        Command::Mixed => (plan.connections, 1),
        _ => (plan.subscribers, 1),
    };
    let (publishers, connections) = match plan.command {
        Command::Mixed => (plan.connections, plan.connections),
        _ => (plan.publishers, plan.publishers + readers),
    };
    let deliveries = counts.deliveries / events;
    Description {
        connections: Some(connections as f64),
        publishers: Some(publishers as f64),
        authors: Some(plan.authors as f64),
        window: Some(plan.window as f64),
        content_bytes: Some((plan.size as f64 - event_bytes(0.0, plan.tags as f64)).max(0.0)),
        tags: Some(plan.tags as f64),
        ephemeral: Some((1.0 - counts.stored / events).clamp(0.0, 1.0)),
        deliveries: Some(deliveries),
        readers: Some((readers as f64).max(deliveries).max(1.0)),
        reader_run: Some(run.max(1) as f64),
        subscriptions: Some(subscriptions(plan) as f64),
        replay_rate: Some(counts.replayed / events * report.per_second),
        durability: Some(if report.relay.durability == "os" { Durability::Os } else { Durability::Fsync }),
        cores: Some(report.relay.server_cores.len() as f64),
        ..Description::default()
    }
}

//! One relay, filled from empty: what an event costs while the store grows.

use super::{Point, mib};
use crate::bench::{Bench, Stage};
use crate::failure::{Failure, Result};
use crate::flow::{Flow, Gate, Pace, Publisher};
use crate::machine;
use crate::meter::Meter;
use crate::options::{Command, Load, RelayArgs};
use crate::plan::Plan;
use crate::process::Sample;
use crate::report::{Figures, Report};
use crate::script::{Script, Shape};
use axon::base::Clock;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Points of the series: at 20 million events each is a million.
const POINTS: usize = 20;
/// Events of a size that a test can wait for.
pub const EVENTS_SMOKE: usize = 4_000;
/// Events signed ahead of those that are sent: some 70 MB, twice.
const CHUNK: usize = 200_000;

/// Publishes up to `events` within `seconds`; the whole as one report, and by its parts.
///
/// # Errors
/// The run could not be made, or the relay refused an event.
pub fn grow(
    relay: &RelayArgs,
    events: usize,
    seconds: u64,
    seed: u64,
    clock: Clock,
) -> Result<(Report, Vec<Point>)> {
    let load =
        Load { count: Some(events), window: Some(128), seconds: Some(seconds), seed, ..Load::default() };
    // Of the ingest workload, but signed while it runs: 20 million events do not fit into memory.
    let plan = Plan { warmup: 0, ..Plan::new(Command::Ingest, &load, false) };
    let bench = Bench::unsigned(plan, relay, clock);
    let mut points = Vec::new();
    let report = bench.play(|stage| fill(stage, &mut points))?;
    Ok((report, points))
}

fn fill(stage: &Stage, points: &mut Vec<Point>) -> Result<Report> {
    machine::pin(&stage.setting.client_cores)?;
    let (chunks, ready) = sync_channel(1);
    let mut meter = stage.meter()?;
    meter.start()?;
    let stored = std::thread::scope(|scope| {
        // It inherits the generator's cores, and so takes nothing from the relay.
        let signer = scope.spawn(|| sign(stage, chunks));
        let stored = publish(stage, ready, points);
        signer.join().map_err(|_| Failure::Usage("the signing thread panicked".to_owned()))??;
        stored
    })?;
    meter.stop()?;
    let measured = meter.settle()?;
    let figures = Figures { unit: "event", count: stored, deliveries: 0, count_all: stored, measured };
    let mut report = stage.report(figures);
    report.name = format!(
        "growth {} n{}, {} shard(s)",
        stage.setting.durability, stage.plan.count, stage.setting.shards
    );
    if (stored as usize) < stage.plan.count {
        let (wanted, seconds) = (stage.plan.count, stage.plan.seconds);
        report.warnings.push(format!("{stored} of {wanted} events were stored in {seconds} s"));
    }
    Ok(report)
}

/// Signs chunk after chunk until all are signed or nobody wants them any more.
fn sign(stage: &Stage, chunks: SyncSender<Vec<Script>>) -> Result<()> {
    let plan = stage.plan;
    let shape = Shape::of(plan, stage.clock.unix_seconds());
    let chunk = CHUNK.min(plan.count.div_ceil(POINTS));
    for first in (0..plan.count).step_by(chunk) {
        let count = chunk.min(plan.count - first);
        let share = |publisher: usize| (count + plan.publishers - 1 - publisher) / plan.publishers;
        let scripts = (0..plan.publishers)
            .map(|n| Script::write(&shape, stage.identities, first + n, plan.publishers, share(n)))
            .collect::<Result<Vec<_>>>()?;
        if chunks.send(scripts).is_err() {
            break;
        }
    }
    Ok(())
}

/// Publishes what has been signed and takes a point whenever another part is stored; how many
/// events were.
fn publish(stage: &Stage, chunks: Receiver<Vec<Script>>, points: &mut Vec<Point>) -> Result<u64> {
    let plan = stage.plan;
    let deadline = stage.clock.nanos() + plan.seconds * 1_000_000_000;
    let mut part = Part { stored: 0, sample: Sample::take(stage.relay.pid)? };
    let mut stored = 0;
    for scripts in chunks {
        stored += publish_chunk(stage, &scripts)?;
        let is_last = stored as usize >= plan.count || stage.clock.nanos() > deadline;
        if is_last || (stored - part.stored) as usize >= plan.count / POINTS {
            points.push(part.end(stage, stored)?);
        }
        if is_last {
            break;
        }
    }
    Ok(stored)
}

/// Where the part that is under way began.
struct Part {
    stored: u64,
    sample: Sample,
}

impl Part {
    /// The figures of this part; the next one begins.
    fn end(&mut self, stage: &Stage, stored: u64) -> Result<Point> {
        let before = std::mem::replace(self, Part { stored, sample: Sample::take(stage.relay.pid)? });
        let nanos = self.sample.cpu_since(&before.sample).nanos;
        Ok(Point {
            at: stored,
            cpu_us: nanos as f64 / 1000.0 / (stored - before.stored).max(1) as f64,
            memory_mib: mib(self.sample.memory.rss_anon),
            disk_mib: mib(stage.relay.disk_bytes()),
        })
    }
}

fn publish_chunk(stage: &Stage, scripts: &[Script]) -> Result<u64> {
    let open = |(number, script)| Ok(Publisher::new(stage.open(number)?, script));
    let never = AtomicBool::new(false);
    let flow = Flow {
        publishers: scripts.iter().enumerate().map(open).collect::<Result<_>>()?,
        readers: Vec::new(),
        pace: Pace::Window(stage.plan.window),
        gate: Gate::Replies,
        deliveries_per_event: None,
        warmup: 0,
        seconds_max: stage.plan.seconds,
        spin: false,
        cores: &stage.setting.client_cores,
        stop: &never,
    };
    let outcome = flow.run(&mut Meter::new(stage.clock, 0, &[])?)?;
    match outcome.first_error {
        Some(error) => Err(Failure::Protocol(format!("an event was refused: {error}"))),
        None => Ok(outcome.events_all),
    }
}

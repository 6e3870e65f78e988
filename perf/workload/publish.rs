//! Ingest, fan-out, selective, latency, growth: who reads what differs, the engine is one.

use super::returning::read_again;
use crate::bench::Stage;
use crate::failure::{Failure, Result};
use crate::flow::{Flow, Gate, Outcome, Pace, Publisher};
use crate::machine;
use crate::meter::Meter;
use crate::options::Command;
use crate::readers::{Reader, Share};
use crate::report::{Figures, Report};
use crate::script::topic;
use axon::filter::{Filter, TagFilter};
use std::sync::atomic::{AtomicBool, Ordering};

/// Readers whose deliveries are timed where all get the same; timing more would cost the
/// generator more than reading.
const TIMED_READERS_MAX: usize = 10;

/// Readers that share the replays. One alone waits for its next page behind whole batches of
/// publishes.
const RETURNING_READERS: usize = 4;

/// Runs the stage's plan.
///
/// # Errors
/// A connection failed.
pub fn publish(stage: &Stage) -> Result<Report> {
    let plan = stage.plan;
    let (readers, gate, deliveries_per_event) = readers(stage)?;
    let mut publishers = Vec::new();
    for (number, script) in stage.scripts.iter().enumerate() {
        publishers.push(Publisher::new(stage.open(number)?, script));
    }
    let never = AtomicBool::new(false);
    let flow = Flow {
        publishers,
        readers,
        pace: plan.rate.map_or(Pace::Window(plan.window), Pace::Rate),
        gate,
        deliveries_per_event,
        warmup: plan.warmup,
        seconds_max: plan.seconds,
        spin: plan.spin,
        cores: &stage.setting.client_cores,
        stop: &never,
    };
    let mut meter = stage.meter()?;
    let (outcome, replayed) = beside_replays(stage, flow, &mut meter)?;
    let measured = meter.settle()?;
    let mut report = stage.report(Figures {
        unit: "event",
        count: outcome.events,
        deliveries: outcome.deliveries,
        count_all: outcome.events_all,
        measured,
    });
    if plan.replay_rate > 0 {
        report.further.insert("replayed events".to_owned(), replayed as f64);
    }
    report.time("ack", &outcome.ack);
    report.time("delivery", &outcome.delivery);
    report.missing = outcome.missing;
    report.errors = outcome.errors;
    report.first_error = outcome.first_error;
    report.client.busy = report.client.busy.max(outcome.readers_busy);
    (report.client.bytes_out, report.client.bytes_in) = (outcome.bytes_out, outcome.bytes_in);
    if !plan.is_ephemeral() && stage.relay.disk_bytes() > 0 {
        let per_event = stage.relay.disk_bytes() as f64 / outcome.events_all.max(1) as f64;
        report.further.insert("disk bytes/event".to_owned(), per_event);
    }
    Ok(report)
}

/// Runs the flow, and as long as it lasts the readers that come back, if the plan has them; what
/// they have read.
fn beside_replays(stage: &Stage, flow: Flow, meter: &mut Meter) -> Result<(Outcome, u64)> {
    if stage.plan.replay_rate == 0 {
        return Ok((flow.run(meter)?, 0));
    }
    let over = AtomicBool::new(false);
    let first = stage.plan.publishers;
    let conns =
        (first..first + RETURNING_READERS).map(|number| stage.open(number)).collect::<Result<Vec<_>>>()?;
    let each = stage.plan.replay_rate.div_ceil(RETURNING_READERS as u64);
    std::thread::scope(|scope| {
        let read = |conn| {
            let over = &over;
            scope.spawn(move || {
                machine::pin(&stage.setting.client_cores)?;
                read_again(stage, conn, each, over)
            })
        };
        let reading: Vec<_> = conns.into_iter().map(read).collect();
        let outcome = flow.run(meter);
        over.store(true, Ordering::Relaxed);
        let mut events = 0;
        for thread in reading {
            events +=
                thread.join().map_err(|_| Failure::Usage("a reader's thread panicked".to_owned()))??;
        }
        Ok((outcome?, events))
    })
}

/// Subscribers, live; what closes the window; deliveries of one event.
fn readers(stage: &Stage) -> Result<(Vec<Reader>, Gate, Option<f64>)> {
    let plan = stage.plan;
    let open = |number: usize, filters: &[Filter], timed: Option<Share>| -> Result<Reader> {
        let mut conn = stage.open(plan.publishers + number)?;
        conn.subscribe(filters)?;
        Ok(Reader { conn, timed })
    };
    let by_kind = Filter { kinds: plan.kinds.clone(), ..Filter::default() };
    // Which delivery is which event can only be told where one publisher sets the order.
    let can_time = plan.publishers == 1;
    match plan.command {
        Command::Selective | Command::Growth => {
            let matches = plan.command == Command::Selective;
            let per_connection = plan.subscriptions.div_ceil(plan.connections).max(1);
            let mut readers = Vec::new();
            for (number, start) in (0..plan.subscriptions).step_by(per_connection).enumerate() {
                let run = per_connection.min(plan.subscriptions - start);
                // Topics beyond those of the events match nothing.
                let first = if matches { start } else { plan.topics() + start };
                let filters: Vec<Filter> =
                    (first..first + run).map(|n| by_topics(&[n], first + run)).collect();
                let share = Share { start, run, cycle: plan.subscriptions };
                readers.push(open(number, &filters, (matches && can_time).then_some(share))?);
            }
            let gate = if matches && can_time { Gate::Total } else { Gate::Replies };
            Ok((readers, gate, Some(if matches { 1.0 } else { 0.0 })))
        }
        _ => {
            let timed = |n: usize| (can_time && n < TIMED_READERS_MAX).then_some(Share::ALL);
            let all = (0..plan.subscribers).map(|n| open(n, std::slice::from_ref(&by_kind), timed(n)));
            let gate = if can_time && plan.subscribers > 0 { Gate::Slowest } else { Gate::Replies };
            Ok((all.collect::<Result<_>>()?, gate, Some(plan.subscribers as f64)))
        }
    }
}

/// Events whose first tag is one of these.
pub fn by_topics(numbers: &[usize], topics: usize) -> Filter {
    let mut values: Vec<String> = numbers.iter().map(|number| topic(*number, topics)).collect();
    values.sort();
    Filter { tags: vec![TagFilter { name: "t".to_owned(), values }], ..Filter::default() }
}

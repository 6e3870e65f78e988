//! Subscribing and unsubscribing while events are published at a fixed rate.

use super::publish::by_topics;
use crate::bench::Stage;
use crate::conn::Conn;
use crate::failure::{Failure, Result};
use crate::flow::{Flow, Gate, Pace, Publisher};
use crate::frame::{self, EOSE, ERROR};
use crate::machine;
use crate::meter::Meter;
use crate::poll::Poll;
use crate::readers::histogram;
use crate::report::{Figures, Report};
use axon::filter::Filter;
use axon::wire::{ClientMessage, RelayMessage};
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stored events each subscription asks for.
const STORED: u32 = 10;
const WAIT_NANOS_MAX: u64 = 20_000_000;

/// A subscription that is opened, becomes live, is closed and opened again.
struct Slot {
    /// Unsubscribe and Subscribe, in their frames.
    again: Vec<u8>,
    /// When the last Subscribe went out.
    since: u64,
}

struct Churner {
    conn: Conn,
    slots: Vec<Slot>,
}

/// Runs the stage's plan.
///
/// # Errors
/// A connection failed.
pub fn churn(stage: &Stage) -> Result<Report> {
    let stop = AtomicBool::new(false);
    let mut publishers = Vec::new();
    for (number, script) in stage.scripts.iter().enumerate() {
        publishers.push(Publisher::new(stage.open(number)?, script));
    }
    let load = Flow {
        publishers,
        readers: Vec::new(),
        pace: Pace::Rate(stage.plan.rate.unwrap_or(0)),
        gate: Gate::Replies,
        deliveries_per_event: None,
        warmup: 0,
        seconds_max: stage.plan.seconds,
        spin: false,
        cores: &stage.setting.client_cores,
        stop: &stop,
    };
    let mut meter = stage.meter()?;
    let (times, errors, (published, load_busy)) = std::thread::scope(|scope| {
        let loading = scope.spawn(|| {
            let mut meter = Meter::new(stage.clock, 0, &[], None)?;
            let outcome = load.run(&mut meter)?;
            Ok::<_, Failure>((outcome, meter.settle()?.client_busy))
        });
        let churned = turn(stage, &mut meter);
        stop.store(true, Ordering::Relaxed);
        let (load, busy) =
            loading.join().map_err(|_| Failure::Usage("the load's thread panicked".to_owned()))??;
        let (times, errors) = churned?;
        Ok((times, errors + load.errors, (load.events_all, busy)))
    })?;
    let count = times.len();
    let measured = meter.settle()?;
    let figures = Figures { unit: "subscription", count, deliveries: 0, count_all: count, measured };
    let mut report = stage.report(figures);
    report.time("eose", &times);
    report.errors = errors;
    // Both threads may share one core.
    report.client.busy += load_busy;
    report.further.insert("events published beside".to_owned(), published as f64);
    Ok(report)
}

/// Opens and closes until the plan's count or time is reached; the times, and the errors.
fn turn(stage: &Stage, meter: &mut Meter) -> Result<(Histogram<u64>, u64)> {
    machine::pin(&stage.setting.client_cores)?;
    let mut poll = Poll::new()?;
    let mut churners = churners(stage)?;
    meter.start()?;
    let start = meter.clock.nanos();
    for (number, churner) in churners.iter_mut().enumerate() {
        poll.add(&churner.conn.stream, number)?;
        for slot in &mut churner.slots {
            slot.since = start;
            churner.conn.say(&slot.again)?;
        }
    }
    let (mut ready, mut times, mut errors) = (Vec::new(), histogram(), 0);
    loop {
        poll.wait(WAIT_NANOS_MAX, &mut ready)?;
        for &number in &ready {
            errors += churners[number].read(&mut poll.buf, meter, &mut times)?;
        }
        let over = meter.clock.nanos() - start > stage.plan.seconds * 1_000_000_000;
        if over || times.len() >= stage.plan.count as u64 {
            meter.stop()?;
            return Ok((times, errors));
        }
    }
}

fn churners(stage: &Stage) -> Result<Vec<Churner>> {
    let plan = stage.plan;
    let per_connection = plan.subscriptions.div_ceil(plan.connections).max(1);
    let mut out = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        let slots = (0..per_connection)
            .map(|slot| {
                let topic = number * per_connection + slot;
                let filter = Filter { limit: Some(STORED), ..by_topics(&[topic], plan.topics()) };
                let (mut again, mut scratch) = (Vec::new(), Vec::new());
                let sub_id = &slot.to_string();
                frame::put_message(&mut again, &ClientMessage::Unsubscribe { sub_id }, &mut scratch);
                frame::put_message(&mut again, &ClientMessage::Subscribe { sub_id, filter }, &mut scratch);
                Slot { again, since: 0 }
            })
            .collect();
        out.push(Churner { conn: stage.open(plan.publishers + number)?, slots });
    }
    Ok(out)
}

impl Churner {
    /// Reads once; every subscription that has become live is closed and opened again.
    fn read(&mut self, buf: &mut [u8], meter: &Meter, times: &mut Histogram<u64>) -> Result<u64> {
        let (mut live, mut errors) = (Vec::new(), 0);
        self.conn.read(buf, true, &mut |kind, message| match kind {
            EOSE => live.extend(slot_of(message)),
            ERROR => errors += 1,
            _ => {}
        })?;
        if self.conn.closed {
            return Err(Failure::Protocol("the relay closed a subscriber".to_owned()));
        }
        let now = meter.clock.nanos();
        let mut frames = Vec::new();
        for at in live {
            if let Some(slot) = self.slots.get_mut(at) {
                times.saturating_record(now - slot.since);
                slot.since = now;
                frames.extend_from_slice(&slot.again);
            }
        }
        self.conn.say(&frames)?;
        Ok(errors)
    }
}

fn slot_of(message: &[u8]) -> Option<usize> {
    match RelayMessage::parse(message) {
        Ok(RelayMessage::Eose(eose)) => eose.sub_id.parse().ok(),
        _ => None,
    }
}

//! What a connection costs that is only open, with the plan's subscriptions if it has any.

use super::publish::by_topics;
use crate::bench::Stage;
use crate::failure::Result;
use crate::machine;
use crate::report::{Figures, Report};
use axon::filter::Filter;

/// Opened before the first look, so that what the relay makes once is not counted.
const BEFORE: usize = 50;

/// Opens the plan's connections and compares the relay's memory.
///
/// # Errors
/// A connection was refused, or the relay's process is gone.
pub fn idle(stage: &Stage) -> Result<Report> {
    machine::pin(&stage.setting.client_cores[..1])?;
    let mut open = Vec::with_capacity(BEFORE + stage.plan.connections);
    for number in 0..BEFORE {
        open.push(stage.open(number)?);
    }
    let mut meter = stage.meter()?;
    meter.start()?;
    let slab = machine::slab_bytes();
    for number in BEFORE..BEFORE + stage.plan.connections {
        open.push(stage.open(number)?);
    }
    let slab_grown = machine::slab_bytes().saturating_sub(slab);
    let topics = stage.plan.subscriptions;
    let each = topics / stage.plan.connections.max(1);
    for (number, conn) in open.iter_mut().skip(BEFORE).enumerate() {
        let filters: Vec<Filter> = (0..each).map(|n| by_topics(&[number * each + n], topics)).collect();
        conn.subscribe(&filters)?;
    }
    meter.stop()?;
    let count = stage.plan.connections as u64;
    let measured = meter.settle()?;
    let per_connection = measured.server.as_ref().map(|server| {
        server.memory.rss_anon.saturating_sub(server.memory_before.rss_anon) as f64 / count.max(1) as f64
    });
    let figures = Figures { unit: "connection", count, deliveries: 0, count_all: count, measured };
    let mut report = stage.report(figures);
    report.further.extend(per_connection.map(|bytes| ("bytes/connection".to_owned(), bytes)));
    // Both ends of every connection are on this machine.
    let of_kernel = slab_grown as f64 / 2.0 / count.max(1) as f64;
    report.further.insert("kernel bytes/connection".to_owned(), of_kernel);
    Ok(report)
}

//! What a connection costs that is only open.

use crate::bench::Stage;
use crate::failure::Result;
use crate::report::{Figures, Report};

/// Opened before the first look, so that what the relay makes once is not counted.
const BEFORE: usize = 50;

/// Opens the plan's connections and compares the relay's memory.
///
/// # Errors
/// A connection was refused, or the relay's process is gone.
pub fn idle(stage: &Stage) -> Result<Report> {
    crate::machine::pin(&stage.setting.client_cores[..1])?;
    let mut open = Vec::with_capacity(BEFORE + stage.plan.connections);
    for number in 0..BEFORE {
        open.push(stage.open(number)?);
    }
    let mut meter = stage.meter()?;
    meter.start()?;
    for number in BEFORE..BEFORE + stage.plan.connections {
        open.push(stage.open(number)?);
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
    Ok(report)
}

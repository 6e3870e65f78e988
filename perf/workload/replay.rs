//! Stored events, read by one reader from the log's start.

use super::publish::publish;
use crate::bench::Stage;
use crate::conn::READ_BYTES;
use crate::failure::{Failure, Result};
use crate::frame::{ENVELOPE, EOSE, ERROR};
use crate::machine;
use crate::report::{Figures, Report};
use axon::filter::Filter;
use axon::wire::ClientMessage;

/// Publishes the stage's events, waits until the relay is quiet, then reads them all.
///
/// # Errors
/// A connection failed, or the relay refused the subscription.
pub fn replay(stage: &Stage) -> Result<Report> {
    let stored = publish(stage)?;
    machine::pin(&stage.setting.client_cores[..1])?;
    let mut conn = stage.open(0)?;
    let mut meter = stage.meter()?;
    let filter = Filter { after: Some(0), ..Filter::default() };
    meter.start()?;
    conn.send(&[ClientMessage::Subscribe { sub_id: "replay", filter }])?;
    let (mut events, mut ended, mut refused) = (0u64, false, false);
    let mut buf = vec![0; READ_BYTES];
    while !ended {
        conn.read(&mut buf, true, &mut |kind, _| {
            events += u64::from(kind == ENVELOPE);
            ended |= kind == EOSE;
            refused |= kind == ERROR;
        })?;
        if conn.closed || refused {
            return Err(Failure::Protocol("the relay ended the replay".to_owned()));
        }
    }
    meter.stop()?;
    let measured = meter.settle()?;
    let grown = measured.server.as_ref().map_or(0.0, |server| {
        (server.memory.rss_anon as f64 - server.memory_before.rss_anon as f64) / 1_048_576.0
    });
    let figures = Figures { unit: "event", count: events, deliveries: 0, count_all: events, measured };
    let mut report = stage.report(figures);
    report.missing = stored.count_all.saturating_sub(events + stored.errors);
    report.client.bytes_in = conn.bytes_in;
    report.further.insert("memory grown, MiB".to_owned(), grown);
    Ok(report)
}

//! A reader that comes back: beside publishers it reads what is stored, page after page from the
//! log's start and over again, at a fixed rate.

use crate::bench::Stage;
use crate::conn::{Conn, READ_BYTES};
use crate::failure::{Failure, Result};
use crate::frame::{ENVELOPE, EOSE, ERROR};
use axon::filter::Filter;
use axon::wire::ClientMessage;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Events it asks for at once; what becomes live behind the page until it has unsubscribed is
/// little beside it.
const PAGE_EVENTS: u32 = 10_000;
/// Between two looks whether a page is due.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Reads until `stop`; how many stored events came.
///
/// # Errors
/// The relay ended the session or refused a page.
pub fn read_again(stage: &Stage, mut conn: Conn, per_second: u64, stop: &AtomicBool) -> Result<u64> {
    let (start, mut buf) = (stage.clock.nanos(), vec![0; READ_BYTES]);
    let (mut read, mut after) = (0u64, 0u64);
    while !stop.load(Ordering::Relaxed) {
        let due = u128::from(stage.clock.nanos() - start) * u128::from(per_second) / 1_000_000_000;
        if u128::from(read) >= due {
            std::thread::sleep(LOOK_AGAIN);
            continue;
        }
        let events = page(&mut conn, after, &mut buf)?;
        read += events;
        // The end of the log: over again.
        after = if events < u64::from(PAGE_EVENTS) { 0 } else { after + events };
        if events == 0 {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
    Ok(read)
}

fn page(conn: &mut Conn, after: u64, buf: &mut [u8]) -> Result<u64> {
    let filter = Filter { after: Some(after), limit: Some(PAGE_EVENTS), ..Filter::default() };
    conn.send(&[ClientMessage::Subscribe { sub_id: "again", filter }])?;
    let (mut events, mut ended, mut refused) = (0, false, false);
    while !ended {
        conn.read(buf, true, &mut |kind, _| {
            events += u64::from(kind == ENVELOPE && !ended);
            ended |= kind == EOSE;
            refused |= kind == ERROR;
        })?;
        if conn.closed || refused {
            return Err(Failure::Protocol("the relay ended a page".to_owned()));
        }
    }
    // A page that was cut short ends its subscription (protocol §6); the last one would go live.
    if events < u64::from(PAGE_EVENTS) {
        conn.send(&[ClientMessage::Unsubscribe { sub_id: "again" }])?;
    }
    Ok(events)
}

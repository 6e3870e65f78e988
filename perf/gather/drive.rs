//! Asks: one after the other for what a request costs, and at a fixed rate for how long it takes.

use super::calls::Call;
use super::client::{Answer, Http, Request};
use super::text::Draws;
use crate::failure::Result;
use crate::flow::due_after;
use crate::poll::Poll;
use crate::process::Sample;
use crate::readers::histogram;
use axon::base::Clock;
use hdrhistogram::Histogram;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Connections of an open loop. A browser has six; more wait only while all have a request out.
const LINES: usize = 8;
/// An answer that has not come after so long is counted as missing.
const PATIENCE_NANOS: u64 = 10_000_000_000;
/// The longest wait for a socket, so that the end is seen.
const WAIT_NANOS_MAX: u64 = 20_000_000;

/// What came of a loop.
pub struct Tally {
    pub latency: Histogram<u64>,
    pub done: u64,
    pub bytes: u64,
    /// Answers of another status than the expected one, and answers that never came.
    pub errors: u64,
    pub first_error: Option<String>,
}

impl Tally {
    fn new() -> Tally {
        Tally { latency: histogram(), done: 0, bytes: 0, errors: 0, first_error: None }
    }

    fn note(&mut self, request: &Request, expected: u16, answer: &Answer) {
        self.done += 1;
        self.bytes += answer.body.len() as u64;
        if answer.status != expected {
            self.errors += 1;
            self.first_error.get_or_insert_with(|| {
                let said = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into_owned();
                format!("{} {}: {} {said}", request.method, request.path, answer.status)
            });
        }
    }
}

/// A request, and the status that it should be answered with.
pub type Asked = (Request, u16);

/// Requests of several calls in turn.
///
/// # Errors
/// A challenge is refused.
pub fn mixed(calls: &[Call<'_>], draws: &mut Draws, count: usize, http: &mut Http) -> Result<Vec<Asked>> {
    let each = count.div_ceil(calls.len().max(1));
    let mut all = Vec::with_capacity(each * calls.len());
    for call in calls {
        all.extend(call.requests(draws, each, http)?.into_iter().map(|request| (request, call.expected)));
    }
    // In disorder: each keeps its place's number, by which they are put.
    let mut places: Vec<(u64, Asked)> = all.into_iter().map(|asked| (draws.next(), asked)).collect();
    places.sort_by_key(|(place, _)| *place);
    Ok(places.into_iter().map(|(_, asked)| asked).take(count).collect())
}

/// One after the other on one connection, at most for `nanos`; and what they cost the process: CPU
/// nanoseconds, and if it `settles` those of what is done later, too.
///
/// # Errors
/// The connection broke, or the process ended.
pub fn closed(
    http: &mut Http,
    requests: &[Asked],
    (nanos, settles): (u64, bool),
    pid: u32,
    clock: &Clock,
) -> Result<(Tally, u64)> {
    let mut tally = Tally::new();
    let (before, start) = (Sample::take(pid)?, clock.nanos());
    for (request, expected) in requests {
        let sent = clock.nanos();
        if tally.done > 0 && sent - start > nanos {
            break;
        }
        let answer = http.ask(request)?;
        tally.latency.saturating_record(clock.nanos() - sent);
        tally.note(request, *expected, &answer);
    }
    if settles {
        super::store::wait_until_quiet(pid)?;
    }
    let cpu = Sample::take(pid)?.cpu_since(&before).nanos;
    Ok((tally, cpu))
}

/// A connection, and what it is busy with: the request's number and when that was due.
struct Line {
    http: Http,
    busy: Option<(usize, u64)>,
}

/// So many per second, whatever the answers do; latency counts from the time a request was due.
///
/// # Errors
/// A connection broke.
pub fn open(
    address: SocketAddr,
    requests: &[Asked],
    per_second: u64,
    stop: &AtomicBool,
    clock: &Clock,
) -> Result<Tally> {
    let mut poll = Poll::new()?;
    let mut lines = Vec::new();
    for number in 0..LINES.min(requests.len()) {
        let http = Http::connect(address)?;
        poll.add(&http.stream, number)?;
        lines.push(Line { http, busy: None });
    }
    let (mut tally, mut sent, mut ready) = (Tally::new(), 0, Vec::new());
    let start = clock.nanos();
    let due = |number: usize| start + due_after(number as u64, per_second);
    let mut last = start;
    while (tally.done as usize) < requests.len() && !stop.load(Ordering::Relaxed) {
        let now = clock.nanos();
        while sent < requests.len() && due(sent) <= now {
            let Some(line) = lines.iter_mut().find(|line| line.busy.is_none()) else { break };
            line.http.put(&requests[sent].0)?;
            line.busy = Some((sent, due(sent)));
            sent += 1;
        }
        let all_busy = lines.iter().all(|line| line.busy.is_some());
        let next = if sent < requests.len() && !all_busy { due(sent) } else { u64::MAX };
        poll.wait(next.saturating_sub(clock.nanos()).min(WAIT_NANOS_MAX), &mut ready)?;
        for &number in &ready {
            let line = &mut lines[number];
            if line.busy.is_none() {
                // It was not needed for so long that Gather closed it.
                line.http = Http::connect(address)?;
                poll.add(&line.http.stream, number)?;
                continue;
            }
            let Some(answer) = line.http.take()? else { continue };
            last = clock.nanos();
            if let Some((request, due)) = line.busy.take() {
                tally.latency.saturating_record(last - due);
                tally.note(&requests[request].0, requests[request].1, &answer);
            }
        }
        if sent as u64 > tally.done && clock.nanos() - last.max(due(sent - 1)) > PATIENCE_NANOS {
            let missing = sent as u64 - tally.done;
            tally.errors += missing;
            tally.first_error.get_or_insert_with(|| format!("{missing} answers never came"));
            break;
        }
    }
    Ok(tally)
}

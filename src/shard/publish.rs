//! One batch of publishes: judged together, then to the log, or at once to the fan-out.

use super::conns::ConnIndex;
use super::core::{Core, Net, SUSPECT_MS};
use crate::base::{EventId, Now, Reason, Stage};
use crate::event::{Envelope, EventFields};
use crate::ingest::{Arrival, Verdict};
use crate::log::{Outcome, Submission, Ticket};

/// Batches from so many events on are measured stage by stage, always: judging them takes at
/// least 50 µs, and the clock reads one.
const LONG_BATCH_EVENTS: usize = 16;

/// A submission the log has not answered.
#[derive(Debug)]
struct Submitted {
    conn: ConnIndex,
    /// Its place in the session's replies.
    number: u64,
    id: EventId,
    bytes: usize,
    /// Clock nanoseconds when it was read.
    since: u64,
}

/// Submissions by ticket. Bounded by what the sessions let be in flight.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    slots: Vec<Option<Submitted>>,
    free: Vec<u64>,
}

impl Tickets {
    fn open(&mut self, submitted: Submitted) -> Ticket {
        match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = Some(submitted);
                Ticket(place)
            }
            None => {
                self.slots.push(Some(submitted));
                Ticket(self.slots.len() as u64 - 1)
            }
        }
    }

    fn take(&mut self, ticket: Ticket) -> Option<Submitted> {
        let submitted = self.slots.get_mut(ticket.0 as usize)?.take()?;
        self.free.push(ticket.0);
        Some(submitted)
    }
}

impl<N: Net> Core<N> {
    /// Whether publishes wait to be judged.
    pub fn has_arrivals(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// Whether no connection should be read before the next [`Core::run_batch`].
    pub fn is_full(&self) -> bool {
        self.arrivals.is_full()
    }

    /// Judges the next batch and passes it on. Call [`Core::end_turn`] afterwards.
    pub fn run_batch(&mut self, now: Now) {
        let (waiting, bytes) = self.arrivals.batch();
        if waiting.is_empty() {
            return;
        }
        let long = waiting.len() >= LONG_BATCH_EVENTS;
        if long {
            self.watch.begin_long(Stage::HandOff);
        } else {
            self.watch.enter(Stage::HandOff);
        }
        let arrivals: Vec<Arrival<'_>> =
            waiting.iter().map(|w| Arrival { wire: &bytes[w.range.clone()], suspect: w.suspect }).collect();
        let mut verdicts = Vec::with_capacity(arrivals.len());
        self.door.judge(&self.watch, now, &arrivals, &mut verdicts);
        if long {
            self.watch.end_long(Stage::HandOff);
        }
        self.ports.counters.verify_batch.record(arrivals.len() as u64, 1);
        let waiting = waiting.to_vec();
        self.arrivals.consume(waiting.len());

        let mut submissions = Vec::with_capacity(waiting.len());
        let mut ephemeral: Vec<Envelope> = Vec::new();
        let mut forwarded = Vec::new();
        for (w, verdict) in waiting.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Refused { id, reason } => {
                    if reason == Reason::BadSignature
                        && let Some(conn) = self.conns.get_mut(w.conn)
                    {
                        conn.suspect_until = now.ms.plus(SUSPECT_MS);
                    }
                    self.ports.counters.count_over_limit(reason);
                    self.settle(w.conn, w.number, Err((id, reason)));
                }
                Verdict::Ephemeral(envelope) => {
                    forwarded.push((w.conn, w.number, *envelope.id()));
                    ephemeral.push(envelope);
                }
                Verdict::Stored(envelope) => {
                    let bytes = envelope.wire_len();
                    let id = *envelope.id();
                    self.submitted_bytes += bytes;
                    let submitted = Submitted { conn: w.conn, number: w.number, id, bytes, since: w.since };
                    submissions.push(Submission { ticket: self.tickets.open(submitted), envelope });
                }
            }
        }
        if !submissions.is_empty() {
            self.ports.append.submit(&self.client, submissions);
        }
        if !ephemeral.is_empty() {
            let routed = self.ports.dispatcher.ephemeral(self.number, ephemeral);
            self.deliver_batches(now, &[routed]);
            for (conn, number, id) in forwarded {
                self.settle(conn, number, Ok(id));
            }
        }
    }

    /// The log's answers to submissions.
    pub(super) fn outcomes(&mut self, now: Now, outcomes: Vec<(Ticket, Outcome)>) {
        // Publishes of one read have one time: they are recorded together.
        let (mut since, mut count) = (now.nanos, 0);
        for (ticket, outcome) in outcomes {
            let Some(submitted) = self.tickets.take(ticket) else { continue };
            if submitted.since != since {
                self.record_publishes(now, since, count);
                (since, count) = (submitted.since, 0);
            }
            count += 1;
            self.outcome(submitted, outcome);
        }
        self.record_publishes(now, since, count);
    }

    fn record_publishes(&self, now: Now, since: u64, count: u64) {
        if count > 0 {
            self.ports.counters.publish_nanos.record(now.nanos.saturating_sub(since), count);
        }
    }

    fn outcome(&mut self, submitted: Submitted, outcome: Outcome) {
        self.submitted_bytes -= submitted.bytes;
        let reply = match outcome {
            Outcome::Stored(_) => Ok(submitted.id),
            Outcome::Duplicate => Err((Some(submitted.id), Reason::Duplicate)),
            Outcome::Deleted => Err((Some(submitted.id), Reason::Deleted)),
            Outcome::Failed => Err((Some(submitted.id), Reason::WriteFailed)),
            Outcome::Full => Err((Some(submitted.id), Reason::DiskFull)),
        };
        self.settle(submitted.conn, submitted.number, reply);
    }

    /// The last word on a publish.
    fn settle(&mut self, index: ConnIndex, number: u64, reply: Result<EventId, (Option<EventId>, Reason)>) {
        self.ports.counters.count_publish(reply.map_or_else(|(_, reason)| reason.code(), |_| 200));
        let Some(conn) = self.conns.get_mut(index) else { return };
        conn.unanswered -= 1;
        if conn.gone {
            self.conns.release(index);
            return;
        }
        conn.session.settle(number, reply);
        self.mark_dirty(index);
    }
}

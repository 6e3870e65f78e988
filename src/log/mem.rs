//! The log in memory: the twin that tests of higher rooms use, and the oracle for the store.

use super::{
    Append, CommitSink, CommittedBatch, LogClient, Outcome, Page, Query, Read, Span, Submission, Tail, Ticket,
};
use crate::base::{EventId, LogId, Seq};
use crate::event::{Envelope, EventFields};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A log that commits what it is given at once, on the caller's thread.
pub struct MemLog {
    tail: Arc<Tail>,
    sink: Arc<dyn CommitSink>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: Vec<Envelope>,
    ids: HashMap<EventId, Seq>,
}

impl MemLog {
    /// An empty log.
    pub fn new(log_id: LogId, sink: Arc<dyn CommitSink>) -> Self {
        MemLog { tail: Arc::new(Tail::new(log_id, Seq::ZERO)), sink, state: Mutex::default() }
    }

    /// Its tail.
    pub fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// The answer to a query.
    pub fn page(&self, query: &Query) -> Page {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let matching: Vec<usize> = (query.after.0 as usize..query.to.0 as usize)
            .filter(|&i| query.filter.matches(&state.events[i]) && query.access.may_read(&state.events[i]))
            .collect();
        let skip = match query.span {
            Span::Ascending => 0,
            Span::Last(n) => matching.len().saturating_sub(n as usize),
        };
        let mut page = Page::default();
        for &i in &matching[skip..] {
            if page.entries.len() >= query.events_max
                || (!page.bytes.is_empty() && page.bytes.len() >= query.bytes_max)
            {
                return page;
            }
            page.push(Seq(i as u64 + 1), state.events[i].wire());
            page.covered = Seq(i as u64 + 1);
        }
        page.covered = query.to;
        page
    }
}

impl Append for MemLog {
    fn submit(&self, client: &Arc<dyn LogClient>, batch: Vec<Submission>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let first = Seq(state.events.len() as u64 + 1);
        let mut events = Vec::new();
        let mut outcomes = Vec::new();
        for Submission { ticket, envelope } in batch {
            let seq = Seq(state.events.len() as u64 + 1);
            if state.ids.contains_key(envelope.id()) {
                outcomes.push((ticket, Outcome::Duplicate));
                continue;
            }
            state.ids.insert(*envelope.id(), seq);
            state.events.push(envelope.clone());
            events.push(envelope);
            outcomes.push((ticket, Outcome::Stored(seq)));
        }
        drop(state);
        if !events.is_empty() {
            let batch = Arc::new(CommittedBatch { first, events, committed_nanos: 0 });
            self.tail.publish(&batch);
            self.sink.committed(&batch);
        }
        client.outcomes(outcomes);
    }

    fn barrier(&self, done: Box<dyn FnOnce() + Send>) {
        done();
    }
}

impl Read for MemLog {
    fn query(&self, client: &Arc<dyn LogClient>, ticket: Ticket, query: Query) {
        client.page(ticket, Ok(self.page(&query)));
    }
}

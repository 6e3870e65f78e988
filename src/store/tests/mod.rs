//! What the tests of the store share: made-up events, a client that waits for its answers, a
//! sink that remembers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it must")]

mod append;
mod bytes;
mod crash;
mod damage;
mod deletion;
mod held;
mod oracle;
mod racing;
mod upkeep;

use super::*;
use crate::base::{EventId, Kind, LogId, PubKey, Seq, Signature};
use crate::event::{Envelope, EventBuilder, EventView};
use crate::filter::{Filter, ReadAccess};
use crate::log::{CommittedBatch, Page, QueryError, Span};
use bumpalo::Bump;
use crossbeam_channel::{Receiver, unbounded};

/// Events as the store gets them, but for the signature, which it does not look at.
pub(in crate::store) fn event(
    author: u8,
    kind: u16,
    created_at: i64,
    tags: &[(&str, &str)],
    content: &str,
) -> Envelope {
    let pubkey = PubKey([author; 32]);
    let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
    let builder = EventBuilder { kind: Kind(kind), created_at, content: content.as_bytes().to_vec(), tags };
    let (_, wire) = builder.finish(&pubkey, |_| Signature([7; 64])).unwrap();
    envelope(&wire)
}

pub(in crate::store) fn envelope(wire: &[u8]) -> Envelope {
    let arena = Bump::new();
    Envelope::new(&EventView::parse(wire, &arena).unwrap(), wire, &mut Vec::new())
}

/// Hands answers to the test's thread.
pub(in crate::store) struct Client {
    outcomes: crossbeam_channel::Sender<Vec<(Ticket, Outcome)>>,
    pages: crossbeam_channel::Sender<Result<Page, QueryError>>,
}

impl LogClient for Client {
    fn outcomes(&self, outcomes: Vec<(Ticket, Outcome)>) {
        self.outcomes.send(outcomes).unwrap();
    }
    fn page(&self, _: Ticket, page: Result<Page, QueryError>) {
        self.pages.send(page).unwrap();
    }
}

/// A client and where its answers arrive.
pub(in crate::store) struct Asker {
    pub(in crate::store) client: Arc<dyn LogClient>,
    pub(in crate::store) outcomes: Receiver<Vec<(Ticket, Outcome)>>,
    pub(in crate::store) pages: Receiver<Result<Page, QueryError>>,
}

impl Asker {
    pub(in crate::store) fn new() -> Self {
        let (outcomes_in, outcomes) = unbounded();
        let (pages_in, pages) = unbounded();
        Asker { client: Arc::new(Client { outcomes: outcomes_in, pages: pages_in }), outcomes, pages }
    }

    /// Submits and waits for all outcomes, checking that they come in order, each once.
    pub(in crate::store) fn append(&self, store: &dyn Append, events: &[Envelope]) -> Vec<Outcome> {
        store.submit(&self.client, submissions(events));
        let mut outcomes = Vec::new();
        while outcomes.len() < events.len() {
            for (ticket, outcome) in self.outcomes.recv().unwrap() {
                assert_eq!(ticket, Ticket(outcomes.len() as u64), "outcomes out of order");
                outcomes.push(outcome);
            }
        }
        outcomes
    }

    pub(in crate::store) fn page(&self, store: &dyn Read, query: Query) -> Page {
        store.query(&self.client, Ticket(0), query);
        self.pages.recv().unwrap().unwrap()
    }

    /// All pages of a query, put together.
    pub(in crate::store) fn all(&self, store: &dyn Read, mut query: Query) -> Vec<(Seq, Vec<u8>)> {
        let mut found = Vec::new();
        loop {
            let page = self.page(store, query.clone());
            assert!(page.covered > query.after || query.after == query.to, "a page without progress");
            found.extend(page.iter().map(|(seq, wire)| (seq, wire.to_vec())));
            if page.covered == query.to {
                return found;
            }
            assert!(!page.entries.is_empty(), "an empty page that is not the last");
            (query.after, query.span) = (page.covered, Span::Ascending);
        }
    }
}

pub(in crate::store) fn submissions(events: &[Envelope]) -> Vec<Submission> {
    let submission = |(i, envelope): (usize, &Envelope)| Submission {
        ticket: Ticket(i as u64),
        envelope: envelope.clone(),
    };
    events.iter().enumerate().map(submission).collect()
}

/// Checks the order that `log` promises, batch by batch.
#[derive(Default)]
pub(in crate::store) struct Sink {
    pub(in crate::store) seen: Mutex<Vec<(Seq, EventId)>>,
}

impl CommitSink for Sink {
    fn committed(&self, batch: &Arc<CommittedBatch>) {
        use crate::event::EventFields;
        self.seen.lock().unwrap().extend(batch.iter().map(|(seq, event)| (seq, *event.id())));
    }
}

pub(in crate::store) fn open(options: &StoreOptions) -> Result<Store, StoreError> {
    open_with(options, Arc::new(Sink::default()))
}

pub(in crate::store) fn open_with(options: &StoreOptions, sink: Arc<Sink>) -> Result<Store, StoreError> {
    Store::open(options.clone(), sink, Clock::new(), Arc::default())
}

/// Small bounds, so that a few events cross all of them.
pub(in crate::store) fn small(dir: &std::path::Path) -> StoreOptions {
    StoreOptions {
        dir: dir.to_owned(),
        durability: Durability::Os,
        cache_bytes: 1 << 20,
        ring_events_max: 24,
        index_run_events: 7,
        index_delay_ms: 1,
        index_flush_events: 40,
        slice_nanos: 0,
        ..StoreOptions::default()
    }
}

pub(in crate::store) fn query(filter: Filter, access: ReadAccess, to: Seq) -> Query {
    Query {
        filter: Arc::new(filter),
        access,
        after: Seq::ZERO,
        to,
        span: Span::Ascending,
        events_max: 100,
        bytes_max: 1 << 20,
    }
}

pub(in crate::store) fn log_id(store: &Store) -> LogId {
    store.tail().log_id()
}

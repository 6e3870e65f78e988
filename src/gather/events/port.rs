//! The relay's log as Gather needs it: the one door in, pages out, blocking.

use crate::base::Seq;
use crate::filter::{Filter, ReadAccess};
use crate::gather::bell::Nudge;
use crate::ingest::Gate;
use crate::log::{Append, LogClient, Outcome, Page, Query, QueryError, Read, Span, Submission, Tail, Ticket};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

/// Events of one page, and its bytes: one transaction's work.
pub(super) const PAGE_EVENTS_MAX: usize = 256;
const PAGE_BYTES_MAX: usize = 1 << 20;

/// The log of the relay this runs beside.
#[derive(Clone)]
pub struct LogPort {
    pub append: Arc<dyn Append>,
    pub read: Arc<dyn Read>,
    pub tail: Arc<Tail>,
    pub gate: Arc<Gate>,
    /// Rung at every commit.
    pub bell: Arc<Nudge>,
}

/// One thread's conversation with the log.
pub(super) struct Talk {
    port: LogPort,
    client: Arc<dyn LogClient>,
    pages: mpsc::Receiver<Result<Page, QueryError>>,
    outcomes: mpsc::Receiver<Outcome>,
}

impl Talk {
    pub fn new(port: LogPort) -> Talk {
        let (page, pages) = mpsc::channel();
        let (outcome, outcomes) = mpsc::channel();
        let client = Arc::new(Answers { page: Mutex::new(page), outcome: Mutex::new(outcome) });
        Talk { port, client, pages, outcomes }
    }

    pub fn port(&self) -> &LogPort {
        &self.port
    }

    /// Every event of (`after`, `to`], as far as a page goes.
    ///
    /// # Errors
    /// The store's; also when it has been closed.
    pub fn page(&self, after: Seq, to: Seq) -> Result<Page, QueryError> {
        let query = Query {
            filter: Arc::new(Filter::default()),
            access: ReadAccess::All,
            after,
            to,
            span: Span::Ascending,
            events_max: PAGE_EVENTS_MAX,
            bytes_max: PAGE_BYTES_MAX,
        };
        self.port.read.query(&self.client, Ticket(0), query);
        // Every query is answered; the sender is in `client`.
        self.pages.recv().unwrap_or_else(|_| Err(QueryError::Failed("no answer".to_owned())))
    }

    /// Submits and waits: one outcome each, in order.
    pub fn submit(&self, batch: Vec<Submission>) -> Vec<Outcome> {
        let count = batch.len();
        self.port.append.submit(&self.client, batch);
        self.outcomes.iter().take(count).collect()
    }
}

struct Answers {
    page: Mutex<mpsc::Sender<Result<Page, QueryError>>>,
    outcome: Mutex<mpsc::Sender<Outcome>>,
}

impl LogClient for Answers {
    fn outcomes(&self, outcomes: Vec<(Ticket, Outcome)>) {
        let sender = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, outcome) in outcomes {
            // Whoever asked may be gone.
            let _ = sender.send(outcome);
        }
    }

    fn page(&self, _: Ticket, page: Result<Page, QueryError>) {
        drop(self.page.lock().unwrap_or_else(PoisonError::into_inner).send(page));
    }
}

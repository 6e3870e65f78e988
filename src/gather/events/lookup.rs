//! One event of the log by its id, for whoever asks; nothing blocks.

use super::port::LogPort;
use crate::base::{EventId, Seq};
use crate::filter::{Filter, ReadAccess};
use crate::gather::{Fault, sealed};
use crate::log::{LogClient, Outcome, Page, Query, QueryError, Span, Ticket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Questions that the log has been asked and has not answered. It serves the relay's readers first of
/// all: a few disk reads at a time are enough, and are answered within milliseconds.
const OPEN_MAX: usize = 64;
const RETRY_SECONDS: u32 = 1;
/// A page of one event stops behind it, however long it is.
const BYTES_MAX: usize = 1;

/// Gets the event's wire bytes, if the log has it.
pub(in crate::gather) type Found = Box<dyn FnOnce(Result<Option<Vec<u8>>, Fault>) + Send>;

/// The way to the log of those who want one event.
pub(super) struct Lookup {
    port: LogPort,
    open: Arc<AtomicUsize>,
}

impl Lookup {
    pub fn new(port: LogPort) -> Lookup {
        Lookup { port, open: Arc::default() }
    }

    /// Looks for an event of a public kind. `found` is called on the log's thread, once.
    pub fn find(&self, id: EventId, found: Found) {
        if self.open.fetch_add(1, Ordering::Relaxed) >= OPEN_MAX {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return found(Err(Fault::unavailable("too many look for events; try again", RETRY_SECONDS)));
        }
        let filter = Filter { ids: vec![id], kinds: sealed::KINDS.to_vec(), ..Filter::default() };
        let query = Query {
            filter: Arc::new(filter),
            access: ReadAccess::All,
            after: Seq(0),
            to: self.port.tail.head(),
            span: Span::Ascending,
            events_max: 1,
            bytes_max: BYTES_MAX,
        };
        let asker = Asker { found: Mutex::new(Some(found)), open: Arc::clone(&self.open) };
        let client: Arc<dyn LogClient> = Arc::new(asker);
        self.port.read.query(&client, Ticket(0), query);
    }
}

struct Asker {
    found: Mutex<Option<Found>>,
    open: Arc<AtomicUsize>,
}

impl LogClient for Asker {
    fn outcomes(&self, _: Vec<(Ticket, Outcome)>) {}

    fn page(&self, _: Ticket, page: Result<Page, QueryError>) {
        // Every query is answered once.
        let Some(found) = self.found.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.open.fetch_sub(1, Ordering::Relaxed);
        found(match page {
            Ok(page) => Ok(page.iter().next().map(|(_, wire)| wire.to_vec())),
            Err(QueryError::Purged(_)) => Ok(None),
            Err(QueryError::OtherLog(_)) => {
                Err(Fault::unavailable("the log has just changed; try again", RETRY_SECONDS))
            }
            Err(QueryError::Failed(why)) => {
                tracing::warn!(detail = why, "gather: an event could not be looked for");
                Err(Fault::unavailable("the relay's log cannot be read now; try again", RETRY_SECONDS))
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::FaultKind;
    use std::sync::mpsc;

    #[test]
    fn a_log_that_cannot_answer_is_not_the_service_s_own_fault_and_makes_room() {
        let open = Arc::new(AtomicUsize::new(1));
        let (told, answer) = mpsc::channel();
        let found: Found = Box::new(move |result| told.send(result).unwrap());
        let asker = Asker { found: Mutex::new(Some(found)), open: Arc::clone(&open) };
        asker.page(Ticket(0), Err(QueryError::Failed("the log is closed".to_owned())));
        let fault = answer.recv().unwrap().unwrap_err();
        assert_eq!((fault.kind, fault.retry_seconds), (FaultKind::Unavailable, Some(RETRY_SECONDS)));
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
}

//! What the store's threads share: the database, the tail, how far the index is, and whether
//! the store still works.

use super::StoreOptions;
use super::database::Database;
use super::families::Prefixes;
use crate::base::counters::LogCounters;
use crate::base::{Clock, Seq};
use crate::log::Tail;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// One per store.
pub(super) struct Shared {
    pub(super) db: Database,
    pub(super) prefixes: Prefixes,
    pub(super) options: StoreOptions,
    pub(super) tail: Arc<Tail>,
    pub(super) clock: Clock,
    pub(super) counters: Arc<LogCounters>,
    pub(super) progress: Progress,
}

/// How far the index is, and the first failure.
pub(super) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    indexed: Seq,
    failed: Option<String>,
}

impl Progress {
    pub(super) fn new(indexed: Seq) -> Self {
        Progress { state: Mutex::new(State { indexed, failed: None }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Every index family is complete up to here.
    pub(super) fn indexed(&self) -> Seq {
        self.progress.lock().indexed
    }

    pub(super) fn set_indexed(&self, indexed: Seq) {
        self.counters.indexed.set(indexed.0);
        self.progress.lock().indexed = indexed;
        self.progress.changed.notify_all();
    }

    /// The first failure, if there was one. After it nothing is written any more: what a failed
    /// sync has left on disk is unknown, and asking again would not tell.
    pub(super) fn failure(&self) -> Option<String> {
        self.progress.lock().failed.clone()
    }

    pub(super) fn fail(&self, message: &str) {
        tracing::error!(message, "the store has failed: nothing is stored until the relay is started again");
        self.counters.failure.get_or_init(|| message.to_owned());
        self.progress.lock().failed.get_or_insert_with(|| message.to_owned());
        self.progress.changed.notify_all();
    }

    /// Trims the ring to its bounds, waiting for the indexer where it holds events that are not
    /// indexed yet. Returns at once when the store has failed.
    pub(super) fn trim_ring(&self) {
        let (events_max, bytes_max) = (self.options.ring_events_max, self.options.ring_bytes_max);
        let mut state = self.progress.lock();
        loop {
            self.tail.trim(state.indexed, events_max, bytes_max);
            let (events, bytes) = self.tail.size();
            if state.failed.is_some() || (events <= events_max && bytes <= bytes_max) {
                return;
            }
            state = self.progress.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

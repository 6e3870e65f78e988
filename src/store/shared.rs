//! What the store's threads share: the database, the tail, how far the index is, and whether
//! the store works.

use super::checkpoint::Checkpoints;
use super::database::Database;
use super::families::Prefixes;
use super::purge::{Ledger, Retention};
use super::query::KindSet;
use super::{StoreError, StoreOptions};
use crate::base::counters::LogCounters;
use crate::base::{Clock, Seq};
use crate::log::Tail;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

/// One per store.
pub(super) struct Shared {
    /// `None` while the store is closed after a failure.
    db: RwLock<Option<Database>>,
    pub(super) prefixes: Prefixes,
    /// Those that have rows in the index, or had.
    pub(super) kinds: KindSet,
    pub(super) options: StoreOptions,
    pub(super) tail: Arc<Tail>,
    pub(super) clock: Clock,
    pub(super) counters: Arc<LogCounters>,
    progress: Mutex<Progress>,
    changed: Condvar,
    /// Held while events are looked up and deleted. Taken before the database, and the ledger
    /// after it.
    purging: Mutex<()>,
    ledger: Mutex<Ledger>,
    /// As in the ledger: every position below it is gone.
    first: AtomicU64,
    retention: RwLock<Arc<Retention>>,
    pub(super) checkpoints: Checkpoints,
}

/// How far the index is, and what is wrong.
struct Progress {
    indexed: Seq,
    failed: Option<String>,
    /// Why there is no room.
    full: Option<String>,
}

/// The database, which stays open while this is held: for a slice of a query or a write, not
/// longer, and never twice by one thread.
pub(super) struct Opened<'a>(RwLockReadGuard<'a, Option<Database>>);

impl Deref for Opened<'_> {
    type Target = Database;

    fn deref(&self) -> &Database {
        match &*self.0 {
            Some(db) => db,
            None => unreachable!("made only of an open database"),
        }
    }
}

impl Shared {
    /// Everything up to the tail's head is indexed.
    pub(super) fn new(
        db: Database,
        ledger: Ledger,
        prefixes: Prefixes,
        options: StoreOptions,
        tail: Arc<Tail>,
        clock: Clock,
        counters: Arc<LogCounters>,
    ) -> Self {
        let progress = Mutex::new(Progress { indexed: tail.head(), failed: None, full: None });
        let db = RwLock::new(Some(db));
        let retention = RwLock::new(Arc::new(options.retention.clone()));
        let shared = Shared {
            db,
            prefixes,
            kinds: KindSet::new(),
            options,
            tail,
            clock,
            counters,
            progress,
            changed: Condvar::new(),
            purging: Mutex::default(),
            ledger: Mutex::default(),
            first: AtomicU64::new(1),
            retention,
            checkpoints: Checkpoints::default(),
        };
        shared.set_ledger(ledger);
        shared
    }

    /// What is known of deleted events, as it was read from the database.
    pub(super) fn set_ledger(&self, mut ledger: Ledger) {
        ledger.go_on_from(&self.ledger());
        self.tail.set_purged(ledger.marks.clone());
        self.counters.tombstones.set(ledger.tombstones);
        self.set_first(ledger.first);
        *self.ledger() = ledger;
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nobody else delete while it is held.
    pub(super) fn purging(&self) -> MutexGuard<'_, ()> {
        self.purging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No position below it holds an event.
    pub(super) fn first(&self) -> u64 {
        self.first.load(Ordering::Relaxed)
    }

    pub(super) fn set_first(&self, first: u64) {
        self.counters.first.set(first);
        self.first.store(first, Ordering::Relaxed);
    }

    pub(super) fn retention(&self) -> Arc<Retention> {
        Arc::clone(&self.retention.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_retention(&self, retention: Retention) {
        *self.retention.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(retention);
    }

    /// The database; waits while it is being opened again.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub(super) fn database(&self) -> Result<Opened<'_>, StoreError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        if db.is_some() { Ok(Opened(db)) } else { Err(StoreError::Closed) }
    }

    /// Closes the database, when nobody uses it any more, and puts what `open` makes in its place.
    pub(super) fn reopen<T>(
        &self,
        open: impl FnOnce() -> Result<(Database, T), StoreError>,
    ) -> Result<T, StoreError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        *db = None;
        let (opened, rest) = open()?;
        *db = Some(opened);
        Ok(rest)
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every index family is complete up to here.
    pub(super) fn indexed(&self) -> Seq {
        self.lock().indexed
    }

    /// Waits until every index family is complete up to `seq`.
    ///
    /// # Errors
    /// The store has failed.
    pub(super) fn wait_indexed(&self, seq: Seq) -> Result<(), StoreError> {
        let mut progress = self.lock();
        while progress.indexed < seq {
            if let Some(message) = &progress.failed {
                return Err(StoreError::Failed(message.clone()));
            }
            progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    pub(super) fn set_indexed(&self, indexed: Seq) {
        self.counters.indexed.set(indexed.0);
        self.lock().indexed = indexed;
        self.changed.notify_all();
    }

    /// The first failure, if there was one. After it nothing is written until the store was
    /// opened again: what a failed sync has left on disk is unknown, and asking again would not
    /// tell.
    pub(super) fn failure(&self) -> Option<String> {
        self.lock().failed.clone()
    }

    pub(super) fn fail(&self, message: &str) {
        tracing::error!(message, "the store has failed: nothing is stored until it is open again");
        self.say(|progress| {
            progress.failed.get_or_insert_with(|| message.to_owned());
        });
    }

    /// The store was opened again; its index is complete up to `indexed`.
    pub(super) fn mended(&self, indexed: Seq) {
        tracing::info!(head = indexed.0, "the store is open again and consistent");
        self.counters.reopened.add(1);
        self.set_indexed(indexed);
        self.say(|progress| progress.failed = None);
    }

    /// There is no room, or there is again.
    pub(super) fn set_full(&self, full: Option<String>) {
        match &full {
            Some(message) => tracing::error!(message, "the disk is full: nothing is stored"),
            None => tracing::info!("the disk has room again"),
        }
        self.say(|progress| progress.full = full);
    }

    fn say(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.lock();
        change(&mut progress);
        self.counters.failure.set(progress.failed.clone().or_else(|| progress.full.clone()));
        drop(progress);
        self.changed.notify_all();
    }

    /// Trims the ring to its bounds, waiting for the indexer where it holds events that are not
    /// indexed yet. Returns at once when the store has failed.
    pub(super) fn trim_ring(&self) {
        let (events_max, bytes_max) = (self.options.ring_events_max, self.options.ring_bytes_max);
        let mut progress = self.lock();
        loop {
            self.tail.trim(progress.indexed, events_max, bytes_max);
            let (events, bytes) = self.tail.size();
            if progress.failed.is_some() || (events <= events_max && bytes <= bytes_max) {
                return;
            }
            progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

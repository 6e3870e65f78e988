//! The log on RocksDB.
//!
//! Stands behind the ports of `log`. Its threads: one committer (`axon-commit`), one indexer
//! (`axon-index`), one that deletes (`axon-purge`), and a few readers (`axon-read-N`); nothing here runs on a shard's thread
//! but the hand-over of work to them.
//!
//! # What others rely on
//!
//! * The order of effects of a commit is the one `log` promises.
//! * To whoever asks, nothing shows of the index being written later than the log: a query
//!   sees every event up to its end, each once.
//! * After a failed write nothing is written, and every submission is answered `Failed`, until
//!   the database was closed, opened again and found to hold everything that was answered.
//!   Until the disk takes a trial write, queries go on.
//! * With less room on the disk than the reserve every submission is answered `Full`.
//! * After a crash, what was answered is there, with all its index rows, before
//!   [`Store::open`] returns.

mod backup;
mod census;
mod check;
mod checkpoint;
mod commit;
mod database;
mod error;
mod export;
mod families;
mod index;
mod keys;
mod mend;
mod meta;
mod options;
mod purge;
mod query;
mod recover;
mod repair;
mod room;
mod run;
mod shared;
mod stats;
#[cfg(test)]
mod tests;
mod unfinished;
mod wal;

pub use backup::{BackupReport, BackupTarget, Beside, backup, restore};
pub use census::{Amount, Census, CensusOptions, Tally, census};
pub use check::{CheckOptions, CheckReport, Examine, FINDINGS_MAX, Finding, check};
pub use checkpoint::hold;
pub use error::StoreError;
pub use export::{Behind, ExportReport, export};
pub use options::{Durability, StoreOptions};
pub use purge::{Removal, Removed, Retention, Rule};
pub use repair::{RepairReport, repair};
pub use stats::{FamilyStats, StoreStats};

use crate::base::Clock;
use crate::base::counters::LogCounters;
use crate::log::{
    Append, CommitSink, KeyRow, KeyStore, LogClient, Outcome, Query, Read, Submission, Tail, Ticket,
};
use commit::{Committer, Message};
use crossbeam_channel::{Sender, unbounded};
use database::Database;
use index::Indexing;
use meta::Meta;
use purge::{Ledger, Nudge};
use query::Task;
use shared::Shared;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

/// An open log.
pub struct Store {
    shared: Arc<Shared>,
    /// Taken away by `close`.
    inboxes: RwLock<Option<Inboxes>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Inboxes {
    commit: Sender<Message>,
    query: Sender<Task>,
    purge: Sender<Nudge>,
}

impl Store {
    /// Opens the log of a data directory, or makes one, and brings its indexes up to its head:
    /// about a second after a crash.
    ///
    /// # Errors
    /// In use, unreadable, damaged, or of another format; the message says what to do.
    pub fn open(
        options: StoreOptions,
        sink: Arc<dyn CommitSink>,
        clock: Clock,
        counters: Arc<LogCounters>,
    ) -> Result<Store, StoreError> {
        let mut db = Database::open(&options)?;
        checkpoint::remove_all(&options)?;
        let meta = Meta::open(&db, options.durability, &meta::boot_id())?;
        let prefixes = families::Prefixes::new(meta.hash_key);
        let head = db.head()?;
        let run = recover::index_rest(&mut db, prefixes, head, &options)?;
        counters.head.set(head.0);
        counters.indexed.set(head.0);
        let tail = Arc::new(Tail::new(meta.log_id, head));
        let ledger = Ledger::read(&db, head)?;
        let shared = Arc::new(Shared::new(db, ledger, prefixes, options, tail, clock, counters));
        shared.kinds.read(&*shared.database()?)?;
        Store::start(shared, sink, run)
    }

    fn start(shared: Arc<Shared>, sink: Arc<dyn CommitSink>, run: run::Run) -> Result<Store, StoreError> {
        let (commit, submissions) = unbounded();
        let (query, mut threads) = query::start(&shared)?;
        let indexing = Indexing::start(&shared, run)?;
        let committer = Committer::new(Arc::clone(&shared), sink, submissions, indexing);
        threads.push(spawn("axon-commit", &shared, move || committer.serve())?);
        let (purge, purging) = purge::start(&shared)?;
        threads.push(purging);
        let inboxes = RwLock::new(Some(Inboxes { commit, query, purge }));
        Ok(Store { shared, inboxes, threads: Mutex::new(threads) })
    }

    /// The newest part of the log.
    pub fn tail(&self) -> &Arc<Tail> {
        &self.shared.tail
    }

    /// Figures for people.
    pub fn stats(&self) -> StoreStats {
        stats::gather(&self.shared)
    }

    /// Makes a checkpoint, for [`backup`] and [`check`], and says where it is. Writing goes on.
    /// Whoever does not [`hold`] it at once finds it gone one day.
    ///
    /// # Errors
    /// The store has failed, the disk is full, or several are there already.
    pub fn checkpoint(&self) -> Result<PathBuf, StoreError> {
        let Shared { checkpoints, options, clock, .. } = &*self.shared;
        checkpoints.make(&*self.shared.database()?, options, clock.now())
    }

    /// Removes the checkpoint of that name; if there is none, that is well.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove_checkpoint(&self, name: &str) -> Result<(), StoreError> {
        checkpoint::remove(&self.shared.options, name)
    }

    /// Deletes, or only finds, what an operator's filter matches, a step at a time; see
    /// [`Removal`]. Blocks for a moment.
    ///
    /// # Errors
    /// The store has failed, or is closed.
    pub fn remove(&self, removal: &Removal) -> Result<Removed, StoreError> {
        purge::remove(&self.shared, removal)
    }

    /// Has the room of everything that was deleted given back, in the background.
    pub fn reclaim(&self) {
        self.nudge(Nudge::Clear);
    }

    /// The same, at once; blocks until it is done.
    ///
    /// # Errors
    /// A write that failed.
    pub fn reclaim_now(&self) -> Result<(), StoreError> {
        purge::reclaim_now(&self.shared)
    }

    /// From now on it keeps to these rules.
    pub fn set_retention(&self, retention: Retention) {
        self.shared.set_retention(retention);
        self.nudge(Nudge::Look);
    }

    fn nudge(&self, nudge: Nudge) {
        self.with_inboxes(|inboxes| {
            if let Some(inboxes) = inboxes {
                // The thread is there for as long as its inbox is, or has failed and said so.
                let _ = inboxes.purge.send(nudge);
            }
        });
    }

    /// Answers what was submitted, refuses queries that wait, and puts everything on disk.
    /// Blocks until that is done; later calls do nothing. Dropping the store closes it too, and
    /// only then may the directory be opened again.
    ///
    /// # Errors
    /// A write that failed, now or earlier.
    pub fn close(&self) -> Result<(), StoreError> {
        let inboxes = self.inboxes.write().unwrap_or_else(PoisonError::into_inner).take();
        if inboxes.is_none() {
            return Ok(());
        }
        drop(inboxes);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                self.shared.fail("a thread of the store panicked");
            }
        }
        if let Some(message) = self.shared.failure() {
            return Err(StoreError::Failed(message));
        }
        let db = self.shared.database()?;
        db.sync()?;
        db.flush(&families::Family::ALL, true)?;
        Meta::close(&db)
    }

    /// The latest unix seconds of an admin's request that was let in; `None`: there was none.
    ///
    /// # Errors
    /// The database's.
    pub fn admin_latest(&self) -> Result<Option<i64>, StoreError> {
        meta::admin_latest(&*self.shared.database()?)
    }

    /// Keeps [`Store::admin_latest`], durably.
    ///
    /// # Errors
    /// The store's own message.
    pub fn put_admin_latest(&self, unix_seconds: i64) -> Result<(), String> {
        self.writable()?;
        let written = self.shared.database().and_then(|db| meta::put_admin_latest(&db, unix_seconds));
        written.map_err(|error| error.to_string())
    }

    /// What is beside the log is not written either after a failure.
    fn writable(&self) -> Result<(), String> {
        let failure = self.shared.failure();
        failure
            .map_or(Ok(()), |failure| Err(format!("{failure}: try again when the relay says that it serves")))
    }

    fn with_inboxes<T>(&self, work: impl FnOnce(Option<&Inboxes>) -> T) -> T {
        work(self.inboxes.read().unwrap_or_else(PoisonError::into_inner).as_ref())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "closing the store");
        }
    }
}

impl Append for Store {
    fn submit(&self, client: &Arc<dyn LogClient>, batch: Vec<Submission>) {
        let count = batch.len() as u64;
        self.shared.counters.commit_queue.add(count);
        let message = Message::Submit { client: Arc::clone(client), batch };
        let refused = self.with_inboxes(|inboxes| match inboxes {
            Some(inboxes) => inboxes.commit.send(message).err().map(|unsent| unsent.into_inner()),
            None => Some(message),
        });
        if let Some(Message::Submit { client, batch }) = refused {
            self.shared.counters.commit_queue.sub(count);
            client.outcomes(batch.iter().map(|submission| (submission.ticket, Outcome::Failed)).collect());
        }
    }

    fn barrier(&self, done: Box<dyn FnOnce() + Send>) {
        self.with_inboxes(|inboxes| {
            if let Some(inboxes) = inboxes {
                // The committer is there for as long as its inbox is.
                let _ = inboxes.commit.send(Message::Barrier(done));
            }
        });
    }
}

impl Read for Store {
    fn query(&self, client: &Arc<dyn LogClient>, ticket: Ticket, query: Query) {
        let task = Task::new(&self.shared, client, ticket, query);
        self.shared.counters.query_queue.add(1);
        let refused = self.with_inboxes(|inboxes| match inboxes {
            Some(inboxes) => inboxes.query.send(task).err().map(|unsent| unsent.into_inner()),
            None => Some(task),
        });
        if let Some(task) = refused {
            self.shared.counters.query_queue.sub(1);
            task.refuse();
        }
    }
}

impl KeyStore for Store {
    fn keys(&self) -> Result<Vec<KeyRow>, String> {
        keys::read_all(&*self.shared.database().map_err(|e| e.to_string())?)
    }

    fn put_key(&self, row: &KeyRow) -> Result<(), String> {
        self.writable()?;
        keys::write(&*self.shared.database().map_err(|e| e.to_string())?, row)
    }
}

/// Keeps every relay from the stopped store of `options` until the file is dropped.
///
/// # Errors
/// There is none, or a relay runs on it.
pub fn lock(options: &StoreOptions) -> Result<File, StoreError> {
    unfinished::refuse_restore(&options.dir)?;
    Database::lock(&options.dir.join("log"))
}

/// Starts a thread whose panic fails the store.
fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let shared = Arc::clone(shared);
    let guarded = {
        let name = name.to_owned();
        move || {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                shared.fail(&format!("the thread {name} panicked"));
            }
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(guarded).map_err(StoreError::Thread)
}

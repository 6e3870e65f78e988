//! The committer thread: gives every new event its position and makes it durable.
//!
//! What waits is taken as one group: duplicates are found, the rest is written as one batch
//! (log and ids only) and synced once. Then the tail is published, the sink is called, and
//! only then do the outcomes go out, duplicates' too, so that a duplicate of an event of the
//! same group is answered when its first copy is durable.
//!
//! When a write fails, all that wait are told so, and everything that comes is, until `mend` has
//! opened the database again.
//!
//! The inbox has no bound of its own: each submitter bounds what it has in flight
//! (`shard_in_flight_bytes_max`), and their number is fixed.

use super::StoreError;
use super::database::Database;
use super::families::Family;
use super::index::Indexing;
use super::mend::{self, Attempts};
use super::options::Durability;
use super::purge;
use super::room::Room;
use super::shared::Shared;
use crate::base::limits::{COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX};
use crate::base::{EventId, Seq, Stage, Stopwatch};
use crate::event::EventFields;
use crate::log::{CommitSink, CommittedBatch, LogClient, Outcome, Submission, Ticket};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use rocksdb::WriteBatch;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a row's header and key in a write batch, to size it once.
const BATCH_EVENT_BYTES: usize = 80;

/// How often a committer without work looks at the disk and at a failed store.
const IDLE: Duration = Duration::from_millis(500);

/// What is asked of the committer.
pub(super) enum Message {
    Submit { client: Arc<dyn LogClient>, batch: Vec<Submission> },
    Barrier(Box<dyn FnOnce() + Send>),
}

/// The committer's state.
pub(super) struct Committer {
    shared: Arc<Shared>,
    sink: Arc<dyn CommitSink>,
    inbox: Receiver<Message>,
    indexing: Indexing,
    /// The last position that was answered.
    head: Seq,
    group: Group,
    room: Room,
    /// There while the store has failed.
    attempts: Option<Attempts>,
    watch: Stopwatch,
}

/// The submissions of one commit, in the order they came.
#[derive(Default)]
struct Group {
    clients: Vec<Arc<dyn LogClient>>,
    waiting: Vec<Waiting>,
    bytes: usize,
    /// Ends the group: called when all outcomes are sent.
    barrier: Option<Box<dyn FnOnce() + Send>>,
}

/// What the store knows of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    New,
    Copy,
    Deleted,
}

struct Waiting {
    ticket: Ticket,
    /// Index into the group's clients.
    client: usize,
    envelope: crate::event::Envelope,
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        sink: Arc<dyn CommitSink>,
        inbox: Receiver<Message>,
        indexing: Indexing,
    ) -> Self {
        let head = shared.tail.head();
        let watch = Stopwatch::exact(Arc::clone(&shared.counters.stages));
        let (group, room) = (Group::default(), Room::new());
        Committer { shared, sink, inbox, indexing, head, group, room, attempts: None, watch }
    }

    /// Runs until the store lets go of the inbox; everything submitted before is answered.
    pub(super) fn serve(mut self) {
        loop {
            match self.inbox.recv_timeout(IDLE) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => _ = self.room.has(&self.shared, 0),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.mend();
        }
        self.indexing.stop();
    }

    fn take(&mut self, message: Message) {
        self.watch.enter(Stage::Commit);
        self.gather(message);
        // A bug must not leave publishers without an answer.
        if catch_unwind(AssertUnwindSafe(|| self.commit())).is_err() {
            self.shared.fail("the committer panicked");
            self.refuse(Outcome::Failed);
        }
        if let Some(done) = self.group.barrier.take() {
            done();
        }
        self.watch.enter(Stage::HandOff);
    }

    fn gather(&mut self, first: Message) {
        self.group.take(first);
        while self.group.wants_more()
            && let Ok(message) = self.inbox.try_recv()
        {
            self.group.take(message);
        }
    }

    fn commit(&mut self) {
        self.shared.counters.commit_queue.sub(self.group.waiting.len() as u64);
        if self.group.waiting.is_empty() {
            return;
        }
        if self.shared.failure().is_some() {
            self.refuse(Outcome::Failed);
        } else if !self.room.has(&self.shared, self.group.bytes) {
            self.refuse(Outcome::Full);
        } else if let Err(error) = self.store() {
            self.shared.fail(&error.to_string());
            self.refuse(Outcome::Failed);
        }
    }

    /// Answers everything that still waits with the same.
    fn refuse(&mut self, outcome: Outcome) {
        let verdicts = vec![outcome; self.group.waiting.len()];
        self.shared.counters.failures.add(verdicts.len() as u64);
        self.group.answer(&verdicts);
    }

    /// Opens a failed store again, when it is time for the next attempt.
    fn mend(&mut self) {
        if self.shared.failure().is_none() {
            return;
        }
        let now = self.shared.clock.now();
        let attempts = self.attempts.get_or_insert_with(|| Attempts::begin(now));
        if !attempts.is_due(now) {
            return;
        }
        match self.reopen() {
            Ok(()) => self.attempts = None,
            Err(error) => {
                tracing::error!(%error, "the store cannot be opened again yet");
                if let Some(attempts) = &mut self.attempts {
                    attempts.back_off(self.shared.clock.now());
                }
            }
        }
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        mend::try_disk(&self.shared)?;
        // It uses the database that is about to be closed, and its unwritten rows are found
        // again in the log.
        self.indexing.stop();
        let found = self.shared.reopen(|| mend::open_again(&self.shared, self.head))?;
        let indexed = found.run.complete();
        self.indexing = Indexing::start(&self.shared, found.run)?;
        self.shared.mended(indexed);
        if let Some(batch) = found.unanswered {
            self.publish(Arc::new(batch));
        }
        Ok(())
    }

    fn store(&mut self) -> Result<(), StoreError> {
        let counters = Arc::clone(&self.shared.counters);
        let begin = self.shared.clock.nanos();
        let by_id = self.group.by_id();
        let known = self.find_known(&by_id)?;
        let (batch, verdicts) = self.write(&by_id, &known)?;
        self.watch.enter(Stage::HandOff);
        let stored = batch.events.len() as u64;
        counters.duplicates.add(verdicts.iter().filter(|v| **v == Outcome::Duplicate).count() as u64);
        if stored > 0 {
            counters.commits.add(1);
            counters.commit_batch.record(stored, 1);
            counters.commit_nanos.record(batch.committed_nanos.saturating_sub(begin), 1);
            self.publish(Arc::new(batch));
        }
        self.group.answer(&verdicts);
        self.shared.trim_ring();
        Ok(())
    }

    /// Which submissions are copies: of a stored event, of an earlier one in the group, or of one
    /// that was deleted.
    fn find_known(&self, by_id: &[u32]) -> Result<Vec<Known>, StoreError> {
        let id = |index: &u32| self.group.waiting[*index as usize].envelope.id();
        let mut known = vec![Known::Copy; self.group.waiting.len()];
        let mut firsts = by_id.to_vec();
        firsts.dedup_by_key(|index| *id(index));
        let db = self.shared.database()?;
        let ids = firsts.iter().map(|index| &id(index).0);
        let rows = db.raw().batched_multi_get_cf(db.cf(Family::Ids), ids, true);
        for (index, row) in firsts.iter().zip(rows) {
            let row = row.map_err(|e| db.error(e))?;
            known[*index as usize] = if row.is_some() { Known::Copy } else { Known::New };
        }
        // After the ids: an event that goes meanwhile is found at one of both places.
        if self.shared.counters.tombstones.get() > 0 {
            firsts.retain(|index| known[*index as usize] == Known::New);
            let deleted = purge::find(&db, firsts.iter().map(id))?;
            let deleted: Vec<&EventId> = firsts
                .iter()
                .map(id)
                .zip(deleted)
                .filter_map(|(id, deleted)| deleted.then_some(id))
                .collect();
            for index in by_id.iter().filter(|index| deleted.binary_search(&id(index)).is_ok()) {
                known[*index as usize] = Known::Deleted;
            }
        }
        Ok(known)
    }

    /// Gives the new events their positions, writes them and syncs.
    fn write(&self, by_id: &[u32], known: &[Known]) -> Result<(CommittedBatch, Vec<Outcome>), StoreError> {
        let db = self.shared.database()?;
        let waiting = &self.group.waiting;
        let (log, ids) = (db.cf(Family::Log), db.cf(Family::Ids));
        let mut rows = WriteBatch::with_capacity_bytes(self.group.bytes + BATCH_EVENT_BYTES * waiting.len());
        let mut events = Vec::with_capacity(waiting.len());
        let mut outcomes = Vec::with_capacity(waiting.len());
        for (Waiting { envelope, .. }, known) in waiting.iter().zip(known) {
            outcomes.push(if *known == Known::Copy {
                Outcome::Duplicate
            } else if *known == Known::Deleted {
                Outcome::Deleted
            } else if envelope.kind().is_ephemeral() {
                tracing::error!(event = ?envelope, "an ephemeral event was submitted to the store: refused");
                Outcome::Failed
            } else {
                let seq = Seq(self.head.0 + 1 + events.len() as u64);
                rows.put_cf(log, seq.0.to_be_bytes(), envelope.wire());
                events.push(envelope.clone());
                Outcome::Stored(seq)
            });
        }
        // In the order of the ids: neighbours in the memtable are found faster than strangers.
        for index in by_id.iter().map(|index| *index as usize) {
            if let Outcome::Stored(seq) = outcomes[index] {
                rows.put_cf(ids, waiting[index].envelope.id().0, seq.0.to_be_bytes());
            }
        }
        if !events.is_empty() {
            db.write_logged(rows)?;
            self.sync(&db)?;
        }
        let batch =
            CommittedBatch { first: self.head.next(), events, committed_nanos: self.shared.clock.nanos() };
        Ok((batch, outcomes))
    }

    /// Apart from the write, so that its time is known; a synced write costs the same.
    fn sync(&self, db: &Database) -> Result<(), StoreError> {
        if self.shared.options.durability == Durability::Fsync {
            let begin = self.shared.clock.nanos();
            db.sync()?;
            self.shared.counters.sync_nanos.record(self.shared.clock.nanos().saturating_sub(begin), 1);
        }
        Ok(())
    }

    fn publish(&mut self, batch: Arc<CommittedBatch>) {
        self.head = batch.last();
        self.shared.tail.publish(&batch);
        self.shared.counters.head.set(self.head.0);
        self.sink.committed(&batch);
        self.indexing.send(batch);
    }
}

impl Group {
    fn wants_more(&self) -> bool {
        self.barrier.is_none() && self.waiting.len() < COMMIT_EVENTS_MAX && self.bytes < COMMIT_BYTES_MAX
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Barrier(done) => self.barrier = Some(done),
            Message::Submit { client, batch } => {
                // As many as there are shards and a few others: cheaper searched than hashed.
                let known = self.clients.iter().position(|other| Arc::ptr_eq(other, &client));
                let index = known.unwrap_or(self.clients.len());
                if known.is_none() {
                    self.clients.push(client);
                }
                self.bytes += batch.iter().map(|submission| submission.envelope.wire_len()).sum::<usize>();
                self.waiting.extend(batch.into_iter().map(|Submission { ticket, envelope }| Waiting {
                    ticket,
                    client: index,
                    envelope,
                }));
            }
        }
    }

    /// Indexes of the submissions in the order of their ids; copies in the order they came.
    fn by_id(&self) -> Vec<u32> {
        let id = |index: &u32| -> &EventId { self.waiting[*index as usize].envelope.id() };
        let mut order: Vec<u32> = (0..self.waiting.len() as u32).collect();
        order.sort_unstable_by(|a, b| id(a).cmp(id(b)).then(a.cmp(b)));
        order
    }

    /// Sends the outcomes, one call per client, and empties the group.
    fn answer(&mut self, verdicts: &[Outcome]) {
        let clients = std::mem::take(&mut self.clients);
        let mut answers = vec![Vec::new(); clients.len()];
        for (waiting, verdict) in self.waiting.drain(..).zip(verdicts) {
            answers[waiting.client].push((waiting.ticket, *verdict));
        }
        self.bytes = 0;
        for (client, outcomes) in clients.iter().zip(answers) {
            client.outcomes(outcomes);
        }
    }
}

//! The indexer thread: follows the committed batches and writes their index rows in runs.
//!
//! It is behind the head by up to a run; queries cover that stretch from the tail ring. It
//! never falls behind further than the ring reaches, because the committer waits for it.

use super::StoreError;
use super::families::INDEX_FAMILIES;
use super::run::Run;
use super::shared::Shared;
use super::spawn;
use crate::base::{Stage, Stopwatch};
use crate::event::EventFields as _;
use crate::log::CommittedBatch;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The indexer's thread, as the committer has it.
pub(super) struct Indexing {
    /// Both are taken away by `stop`.
    batches: Option<Sender<Arc<CommittedBatch>>>,
    thread: Option<JoinHandle<()>>,
}

impl Indexing {
    /// Starts the thread; `run` goes on where recovery has ended.
    pub(super) fn start(shared: &Arc<Shared>, run: Run) -> Result<Self, StoreError> {
        let (batches, inbox) = unbounded();
        let indexer = Indexer::new(Arc::clone(shared), inbox, run);
        let thread = spawn("axon-index", shared, move || indexer.follow())?;
        Ok(Indexing { batches: Some(batches), thread: Some(thread) })
    }

    pub(super) fn send(&self, batch: Arc<CommittedBatch>) {
        if let Some(batches) = &self.batches {
            // The indexer ends before the committer only when it has failed, and has said so.
            let _ = batches.send(batch);
        }
    }

    /// Returns when everything sent is indexed, or the indexer has failed.
    pub(super) fn stop(&mut self) {
        self.batches = None;
        // Its panic was caught and has failed the store.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The indexer's state.
struct Indexer {
    shared: Arc<Shared>,
    inbox: Receiver<Arc<CommittedBatch>>,
    run: Run,
    unflushed: u64,
    watch: Stopwatch,
}

impl Indexer {
    fn new(shared: Arc<Shared>, inbox: Receiver<Arc<CommittedBatch>>, run: Run) -> Self {
        let watch = Stopwatch::exact(Arc::clone(&shared.counters.stages));
        Indexer { shared, inbox, run, unflushed: 0, watch }
    }

    /// Runs until the committer is gone and everything is indexed, or a write fails.
    fn follow(mut self) {
        if let Err(error) = self.index() {
            self.shared.fail(&error.to_string());
        }
    }

    fn index(&mut self) -> Result<(), StoreError> {
        while let Ok(first) = self.inbox.recv() {
            self.watch.enter(Stage::Index);
            self.gather(&first);
            self.write()?;
            self.watch.enter(Stage::HandOff);
        }
        Ok(())
    }

    /// Takes batches until the run is full or its first event has waited long enough.
    fn gather(&mut self, first: &CommittedBatch) {
        let options = &self.shared.options;
        let deadline = self.shared.clock.now().plus(options.index_delay_ms);
        self.run_add(first);
        loop {
            let (events, bytes) = self.run.size();
            let left = deadline.since(self.shared.clock.now());
            if events >= self.shared.options.index_run_events
                || bytes >= self.shared.options.index_run_bytes
                || left == 0
            {
                return;
            }
            self.watch.enter(Stage::HandOff);
            let next = self.inbox.recv_timeout(Duration::from_millis(left));
            self.watch.enter(Stage::Index);
            match next {
                Ok(batch) => self.run_add(&batch),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn run_add(&mut self, batch: &CommittedBatch) {
        for (seq, envelope) in batch.iter() {
            self.shared.kinds.add(envelope.kind().0);
            self.run.add(seq, envelope.wire_len(), envelope);
        }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let (events, _) = self.run.size();
        let db = self.shared.database()?;
        self.run.write(&db)?;
        self.shared.set_indexed(self.run.complete());
        self.unflushed += events as u64;
        if self.unflushed >= self.shared.options.index_flush_events {
            db.flush(&INDEX_FAMILIES, false)?;
            self.unflushed = 0;
        }
        Ok(())
    }
}

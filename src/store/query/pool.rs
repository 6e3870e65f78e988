//! The reader threads. New queries go before unfinished ones, so that a small one never waits
//! behind long replays; every few turns an unfinished one goes first, so that it gets on.
//!
//! Neither queue has a bound of its own: each asker bounds the queries it has open, and an
//! unfinished query was a new one before.

use super::scan::{Scan, Slice};
use crate::base::{Stage, Stopwatch};
use crate::log::{LogClient, Page, Query, QueryError, Ticket};
use crate::store::StoreError;
use crate::store::shared::Shared;
use bumpalo::Bump;
use crossbeam_channel::{Receiver, Sender, TryRecvError, select_biased, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

/// One turn in so many begins with an unfinished query.
const UNFINISHED_FIRST: u32 = 4;

/// A query with its asker.
pub(in crate::store) struct Task {
    client: Arc<dyn LogClient>,
    ticket: Ticket,
    scan: Scan,
    arrived_nanos: u64,
}

impl Task {
    pub(in crate::store) fn new(
        shared: &Shared,
        client: &Arc<dyn LogClient>,
        ticket: Ticket,
        query: Query,
    ) -> Self {
        let scan = Scan::new(query, shared);
        Task { client: Arc::clone(client), ticket, scan, arrived_nanos: shared.clock.nanos() }
    }

    /// Answers that the store is closed.
    pub(in crate::store) fn refuse(self) {
        self.client.page(self.ticket, Err(QueryError::Failed("the log is closed".to_owned())));
    }
}

/// Starts the threads. They end when the sender is dropped; what waits then is refused.
pub(in crate::store) fn start(
    shared: &Arc<Shared>,
) -> Result<(Sender<Task>, Vec<JoinHandle<()>>), StoreError> {
    let (new_in, new) = unbounded();
    let (unfinished_in, unfinished) = unbounded();
    let threads = (0..shared.options.reader_threads.max(1)).map(|number| {
        let reader = Reader {
            shared: Arc::clone(shared),
            new: new.clone(),
            unfinished: unfinished.clone(),
            unfinished_in: unfinished_in.clone(),
            watch: Stopwatch::exact(Arc::clone(&shared.counters.stages)),
        };
        std::thread::Builder::new()
            .name(format!("axon-read-{number}"))
            .spawn(move || reader.serve())
            .map_err(StoreError::Thread)
    });
    Ok((new_in, threads.collect::<Result<_, _>>()?))
}

struct Reader {
    shared: Arc<Shared>,
    new: Receiver<Task>,
    unfinished: Receiver<Task>,
    unfinished_in: Sender<Task>,
    watch: Stopwatch,
}

impl Reader {
    fn serve(self) {
        let mut arena = Bump::new();
        let mut turn = 0;
        while let Some(task) = self.next(turn) {
            turn = turn.wrapping_add(1);
            self.watch.enter(Stage::Query);
            self.answer(task, &mut arena);
            self.watch.enter(Stage::HandOff);
        }
        while let Ok(task) = self.unfinished.try_recv() {
            self.shared.counters.query_queue.sub(1);
            task.refuse();
        }
    }

    /// The next query; waits for one. `None` when the store closes.
    fn next(&self, turn: u32) -> Option<Task> {
        if turn.is_multiple_of(UNFINISHED_FIRST)
            && let Ok(task) = self.unfinished.try_recv()
        {
            return Some(task);
        }
        match self.new.try_recv() {
            Ok(task) => return Some(task),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        select_biased! {
            recv(self.new) -> task => task.ok(),
            recv(self.unfinished) -> task => task.ok(),
        }
    }

    fn answer(&self, mut task: Task, arena: &mut Bump) {
        let slice = catch_unwind(AssertUnwindSafe(|| task.scan.run(&self.shared, arena)));
        let result: Result<Page, QueryError> = match slice {
            Ok(Ok(Slice::Done(page))) => Ok(page),
            Ok(Ok(Slice::Purged(seq))) => Err(QueryError::Purged(seq)),
            Ok(Ok(Slice::Unfinished)) => {
                // This thread holds a receiver, so the queue is there.
                if let Err(unsent) = self.unfinished_in.send(task) {
                    unsent.into_inner().refuse();
                }
                return;
            }
            Ok(Err(error)) => Err(QueryError::Failed(error.to_string())),
            Err(_) => Err(QueryError::Failed("a reader panicked".to_owned())),
        };
        if let Err(error @ QueryError::Failed(_)) = &result {
            tracing::error!(%error, "a query has failed");
        }
        let counters = &self.shared.counters;
        counters.query_queue.sub(1);
        counters.query_nanos.record(self.shared.clock.nanos().saturating_sub(task.arrived_nanos), 1);
        task.client.page(task.ticket, result);
    }
}

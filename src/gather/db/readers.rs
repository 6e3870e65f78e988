//! The reading threads.

use super::transaction::Db;
use super::{DatabaseError, open};
use crate::gather::{Context, Fault};
use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Reads that wait; see the writer's bound.
const QUEUE_MAX: usize = 4_096;
/// Seconds after which a refused read may be tried again.
const RETRY_SECONDS: u32 = 1;

type Job = Option<Box<dyn FnOnce(&Connection, &Context) + Send>>;

pub(super) struct Readers {
    queue: Sender<Job>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub fn start(path: &Path, context: &Arc<Context>, count: usize) -> Result<Readers, DatabaseError> {
        let (queue, jobs) = bounded(QUEUE_MAX);
        let mut threads = Vec::new();
        for _ in 0..count.max(1) {
            let failed = |source| DatabaseError::Sqlite { path: path.to_owned(), source };
            let connection = open(path).map_err(failed)?;
            connection.pragma_update(None, "query_only", true).map_err(failed)?;
            let (context, jobs) = (Arc::clone(context), jobs.clone());
            let body = move || serve(&connection, &context, &jobs);
            let thread = std::thread::Builder::new().name("axon-gather-r".to_owned()).spawn(body);
            threads.push(thread.map_err(DatabaseError::Thread)?);
        }
        Ok(Readers { queue, threads: Mutex::new(threads) })
    }

    pub fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
        done: impl FnOnce(Result<T, Fault>) + Send + 'static,
    ) {
        let answer = Arc::new(Mutex::new(Some(done)));
        let take = |slot: &Mutex<Option<_>>| slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let kept = Arc::clone(&answer);
        let job: Job = Some(Box::new(move |connection, context| {
            let result = snapshot(connection, || work(&Db::new(connection, context)));
            if let Some(done) = take(&answer) {
                done(result);
            }
        }));
        if self.queue.try_send(job).is_err()
            && let Some(done) = take(&kept)
        {
            done(Err(Fault::unavailable("too many requests are waiting; try again", RETRY_SECONDS)));
        }
    }

    pub fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // An error means that all threads have ended.
        threads.iter().for_each(|_| drop(self.queue.send(None)));
        if threads.into_iter().any(|thread| thread.join().is_err()) {
            tracing::error!("one of gather's readers panicked");
        }
    }
}

fn serve(connection: &Connection, context: &Context, jobs: &Receiver<Job>) {
    while let Ok(Some(job)) = jobs.recv() {
        job(connection, context);
    }
}

/// All statements of `work` see the same commit: a page and its total belong together.
fn snapshot<T>(connection: &Connection, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    connection.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([]))?;
    let result =
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Fault::internal("a query panicked")));
    connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]))?;
    result
}

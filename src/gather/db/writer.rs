//! The writing thread: what waits becomes one commit.

use super::transaction::{Effects, Tx};
use crate::gather::{Context, Fault};
use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::Connection;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Writes that wait. At a millisecond each the last one waits four seconds, longer than anybody
/// should; more are told to come back.
const QUEUE_MAX: usize = 4_096;
/// Writes of one commit: what one disk sync gathers. Bounds how long the first one waits.
const COMMIT_WRITES_MAX: usize = 256;
/// Seconds after which a refused write may be tried again.
const RETRY_SECONDS: u32 = 2;

/// Runs inside the commit and returns what is to be done after it.
type Work = Box<dyn FnOnce(&Connection, &Context) -> After + Send>;
/// Told whether the commit succeeded.
type After = Box<dyn FnOnce(Result<(), Fault>) + Send>;

enum Job {
    Work(Work),
    Stop,
}

pub(super) struct Writer {
    queue: Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub fn start(connection: Connection, context: Arc<Context>) -> io::Result<Writer> {
        let (queue, jobs) = bounded(QUEUE_MAX);
        let body = move || serve(&connection, &context, &jobs);
        let thread = std::thread::Builder::new().name("axon-gather-w".to_owned()).spawn(body)?;
        Ok(Writer { queue, thread: Mutex::new(Some(thread)) })
    }

    pub fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
        done: impl FnOnce(Result<T, Fault>, Effects) + Send + 'static,
    ) {
        // Kept apart from the job, so that a refused job can still be answered.
        let answer = Arc::new(Mutex::new(Some(done)));
        let take = |slot: &Mutex<Option<_>>| slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let kept = Arc::clone(&answer);
        let job: Work = Box::new(move |connection, context| {
            let (result, effects) = attempt(connection, context, work);
            Box::new(move |committed| {
                if let Some(done) = take(&answer) {
                    match committed {
                        Ok(()) => done(result, effects),
                        Err(fault) => done(Err(fault), Effects::default()),
                    }
                }
            })
        });
        if self.queue.try_send(Job::Work(job)).is_err()
            && let Some(done) = take(&kept)
        {
            done(
                Err(Fault::unavailable("too many writes are waiting; try again", RETRY_SECONDS)),
                Effects::default(),
            );
        }
    }

    pub fn close(&self) {
        // An error means that the thread has ended.
        let _ = self.queue.send(Job::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("gather's writer panicked");
        }
    }
}

fn serve(connection: &Connection, context: &Context, jobs: &Receiver<Job>) {
    while let Ok(Job::Work(first)) = jobs.recv() {
        let mut after = Vec::new();
        let mut stopping = false;
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(Fault::from);
        let mut next = Some(first);
        while let Some(work) = next.take() {
            after.push(work(connection, context));
            if after.len() < COMMIT_WRITES_MAX {
                match jobs.try_recv() {
                    Ok(Job::Work(work)) => next = Some(work),
                    Ok(Job::Stop) => stopping = true,
                    Err(_) => {}
                }
            }
        }
        let committed = begun.and_then(|()| commit(connection));
        after.into_iter().for_each(|after| after(committed.clone()));
        if stopping {
            return;
        }
    }
}

fn commit(connection: &Connection) -> Result<(), Fault> {
    connection.execute_batch("COMMIT").map_err(|error| {
        // The transaction may be over or not; either way the next begin needs it to be.
        let _ = connection.execute_batch("ROLLBACK");
        Fault::internal(error)
    })
}

/// One operation in a savepoint: undone if it fails, unless its fault keeps what was written.
fn attempt<T>(
    connection: &Connection,
    context: &Context,
    work: impl FnOnce(&Tx<'_>) -> Result<T, Fault>,
) -> (Result<T, Fault>, Effects) {
    if connection.is_autocommit() {
        // The commit's BEGIN failed and says so to all; nothing may be written outside of it.
        return (Err(Fault::internal("no transaction")), Effects::default());
    }
    let savepoint = |sql: &str| connection.prepare_cached(sql).and_then(|mut s| s.execute([]));
    if let Err(error) = savepoint("SAVEPOINT operation") {
        return (Err(error.into()), Effects::default());
    }
    let tx = Tx::new(connection, context);
    // A bug in one operation must not end the writing of all: its savepoint is rolled back, and
    // nothing else is shared with it.
    let result = catch_unwind(AssertUnwindSafe(|| work(&tx)))
        .unwrap_or_else(|_| Err(Fault::internal("an operation panicked")));
    let effects = tx.into_effects();
    let ended = match &result {
        Err(fault) if !fault.keeps => {
            savepoint("ROLLBACK TO operation").and_then(|_| savepoint("RELEASE operation"))
        }
        _ => savepoint("RELEASE operation"),
    };
    match (result, ended) {
        (Ok(value), Ok(_)) => (Ok(value), effects),
        (Err(fault), Ok(_)) => (Err(fault), Effects::default()),
        (_, Err(error)) => (Err(error.into()), Effects::default()),
    }
}

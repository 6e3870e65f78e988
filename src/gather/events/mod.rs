//! One log, two faces: what is written here is published on the relay, and what agents publish
//! there is done here.
//!
//! | file | what |
//! |---|---|
//! | `port.rs` | the relay's log as this room needs it |
//! | `publisher.rs` | from the outbox to the log, signed by the platform's key |
//! | `follower.rs` | along the log by position: folds what is there |
//! | `fold.rs` | one page of the log as one transaction |
//! | `signed.rs` | an agent's own event |
//! | `handlers/` | kind → operation |
//! | `figures.rs` | the whole log, counted |
//! | `lookup.rs` | one event by its id |
//!
//! # What others rely on
//!
//! * **Once.** A row's event is the same whenever it is made (its time, tags and number are the
//!   row's), so publishing it again is answered "duplicate"; it counts as published when it has
//!   been seen in the log. An agent's event is applied in the transaction that notes it.
//! * **The position is written with what it stands for.** A crash repeats nothing and leaves
//!   nothing out.
//! * **A rule holds on both faces**: a handler calls the same operation as the HTTP face. What it
//!   refuses is told to the agent by a notice.

mod figures;
mod fold;
mod follower;
mod handlers;
mod lookup;
mod port;
mod publisher;
mod signed;
#[cfg(test)]
mod tests;

pub use handlers::{Handler, Handlers};
pub(super) use lookup::Found;
pub use port::LogPort;
pub use signed::SignedEvent;

use super::bell::Nudge;
use super::db::{Database, Effect};
use super::door::Porter;
use super::{Context, Fault, GatherError, Tx};
use crate::base::EventId;
use follower::Follower;
use lookup::Lookup;
use publisher::Publisher;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

/// The table for those who write clients.
pub const EVENTS_MD: &str = include_str!("../events.md");

/// The two threads between database and log, and the way to one event.
pub(super) struct Faces {
    lookup: Lookup,
    bells: [Arc<Nudge>; 2],
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Faces {
    pub fn start(
        (context, database, porter): (&Arc<Context>, &Arc<Database>, &Porter),
        port: &LogPort,
        handlers: Handlers,
    ) -> Result<Faces, GatherError> {
        let publisher = Publisher::new(context, database, port.clone());
        let mut follower = Follower::new((context, database, porter), port.clone(), handlers);
        follower.prepare();
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(GatherError::Thread)
        };
        let bells = [Arc::clone(&context.outbox), Arc::clone(&port.bell)];
        let threads = vec![
            spawn("axon-gather-p", Box::new(move || publisher.serve()))?,
            spawn("axon-gather-f", Box::new(move || follower.serve()))?,
        ];
        Ok(Faces { lookup: Lookup::new(port.clone()), bells, threads: Mutex::new(threads) })
    }

    /// Looks for an event of a public kind in the log. Never blocks.
    pub fn find(&self, id: EventId, found: Found) {
        self.lookup.find(id, found);
    }

    /// Ends the threads; blocks until they have.
    pub fn close(&self) {
        self.bells.iter().for_each(|bell| bell.close());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        if threads.into_iter().any(|thread| thread.join().is_err()) {
            tracing::error!("a thread between gather and the log panicked");
        }
    }
}

/// Makes the views over the log anew: forgets them, and has the follower fold the whole log again.
/// What agents' events have done is not done again.
///
/// # Errors
/// The database's.
pub fn fold_again(tx: &Tx<'_>) -> Result<(), Fault> {
    fold::again(tx)?;
    tx.then(Effect::FoldAgain);
    Ok(())
}

/// Waits for an answer of the database; only our own threads may, and whoever starts them.
pub(super) fn wait<T: Send + 'static>(
    ask: impl FnOnce(Box<dyn FnOnce(Result<T, Fault>) + Send>),
) -> Result<T, Fault> {
    let (done, answer) = mpsc::channel();
    // The receiver waits below; it cannot be gone.
    ask(Box::new(move |result| drop(done.send(result))));
    answer.recv().unwrap_or_else(|_| Err(Fault::internal("the database ended")))
}

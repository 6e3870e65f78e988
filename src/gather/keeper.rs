//! Throws away what has expired: challenges, tokens, keys of repeated requests. Computes ranks
//! that are too many for one transaction.

use super::bell::Nudge;
use super::db::{Database, Tx};
use super::{Context, Fault, rankings, tags};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two rounds; what expired lies about for so long.
const ROUND: Duration = Duration::from_secs(30);
/// Rows of each table per round: some milliseconds, so that no write waits long for it.
const ROWS_MAX: i64 = 5_000;

const EXPIRING: &[&str] = &[
    "DELETE FROM pow_spent WHERE challenge IN
     (SELECT challenge FROM pow_spent WHERE expires < ?1 ORDER BY expires LIMIT ?2)",
    "DELETE FROM revoked_tokens WHERE hash IN
     (SELECT hash FROM revoked_tokens WHERE expires < ?1 ORDER BY expires LIMIT ?2)",
    "DELETE FROM idempotency WHERE (scope, key) IN
     (SELECT scope, key FROM idempotency WHERE expires < ?1 ORDER BY expires LIMIT ?2)",
    // Seven days, the longest quota's.
    "DELETE FROM quota_uses WHERE n IN
     (SELECT n FROM quota_uses WHERE created < ?1 - 604800000 ORDER BY created LIMIT ?2)",
    // A day longer, so that it is told that it has expired, and not that it never was.
    "DELETE FROM review_challenges WHERE n IN
     (SELECT n FROM review_challenges WHERE used = 0 AND expires < ?1 - 86400000 ORDER BY expires LIMIT ?2)",
];

pub(super) struct Keeper {
    bell: Arc<Nudge>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    pub fn start(context: &Arc<Context>, database: &Arc<Database>) -> std::io::Result<Keeper> {
        let (bell, database) = (Arc::clone(&context.upkeep), Arc::clone(database));
        // What a process that ended had left undone.
        bell.ring();
        let rung = Arc::clone(&bell);
        let body = move || {
            while rung.wait(ROUND) {
                change(&database, round);
                while !rung.is_closed() && change(&database, rankings::step) == Some(true) {}
            }
        };
        let thread = std::thread::Builder::new().name("axon-gather-k".to_owned()).spawn(body)?;
        Ok(Keeper { bell, thread: Mutex::new(Some(thread)) })
    }

    pub fn close(&self) {
        self.bell.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("gather's keeper panicked");
        }
    }
}

/// Does it and waits; `None`: it failed, and is tried again in the next round.
fn change<T: Send + 'static>(database: &Database, work: fn(&Tx<'_>) -> Result<T, Fault>) -> Option<T> {
    let (done, answer) = mpsc::channel();
    // The receiver waits below; it cannot be gone.
    database.write(work, move |result, _| drop(done.send(result)));
    match answer.recv() {
        Ok(Ok(value)) => Some(value),
        Ok(Err(fault)) => {
            tracing::warn!(detail = fault.detail, "upkeep of the database failed");
            None
        }
        Err(_) => None,
    }
}

fn round(tx: &Tx<'_>) -> Result<(), Fault> {
    for sql in EXPIRING {
        tx.run(sql, (tx.now().0, ROWS_MAX))?;
    }
    tags::age(tx)
}

//! Throws away what has expired: challenges, tokens, keys of repeated requests.

use super::db::{Database, Tx};
use super::{Fault, tags};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::sync::{Arc, Mutex, PoisonError};
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
    stop: Sender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    pub fn start(database: &Arc<Database>) -> std::io::Result<Keeper> {
        let (stop, stopped) = bounded(1);
        let database = Arc::clone(database);
        let body = move || {
            while stopped.recv_timeout(ROUND) == Err(RecvTimeoutError::Timeout) {
                database.write(round, |result, _| {
                    if let Err(fault) = result {
                        tracing::warn!(detail = fault.detail, "expired rows could not be removed");
                    }
                });
            }
        };
        let thread = std::thread::Builder::new().name("axon-gather-k".to_owned()).spawn(body)?;
        Ok(Keeper { stop, thread: Mutex::new(Some(thread)) })
    }

    pub fn close(&self) {
        // A full channel means that it has been told.
        let _ = self.stop.try_send(());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("gather's keeper panicked");
        }
    }
}

fn round(tx: &Tx<'_>) -> Result<(), Fault> {
    for sql in EXPIRING {
        tx.run(sql, (tx.now().0, ROWS_MAX))?;
    }
    tags::age(tx)
}

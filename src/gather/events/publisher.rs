//! From the outbox to the log: every row in order, signed by the platform's key, through the
//! door that everybody takes.
//!
//! A row says everything its event is made of, so the event and its id are the same after a
//! crash, and the log answers "duplicate". That a row is done is not written here but by the
//! follower, when it meets the event in the log.

use super::port::{LogPort, Talk};
use super::wait;
use crate::base::stages::{StageCounters, Stopwatch};
use crate::base::{EventId, Kind, Reason, Signature};
use crate::event::EventBuilder;
use crate::gather::db::Database;
use crate::gather::{Context, Fault, outbox};
use crate::ingest::{Arrival, Door, Verdict};
use crate::log::{Outcome, Submission, Ticket};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rows of one batch: what the door judges at once, at 60 000 bytes each within its bound.
const ROWS_MAX: i64 = 32;
/// After a failure, and in case a bell was missed.
const RETRY: Duration = Duration::from_secs(5);
/// The name of the platform's key on the allowlist.
const PLATFORM_NAME: &str = "gather";

pub(super) struct Publisher {
    context: Arc<Context>,
    database: Arc<Database>,
    talk: Talk,
    door: Door,
    watch: Stopwatch,
    key: SigningKey,
    /// Rows up to here have been handed to the log by this process.
    done: i64,
}

/// A row of the outbox.
struct Row {
    n: i64,
    kind: u16,
    content: String,
    tags: String,
    about: (String, String),
    created: i64,
}

impl Publisher {
    pub fn new(context: &Arc<Context>, database: &Arc<Database>, port: LogPort) -> Publisher {
        Publisher {
            context: Arc::clone(context),
            database: Arc::clone(database),
            door: Door::new(Arc::clone(&port.gate)),
            watch: Stopwatch::sampling(Arc::new(StageCounters::default())),
            key: SigningKey::from_bytes(&context.secrets.platform),
            talk: Talk::new(port),
            done: 0,
        }
    }

    pub fn serve(mut self) {
        let bell = Arc::clone(&self.context.outbox);
        loop {
            while !bell.is_closed() {
                match self.batch() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(fault) => {
                        tracing::warn!(detail = fault.detail, "the outbox could not be published");
                        break;
                    }
                }
            }
            if !bell.wait(RETRY) {
                return;
            }
        }
    }

    /// Publishes some rows; whether there may be more.
    fn batch(&mut self) -> Result<bool, Fault> {
        if self.context.publish_again.swap(false, Ordering::SeqCst) {
            self.done = 0;
        }
        let after = self.done;
        let rows = wait(|done| self.database.read(move |db| waiting(db, after), done))?;
        if rows.is_empty() {
            return Ok(false);
        }
        let made: Vec<(i64, Result<Vec<u8>, Reason>)> =
            rows.iter().map(|row| (row.n, self.event(row).map(|(_, wire)| wire))).collect();
        let arrivals: Vec<Arrival<'_>> = made
            .iter()
            .filter_map(|(_, wire)| wire.as_ref().ok())
            .map(|wire| Arrival { wire, suspect: false })
            .collect();
        let mut verdicts = Vec::new();
        self.door.judge(&self.watch, self.context.clock.read(), &arrivals, &mut verdicts);
        let mut verdicts = verdicts.into_iter();
        let mut batch = Vec::new();
        let mut stopped = None;
        for (n, wire) in &made {
            let refused = match wire {
                Err(reason) => *reason,
                Ok(_) => match verdicts.next() {
                    Some(Verdict::Stored(envelope)) => {
                        batch.push((*n, envelope));
                        continue;
                    }
                    Some(Verdict::Refused { reason, .. }) => reason,
                    Some(Verdict::Ephemeral(_)) | None => Reason::UnknownType(0),
                },
            };
            if passes(refused) {
                // In order, so those behind it wait, too.
                stopped = Some(refused);
                break;
            }
            self.give_up(*n, refused)?;
        }
        self.submit(batch)?;
        match stopped {
            Some(Reason::AuthorNotAllowed) => {
                let key = self.context.secrets.platform_key();
                self.context.ports.relay.admit(&key, PLATFORM_NAME).map_err(Fault::internal)?;
                Ok(self.context.ports.relay.allowed(&key))
            }
            Some(reason) => Err(Fault::internal(reason)),
            None => Ok(true),
        }
    }

    fn submit(&mut self, batch: Vec<(i64, crate::event::Envelope)>) -> Result<(), Fault> {
        let numbers: Vec<i64> = batch.iter().map(|(n, _)| *n).collect();
        let submission = |(n, envelope): (i64, _)| Submission { ticket: Ticket(n.unsigned_abs()), envelope };
        let outcomes = self.talk.submit(batch.into_iter().map(submission).collect());
        for (n, outcome) in numbers.into_iter().zip(outcomes) {
            match outcome {
                // A duplicate was published before a crash.
                Outcome::Stored(_) | Outcome::Duplicate => self.done = n,
                Outcome::Failed | Outcome::Full => {
                    return Err(Fault::internal("the log does not take events"));
                }
            }
        }
        Ok(())
    }

    /// A row that the relay will never take: noted, so that it does not hold up the others.
    fn give_up(&self, n: i64, reason: Reason) -> Result<(), Fault> {
        tracing::error!(row = n, %reason, "an event of the outbox cannot be published");
        let sql = "UPDATE outbox SET seq = 0 WHERE n = ?1";
        wait(|done| {
            self.database.write(move |tx| tx.run(sql, [n]).map(drop), move |result, _| done(result));
        })
    }

    /// The event of a row; always the same one.
    fn event(&self, row: &Row) -> Result<(EventId, Vec<u8>), Reason> {
        let key = self.context.secrets.platform_key();
        let mut tags: Vec<(String, Vec<String>)> = serde_json::from_str(&row.tags).unwrap_or_default();
        tags.push(("n".to_owned(), vec![row.n.to_string()]));
        // Of a longer record its type and id; the rest is on the HTTP face.
        let content = match row.content.len() > outbox::CONTENT_BYTES_MAX {
            true => json!({ "type": row.about.0, "id": row.about.1, "truncated": true }).to_string(),
            false => row.content.clone(),
        };
        let builder = EventBuilder {
            kind: Kind(row.kind),
            created_at: row.created.div_euclid(1_000),
            content: content.into_bytes(),
            tags,
        };
        builder.finish(&key, |id| Signature(self.key.sign(&id.0).to_bytes()))
    }
}

/// Whether the relay may take the same event later: the key is let in again, the machine's clock
/// or the operator's rules are set right.
fn passes(reason: Reason) -> bool {
    matches!(reason, Reason::AuthorNotAllowed | Reason::TooFarAhead { .. } | Reason::KindNotAllowed { .. })
}

fn waiting(db: &crate::gather::Db<'_>, after: i64) -> Result<Vec<Row>, Fault> {
    let sql = "SELECT n, kind, content, tags, ref_type, ref_id, created FROM outbox
               WHERE seq IS NULL AND n > ?1 ORDER BY n LIMIT ?2";
    db.all(sql, (after, ROWS_MAX), |row| {
        Ok(Row {
            n: row.get(0)?,
            kind: row.get(1)?,
            content: row.get(2)?,
            tags: row.get(3)?,
            about: (row.get(4)?, row.get(5)?),
            created: row.get(6)?,
        })
    })
}

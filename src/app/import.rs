//! Events that an operator brings in: judged on all cores, submitted to the log in the order
//! they came, a batch at a time.

use crate::base::EventId;
use crate::base::limits::IMPORT_BATCH_EVENTS_MAX;
use crate::event::{Envelope, EventFields as _};
use crate::ingest::{Importer, Vetted};
use crate::log::{Append, LogClient, Outcome, Page, QueryError, Submission, Ticket};
use crate::store::Store;
use crossbeam_channel::{Sender, unbounded};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// Refusals of a batch that are told one by one; the others are counted.
const REFUSALS_TOLD_MAX: usize = 20;

/// Where an event stands in its batch, and its id.
type Place = (usize, EventId);

/// The way in.
pub(super) struct Import {
    store: Arc<Store>,
    /// One for each thread; a batch takes all of them.
    importers: Mutex<Vec<Importer>>,
    content_bytes_max: usize,
}

impl Import {
    /// A way into this store, for as many threads as there are cores.
    pub(super) fn new(store: Arc<Store>, content_bytes_max: usize) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let importers = Mutex::new((0..threads).map(|_| Importer::new()).collect());
        Import { store, importers, content_bytes_max }
    }

    /// Takes a batch: each event as its length, u32, and its bytes. Says what became of them when
    /// they are as durable as any commit. Batches of several callers come one after the other.
    ///
    /// # Errors
    /// A batch that is cut off or too large, of which nothing was taken; a store that does not
    /// store, of which some may have been.
    pub(super) fn take(&self, batch: &[u8]) -> Result<Value, String> {
        let wires = split(batch)?;
        let mut importers = self.importers.lock().unwrap_or_else(PoisonError::into_inner);
        let vetted = self.judge(&mut importers, &wires);
        let mut told = Told::default();
        let accepted: Vec<(usize, Envelope)> = vetted
            .into_iter()
            .enumerate()
            .filter_map(|(at, vetted)| match vetted {
                Ok(envelope) => Some((at, envelope)),
                Err((id, reason)) => {
                    told.refuse(at, id, &reason.to_string());
                    None
                }
            })
            .collect();
        for ((at, id), outcome) in self.submit(accepted)? {
            match outcome {
                Outcome::Stored(_) => told.stored += 1,
                Outcome::Duplicate => told.duplicates += 1,
                Outcome::Deleted => {
                    told.deleted += 1;
                    told.refuse(at, Some(id), &crate::base::Reason::Deleted.to_string());
                }
                Outcome::Failed => return Err(crate::base::Reason::WriteFailed.to_string()),
                Outcome::Full => return Err(crate::base::Reason::DiskFull.to_string()),
            }
        }
        Ok(told.json())
    }

    fn judge(&self, importers: &mut [Importer], wires: &[&[u8]]) -> Vec<Vetted> {
        let share = wires.len().div_ceil(importers.len()).max(1);
        let most = self.content_bytes_max;
        std::thread::scope(|scope| {
            let parts = wires.chunks(share).zip(importers);
            let threads: Vec<_> =
                parts.map(|(part, importer)| scope.spawn(move || importer.judge(part, most))).collect();
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(vetted) => vetted,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.flatten().collect()
        })
    }

    /// What became of each, by its place and id.
    fn submit(&self, events: Vec<(usize, Envelope)>) -> Result<Vec<(Place, Outcome)>, String> {
        let (sender, answers) = unbounded();
        let client: Arc<dyn LogClient> = Arc::new(Waiter(sender));
        let places: Vec<Place> = events.iter().map(|(at, event)| (*at, *event.id())).collect();
        let submissions = events.into_iter().enumerate();
        let submissions =
            submissions.map(|(n, (_, envelope))| Submission { ticket: Ticket(n as u64), envelope }).collect();
        self.store.submit(&client, submissions);
        drop(client);
        let mut outcomes = Vec::with_capacity(places.len());
        while outcomes.len() < places.len() {
            let some = answers.recv().map_err(|_| "the log is closed".to_owned())?;
            outcomes.extend(some.into_iter().map(|(Ticket(n), outcome)| (places[n as usize], outcome)));
        }
        Ok(outcomes)
    }
}

/// Hands the log's answers to the thread that waits for them.
struct Waiter(Sender<Vec<(Ticket, Outcome)>>);

impl LogClient for Waiter {
    fn outcomes(&self, outcomes: Vec<(Ticket, Outcome)>) {
        // Whoever waits is gone only if the log was closed under him.
        let _ = self.0.send(outcomes);
    }

    fn page(&self, _: Ticket, _: Result<Page, QueryError>) {}
}

#[derive(Default)]
struct Told {
    stored: u64,
    duplicates: u64,
    deleted: u64,
    refused: u64,
    refusals: Vec<Value>,
}

impl Told {
    fn refuse(&mut self, at: usize, id: Option<EventId>, why: &str) {
        self.refused += 1;
        if self.refusals.len() < REFUSALS_TOLD_MAX {
            self.refusals.push(json!({ "at": at, "id": id.map(|id| id.to_hex()), "why": why }));
        }
    }

    fn json(&self) -> Value {
        let Told { stored, duplicates, deleted, refused, refusals } = self;
        json!({ "stored": stored, "duplicates": duplicates, "deleted": deleted, "refused": refused, "refusals": refusals })
    }
}

fn split(batch: &[u8]) -> Result<Vec<&[u8]>, String> {
    let (mut rest, mut wires) = (batch, Vec::new());
    while !rest.is_empty() {
        let cut = || "batch: it ends in the middle of an event".to_owned();
        let (len, behind) = rest.split_first_chunk().ok_or_else(cut)?;
        let (wire, behind) = behind.split_at_checked(u32::from_be_bytes(*len) as usize).ok_or_else(cut)?;
        wires.push(wire);
        rest = behind;
        if wires.len() > IMPORT_BATCH_EVENTS_MAX {
            return Err(format!("batch: more than {IMPORT_BATCH_EVENTS_MAX} events"));
        }
    }
    Ok(wires)
}

//! The way from an agent's state to the relay's allowlist: registered keys are allowed at once,
//! suspended and replaced ones removed.
//!
//! The wish is written with the change (`door_pending`) and carried out after the commit, before
//! the answer; what a crash left is carried out at the next start. Carrying out twice is harmless.

use super::db::{Database, Tx};
use super::ports::RelayDoor;
use super::{Context, Fault};
use crate::base::limits::NAME_BYTES_MAX;
use crate::base::{KeyOverrides, PubKey};
use crate::ingest::{Allowlist, Keys, ListedKey};
use crate::log::Role;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

/// What a registered agent may do on the relay.
const AGENT_ROLE: Role = Role::Agent;

/// Answers that wait for the door. More are given at once; the door follows.
const QUEUE_MAX: usize = 1_024;
/// Keys looked at in one read.
const BATCH_MAX: i64 = 256;

/// The relay's own allowlist as [`RelayDoor`].
pub struct IngestDoor {
    keys: Arc<Keys>,
    allowlist: Arc<Allowlist>,
}

impl IngestDoor {
    /// The door of a running relay.
    pub fn new(keys: Arc<Keys>, allowlist: Arc<Allowlist>) -> Self {
        IngestDoor { keys, allowlist }
    }
}

impl RelayDoor for IngestDoor {
    fn admit(&self, key: &PubKey, name: &str) -> Result<(), String> {
        if self.allowlist.role(key).is_some() {
            return Ok(());
        }
        let mut end = name.len().min(NAME_BYTES_MAX);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let limits = KeyOverrides::default();
        self.keys.add(*key, AGENT_ROLE, &name[..end], limits).map_err(|error| error.to_string())
    }

    fn expel(&self, key: &PubKey) -> Result<(), String> {
        match self.allowlist.role(key) {
            None | Some(Role::Admin) => Ok(()),
            Some(_) => self.keys.remove(key).map(drop).map_err(|error| error.to_string()),
        }
    }

    fn allowed(&self, key: &PubKey) -> bool {
        self.allowlist.role(key).is_some()
    }

    fn is_admin(&self, key: &PubKey) -> bool {
        self.allowlist.role(key) == Some(Role::Admin)
    }

    fn list(&self) -> Vec<ListedKey> {
        self.keys.list()
    }

    fn allow(&self, key: &PubKey, role: Role, name: &str) -> Result<(), String> {
        let known = self.keys.list().into_iter().find(|listed| listed.pubkey == *key);
        let limits = known.map(|listed| listed.limits).unwrap_or_default();
        self.keys.add(*key, role, name, limits).map_err(|error| error.to_string())
    }

    fn remove(&self, key: &PubKey) -> Result<bool, String> {
        self.keys.remove(key).map_err(|error| error.to_string())
    }
}

/// Called when the door has been told.
type Then = Box<dyn FnOnce() + Send>;

/// The thread that tells the door. Copies share it.
#[derive(Clone)]
pub(super) struct Porter {
    queue: Sender<Option<Then>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Porter {
    pub fn start(context: &Arc<Context>, database: &Arc<Database>) -> std::io::Result<Porter> {
        let (queue, tasks) = bounded(QUEUE_MAX);
        let (door, database) = (Arc::clone(&context.ports.relay), Arc::clone(database));
        let body = move || serve(&*door, &database, &tasks);
        let thread = std::thread::Builder::new().name("axon-gather-d".to_owned()).spawn(body)?;
        Ok(Porter { queue, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Carries out what is pending, then calls `then`, on the porter's thread. Never blocks.
    pub fn carry_out(&self, then: impl FnOnce() + Send + 'static) {
        if let Err(refused) = self.queue.try_send(Some(Box::new(then)))
            && let Some(then) = refused.into_inner()
        {
            then();
        }
    }

    pub fn close(&self) {
        // An error means that the thread has ended.
        let _ = self.queue.send(None);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("gather's porter panicked");
        }
    }
}

fn serve(door: &dyn RelayDoor, database: &Database, tasks: &Receiver<Option<Then>>) {
    while let Ok(Some(first)) = tasks.recv() {
        let mut waiting = vec![first];
        let mut stop = false;
        while let Ok(task) = tasks.try_recv() {
            match task {
                Some(then) => waiting.push(then),
                None => stop = true,
            }
        }
        // What fails stays pending and is tried with the next change; what is left when Gather stops,
        // at its next start.
        while let Ok(true) = one_batch(door, database) {
            for task in tasks.try_iter() {
                match task {
                    Some(then) => waiting.push(then),
                    None => stop = true,
                }
            }
            if stop {
                break;
            }
        }
        waiting.into_iter().for_each(|then| then());
        if stop {
            return;
        }
    }
}

/// A key, and what the relay should think of it.
struct Pending {
    key: PubKey,
    name: String,
    allowed: bool,
}

/// Tells the door of some keys; whether there may be more.
fn one_batch(door: &dyn RelayDoor, database: &Database) -> Result<bool, Fault> {
    let pending = wait(|done| database.read(pending, done))?;
    let mut told = Vec::new();
    for Pending { key, name, allowed } in pending {
        let done = if allowed { door.admit(&key, &name) } else { door.expel(&key) };
        match done {
            Ok(()) => told.push((key, allowed)),
            Err(error) => tracing::error!(%key, error, "the relay's allowlist could not be changed"),
        }
    }
    let more = told.len() as i64 == BATCH_MAX;
    if !told.is_empty() {
        wait(|done| database.write(move |tx| settle(tx, &told), move |result, _| done(result)))?;
    }
    Ok(more)
}

fn pending(db: &super::Db<'_>) -> Result<Vec<Pending>, Fault> {
    let sql = "SELECT pubkey, name, suspended = 0 FROM agents WHERE door_pending = 1
               UNION ALL SELECT pubkey, '', 0 FROM old_keys WHERE door_pending = 1 LIMIT ?1";
    db.all(sql, [BATCH_MAX], |row| {
        Ok(Pending { key: PubKey(row.get(0)?), name: row.get(1)?, allowed: row.get(2)? })
    })
}

fn settle(tx: &Tx<'_>, told: &[(PubKey, bool)]) -> Result<(), Fault> {
    for (key, allowed) in told {
        // Only if the wish is still the one that was carried out.
        let sql = "UPDATE agents SET door_pending = 0 WHERE pubkey = ?1 AND suspended = ?2";
        tx.run(sql, (key.0, !allowed))?;
        tx.run("UPDATE old_keys SET door_pending = 0 WHERE pubkey = ?1", [key.0])?;
    }
    Ok(())
}

/// Waits for an answer of the database; only the porter's own thread may.
fn wait<T: Send + 'static>(ask: impl FnOnce(Box<dyn FnOnce(Result<T, Fault>) + Send>)) -> Result<T, Fault> {
    let (done, answer) = mpsc::channel();
    // The receiver waits below; it cannot be gone.
    ask(Box::new(move |result| drop(done.send(result))));
    answer.recv().unwrap_or_else(|_| Err(Fault::internal("the database ended")))
}

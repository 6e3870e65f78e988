//! The way from an agent's state to the relay's allowlist: registered keys are allowed at once,
//! suspended and replaced ones removed.
//!
//! The wish is written with the change (`door_pending`) and carried out after the commit, before
//! the answer: a change that was answered is in force. If the door cannot be told the answer is 503,
//! and the porter tries again by itself; what a crash left is carried out at the next start. Carrying
//! out twice is harmless.

use super::db::Database;
use super::ports::RelayDoor;
use super::{Context, Db, Fault, Tx};
use crate::base::limits::NAME_BYTES_MAX;
use crate::base::{KeyOverrides, PubKey};
use crate::ingest::{Allowlist, Keys, ListedKey};
use crate::log::Role;
use crossbeam_channel::{Receiver, RecvTimeoutError, SendError, Sender, unbounded};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a registered agent may do on the relay.
const AGENT_ROLE: Role = Role::Agent;

/// Answers that wait for the door: at a disk sync each, a few seconds. What would be one more is
/// refused before anything of it is written.
const WAITING_MAX: usize = 1_024;
/// After how many seconds it makes sense to try again, for who was refused and for the porter.
const RETRY_SECONDS: u32 = 2;
const RETRY: Duration = Duration::from_secs(RETRY_SECONDS as u64);
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

/// Called when the door has been told, or could not be.
type Then = Box<dyn FnOnce(Result<(), Fault>) + Send>;

/// How many answers wait for the door.
#[derive(Debug, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Waiting {
    /// One more, unless there are [`WAITING_MAX`].
    ///
    /// # Errors
    /// 503.
    pub fn enter(&self) -> Result<Place, Fault> {
        let place = self.join();
        if place.0.load(Ordering::SeqCst) > WAITING_MAX {
            let text = "too many changes wait for the relay's allowlist; nothing was done, try again";
            return Err(Fault::unavailable(text, RETRY_SECONDS));
        }
        Ok(place)
    }

    /// One more in any case; for whoever is there but once.
    pub fn join(&self) -> Place {
        self.0.fetch_add(1, Ordering::SeqCst);
        Place(Arc::clone(&self.0))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The thread that tells the door. Copies share it.
#[derive(Clone)]
pub(super) struct Porter {
    /// Bounded by the places.
    queue: Sender<Option<(Place, Then)>>,
    closing: Arc<AtomicBool>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Porter {
    /// Begins with what a crash left.
    pub fn start(context: &Arc<Context>, database: &Arc<Database>) -> std::io::Result<Porter> {
        let (queue, tasks) = unbounded();
        let (door, database) = (Arc::clone(&context.ports.relay), Arc::clone(database));
        let closing = Arc::<AtomicBool>::default();
        let duty = Duty { door, database, closing: Arc::clone(&closing) };
        let body = move || duty.serve(&tasks);
        let thread = std::thread::Builder::new().name("axon-gather-d".to_owned()).spawn(body)?;
        Ok(Porter { queue, closing, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Carries out what is pending, then calls `then`, on the porter's thread. Never blocks.
    pub fn carry_out(&self, place: Place, then: impl FnOnce(Result<(), Fault>) + Send + 'static) {
        if let Err(SendError(Some((_, then)))) = self.queue.send(Some((place, Box::new(then)))) {
            then(Err(not_told()));
        }
    }

    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        // An error means that the thread has ended.
        let _ = self.queue.send(None);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("gather's porter panicked");
        }
    }
}

/// Whether the door is still to be told of something.
///
/// # Errors
/// The database's.
pub(super) fn is_behind(db: &Db<'_>) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT 1 FROM agents WHERE door_pending = 1)
                   OR EXISTS (SELECT 1 FROM old_keys WHERE door_pending = 1)";
    Ok(db.number(sql, [])? != 0)
}

fn not_told() -> Fault {
    let text = "this is stored, but the relay's allowlist could not be told of it yet; that is tried again until it can";
    Fault::unavailable(text, RETRY_SECONDS)
}

/// What the porter's thread works with.
struct Duty {
    door: Arc<dyn RelayDoor>,
    database: Arc<Database>,
    closing: Arc<AtomicBool>,
}

impl Duty {
    fn serve(&self, tasks: &Receiver<Option<(Place, Then)>>) {
        let mut told = self.tell();
        let mut open = true;
        while open {
            let next = match told {
                Ok(()) => tasks.recv().map_err(RecvTimeoutError::from),
                Err(_) => tasks.recv_timeout(RETRY),
            };
            if matches!(next, Err(RecvTimeoutError::Disconnected)) {
                return;
            }
            let asked: Vec<_> = next.into_iter().chain(tasks.try_iter()).collect();
            open = asked.iter().all(Option::is_some);
            // Their rows are on disk: this round tells of them. What is left when Gather stops is
            // told at its next start.
            told = self.tell();
            asked.into_iter().flatten().for_each(|(_, then)| then(told.clone()));
        }
        tasks.try_iter().flatten().for_each(|(_, then)| then(Err(not_told())));
    }

    /// Tells the door of everything that is pending; what fails stays pending.
    fn tell(&self) -> Result<(), Fault> {
        loop {
            // Whatever went wrong stands in the log; who waits learns what it means for him.
            let more = self.tell_some().map_err(|_| not_told())?;
            if !more {
                return Ok(());
            }
            if self.closing.load(Ordering::SeqCst) {
                return Err(not_told());
            }
        }
    }

    /// Tells the door of some keys; whether there may be more.
    fn tell_some(&self) -> Result<bool, Fault> {
        let pending = wait(|done| self.database.read(pending, done))?;
        let (mut told, mut failed) = (Vec::new(), None);
        let more = pending.len() as i64 == BATCH_MAX;
        for Pending { key, name, allowed } in pending {
            let done = if allowed { self.door.admit(&key, &name) } else { self.door.expel(&key) };
            match done {
                Ok(()) => told.push((key, allowed)),
                Err(error) => failed = Some((key, error)),
            }
        }
        let mut settled = Ok(());
        if !told.is_empty() {
            settled =
                wait(|done| self.database.write(move |tx| settle(tx, &told), move |result, _| done(result)));
        }
        match failed {
            // What was told and could not be noted is told again some time. Here it would be at once.
            None if more => settled.map(|()| true),
            None => Ok(false),
            Some((key, error)) => {
                tracing::error!(%key, error, "the relay's allowlist could not be changed");
                Err(not_told())
            }
        }
    }
}

/// A key, and what the relay should think of it.
struct Pending {
    key: PubKey,
    name: String,
    allowed: bool,
}

fn pending(db: &Db<'_>) -> Result<Vec<Pending>, Fault> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;
    use crate::gather::idempotency::{self, Kept, Repeatable};
    use crate::gather::tests::{NoDoor, options, ports, read, write};
    use crate::gather::{FaultKind, Gather};
    use std::collections::HashSet;
    use std::path::Path;

    /// A door that can be kept shut, or broken.
    #[derive(Default)]
    struct Trying {
        shut: Mutex<()>,
        broken: AtomicBool,
        let_in: Mutex<HashSet<PubKey>>,
    }

    impl RelayDoor for Trying {
        fn admit(&self, key: &PubKey, _: &str) -> Result<(), String> {
            let _open = self.shut.lock().unwrap();
            if self.broken.load(Ordering::SeqCst) {
                return Err("disk full".to_owned());
            }
            self.let_in.lock().unwrap().insert(*key);
            Ok(())
        }

        fn allowed(&self, key: &PubKey) -> bool {
            self.let_in.lock().unwrap().contains(key)
        }

        fn expel(&self, key: &PubKey) -> Result<(), String> {
            NoDoor.expel(key)
        }

        fn is_admin(&self, key: &PubKey) -> bool {
            NoDoor.is_admin(key)
        }

        fn list(&self) -> Vec<ListedKey> {
            NoDoor.list()
        }

        fn allow(&self, key: &PubKey, role: Role, name: &str) -> Result<(), String> {
            NoDoor.allow(key, role, name)
        }

        fn remove(&self, key: &PubKey) -> Result<bool, String> {
            NoDoor.remove(key)
        }
    }

    fn start(dir: &Path, door: &Arc<Trying>) -> Gather {
        let ports = super::super::ports::Ports { relay: Arc::clone(door) as Arc<dyn RelayDoor>, ..ports() };
        Gather::start(dir, options(), ports, Clock::new()).unwrap()
    }

    fn key(n: usize) -> PubKey {
        let mut key = [0; 32];
        key[24..].copy_from_slice(&(n as u64).to_be_bytes());
        PubKey(key)
    }

    fn enrol(tx: &Tx<'_>, n: usize) -> Result<(), Fault> {
        let sql = "INSERT INTO agents (id, name, public_key, pubkey, fingerprint, door_pending, created)
                   VALUES (?1, ?1, '', ?2, ?1, 1, 0)";
        tx.run(sql, (format!("agent{n}"), key(n).0))?;
        tx.then_door()
    }

    fn agents(gather: &Gather) -> i64 {
        read(gather, |db| db.number("SELECT count(*) FROM agents", [])).unwrap()
    }

    #[test]
    fn a_change_that_is_answered_is_in_force_and_one_too_many_is_not_begun() {
        const TOO_MANY: usize = 9;
        let (dir, door) = (tempfile::tempdir().unwrap(), Arc::<Trying>::default());
        let gather = start(dir.path(), &door);
        let shut = door.shut.lock().unwrap();
        let (done, answers) = mpsc::channel();
        for n in 0..WAITING_MAX + TOO_MANY {
            let (done, door) = (done.clone(), Arc::clone(&door));
            let answer = move |result| done.send((n, result, door.allowed(&key(n)))).unwrap();
            gather.write(move |tx| enrol(tx, n), answer);
        }
        let refused: Vec<_> = answers.iter().take(TOO_MANY).collect();
        for (n, result, allowed) in refused {
            let fault: Fault = result.unwrap_err();
            assert!(n >= WAITING_MAX && !allowed);
            assert_eq!((fault.kind, fault.retry_seconds), (FaultKind::Unavailable, Some(RETRY_SECONDS)));
            assert!(fault.detail.contains("nothing was done"), "{}", fault.detail);
        }
        assert_eq!(agents(&gather), WAITING_MAX as i64);
        drop(shut);
        for (n, result, allowed) in answers.iter().take(WAITING_MAX) {
            assert_eq!((result, allowed), (Ok(()), true), "{n}");
        }
        assert_eq!(write(&gather, |tx| enrol(tx, WAITING_MAX)), Ok(()), "there is room again");
        gather.close();
    }

    #[test]
    fn what_the_door_was_not_told_is_answered_503_until_it_is() {
        let (dir, door) = (tempfile::tempdir().unwrap(), Arc::<Trying>::default());
        let gather = start(dir.path(), &door);
        door.broken.store(true, Ordering::SeqCst);
        let asked = Repeatable { scope: "register".to_owned(), key: "k".to_owned(), request: [0; 32] };
        let again = asked.clone();
        let ask = move |tx: &Tx<'_>| {
            if idempotency::find_again(tx, &again)?.is_none() {
                enrol(tx, 1)?;
                idempotency::keep(tx, &again, &Kept { status: 201, answer: Vec::new() })?;
            }
            Ok(())
        };
        for _ in 0..2 {
            let fault = write(&gather, ask.clone()).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unavailable);
            assert!(fault.detail.contains("this is stored"), "{}", fault.detail);
        }
        assert_eq!(agents(&gather), 1);
        door.broken.store(false, Ordering::SeqCst);
        assert_eq!((write(&gather, ask), door.allowed(&key(1))), (Ok(()), true));
        gather.close();
    }

    #[test]
    fn the_porter_tries_again_without_being_asked() {
        let (dir, door) = (tempfile::tempdir().unwrap(), Arc::<Trying>::default());
        let gather = start(dir.path(), &door);
        door.broken.store(true, Ordering::SeqCst);
        assert!(write(&gather, |tx| enrol(tx, 1)).is_err());
        door.broken.store(false, Ordering::SeqCst);
        for _ in 0..60_000 {
            if !read(&gather, is_behind).unwrap() {
                assert!(door.allowed(&key(1)));
                return gather.close();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("the door is not told");
    }
}

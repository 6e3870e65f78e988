//! The administration of keys.

use super::*;
use crate::base::{EventId, LogId};
use crate::log::{Append, CommitSink, CommittedBatch, KeyRow, KeyStore, LogClient, MemLog, Submission};
use std::sync::Mutex;

/// Writes down, in order, everything administration does to its neighbours.
#[derive(Default)]
pub(super) struct Diary {
    lines: Mutex<Vec<String>>,
    allowlist: Mutex<Option<Arc<Allowlist>>>,
    fail_writes: bool,
    log_stopped: bool,
}

impl Diary {
    pub(super) fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    fn allowed(&self, pubkey: &PubKey) -> bool {
        self.allowlist.lock().unwrap().as_ref().unwrap().role(pubkey).is_some()
    }
}

impl KeyStore for Diary {
    fn keys(&self) -> Result<Vec<KeyRow>, String> {
        Ok(Vec::new())
    }
    fn put_key(&self, row: &KeyRow) -> Result<(), String> {
        if self.fail_writes {
            return Err("disk full".to_owned());
        }
        self.note(format!("row {:?}, allowed before: {}", row.role, self.allowed(&row.pubkey)));
        Ok(())
    }
}

impl Publishers for Diary {
    fn quiesce(&self) {
        self.note(format!("quiesce, key 1 allowed: {}", self.allowed(&pubkey(1))));
    }
    fn keys_changed(&self, changes: &Arc<KeyChanges>) {
        let number = |key: &PubKey| (1..=9).find(|n| pubkey(*n) == *key).unwrap();
        let told = changes.iter().map(|(key, pass)| (number(key), pass.as_ref().map(|pass| pass.role())));
        let told: std::collections::BTreeMap<u8, Option<Role>> = told.collect();
        let told: Vec<String> = told.iter().map(|(n, role)| format!("{n} {role:?}")).collect();
        self.note(format!("changed {}", told.join(", ")));
    }
}

impl CommitSink for Diary {
    fn committed(&self, _: &Arc<CommittedBatch>) {}
}

/// A log whose barrier is noted, and answered from another thread.
struct NotingLog(MemLog, Arc<Diary>);

impl Append for NotingLog {
    fn submit(&self, client: &Arc<dyn LogClient>, batch: Vec<Submission>) {
        self.0.submit(client, batch);
    }
    fn barrier(&self, done: Box<dyn FnOnce() + Send>) {
        let diary = Arc::clone(&self.1);
        std::thread::spawn(move || {
            diary.note("barrier".to_owned());
            if !diary.log_stopped {
                done();
            }
        });
    }
}

pub(super) fn keys_over(diary: Diary) -> (Keys, Arc<Diary>, Arc<Allowlist>) {
    let config = vec![grant(pubkey(1), Role::Member), grant(pubkey(2), Role::Auditor)];
    let allowlist = Arc::new(Allowlist::new(Rules::default(), config, Vec::new()));
    let diary = Arc::new(diary);
    *diary.allowlist.lock().unwrap() = Some(Arc::clone(&allowlist));
    let log = MemLog::new(LogId([1; 16]), Arc::clone(&diary) as Arc<dyn CommitSink>);
    let log = Arc::new(NotingLog(log, Arc::clone(&diary)));
    let store = Arc::clone(&diary) as Arc<dyn KeyStore>;
    let publishers = Arc::clone(&diary) as Arc<dyn Publishers>;
    (Keys::new(Arc::clone(&allowlist), store, log, publishers), diary, allowlist)
}

#[test]
fn a_removal_is_written_then_in_force_then_settled_then_told() {
    let (keys, diary, allowlist) = keys_over(Diary::default());
    assert_eq!(keys.remove(&pubkey(1)), Ok(true));
    assert_eq!(
        diary.take(),
        [
            "row None, allowed before: true",
            "quiesce, key 1 allowed: false",
            "barrier",
            "changed 1 None",
            "quiesce, key 1 allowed: false",
        ]
    );
    assert_eq!(allowlist.role(&pubkey(1)), None);
    assert_eq!(keys.remove(&pubkey(1)), Ok(false));
    assert_eq!(keys.remove(&pubkey(9)), Ok(false));
    assert!(diary.take().is_empty());
}

#[test]
fn an_added_key_is_allowed_and_a_changed_role_is_told() {
    let (keys, diary, allowlist) = keys_over(Diary::default());
    keys.add(pubkey(3), Role::Member, "three", KeyOverrides::default()).unwrap();
    assert_eq!(diary.take(), ["row Some(Member), allowed before: false", "changed 3 Some(Member)"]);
    keys.add(pubkey(3), Role::Member, "drei", KeyOverrides::default()).unwrap();
    assert_eq!(diary.take(), ["row Some(Member), allowed before: true"]);
    keys.add(pubkey(2), Role::Admin, "two", KeyOverrides::default()).unwrap();
    let told = ["row Some(Admin), allowed before: true", "changed 2 Some(Admin)"];
    assert_eq!(diary.take(), [&told[..], &["quiesce, key 1 allowed: true"]].concat(), "and it has arrived");
    let list = keys.list();
    assert!(list.is_sorted_by_key(|entry| entry.pubkey) && list.len() == allowlist.len());
    let three = list.iter().find(|entry| entry.pubkey == pubkey(3)).unwrap();
    assert_eq!((three.name.as_str(), three.source), ("drei", Source::Database));
    let one = list.iter().find(|entry| entry.pubkey == pubkey(1)).unwrap();
    assert_eq!((one.role, one.source), (Role::Member, Source::Config));
}

#[test]
fn a_failed_write_changes_nothing() {
    let (keys, diary, allowlist) = keys_over(Diary { fail_writes: true, ..Diary::default() });
    let failed = Err(KeysError::Store("disk full".to_owned()));
    assert_eq!(keys.remove(&pubkey(1)).map(|_| ()), failed);
    assert_eq!(keys.add(pubkey(3), Role::Member, "", KeyOverrides::default()), failed);
    assert_eq!(
        keys.add(pubkey(3), Role::Member, &"x".repeat(257), KeyOverrides::default()),
        Err(KeysError::NameTooLong { have: 257 })
    );
    assert!(diary.take().is_empty());
    assert!(allowlist.role(&pubkey(1)).is_some() && allowlist.role(&pubkey(3)).is_none());
}

#[test]
fn a_log_that_stops_is_reported_and_the_key_is_out_nevertheless() {
    let (keys, diary, allowlist) = keys_over(Diary { log_stopped: true, ..Diary::default() });
    assert_eq!(keys.remove(&pubkey(1)), Err(KeysError::LogStopped));
    assert!(diary.take().contains(&"changed 1 None".to_owned()));
    assert_eq!(allowlist.role(&pubkey(1)), None);
}

#[test]
fn a_removal_in_the_database_wins_over_the_file() {
    let removal =
        KeyRow { pubkey: pubkey(1), role: None, name: String::new(), limits: KeyOverrides::default() };
    let config = vec![grant(pubkey(1), Role::Member), grant(pubkey(2), Role::Member)];
    let allowlist = Allowlist::new(Rules::default(), config, vec![removal]);
    assert_eq!(allowlist.role(&pubkey(1)), None);
    assert_eq!(allowlist.role(&pubkey(2)), Some(Role::Member));
}

#[test]
fn a_removed_author_is_refused_from_the_next_batch_on() {
    let (keys, _, allowlist) = keys_over(Diary::default());
    let mut door = Door::new(Arc::new(Gate::new(allowlist, Limits::default(), Vec::new())));
    let wire = sign(&builder(1000, NOW, b"x"), 1);
    assert_eq!(judge_one(&mut door, NOW, wire.clone()), Ok("stored"));
    keys.remove(&pubkey(1)).unwrap();
    assert_eq!(judge_one(&mut door, NOW, wire.clone()), Err(Reason::AuthorNotAllowed));
    let id = match judge(&mut door, NOW, std::slice::from_ref(&wire)).remove(0) {
        Verdict::Refused { id, .. } => id,
        other => panic!("{other:?}"),
    };
    assert!(id.is_some_and(|EventId(id)| wire.windows(32).any(|bytes| bytes == id)));
}

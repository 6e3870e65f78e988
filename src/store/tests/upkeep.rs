//! The check finds every fault that is planted; a backup brings everything back.

use super::crash::{check_every_filter, numbered};
use super::*;
use crate::event::EventFields;
use families::{Family, block_row, row_key};
use std::path::Path;

pub(super) fn how() -> CheckOptions<'static> {
    CheckOptions { deep: None, threads: 2, progress: &|_, _| {} }
}

pub(super) fn check_now(options: &StoreOptions) -> CheckReport {
    check(options, &options.dir.join("log"), &how()).unwrap()
}

fn filled(dir: &Path, events: u64) -> StoreOptions {
    let options = small(dir);
    let store = open(&options).unwrap();
    let asker = Asker::new();
    asker.append(&store, &(0..events).map(numbered).collect::<Vec<_>>());
    store.close().unwrap();
    options
}

/// What is done to a sound store, and what the check must say of it.
type Fault = (fn(&Database, families::Prefixes), &'static str, &'static str);

const FAULTS: &[Fault] = &[
    (|db, _| db.raw().delete_cf(db.cf(Family::Ids), numbered(6).id().0).unwrap(), "ids", "missing"),
    (
        |db, _| db.raw().put_cf(db.cf(Family::Ids), numbered(6).id().0, 9u64.to_be_bytes()).unwrap(),
        "ids",
        "wrong value",
    ),
    (
        |db, prefixes| {
            let key = row_key(prefixes.tag("t", "t6"), 7).to_be_bytes();
            db.raw().delete_cf(db.cf(Family::Tag), key).unwrap();
        },
        "tag",
        "missing",
    ),
    (
        |db, _| {
            let key = row_key(1_234, 5).to_be_bytes();
            db.raw().put_cf(db.cf(Family::Kind), key, 1_234u16.to_be_bytes()).unwrap();
        },
        "kind",
        "1 rows stand for no event",
    ),
    (
        |db, _| db.raw().delete_cf(db.cf(Family::Log), 7u64.to_be_bytes()).unwrap(),
        "log",
        "positions 7 to 7 hold no event",
    ),
    (
        |db, _| db.raw().put_cf(db.cf(Family::Log), 7u64.to_be_bytes(), b"no event").unwrap(),
        "log",
        "does not parse",
    ),
    (
        |db, _| db.raw().put_cf(db.cf(Family::Blocks), 0u64.to_be_bytes(), block_row(0, 1)).unwrap(),
        "blocks",
        "its events say",
    ),
    (|db, _| db.raw().put_cf(db.cf(Family::Keys), [7; 32], [9]).unwrap(), "keys", "damaged"),
];

#[test]
fn the_check_finds_every_planted_fault() {
    let dir = tempfile::tempdir().unwrap();
    let sound = filled(&dir.path().join("sound"), 100);
    let report = check_now(&sound);
    assert_eq!((report.findings, report.events, report.head), (Vec::new(), 100, Seq(100)));
    assert_eq!(report.rows, 100 * 5, "an id and four index rows each");
    for (number, (plant, about, what)) in FAULTS.iter().enumerate() {
        let options = small(&dir.path().join(number.to_string()));
        std::fs::create_dir_all(options.dir.join("log")).unwrap();
        for entry in std::fs::read_dir(sound.dir.join("log")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, options.dir.join("log").join(path.file_name().unwrap())).unwrap();
        }
        let db = Database::open(&options).unwrap();
        plant(&db, families::Prefixes::new(Meta::peek(&db).unwrap().hash_key));
        drop(db);
        let found = check_now(&options).findings;
        let hit = found.iter().any(|f| f.about == *about && f.what.contains(what));
        assert!(hit, "{about} {what}: {found:?}");
    }
}

/// A closer look is given every event once, in any order, and what it says is found.
#[test]
fn a_deep_check_sees_every_event() {
    let dir = tempfile::tempdir().unwrap();
    let options = filled(dir.path(), 300);
    let seen = Mutex::new(Vec::new());
    let seen: &'static Mutex<Vec<Seq>> = Box::leak(Box::new(seen));
    let make = || -> Examine {
        Box::new(|events| {
            seen.lock().unwrap().extend(events.iter().map(|(seq, _)| *seq));
            let bad = events.iter().filter(|(seq, _)| seq.0 == 123);
            bad.map(|(seq, _)| (*seq, "forged".to_owned())).collect()
        })
    };
    let how = CheckOptions { deep: Some(&make), ..how() };
    let report = check(&options, &options.dir.join("log"), &how).unwrap();
    let forged = Finding { about: "signature", seq: Some(Seq(123)), what: "forged".to_owned() };
    assert_eq!(report.findings, [forged]);
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    assert_eq!(seen, (1..=300).map(Seq).collect::<Vec<_>>());
}

#[test]
fn a_backup_of_an_open_store_comes_back_whole() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = small(dir.path());
    let (backup_dir, target) = (place.path().join("backup"), small(&place.path().join("restored")));
    let store = open(&options).unwrap();
    let asker = Asker::new();
    let key = dir.path().join("operator.pem");
    std::fs::write(&key, "a key").unwrap();
    let beside = [Beside { name: "operator.pem".to_owned(), path: key, immutable: false }];
    let save = || {
        let checkpoint = store.checkpoint().unwrap();
        let report = backup(&options, &checkpoint, &beside, &backup_dir, &|_, _| {}).unwrap();
        let name = checkpoint.file_name().unwrap().to_str().unwrap();
        store.remove_checkpoint(name).unwrap();
        assert!(!checkpoint.exists());
        report
    };
    asker.append(&store, &(0..200).map(numbered).collect::<Vec<_>>());
    let first = save();
    assert_eq!((first.head, first.copied_files), (Seq(200), first.files));
    asker.append(&store, &(200..300).map(numbered).collect::<Vec<_>>());
    let second = save();
    assert_eq!(second.head, Seq(300));
    assert!(second.copied_files < second.files, "what was there is not copied again: {second:?}");
    let same = save();
    assert!(same.copied_bytes < second.bytes);

    let restored = restore(&backup_dir, &target, &|_, _| {}).unwrap();
    assert_eq!(restored.head, Seq(300));
    assert_ne!(restored.log_id, log_id(&store), "another history begins here");
    assert_eq!(std::fs::read(target.dir.join("operator.pem")).unwrap(), b"a key");
    assert_eq!(check_now(&target).findings, []);
    let again = open(&target).unwrap();
    assert_eq!(log_id(&again), restored.log_id);
    check_every_filter(&again, 300);
    let refused = restore(&backup_dir, &target, &|_, _| {}).err().unwrap();
    assert!(refused.to_string().contains("is not empty"), "{refused}");
}

#[test]
fn a_damaged_backup_is_refused() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = filled(dir.path(), 100);
    backup(&options, &options.dir.join("log"), &[], place.path(), &|_, _| {}).unwrap();
    let files = std::fs::read_dir(place.path().join("files")).unwrap().map(|entry| entry.unwrap().path());
    let table = files.filter(|path| path.extension().is_some_and(|e| e == "sst")).min().unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    bytes[20] ^= 4;
    std::fs::write(&table, bytes).unwrap();
    let refused = restore(place.path(), &small(&dir.path().join("restored")), &|_, _| {}).err().unwrap();
    assert!(refused.to_string().contains("is damaged"), "{refused}");
}

#[test]
fn checkpoints_are_few_and_do_not_outlive_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path())).unwrap();
    let made: Vec<_> = (0..4).map(|_| store.checkpoint().unwrap()).collect();
    assert!(matches!(store.checkpoint(), Err(StoreError::Checkpoints { max: 4 })));
    store.remove_checkpoint("log").unwrap();
    assert!(dir.path().join("log").exists(), "nothing but a checkpoint can be named");
    drop(store);
    drop(open(&small(dir.path())).unwrap());
    assert!(made.iter().all(|path| !path.exists()));
}

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

pub(super) fn filled(dir: &Path, events: u64) -> StoreOptions {
    let options = small(dir);
    let store = open(&options).unwrap();
    let asker = Asker::new();
    asker.append(&store, &(0..events).map(numbered).collect::<Vec<_>>());
    store.close().unwrap();
    options
}

fn into(dir: &Path) -> BackupTarget<'_> {
    BackupTarget { dir, replace: false }
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
        let report = backup(&options, &checkpoint, &beside, &into(&backup_dir), &|_, _| {}).unwrap();
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

/// After a repair a log is another one, and may hold less: what was saved of it stays.
#[test]
fn the_backup_of_another_log_is_replaced_only_when_asked() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (options, to) = (filled(dir.path(), 100), place.path());
    let save = |target| backup(&options, &options.dir.join("log"), &[], &target, &|_, _| {});
    let first = save(into(to)).unwrap();
    let db = Database::open(&options).unwrap();
    Meta::rename(&db).unwrap();
    drop(db);
    let refused = save(into(to)).err().unwrap().to_string();
    assert!(refused.contains("--replace") && refused.contains(&first.log_id.to_hex()), "{refused}");
    let restored = restore(to, &small(&dir.path().join("restored")), &|_, _| {}).unwrap();
    assert_eq!(restored.head, Seq(100), "it is still whole");
    let second = save(BackupTarget { dir: to, replace: true }).unwrap();
    assert_ne!(second.log_id, first.log_id);
    save(into(to)).unwrap();
}

/// Setup: a data directory into which a backup was brought back half-way. Wrong would be: an empty
/// log in it, or one with the name of the old one.
#[test]
fn a_restore_that_was_broken_off_is_refused() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = filled(dir.path(), 100);
    backup(&options, &options.dir.join("log"), &[], &into(place.path()), &|_, _| {}).unwrap();
    let target = small(&dir.path().join("restored"));
    // Killed in the middle: the last file is not there.
    let files = std::fs::read_dir(place.path().join("files")).unwrap().map(|entry| entry.unwrap().path());
    let last = files.max_by_key(|path| path.to_string_lossy().split_once('-').unwrap().1.to_owned()).unwrap();
    std::fs::rename(&last, place.path().join("away")).unwrap();
    assert!(restore(place.path(), &target, &|_, _| {}).is_err());
    std::fs::rename(place.path().join("away"), &last).unwrap();
    for refused in [
        open(&target).err().unwrap(),
        lock(&target).err().unwrap(),
        restore(place.path(), &target, &|_, _| {}).err().unwrap(),
    ] {
        assert!(refused.to_string().contains("was broken off: remove the directory"), "{refused}");
    }
    std::fs::remove_dir_all(&target.dir).unwrap();
    restore(place.path(), &target, &|_, _| {}).unwrap();
    check_every_filter(&open(&target).unwrap(), 100);
}

/// Setup: a repair that was killed between its two renames, on a file system that cannot exchange.
#[test]
fn a_log_that_was_put_aside_is_not_replaced_by_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let options = filled(dir.path(), 100);
    std::fs::rename(dir.path().join("log"), dir.path().join("log.damaged-1")).unwrap();
    let refused = open(&options).err().unwrap().to_string();
    assert!(refused.contains("log.damaged-1") && refused.contains("rename"), "{refused}");
    assert!(!dir.path().join("log").exists());
    std::fs::rename(dir.path().join("log.damaged-1"), dir.path().join("log")).unwrap();
    check_every_filter(&open(&options).unwrap(), 100);
}

#[test]
fn a_damaged_backup_is_refused() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = filled(dir.path(), 100);
    backup(&options, &options.dir.join("log"), &[], &into(place.path()), &|_, _| {}).unwrap();
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

/// Whoever was killed holds nothing any more; who works on one keeps it, however long it takes.
#[test]
fn a_checkpoint_that_nobody_holds_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let options = small(dir.path());
    let store = open(&options).unwrap();
    let [held, left] = [0, 1].map(|_| store.checkpoint().unwrap());
    let holder = hold(&held).unwrap();
    let (checkpoints, now) = (&store.shared.checkpoints, store.shared.clock.now());
    checkpoints.remove_abandoned(&options, now).unwrap();
    assert!(held.exists() && left.exists(), "whoever has just been given one may still take hold of it");
    let later = now.plus(60_000);
    checkpoints.remove_abandoned(&options, later).unwrap();
    assert!(held.exists() && !left.exists());
    assert!(hold(&left).is_err());
    drop(holder);
    checkpoints.remove_abandoned(&options, later).unwrap();
    assert!(!held.exists());
}

#[test]
fn the_census_counts_everything_or_a_part_that_stands_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let block = families::BLOCK_EVENTS;
    let options = filled(dir.path(), 2 * block);
    let counted = |events_max| {
        let how = CensusOptions { events_max, progress: &|_, _| {} };
        census(&options, &options.dir.join("log"), &how).unwrap()
    };
    let all = counted(None);
    let bytes: u64 = (0..2 * block).map(|n| numbered(n).wire_len() as u64).sum();
    assert_eq!((all.is_exact, all.read, all.total), (true, 2 * block, Amount { events: 2 * block, bytes }));
    let of_kind = |kind: u16| (0..2 * block).filter(|n| 1000 + (n % 3) as u16 == kind).count() as u64;
    let kinds: Vec<(u16, u64)> = all.kinds.rows.iter().map(|(kind, amount)| (*kind, amount.events)).collect();
    assert_eq!(kinds, [1000, 1001, 1002].map(|kind| (kind, of_kind(kind))), "largest first");
    assert_eq!((all.authors.rows.len(), all.authors.others), (5, Amount::default()));
    assert_eq!(all.days.rows, [(0, all.total)], "all were made on the first day of the epoch");
    assert_eq!(all.families.len(), families::Family::ALL.len());
    assert!(all.families.iter().any(|family| family.name == "log" && family.disk_bytes > 0));

    let part = counted(Some(1));
    assert_eq!((part.is_exact, part.read, part.total.events), (false, block, 2 * block));
    assert!(part.authors.rows.iter().all(|(_, amount)| amount.events.abs_diff(2 * block / 5) < 3));
    assert_eq!(counted(Some(2 * block)).total, all.total);
}

#[test]
fn the_census_of_an_empty_log_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let options = filled(dir.path(), 0);
    let how = CensusOptions { events_max: Some(9), progress: &|_, _| {} };
    let census = census(&options, &options.dir.join("log"), &how).unwrap();
    assert_eq!((census.is_exact, census.read, census.total), (true, 0, Amount::default()));
}

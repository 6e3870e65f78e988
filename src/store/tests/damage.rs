//! Damaged files: what a crash can tear is left out, everything else is refused, found by the
//! check and cut by the repair.

use super::crash::{EVENTS, check_every_filter, crash, numbered, write_ahead_log};
use super::upkeep::check_now;
use super::*;
use sha2::Digest as _;
use std::fs;
use std::path::{Path, PathBuf};
use wal::End;

fn flip(path: &Path, at: usize, bit: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}

fn end(path: &Path) -> End {
    let files = wal::survey(path.parent().unwrap()).unwrap();
    files.into_iter().find(|file| file.path == path).unwrap().end
}

/// The newest write-ahead log is cut at many lengths, and has one bit flipped in many places:
/// every byte of its end, where RocksDB takes a wrong length for a torn write.
#[test]
fn a_torn_write_and_a_flipped_bit_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    crash(dir.path(), "");
    let path = write_ahead_log(dir.path());
    let whole = fs::read(&path).unwrap();
    assert_eq!(end(&path), End::Whole);
    for len in (whole.len() - 3_000..whole.len()).step_by(41) {
        let (_, end) = wal::scan(&whole[..len]);
        assert!(matches!(end, End::Whole | End::Torn { .. }), "cut to {len}: {end:?}");
    }
    let ending = whole.len() - 1_500..whole.len();
    for at in (0..ending.start).step_by(1_009).chain(ending) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let (_, end) = wal::scan(&bytes);
        assert!(matches!(end, End::Damaged { .. }), "a flip at {at}: {end:?}");
    }
}

#[test]
fn a_flipped_bit_is_refused_by_name_and_cut_by_the_repair() {
    let dir = tempfile::tempdir().unwrap();
    let options = small(dir.path());
    crash(dir.path(), "");
    let before =
        Meta::peek(&Database::open_read_only(&options, &dir.path().join("log")).unwrap()).unwrap().log_id;
    let path = write_ahead_log(dir.path());
    let middle = fs::read(&path).unwrap().len() / 2;
    flip(&path, middle, 0);
    let refused = open(&options).err().expect("a damaged log must not open");
    let StoreError::DamagedFile { file, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*file, path);
    assert!(refused.to_string().contains("axon repair"), "{refused}");
    let found = check_now(&options);
    assert_eq!((found.findings_total, found.findings[0].about), (1, "wal"));

    let how = upkeep::how();
    let trial = repair(&options, &how, true).unwrap();
    assert!(trial.log_id.is_none() && !trial.losses.is_empty());
    assert!(open(&options).is_err(), "a dry run changes nothing");
    let done = repair(&options, &how, false).unwrap();
    assert_eq!((done.head, &done.losses), (trial.head, &trial.losses));
    assert!(done.kept.is_some_and(|kept| kept.join("CURRENT").exists()));
    assert!((1..EVENTS).contains(&done.head.0), "what stood before the damage stays");
    let store = open(&options).unwrap();
    assert_eq!(Some(log_id(&store)), done.log_id);
    assert_ne!(log_id(&store), before);
    check_every_filter(&store, done.head.0);
    drop(store);
    assert_eq!(check_now(&options).findings, []);
}

/// The largest table file, which holds the events.
fn table(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let tables = files.filter(|path| path.extension().is_some_and(|e| e == "sst"));
    tables.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

#[test]
fn a_flipped_bit_in_a_table_is_found_and_cut() {
    let dir = tempfile::tempdir().unwrap();
    let options = small(dir.path());
    let store = open(&options).unwrap();
    // Random content, so that it is not all one compressed block.
    let asker = Asker::new();
    let content = |n: u64| hex::encode(sha2::Sha256::digest(n.to_be_bytes())).repeat(4);
    let events: Vec<_> = (0..600).map(|n| event(1, 1000, n as i64, &[], &content(n))).collect();
    asker.append(&store, &events);
    store.close().unwrap();
    drop(store);
    assert_eq!(check_now(&options).findings, []);
    let path = table(dir.path());
    flip(&path, fs::read(&path).unwrap().len() / 2, 3);
    let found = check_now(&options);
    assert!(found.findings.iter().any(|f| f.about == "log" && f.what.contains(".sst")), "{found:?}");
    let done = repair(&options, &upkeep::how(), false).unwrap();
    assert!((1..600).contains(&done.head.0), "{done:?}");
    assert_eq!(check_now(&options).findings, []);
    let store = open(&options).unwrap();
    let found = asker.all(&store, query(Filter::default(), ReadAccess::All, done.head));
    assert!(found.iter().zip(&events).all(|((_, wire), event)| wire == event.wire()));
    assert_eq!(found.len() as u64, done.head.0);
}

/// RocksDB would make a new database over the files of the old one.
#[test]
fn a_missing_current_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    crash(dir.path(), "");
    fs::remove_file(dir.path().join("log/CURRENT")).unwrap();
    let refused = open(&small(dir.path())).err().expect("no new log over the old one");
    assert!(refused.to_string().contains("CURRENT"), "{refused}");
}

#[test]
fn a_flipped_bit_in_the_manifest_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    crash(dir.path(), "");
    let files = fs::read_dir(dir.path().join("log")).unwrap().map(|entry| entry.unwrap().path());
    let manifest = files.filter(|path| path.to_string_lossy().contains("MANIFEST")).max().unwrap();
    flip(&manifest, fs::read(&manifest).unwrap().len() / 2, 5);
    let refused = open(&small(dir.path())).err().expect("a damaged manifest must not open");
    assert!(refused.to_string().contains("MANIFEST"), "{refused}");
    assert_eq!(check_now(&small(dir.path())).findings[0].about, "files");
}

/// A log whose last answered events are gone is no log to go on with.
#[test]
fn a_reopened_log_must_hold_what_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path())).unwrap();
    let asker = Asker::new();
    asker.append(&store, &(0..20).map(numbered).collect::<Vec<_>>());
    let again = |answered| store.shared.reopen(|| mend::open_again(&store.shared, Seq(answered)));
    assert!(again(20).unwrap().unanswered.is_none());
    let late = again(17).unwrap().unanswered.expect("three that were never answered");
    assert_eq!((late.first, late.events.len()), (Seq(18), 3));
    store.shared.database().unwrap().delete_synced(families::Family::Log, &20u64.to_be_bytes()).unwrap();
    let refused = again(20).err().expect("the last one is gone");
    assert!(refused.to_string().contains("up to 20 were answered"), "{refused}");
    let other = numbered(77);
    asker.client.outcomes(Vec::new());
    assert!(matches!(store.shared.database(), Err(StoreError::Closed)));
    let db = Database::open_existing(&small(dir.path())).unwrap();
    db.put_synced(families::Family::Log, &20u64.to_be_bytes(), other.wire()).unwrap();
    drop(db);
    let refused = again(20).err().expect("the last one is another");
    assert!(refused.to_string().contains("the answered event at 20"), "{refused}");
}

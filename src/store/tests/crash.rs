//! Killed processes and damaged files. The child of a crash test is this test program itself,
//! told by an environment variable what to do before it kills itself.

use super::*;
use crate::event::EventFields;
use crate::filter::TagFilter;
use families::{Family, INDEX_FAMILIES};
use std::path::{Path, PathBuf};
use std::process::Command;

const CHILD_DIR: &str = "AXON_STORE_CRASH_DIR";
const CHILD_FLUSHES: &str = "AXON_STORE_CRASH_FLUSHES";
/// Crosses every bound of [`small`] several times; more would only flush more files.
pub(super) const EVENTS: u64 = 300;

pub(super) fn numbered(n: u64) -> Envelope {
    let topic = format!("t{}", n % 7);
    event((n % 5) as u8, 1000 + (n % 3) as u16, n as i64, &[("t", &topic)], &n.to_string())
}

/// Runs [`child`] in a process of its own, which dies of SIGABRT with the database open.
pub(super) fn crash(dir: &Path, flushes: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::crash::child", "--nocapture"])
        .env(CHILD_DIR, dir)
        .env(CHILD_FLUSHES, flushes)
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "the child must die, not end");
}

/// Does nothing unless this process was started by [`crash`].
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    // Nothing is flushed but what the test asks for.
    let options = StoreOptions { index_flush_events: u64::MAX, ..small(&PathBuf::from(dir)) };
    let store = open(&options).unwrap();
    let asker = Asker::new();
    let from = store.tail().head().0;
    let events: Vec<_> = (from..from + EVENTS).map(numbered).collect();
    for chunk in events.chunks(10) {
        let outcomes = asker.append(&store, chunk);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
    }
    while store.shared.indexed() < store.tail().head() {
        std::thread::yield_now();
    }
    for name in std::env::var(CHILD_FLUSHES).unwrap().split(',').filter(|name| !name.is_empty()) {
        let family = Family::ALL.into_iter().find(|family| family.name() == name).unwrap();
        store.shared.database().unwrap().flush(&[family], true).unwrap();
    }
    std::process::abort();
}

/// Every filter that an index serves finds exactly the events it must.
pub(super) fn check_every_filter(store: &Store, count: u64) {
    let asker = Asker::new();
    assert_eq!(store.tail().head(), Seq(count));
    let events: Vec<_> = (0..count).map(numbered).collect();
    let mut filters = vec![Filter::default(), Filter { since: Some(count as i64 / 2), ..Filter::default() }];
    filters.extend((0..5).map(|a| Filter { authors: vec![PubKey([a; 32])], ..Filter::default() }));
    filters.extend((1000..1003).map(|kind| Filter { kinds: vec![kind], ..Filter::default() }));
    filters.extend((0..5).map(|a| Filter {
        authors: vec![PubKey([a; 32])],
        kinds: vec![1001],
        ..Filter::default()
    }));
    filters.extend((0..7).map(|t| Filter {
        tags: vec![TagFilter { name: "t".to_owned(), values: vec![format!("t{t}")] }],
        ..Filter::default()
    }));
    filters.push(Filter { ids: vec![*events[events.len() - 1].id()], ..Filter::default() });
    for filter in filters {
        let found = asker.all(store, query(filter.clone(), ReadAccess::All, Seq(count)));
        let found: Vec<u64> = found.iter().map(|(seq, _)| seq.0).collect();
        let expected: Vec<u64> =
            (1..).zip(&events).filter(|(_, e)| filter.matches(*e)).map(|(n, _)| n).collect();
        assert_eq!(found, expected, "{filter:?}");
        assert!(!found.is_empty(), "{filter:?} finds something");
    }
}

#[test]
fn killed_between_the_flushes_of_two_index_families() {
    for flushed in ["author", "kind,blocks", "author_kind", "tag", "", "ids,kind"] {
        let dir = tempfile::tempdir().unwrap();
        for round in 1..=2 {
            crash(dir.path(), flushed);
            let store = open(&small(dir.path())).unwrap();
            check_every_filter(&store, round * EVENTS);
            assert_eq!(store.shared.indexed(), store.tail().head());
        }
    }
}

#[test]
fn an_index_that_is_ahead_of_the_log_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    crash(dir.path(), "");
    let store = open(&small(dir.path())).unwrap();
    for family in INDEX_FAMILIES {
        let far = (EVENTS * 10).to_be_bytes();
        store.shared.database().unwrap().put_synced(family, &families::MARK_KEY, &far).unwrap();
    }
    drop(store);
    check_every_filter(&open(&small(dir.path())).unwrap(), EVENTS);
}

/// The write-ahead log that holds the events: the largest.
pub(super) fn write_ahead_log(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|e| e == "log"));
    logs.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

#[test]
fn a_torn_end_of_the_write_ahead_log_costs_only_what_was_torn() {
    let dir = tempfile::tempdir().unwrap();
    crash(dir.path(), "");
    let path = write_ahead_log(dir.path());
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 5).unwrap();
    let store = open(&small(dir.path())).unwrap();
    let head = store.tail().head().0;
    assert!((EVENTS - 10..EVENTS).contains(&head), "one batch of up to 10 is gone, head {head}");
    check_every_filter(&store, head);
}

/// Without the close, after a restart of the machine, under `os`: positions may be gone.
#[test]
fn a_power_cut_under_os_durability_gives_a_new_log_id() {
    use meta::Meta;
    let dir = tempfile::tempdir().unwrap();
    let options = small(dir.path());
    let reopen = |durability, boot: &str| {
        Meta::open(&Database::open(&options).unwrap(), durability, boot).unwrap().log_id
    };
    let first = reopen(Durability::Os, "boot 1");
    assert_eq!(reopen(Durability::Os, "boot 1"), first, "killed, but the machine went on");
    let second = reopen(Durability::Fsync, "boot 2");
    assert_ne!(second, first);
    assert_eq!(reopen(Durability::Os, "boot 3"), second, "fsync loses nothing");
    let third = log_id(&open(&options).unwrap());
    assert_ne!(third, second, "this boot is none of the above");
    assert_eq!(reopen(Durability::Os, "boot 4"), third, "closed cleanly");
}

#[test]
fn another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&small(dir.path())).unwrap());
    let db = Database::open(&small(dir.path())).unwrap();
    db.put_synced(Family::Meta, b"format", &77u16.to_be_bytes()).unwrap();
    drop(db);
    let refused = open(&small(dir.path())).err().unwrap();
    assert!(matches!(refused, StoreError::Format { found: 77, .. }), "{refused}");
}

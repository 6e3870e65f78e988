//! Appending: copies, order, barriers, refusals, failure, closing, the allowlist's rows.

use super::*;
use crate::base::{KeyLimit, KeyOverrides};
use crate::log::{KeyRow, Role};

fn numbered(range: std::ops::Range<u64>) -> Vec<Envelope> {
    range.map(|n| event(1, 1000, n as i64, &[], &n.to_string())).collect()
}

#[test]
fn copies_in_one_batch_and_in_a_later_one_are_duplicates() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path())).unwrap();
    let asker = Asker::new();
    let [a, b] = [event(1, 1, 1, &[], "a"), event(2, 1, 1, &[], "b")];
    let outcomes = asker.append(&store, &[a.clone(), b.clone(), a.clone(), a.clone()]);
    assert_eq!(
        outcomes,
        [Outcome::Stored(Seq(1)), Outcome::Stored(Seq(2)), Outcome::Duplicate, Outcome::Duplicate]
    );
    assert_eq!(asker.append(&store, &[b]), [Outcome::Duplicate]);
    drop(store);
    let store = open(&small(dir.path())).unwrap();
    assert_eq!(asker.append(&store, &[a]), [Outcome::Duplicate], "after reopening");
    assert_eq!(store.tail().head(), Seq(2));
}

/// Every event is sent by two clients at once, many times over: each is stored for exactly one
/// of them, and by the time it is called a duplicate it is within the head.
#[test]
fn copies_of_two_clients_are_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path())).unwrap();
    let events = numbered(0..2_000);
    let stored: Vec<usize> = std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| {
            scope.spawn(|| {
                let asker = Asker::new();
                let outcomes = events.chunks(9).flat_map(|chunk| asker.append(&store, chunk));
                outcomes.filter(|outcome| matches!(outcome, Outcome::Stored(_))).count()
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(stored.iter().sum::<usize>(), events.len());
    assert_eq!(store.tail().head(), Seq(events.len() as u64));
}

#[test]
fn a_barrier_is_called_after_the_outcomes_before_it_and_before_those_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path())).unwrap();
    let asker = Asker::new();
    let (done_in, done) = unbounded();
    for round in 0..50 {
        let events = numbered(round * 4..round * 4 + 4);
        let outcomes = asker.outcomes.clone();
        let done_in = done_in.clone();
        store.submit(&asker.client, submissions(&events[..2]));
        store.barrier(Box::new(move || done_in.send(outcomes.len()).unwrap()));
        store.submit(&asker.client, submissions(&events[2..]));
        assert_eq!(done.recv().unwrap(), 1, "exactly the outcomes submitted before");
        for _ in 0..2 {
            asker.outcomes.recv().unwrap();
        }
    }
}

#[test]
fn an_ephemeral_event_is_refused_and_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path())).unwrap();
    let asker = Asker::new();
    let events = [event(1, 3500, 1, &[], "gone"), event(1, 1, 1, &[], "kept")];
    assert_eq!(asker.append(&store, &events), [Outcome::Failed, Outcome::Stored(Seq(1))]);
    let found = asker.all(&store, query(Filter::default(), ReadAccess::All, Seq(1)));
    assert_eq!(found, [(Seq(1), events[1].wire().to_vec())]);
}

/// The directory is taken away under the store: the next file RocksDB wants to make fails.
#[test]
fn after_a_failed_write_everything_is_refused_and_nothing_forwarded() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { durability: Durability::Fsync, index_flush_events: 1, ..small(dir.path()) };
    let sink = Arc::new(Sink::default());
    let store = open_with(&options, Arc::clone(&sink)).unwrap();
    let asker = Asker::new();
    asker.append(&store, &numbered(0..10));
    std::fs::rename(dir.path().join("log"), dir.path().join("gone")).unwrap();
    let failed_at = (10..20_000).find(|n| asker.append(&store, &numbered(*n..n + 1)) == [Outcome::Failed]);
    let failed_at = failed_at.expect("a write fails");
    let head = store.tail().head();
    assert_eq!(asker.append(&store, &numbered(30_000..30_003)), [Outcome::Failed; 3]);
    assert_eq!(store.tail().head(), head);
    assert_eq!(sink.seen.lock().unwrap().len() as u64, head.0, "failed at event {failed_at}");
    assert!(store.shared.counters.failure.get().is_some());
    assert!(matches!(store.close(), Err(StoreError::Failed(_))));
}

#[test]
fn a_closed_store_answers_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path())).unwrap();
    let asker = Asker::new();
    store.submit(&asker.client, submissions(&numbered(0..3)));
    store.close().unwrap();
    store.close().unwrap();
    assert!(asker.outcomes.recv().unwrap().iter().all(|(_, outcome)| matches!(outcome, Outcome::Stored(_))));
    assert_eq!(asker.append(&store, &numbered(3..4)), [Outcome::Failed]);
    store.query(&asker.client, Ticket(1), query(Filter::default(), ReadAccess::All, Seq(3)));
    assert!(asker.pages.recv().unwrap().is_err());
    let (done_in, done) = unbounded::<()>();
    store.barrier(Box::new(move || done_in.send(()).unwrap()));
    assert!(done.recv().is_err(), "a closed store confirms nothing");
}

#[test]
fn a_directory_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(&small(dir.path())).unwrap();
    match open(&small(dir.path())) {
        Err(StoreError::InUse { dir: named }) => assert_eq!(named, dir.path().join("log")),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn key_rows_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let limits = KeyOverrides::default();
    let row =
        |byte, role, name: &str| KeyRow { pubkey: PubKey([byte; 32]), role, name: name.to_owned(), limits };
    let mut limited = row(5, Some(Role::Agent), "limited");
    limited.limits.set(KeyLimit::PublishesPerSecond, 7);
    limited.limits.set(KeyLimit::FilterEntries, 0);
    let rows = [
        row(1, None, "gone"),
        row(2, Some(Role::Member), ""),
        row(3, Some(Role::Auditor), "ä"),
        row(4, Some(Role::Admin), "op"),
        limited,
    ];
    let store = open(&small(dir.path())).unwrap();
    store.put_key(&row(1, Some(Role::Member), "before")).unwrap();
    rows.iter().for_each(|row| store.put_key(row).unwrap());
    drop(store);
    assert_eq!(open(&small(dir.path())).unwrap().keys().unwrap(), rows);
}

#[test]
fn stats_tell_the_head_and_every_family() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path())).unwrap();
    Asker::new().append(&store, &numbered(0..100));
    let stats = store.stats();
    assert_eq!((stats.head, stats.log_id), (Seq(100), log_id(&store)));
    let log = stats.families.iter().find(|family| family.name == "log").unwrap();
    assert_eq!(log.rows, 100);
    assert_eq!(stats.families.len(), families::Family::ALL.len());
}

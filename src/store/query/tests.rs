//! What a query reads: few rows where few suffice, nothing private in vain; and who goes first.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it must")]

use super::cursor::{Stretch, Way};
use super::plan::{Plan, Planner, Wanted};
use super::scan::{Budget, Scan, Slice};
use super::view::{View, Walked};
use crate::base::{PubKey, Seq};
use crate::event::Envelope;
use crate::filter::{Filter, ReadAccess, TagFilter};
use crate::log::{LogClient, Outcome, Page, Query, QueryError, Read, Span, Ticket};
use crate::store::families::Family;
use crate::store::tests::{Asker, event, open, query, small};
use crate::store::{Store, StoreOptions};
use bumpalo::Bump;
use crossbeam_channel::{Receiver, Sender, unbounded};
use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};
use std::sync::Arc;

/// A store with these events, all indexed and all in memtables, where RocksDB counts steps.
fn filled(dir: &std::path::Path, events: &[Envelope]) -> Store {
    let store = open(&StoreOptions { index_flush_events: u64::MAX, ..small(dir) }).unwrap();
    Asker::new().append(&store, events);
    while store.shared.indexed() < store.shared.tail.head() {
        std::thread::yield_now();
    }
    store
}

/// Runs a query on this thread to its end; the page, and how often an iterator moved.
fn measured(store: &Store, query: Query) -> (Page, u64) {
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut context = PerfContext::default();
    context.reset();
    let mut scan = Scan::new(query, &store.shared);
    let mut arena = Bump::new();
    let page = loop {
        if let Slice::Done(page) = scan.run(&store.shared, &mut arena).unwrap() {
            break page;
        }
    };
    let moves =
        [PerfMetric::NextOnMemtableCount, PerfMetric::PrevOnMemtableCount, PerfMetric::SeekOnMemtableCount];
    (page, moves.map(|metric| context.metric(metric)).iter().sum())
}

fn seqs(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.seq.0).collect()
}

fn tags(name: &str, value: &str) -> Vec<TagFilter> {
    vec![TagFilter { name: name.to_owned(), values: vec![value.to_owned()] }]
}

#[test]
fn a_limit_reads_about_as_many_rows() {
    let dir = tempfile::tempdir().unwrap();
    let events: Vec<_> = (0..10_000).map(|n| event((n % 50) as u8, 1000, n, &[], &n.to_string())).collect();
    let store = filled(dir.path(), &events);
    let filter = Filter { kinds: vec![1000], ..Filter::default() };
    let last = Query { span: Span::Last(20), ..query(filter, ReadAccess::All, Seq(10_000)) };
    let (page, moves) = measured(&store, last);
    assert_eq!(seqs(&page), (9_981..=10_000).collect::<Vec<_>>());
    assert!((40..400).contains(&moves), "{moves} moves for 20 of 10000 events");
}

#[test]
fn a_kind_range_skips_from_existing_kind_to_existing_kind() {
    let dir = tempfile::tempdir().unwrap();
    let mut events: Vec<_> = (0..3_000).map(|n| event(1, 4000, n, &[], &n.to_string())).collect();
    events.insert(1_500, event(1, 60_000, 1, &[], "far"));
    events.insert(700, event(1, 5, 1, &[], "near"));
    let store = filled(dir.path(), &events);
    let filter = Filter { kind_ranges: vec![(0, 3999), (4001, 65_535)], ..Filter::default() };
    let (page, moves) = measured(&store, query(filter, ReadAccess::All, Seq(3_002)));
    assert_eq!(seqs(&page), [701, 1_502]);
    assert!(moves < 60, "{moves} moves for two events");
}

#[test]
fn what_concerns_others_is_not_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let [me, other] = [9u8, 3].map(|byte| PubKey([byte; 32]).to_hex());
    let mut events: Vec<_> =
        (0..2_000).map(|n| event(1, 2000, n, &[("p", &other)], &n.to_string())).collect();
    events[1_000] = event(1, 2000, 5, &[("p", &me)], "to me");
    events[1_500] = event(9, 2001, 5, &[("p", &other)], "by me");
    let store = filled(dir.path(), &events);
    let access = ReadAccess::As(PubKey([9; 32]));
    for filter in [
        Filter { kind_ranges: vec![(2000, 2999)], ..Filter::default() },
        Filter { kinds: vec![1000, 2000, 2001], ..Filter::default() },
    ] {
        let (page, moves) = measured(&store, query(filter, access, Seq(2_000)));
        assert_eq!(seqs(&page), [1_001, 1_501]);
        assert!(moves < 80, "{moves} moves for two events");
    }
    // Rows of an author are gone through, but only what concerns the reader is fetched.
    let filter = Filter { authors: vec![PubKey([1; 32])], ..Filter::default() };
    drop(store);
    let store = open(&StoreOptions { slice_nanos: u64::MAX, ..small(dir.path()) }).unwrap();
    let everything = measured(&store, query(filter.clone(), ReadAccess::All, Seq(2_000))).0;
    assert_eq!(everything.entries.len(), 100, "an auditor's first page");
    let (page, _) = measured(&store, query(filter, access, Seq(2_000)));
    assert_eq!(seqs(&page), [1_001]);
}

#[test]
fn blocks_outside_the_time_asked_for_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let events: Vec<_> = (0..20_000).map(|n| event(1, 1000, n, &[], &n.to_string())).collect();
    let store = filled(dir.path(), &events);
    let filter = Filter { since: Some(9_000), until: Some(9_010), ..Filter::default() };
    let (page, moves) = measured(&store, query(filter, ReadAccess::All, Seq(20_000)));
    assert_eq!(seqs(&page), (9_001..=9_011).collect::<Vec<_>>());
    assert!((4_096..9_000).contains(&moves), "{moves} moves: one block of 4096, read once or in slices");
}

/// The plan for a filter on a store where topic `rare` has 3 events, author 2 has 30, and kind
/// 1000 nearly all.
fn plan(store: &Store, filter: Filter, access: ReadAccess) -> Plan {
    let shared = &store.shared;
    let db = shared.database().unwrap();
    let snapshot = db.raw().snapshot();
    let planner = Planner {
        db: &db,
        snapshot: &snapshot,
        prefixes: shared.prefixes,
        kinds: &shared.kinds,
        filter: Arc::new(filter),
        access,
        stretch: Stretch { first: 1, last: shared.tail.head().0 },
        way: Way::Up,
    };
    planner.choose().unwrap()
}

#[test]
fn the_narrowest_index_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let events: Vec<_> = (0..3_000)
        .map(|n| {
            let topic = if n % 1_000 == 7 { "rare" } else { "common" };
            let author = if n % 100 == 0 { 2 } else { 1 };
            event(author, 1000 + u16::from(n % 10 == 0), n, &[("t", topic)], &n.to_string())
        })
        .collect();
    let store = filled(dir.path(), &events);
    let families = |filter: Filter| plan(&store, filter, ReadAccess::All).families();
    let rare_author = || vec![PubKey([2; 32])];
    let all = Filter::default;
    assert_eq!(plan(&store, all(), ReadAccess::All), Plan::Log);
    assert_eq!(families(Filter { authors: rare_author(), tags: tags("t", "rare"), ..all() }), [Family::Tag]);
    assert_eq!(
        families(Filter { authors: rare_author(), tags: tags("t", "common"), ..all() }),
        [Family::Author]
    );
    assert_eq!(families(Filter { kinds: vec![1000], tags: tags("t", "rare"), ..all() }), [Family::Tag]);
    assert_eq!(families(Filter { kinds: vec![1001], tags: tags("t", "common"), ..all() }), [Family::Kind]);
    assert_eq!(families(Filter { kinds: vec![1001], authors: rare_author(), ..all() }), [Family::AuthorKind]);
    let many = (0..=super::plan::MERGE_RANGES_MAX as u8).map(|byte| PubKey([byte; 32])).collect();
    assert_eq!(plan(&store, Filter { authors: many, ..all() }, ReadAccess::All), Plan::Log);
    let private = Filter { kinds: vec![2000], ..all() };
    match plan(&store, private, ReadAccess::As(PubKey([1; 32]))) {
        Plan::Ranges(ranges) => {
            assert_eq!(
                ranges.iter().map(|range| range.family).collect::<Vec<_>>(),
                [Family::Author, Family::Tag]
            );
            assert!(ranges.iter().all(|range| range.wanted == Wanted::Private));
        }
        other => panic!("{other:?}"),
    }
}

/// The index moves on between the snapshot and the walk. What the snapshot does not have must
/// come from the ring; once the ring has let go of it, another snapshot is needed.
#[test]
fn the_index_position_is_that_of_the_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let numbered = |from: i64, to: i64| (from..to).map(|n| event(1, 1000, n, &[], &n.to_string()));
    let store = filled(dir.path(), &numbered(0, 10).collect::<Vec<_>>());
    let shared = &store.shared;
    let append = |from, to| {
        Asker::new().append(&store, &numbered(from, to).collect::<Vec<_>>());
        while shared.indexed() < shared.tail.head() {
            std::thread::yield_now();
        }
    };
    let db = shared.database().unwrap();
    let snapshot = db.raw().snapshot();
    let planner = |last| Planner {
        db: &db,
        snapshot: &snapshot,
        prefixes: shared.prefixes,
        kinds: &shared.kinds,
        filter: Arc::new(Filter { authors: vec![PubKey([1; 32])], ..Filter::default() }),
        access: ReadAccess::All,
        stretch: Stretch { first: 1, last },
        way: Way::Up,
    };
    append(10, 20);
    let before = planner(20);
    let plan = before.choose().unwrap();
    let view = View::new(&before, &plan, &shared.tail).unwrap().expect("the ring reaches back");
    for (way, from) in [(Way::Up, 1), (Way::Down, 20)] {
        let mut found = Vec::new();
        let walked = view.walk(way, from, &mut Budget::new(shared), &mut Bump::new(), &mut |seq, _| {
            found.push(seq);
            false
        });
        assert_eq!(walked.unwrap(), Walked::Through);
        found.sort_unstable();
        assert_eq!(found, (1..=20).collect::<Vec<_>>(), "{way:?}");
    }
    append(20, 120);
    // Its answer comes after the trimming behind the hundred before it.
    append(120, 121);
    assert!(View::new(&planner(121), &plan, &shared.tail).unwrap().is_none());
}

/// Blocks the reader thread in its first answer until it is let go, and notes who is answered.
struct Gate {
    go: Receiver<()>,
    answered: Sender<u64>,
}

impl LogClient for Gate {
    fn outcomes(&self, _: Vec<(Ticket, Outcome)>) {}
    fn page(&self, Ticket(ticket): Ticket, page: Result<Page, QueryError>) {
        if ticket == 0 {
            self.go.recv().unwrap();
        }
        assert!(page.is_ok());
        self.answered.send(ticket).unwrap();
    }
}

/// One reader, held up while a long query and many small ones queue up behind it. The first
/// small one overtakes the long one; the long one is done before the last small one.
#[test]
fn small_queries_overtake_long_ones_which_still_get_on() {
    const SMALL: u64 = 400;
    let dir = tempfile::tempdir().unwrap();
    let events: Vec<_> = (0..1_000).map(|n| event(1, 1000, n, &[], &n.to_string())).collect();
    let options = StoreOptions { reader_threads: 1, ..small(dir.path()) };
    drop(filled(dir.path(), &events));
    let store = open(&options).unwrap();
    let (go, gate) = unbounded();
    let (answered_in, answered) = unbounded();
    let client: Arc<dyn LogClient> = Arc::new(Gate { go: gate, answered: answered_in });
    // No index serves a tag without a value, so all of the log is looked through: 30 slices.
    let nowhere = vec![TagFilter { name: "nowhere".to_owned(), values: Vec::new() }];
    let long = query(Filter { tags: nowhere, ..Filter::default() }, ReadAccess::All, Seq(1_000));
    let one =
        |n: u64| Query { after: Seq(n), to: Seq(n + 1), ..query(Filter::default(), ReadAccess::All, Seq(1)) };
    store.query(&client, Ticket(0), one(0));
    store.query(&client, Ticket(SMALL + 1), long);
    for n in 1..=SMALL {
        store.query(&client, Ticket(n), one(n));
    }
    go.send(()).unwrap();
    let order: Vec<u64> = (0..SMALL + 2).map(|_| answered.recv().unwrap()).collect();
    let place = |ticket| order.iter().position(|other| *other == ticket).unwrap();
    assert!(place(1) < place(SMALL + 1), "the long query held up a small one: {order:?}");
    assert!(place(SMALL + 1) < place(SMALL), "the long query was starved: {order:?}");
}

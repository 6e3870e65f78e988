//! The store against the log in memory, under seeded random operations: appends with copies,
//! every sort of filter, both spans, any page size, reopening in between.

use super::*;
use crate::filter::TagFilter;
use crate::log::MemLog;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const KINDS: [u16; 9] = [0, 1, 1000, 1001, 2000, 2001, 5000, 7000, 65535];
const AUTHORS: u8 = 6;

pub(super) fn random_event(rng: &mut SmallRng, number: u64) -> Envelope {
    let kind = KINDS[rng.random_range(0..KINDS.len())];
    let me = PubKey([rng.random_range(0..AUTHORS); 32]).to_hex();
    let topic = format!("t{}", rng.random_range(0..4));
    let mut tags = Vec::new();
    if rng.random_bool(0.5) {
        tags.push(("t", topic.as_str()));
    }
    if rng.random_bool(0.4) {
        tags.push(("p", me.as_str()));
    }
    if rng.random_bool(0.2) {
        tags.push(("t", "both"));
    }
    if rng.random_bool(0.1) {
        tags.push(("empty", ""));
    }
    // Rises with the number, so that blocks differ, but not evenly.
    let created_at = number as i64 * 10 + rng.random_range(0..500);
    event(rng.random_range(0..AUTHORS), kind, created_at, &tags, &number.to_string())
}

fn some<T: Ord>(
    rng: &mut SmallRng,
    chance: f64,
    count: usize,
    mut make: impl FnMut(&mut SmallRng) -> T,
) -> Vec<T> {
    if !rng.random_bool(chance) {
        return Vec::new();
    }
    let mut list: Vec<T> = (0..rng.random_range(1..=count)).map(|_| make(rng)).collect();
    list.sort();
    list.dedup();
    list
}

use crate::event::EventFields as _;
pub(super) fn random_filter(rng: &mut SmallRng, events: &[Envelope]) -> Filter {
    let newest = events.len() as i64 * 10 + 500;
    let tag = |rng: &mut SmallRng| {
        let name = ["t", "p", "empty", "none"][rng.random_range(0..4)];
        let values = some(rng, 0.9, 3, |rng| match name {
            "p" => PubKey([rng.random_range(0..AUTHORS); 32]).to_hex(),
            "t" => ["t0", "t1", "t3", "both", "no"][rng.random_range(0..5)].to_owned(),
            _ => String::new(),
        });
        (name.to_owned(), values)
    };
    let tags = some(rng, 0.35, 2, tag);
    Filter {
        ids: some(rng, 0.1, 9, |rng| match events.is_empty() || rng.random_bool(0.2) {
            true => EventId([rng.random(); 32]),
            false => *events[rng.random_range(0..events.len())].id(),
        }),
        authors: some(rng, 0.3, 3, |rng| PubKey([rng.random_range(0..AUTHORS + 1); 32])),
        kinds: some(rng, 0.3, 4, |rng| KINDS[rng.random_range(0..KINDS.len())]),
        kind_ranges: some(rng, 0.2, 2, |rng| {
            let (a, b) = (rng.random_range(0..8000), rng.random_range(0..8000));
            (a.min(b), a.max(b))
        }),
        since: rng.random_bool(0.2).then(|| rng.random_range(0..newest)),
        until: rng.random_bool(0.2).then(|| rng.random_range(0..newest)),
        tags: tags.into_iter().map(|(name, values)| TagFilter { name, values }).collect(),
        ..Filter::default()
    }
}

pub(super) fn random_query(rng: &mut SmallRng, events: &[Envelope], head: Seq) -> Query {
    let (a, b) = (rng.random_range(0..=head.0), rng.random_range(0..=head.0));
    let (after, to) = match rng.random_range(0..3) {
        0 => (0, head.0),
        1 => (a, head.0),
        _ => (a.min(b), a.max(b)),
    };
    Query {
        filter: Arc::new(random_filter(rng, events)),
        access: match rng.random_range(0..3) {
            0 => ReadAccess::All,
            _ => ReadAccess::As(PubKey([rng.random_range(0..AUTHORS); 32])),
        },
        after: Seq(after),
        to: Seq(to),
        span: match rng.random_bool(0.5) {
            true => Span::Last(rng.random_range(0..12)),
            false => Span::Ascending,
        },
        events_max: rng.random_range(1..20),
        bytes_max: [1, 700, 1 << 20][rng.random_range(0..3)],
    }
}

/// The answers of the store and of the oracle to `count` random queries are the same.
fn compare(store: &Store, oracle: &MemLog, events: &[Envelope], rng: &mut SmallRng, count: usize, seed: u64) {
    let asker = Asker::new();
    assert_eq!(store.tail().head(), oracle.tail().head(), "seed {seed}");
    for number in 0..count {
        let query = random_query(rng, events, store.tail().head());
        let expected =
            asker.all(oracle, Query { events_max: usize::MAX, bytes_max: usize::MAX, ..query.clone() });
        let found = asker.all(store, query.clone());
        let seqs = |list: &[(Seq, Vec<u8>)]| list.iter().map(|(seq, _)| seq.0).collect::<Vec<_>>();
        assert_eq!(seqs(&found), seqs(&expected), "seed {seed}, query {number}: {query:?}");
        assert_eq!(found, expected, "seed {seed}, query {number}: other bytes");
    }
}

fn batch(rng: &mut SmallRng, events: &mut Vec<Envelope>, count: usize) -> Vec<Envelope> {
    (0..count)
        .map(|_| {
            if !events.is_empty() && rng.random_bool(0.1) {
                return events[rng.random_range(0..events.len())].clone();
            }
            events.push(random_event(rng, events.len() as u64));
            events[events.len() - 1].clone()
        })
        .collect()
}

#[test]
fn answers_as_the_log_in_memory_does() {
    for seed in 0..10 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            index_run_events: rng.random_range(1..40),
            ring_events_max: rng.random_range(1..60),
            // A flush makes a file for each family, which is what takes time here.
            index_flush_events: rng.random_range(15..150),
            slice_nanos: if rng.random() { 0 } else { 1_000_000 },
            ..small(dir.path())
        };
        let sink = Arc::new(Sink::default());
        let oracle = MemLog::new(LogId([0; 16]), Arc::new(Sink::default()));
        let asker = Asker::new();
        let mut events = Vec::new();
        let mut store = open_with(&options, Arc::clone(&sink)).unwrap();
        let id = log_id(&store);
        for _ in 0..30 {
            let count = rng.random_range(1..30);
            let batch = batch(&mut rng, &mut events, count);
            assert_eq!(asker.append(&store, &batch), asker.append(&oracle, &batch), "seed {seed}");
            compare(&store, &oracle, &events, &mut rng, 6, seed);
            if rng.random_bool(0.1) {
                drop(store);
                store = open_with(&options, Arc::clone(&sink)).unwrap();
                assert_eq!(log_id(&store), id);
            }
        }

        let expected: Vec<_> = (1..).map(Seq).zip(events.iter().map(|event| *event.id())).collect();
        assert_eq!(*sink.seen.lock().unwrap(), expected, "seed {seed}: what the sink saw");
    }
}

/// Enough events for several blocks, so that `since` and `until` skip some.
#[test]
fn blocks_that_cannot_match_are_skipped_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { ring_events_max: 2_000, index_run_events: 900, ..small(dir.path()) };
    let oracle = MemLog::new(LogId([0; 16]), Arc::new(Sink::default()));
    let asker = Asker::new();
    let mut rng = SmallRng::seed_from_u64(99);
    let mut events = Vec::new();
    let mut store = open(&options).unwrap();
    for round in 0..13 {
        let batch = batch(&mut rng, &mut events, 1_100);
        asker.append(&store, &batch);
        asker.append(&oracle, &batch);
        if round % 5 == 4 {
            drop(store);
            store = open(&options).unwrap();
        }
        compare(&store, &oracle, &events, &mut rng, 8, 99);
    }
}

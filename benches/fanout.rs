//! Fan-out: what one event costs, from the interest mask to the matching subscriptions.
//!
//! `cargo bench --bench fanout` measures; without `--bench` (under `cargo test --benches`) every
//! case runs once and small. Either way the hash of all answers is printed.
#![allow(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]

use axon::base::{Kind, PubKey, Signature};
use axon::event::{Envelope, EventBuilder, EventView};
use axon::fanout::{FilterIndex, Interest, InterestTable};
use axon::filter::{Filter, TagFilter};
use bumpalo::Bump;
use criterion::{BatchSize, Criterion};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::sync::Arc;

/// The caller's key in a shard: connection slot and subscription.
type Key = (u32, u32);

const EVENTS: usize = 1_024;
const SHARDS: usize = 16;

fn main() {
    let measured = std::env::args().any(|arg| arg == "--bench");
    let mut criterion = Criterion::default().configure_from_args().without_plots();
    let mut answers = DefaultHasher::new();
    filter_match(&mut criterion, &mut answers);
    let sizes: &[usize] = if measured { &[10, 1_000, 100_000] } else { &[10, 100] };
    for &size in sizes {
        topics(&mut criterion, &mut answers, size);
        interest(&mut criterion, &mut answers, size);
    }
    one_kind(&mut criterion, &mut answers, if measured { 1_000 } else { 20 });
    turnover(&mut criterion, if measured { 100_000 } else { 20 });
    println!("answers: {:016x}", answers.finish());
    criterion.final_summary();
}

/// A message with a topic and two more tags; the topic is drawn from `topics`.
fn events(topics: usize) -> Vec<Envelope> {
    let event = |i: usize| {
        // An odd factor scatters the topics, so that memory is touched as by live traffic.
        let topic = format!("topic-{}", (i * 7_919) % topics);
        let builder = EventBuilder {
            kind: Kind::MESSAGE,
            created_at: 1_700_000_000 + i as i64,
            content: vec![0; 128],
            tags: vec![
                ("t".into(), vec![topic]),
                ("p".into(), vec!["ab".repeat(32)]),
                ("e".into(), vec!["cd".repeat(32), "root".into()]),
            ],
        };
        let pubkey = PubKey([i as u8; 32]);
        let (_, wire) = builder.finish(&pubkey, |_| Signature([0; 64])).expect("the tags differ");
        let arena = Bump::new();
        let view = EventView::parse(&wire, &arena).expect("just built");
        Envelope::new(&view, &wire, &mut Vec::new())
    };
    (0..EVENTS).map(event).collect()
}

fn topic(i: usize) -> Filter {
    let tag = TagFilter { name: "t".into(), values: vec![format!("topic-{i}")] };
    Filter { tags: vec![tag], ..Filter::default() }
}

fn key(i: usize) -> Key {
    ((i / 4) as u32, (i % 4) as u32)
}

/// Runs `work` on one event after the other.
fn per_event(criterion: &mut Criterion, name: &str, events: &[Envelope], mut work: impl FnMut(&Envelope)) {
    let mut next = events.iter().cycle();
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| next.next().into_iter().for_each(&mut work));
    });
}

fn filter_match(criterion: &mut Criterion, answers: &mut DefaultHasher) {
    let events = events(8);
    let filter = Filter { kinds: vec![1000], since: Some(1), ..topic(3) };
    events.iter().filter(|event| filter.matches(*event)).count().hash(answers);
    per_event(criterion, "filter/match", &events, |event| {
        black_box(filter.matches(event));
    });
}

/// Subscriptions on distinct tag values: each event matches one.
fn topics(criterion: &mut Criterion, answers: &mut DefaultHasher, count: usize) {
    let mut index = FilterIndex::new();
    for i in 0..count {
        index.insert(key(i), Arc::new(topic(i)));
    }
    matches(criterion, answers, &format!("index/topics/{count}"), &index, &events(count));
}

/// Subscriptions with one and the same filter: each event matches all.
fn one_kind(criterion: &mut Criterion, answers: &mut DefaultHasher, count: usize) {
    let mut index = FilterIndex::new();
    for i in 0..count {
        let filter = Filter { kinds: vec![Kind::MESSAGE.0], ..Filter::default() };
        index.insert(key(i), Arc::new(filter));
    }
    matches(criterion, answers, &format!("index/one_kind/{count}"), &index, &events(8));
}

fn matches(
    criterion: &mut Criterion,
    answers: &mut DefaultHasher,
    name: &str,
    index: &FilterIndex<Key>,
    events: &[Envelope],
) {
    let mut out = Vec::new();
    for event in events {
        index.matches(event, &mut out);
    }
    out.sort_unstable();
    out.hash(answers);
    per_event(criterion, name, events, |event| {
        out.clear();
        index.matches(event, &mut out);
        black_box(&out);
    });
}

/// The mask of an event that one shard of sixteen wants.
fn interest(criterion: &mut Criterion, answers: &mut DefaultHasher, count: usize) {
    let table = Arc::new(InterestTable::new());
    let mut shards: Vec<Interest> = (0..SHARDS).map(|i| Interest::new(Arc::clone(&table), i)).collect();
    for i in 0..count {
        shards[i % SHARDS].add(&topic(i));
    }
    let events = events(count);
    // The wanted bits only: which others are set depends on the process's secret.
    for (i, event) in events.iter().enumerate() {
        let wanted = 1 << (((i * 7_919) % count) % SHARDS);
        (table.mask(event) & wanted).hash(answers);
    }
    per_event(criterion, &format!("interest/mask/{count}"), &events, |event| {
        black_box(table.mask(event));
    });
}

/// One subscription leaves and another comes, among many on distinct tag values.
fn turnover(criterion: &mut Criterion, count: usize) {
    let mut index = FilterIndex::new();
    for i in 0..count {
        index.insert(key(i), Arc::new(topic(i)));
    }
    let mut next = 0;
    criterion.bench_function(&format!("index/turnover/{count}"), |bencher| {
        let filter = || {
            next += 1;
            Arc::new(topic(count + next))
        };
        let mut at = 0;
        bencher.iter_batched(
            filter,
            |filter| {
                at = (at + 1) % count;
                index.insert(key(at), filter)
            },
            BatchSize::SmallInput,
        );
    });
}

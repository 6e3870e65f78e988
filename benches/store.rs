//! The store: commits, duplicates, every query plan, a full replay.
//!
//! `AXON_BENCH_EVENTS`: how many; `AXON_BENCH_OS`: without syncs; `AXON_BENCH_FILL_ONLY`:
//! without the query plans; `AXON_BENCH_DIR`: a log that stays, and times opening it again.
//!
//! Without `--bench` a smoke run of a few events. Two figures decide: CPU µs per stored event,
//! everything counted (index, flushes, merges), and replayed events per second. The hash over
//! what was read tells two runs that did the same work from two that did not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench stops where it must")]

use axon::base::counters::LogCounters;
use axon::base::{Clock, Kind, PubKey, Seq, Signature};
use axon::event::{Envelope, EventBuilder, EventView};
use axon::filter::{Filter, ReadAccess, TagFilter};
use axon::log::{
    Append, CommitSink, CommittedBatch, LogClient, Outcome, Page, Query, QueryError, Read, Span, Submission,
    Ticket,
};
use axon::store::{Durability, Store, StoreOptions};
use bumpalo::Bump;
use criterion::{BatchSize, Criterion, Throughput};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

const AUTHORS: u64 = 200;
const KINDS: [u16; 5] = [1000, 1000, 1000, 5000, 6000];
/// Events per submission, as a shard's verify batch.
const BATCH: usize = 128;
/// Submissions under way at once.
const PIPELINE: usize = 16;

struct Client {
    outcomes: Sender<Vec<(Ticket, Outcome)>>,
    pages: Sender<Page>,
}

impl LogClient for Client {
    fn outcomes(&self, outcomes: Vec<(Ticket, Outcome)>) {
        self.outcomes.send(outcomes).expect("the bench is there");
    }
    fn page(&self, _: Ticket, page: Result<Page, QueryError>) {
        self.pages.send(page.expect("a page")).expect("the bench is there");
    }
}

struct NoSink;
impl CommitSink for NoSink {
    fn committed(&self, _: &Arc<CommittedBatch>) {}
}

struct Bench {
    store: Store,
    counters: Arc<LogCounters>,
    client: Arc<dyn LogClient>,
    outcomes: Receiver<Vec<(Ticket, Outcome)>>,
    pages: Receiver<Page>,
    clock: Clock,
    _dir: Option<tempfile::TempDir>,
}

/// About 330 bytes, two tags.
fn event(n: u64) -> Envelope {
    let pubkey = noise((n % AUTHORS) << 32);
    let builder = EventBuilder {
        kind: Kind(KINDS[(n % 5) as usize]),
        created_at: 1_700_000_000 + n as i64 / 100,
        content: format!("event number {n}, with some words behind it").into_bytes(),
        tags: vec![
            ("t".to_owned(), vec![format!("topic{}", n % 1_000)]),
            ("e".to_owned(), vec![format!("{:016x}", n / 7)]),
        ],
    };
    let (_, wire) = builder.finish(&PubKey(pubkey), |_| Signature(noise(n))).expect("a valid event");
    let arena = Bump::new();
    Envelope::new(&EventView::parse(&wire, &arena).expect("a valid event"), &wire, &mut Vec::new())
}

/// Bytes that do not compress, as keys and signatures do not.
fn noise<const N: usize>(seed: u64) -> [u8; N] {
    let mut bytes = [0; N];
    SmallRng::seed_from_u64(seed).fill(&mut bytes[..]);
    bytes
}

impl Bench {
    fn new(durability: Durability) -> Self {
        let kept = std::env::var_os("AXON_BENCH_DIR").map(PathBuf::from);
        let temporary = kept.is_none().then(|| tempfile::tempdir().expect("a directory"));
        let dir = kept.or(temporary.as_ref().map(|dir| dir.path().to_owned())).expect("one of them");
        let clock = Clock::new();
        let counters = Arc::new(LogCounters::default());
        let options = StoreOptions { dir, durability, ..StoreOptions::default() };
        let store = Store::open(options, Arc::new(NoSink), clock, Arc::clone(&counters)).expect("opens");
        println!("open: {} ms, {} CPU ms, head {}", clock.now().0, cpu_micros() / 1_000, store.tail().head());
        let (outcomes_in, outcomes) = unbounded();
        let (pages_in, pages) = bounded(1);
        let client = Arc::new(Client { outcomes: outcomes_in, pages: pages_in });
        Bench { store, counters, client, outcomes, pages, clock, _dir: temporary }
    }

    /// Submits prepared events, a bounded number at a time.
    fn append(&self, batches: Vec<Vec<Envelope>>) {
        let mut open = 0;
        for batch in batches {
            open += batch.len();
            let batch =
                batch.into_iter().map(|envelope| Submission { ticket: Ticket(0), envelope }).collect();
            self.store.submit(&self.client, batch);
            while open > BATCH * PIPELINE {
                open -= self.outcomes.recv().expect("an answer").len();
            }
        }
        while open > 0 {
            open -= self.outcomes.recv().expect("an answer").len();
        }
    }

    fn all(&self, filter: Filter, access: ReadAccess, span: Span, hash: &mut DefaultHasher) -> usize {
        let to = self.store.tail().head();
        let filter = Arc::new(filter);
        let mut query =
            Query { filter, access, after: Seq::ZERO, to, span, events_max: 4_096, bytes_max: 256 << 10 };
        let mut found = 0;
        loop {
            self.store.query(&self.client, Ticket(0), query.clone());
            let page = self.pages.recv().expect("a page");
            found += page.entries.len();
            page.entries.last().map(|entry| entry.seq.0).hash(hash);
            (query.after, query.span) = (page.covered, Span::Ascending);
            if page.covered == to {
                return found;
            }
        }
    }
}

/// CPU microseconds of this process, all threads.
fn cpu_micros() -> u64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    usage.tv_sec.unsigned_abs() * 1_000_000 + usage.tv_nsec.unsigned_abs() / 1_000
}

fn batches(range: std::ops::Range<u64>) -> Vec<Vec<Envelope>> {
    let events: Vec<Envelope> = range.map(event).collect();
    events.chunks(BATCH).map(<[Envelope]>::to_vec).collect()
}

fn fill(bench: &Bench, events: u64) {
    let (mut cpu, mut wall, mut done) = (0, 0, 0);
    // Making the events is not what is measured.
    while done < events {
        let upto = events.min(done + 200_000);
        let prepared = batches(done..upto);
        let (cpu_before, before) = (cpu_micros(), bench.clock.nanos());
        bench.append(prepared);
        cpu += cpu_micros() - cpu_before;
        wall += bench.clock.nanos() - before;
        done = upto;
    }
    let (cpu_before, before) = (cpu_micros(), bench.clock.nanos());
    while bench.counters.indexed.get() < events {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    cpu += cpu_micros() - cpu_before;
    wall += bench.clock.nanos() - before;
    let commits = bench.counters.commits.get();
    println!(
        "commit: {events} events, {:.2} CPU µs/event, {:.0} events/s, {commits} commits",
        cpu as f64 / events as f64,
        events as f64 * 1e9 / wall as f64
    );
}

fn replay(bench: &Bench, access: ReadAccess, name: &str, hash: &mut DefaultHasher) {
    let (cpu_before, before) = (cpu_micros(), bench.clock.nanos());
    let found = bench.all(Filter::default(), access, Span::Ascending, hash);
    let wall = bench.clock.nanos() - before;
    let cpu = cpu_micros() - cpu_before;
    println!(
        "replay {name}: {found} events, {:.0} events/s, {:.2} CPU µs/event",
        found as f64 * 1e9 / wall as f64,
        cpu as f64 / found as f64
    );
}

/// New events, one batch at a time and as many as are under way under load, then old ones.
fn commits(criterion: &mut Criterion, bench: &Bench, events: u64) {
    // A log that stays has those of the last time too.
    let first = bench.store.tail().head().0;
    let mut next = first;
    let mut group = criterion.benchmark_group("commit");
    for count in [BATCH, BATCH * PIPELINE] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} new events"), |b| {
            let prepare = || {
                next += count as u64;
                batches(next - count as u64..next)
            };
            b.iter_batched(prepare, |batches| bench.append(batches), BatchSize::LargeInput);
        });
    }
    let known: Vec<Envelope> = (0..BATCH as u64).map(|n| event(n * events / BATCH as u64)).collect();
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(format!("{BATCH} duplicates"), |b| b.iter(|| bench.append(vec![known.clone()])));
    group.finish();
    let (found, stored) = (bench.counters.duplicates.get(), bench.store.tail().head());
    println!("commit: {found} duplicates found, {} new events stored", stored.0 - first);
    assert_eq!(stored.0, next, "every new event is stored, and no old one twice");
}

fn plans(criterion: &mut Criterion, bench: &Bench, events: u64) {
    let mut hash = DefaultHasher::new();
    let known: Vec<Envelope> = (0..BATCH as u64).map(|n| event(n * events / BATCH as u64)).collect();
    let pubkey = *axon::event::EventFields::pubkey(&known[3]);
    let tag = |name: &str, value: String| vec![TagFilter { name: name.to_owned(), values: vec![value] }];
    let all = Filter::default;
    let plans = [
        ("ids", Filter { ids: vec![*axon::event::EventFields::id(&known[5])], ..all() }, Span::Ascending),
        ("last 20 of a kind", Filter { kinds: vec![1000], ..all() }, Span::Last(20)),
        ("last 20 of a kind range", Filter { kind_ranges: vec![(900, 5500)], ..all() }, Span::Last(20)),
        ("last 20 of an author", Filter { authors: vec![pubkey], ..all() }, Span::Last(20)),
        (
            "last 20 of author and kind",
            Filter { authors: vec![pubkey], kinds: vec![5000], ..all() },
            Span::Last(20),
        ),
        (
            "a thread by its tag",
            Filter { tags: tag("e", format!("{:016x}", events / 14)), ..all() },
            Span::Ascending,
        ),
        ("last 20 of a topic", Filter { tags: tag("t", "topic7".to_owned()), ..all() }, Span::Last(20)),
        (
            "a stretch of time",
            Filter { since: Some(1_700_000_000), until: Some(1_700_000_001), ..all() },
            Span::Ascending,
        ),
        ("last 20 of all", all(), Span::Last(20)),
    ];
    let mut group = criterion.benchmark_group("query");
    for (name, filter, span) in plans {
        let found = bench.all(filter.clone(), ReadAccess::All, span, &mut hash);
        (name, found).hash(&mut hash);
        group.bench_function(name, |b| {
            b.iter(|| bench.all(filter.clone(), ReadAccess::All, span, &mut DefaultHasher::new()))
        });
    }
    group.finish();
    println!("plans: result hash {:016x}", hash.finish());
}

/// A page's way from the log to the reader, as often as the whole log has pages.
fn whole_log(criterion: &mut Criterion, bench: &Bench, events: u64) {
    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(events)).sample_size(10);
    group.bench_function("the whole log", |b| {
        b.iter(|| bench.all(Filter::default(), ReadAccess::All, Span::Ascending, &mut DefaultHasher::new()))
    });
    group.finish();
}

fn main() {
    let real = std::env::args().any(|argument| argument == "--bench");
    let events = std::env::var("AXON_BENCH_EVENTS").ok().and_then(|n| n.parse().ok());
    let events = events.unwrap_or(if real { 1_000_000 } else { 3_000 });
    let durability =
        if std::env::var_os("AXON_BENCH_OS").is_some() { Durability::Os } else { Durability::Fsync };
    let bench = Bench::new(durability);
    fill(&bench, events);
    let mut hash = DefaultHasher::new();
    replay(&bench, ReadAccess::All, "to an auditor", &mut hash);
    replay(&bench, ReadAccess::As(PubKey([9; 32])), "to a member", &mut hash);
    println!("replay: result hash {:016x}", hash.finish());
    if std::env::var_os("AXON_BENCH_FILL_ONLY").is_none() {
        let mut criterion = Criterion::default().configure_from_args().without_plots();
        whole_log(&mut criterion, &bench, events);
        plans(&mut criterion, &bench, events);
        commits(&mut criterion, &bench, events);
    }
    for family in bench.store.stats().families {
        println!("{}: {} rows, {} bytes on disk", family.name, family.rows, family.disk_bytes);
    }
}

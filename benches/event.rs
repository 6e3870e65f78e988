//! Decoding an event and computing its canonical id, what every publish costs before its
//! signature: contents of 100 B to 64 KiB, 0 to 50 tags.
//!
//! `cargo bench --bench event` measures; without `--bench` (under `cargo test`) everything
//! runs once. Both print the same result hash.

use axon::base::{EventId, Kind, PubKey, Signature};
use axon::event::{EventBuilder, EventView, canonical_id};
use bumpalo::Bump;
use criterion::{BenchmarkId, Criterion, Throughput};
use sha2::{Digest, Sha256};
use std::hint::black_box;

const CONTENT_BYTES: [usize; 3] = [100, 1 << 10, 64 << 10];
const TAGS: [usize; 3] = [0, 2, 50];

fn main() {
    let mut hash = Sha256::new();
    for (content, tags) in grid() {
        let wire = event(content, tags);
        let id = decode_and_hash(&wire, &Bump::new());
        assert!(id.is_some());
        hash.update(id.map_or([0; 32], |id| id.0));
    }
    println!("event: result hash {}", hex::encode(hash.finalize()));
    if std::env::args().any(|arg| arg == "--bench") {
        let mut criterion = Criterion::default().configure_from_args();
        bench(&mut criterion);
        criterion.final_summary();
    }
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode and canonical id");
    group.sample_size(20);
    for (content, tags) in grid() {
        let wire = event(content, tags);
        let mut arena = Bump::new();
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_with_input(BenchmarkId::new(format!("{tags} tags"), content), &wire, |b, wire| {
            b.iter(|| {
                let id = decode_and_hash(black_box(wire), &arena);
                arena.reset();
                id
            });
        });
    }
    group.finish();
}

fn grid() -> impl Iterator<Item = (usize, usize)> {
    CONTENT_BYTES.into_iter().flat_map(|content| TAGS.map(|tags| (content, tags)))
}

/// The id, if the event is well formed and the id is its own.
fn decode_and_hash(wire: &[u8], arena: &Bump) -> Option<EventId> {
    let event = EventView::parse(wire, arena).ok()?;
    canonical_id(&event.canonical(), arena).ok().filter(|id| *id == event.id)
}

/// Tags in falling order, so that the canonical form has to sort them.
fn event(content: usize, tags: usize) -> Vec<u8> {
    let tag = |n: usize| ("e".to_owned(), vec![hex::encode([n as u8; 32]), "reply".to_owned()]);
    let event = EventBuilder {
        kind: Kind::MESSAGE,
        created_at: 1_760_000_000,
        content: vec![0xab; content],
        tags: (0..tags).rev().map(tag).collect(),
    };
    match event.finish(&PubKey([7; 32]), |_| Signature([9; 64])) {
        Ok((_, wire)) => wire,
        Err(reason) => unreachable!("the tags differ and are few: {reason}"),
    }
}

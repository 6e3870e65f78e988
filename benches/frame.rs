//! Getting one event's frame to S subscribers, in user space: laid out anew for each, laid out
//! once and patched for each, or by reference (each its own prefix, the event shared, two slices
//! for writev).
//!
//! Every subscriber's frame is handed on as the slices a write would get. What the kernel does
//! with them is the same for one slice; a second one costs it more, so that what stands here for
//! "by reference" is a lower bound.
//!
//! `cargo bench --bench frame` measures; without `--bench` (under `cargo test`) a small part of
//! the grid runs once. Both print the same result hash.

use axon::wire::{Opcode, put_envelope, put_header};
use criterion::{BenchmarkId, Criterion, Throughput};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::io::IoSlice;

const EVENT_BYTES: [usize; 3] = [300, 4 << 10, 64 << 10];
const SUBSCRIBERS: [usize; 4] = [1, 10, 100, 1_000];

/// A way of making the frames: event, sub_ids, scratch buffer, and who gets each frame's slices.
type Way = fn(&[u8], &[String], &mut Vec<u8>, &mut dyn FnMut(&[IoSlice<'_>]));

const WAYS: [(&str, Way); 3] = [("anew", anew), ("patched", patched), ("by reference", by_reference)];

fn main() {
    let mut hash = Sha256::new();
    for bytes in EVENT_BYTES {
        let (event, ids) = (event(bytes), sub_ids(10));
        let [expected, others @ ..] = WAYS.map(|(_, way)| frames(way, &event, &ids));
        for other in others {
            assert!(other == expected, "every way makes the same frames");
        }
        hash.update(expected);
    }
    println!("frame: result hash {}", hex::encode(hash.finalize()));
    if std::env::args().any(|arg| arg == "--bench") {
        let mut criterion = Criterion::default().configure_from_args();
        bench(&mut criterion);
        criterion.final_summary();
    }
}

fn bench(criterion: &mut Criterion) {
    for bytes in EVENT_BYTES {
        let mut group = criterion.benchmark_group(format!("frames of {bytes} B"));
        group.sample_size(20);
        let event = event(bytes);
        for subscribers in SUBSCRIBERS {
            let ids = sub_ids(subscribers);
            group.throughput(Throughput::Elements(subscribers as u64));
            for (name, way) in WAYS {
                let mut scratch = Vec::new();
                group.bench_function(BenchmarkId::new(name, subscribers), |b| {
                    b.iter(|| {
                        way(black_box(&event), &ids, &mut scratch, &mut |slices| {
                            black_box(slices);
                        });
                    });
                });
            }
        }
        group.finish();
    }
}

fn anew(event: &[u8], ids: &[String], scratch: &mut Vec<u8>, send: &mut dyn FnMut(&[IoSlice<'_>])) {
    for id in ids {
        scratch.clear();
        put_envelope(scratch, id, None, event);
        send(&[IoSlice::new(scratch)]);
    }
}

fn patched(event: &[u8], ids: &[String], scratch: &mut Vec<u8>, send: &mut dyn FnMut(&[IoSlice<'_>])) {
    scratch.clear();
    let Some(first) = ids.first() else { return };
    let at = put_envelope(scratch, first, None, event);
    for id in ids {
        scratch[at..at + id.len()].copy_from_slice(id.as_bytes());
        send(&[IoSlice::new(scratch)]);
    }
}

fn by_reference(event: &[u8], ids: &[String], scratch: &mut Vec<u8>, send: &mut dyn FnMut(&[IoSlice<'_>])) {
    for id in ids {
        scratch.clear();
        put_prefix(scratch, id, event.len());
        send(&[IoSlice::new(scratch), IoSlice::new(event)]);
    }
}

/// What stands before the event in its frame; the ids here are shorter than 32 bytes.
fn put_prefix(out: &mut Vec<u8>, sub_id: &str, event_bytes: usize) {
    put_header(out, Opcode::Binary, 3 + 7 + 1 + sub_id.len() + 6 + event_bytes);
    out.extend_from_slice(b"\x92\x08\x82\xa6sub_id");
    out.push(0xa0 | sub_id.len() as u8);
    out.extend_from_slice(sub_id.as_bytes());
    out.extend_from_slice(b"\xa5event");
}

/// All frames, one behind the other.
fn frames(way: Way, event: &[u8], ids: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    way(event, ids, &mut Vec::new(), &mut |slices| {
        slices.iter().for_each(|slice| out.extend_from_slice(slice))
    });
    out
}

/// Of one length, as the ids of one program's agents are.
fn sub_ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("agent-{n:04}")).collect()
}

fn event(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 31) as u8).collect()
}

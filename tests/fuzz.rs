//! Every decoder and the whole session machine under seeded bytes: the specimens of the test
//! vectors, wounded, and MessagePack of any shape. The targets, and what would be wrong, are in
//! `tests/fuzz/targets`; `make fuzz` runs the same ones for as long as one likes.
//!
//! `AXON_FUZZ_ROUNDS=n` sets how many inputs each target gets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

#[path = "fuzz/targets/mutate.rs"]
mod mutate;
#[path = "fuzz/targets/mod.rs"]
mod targets;

use axon::codec::Reader;
use mutate::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A second or two for each target.
const ROUNDS: usize = 20_000;

fn run(name: &str) {
    let target = targets::ALL.iter().find(|target| target.name == name).expect("a target");
    let rounds = std::env::var("AXON_FUZZ_ROUNDS").map_or(ROUNDS, |n| n.parse().expect("AXON_FUZZ_ROUNDS"));
    let specimens = (target.specimens)();
    let mut random = Random(0xa407);
    let tried = |bytes: &[u8]| {
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
        assert!(outcome.is_ok(), "{name}: {}", hex::encode(bytes));
    };
    specimens.iter().for_each(|bytes| tried(bytes));
    for specimen in specimens.iter().take(64) {
        (0..specimen.len().min(300)).for_each(|n| tried(&specimen[..n]));
    }
    for _ in 0..rounds {
        let specimen = &specimens[random.below(specimens.len())];
        let bytes = match random.below(4) {
            0 => graft(&mut random, specimen),
            _ => random.mutate(specimen, &specimens),
        };
        tried(&bytes);
    }
}

/// A value of MessagePack in the specimen is replaced by another.
fn graft(random: &mut Random, specimen: &[u8]) -> Vec<u8> {
    let at = random.below(specimen.len() + 1);
    let old = Reader::new(&specimen[at..]).skip().map_or(0, <[u8]>::len);
    let mut out = specimen[..at].to_vec();
    value(random, 0, &mut out);
    out.extend_from_slice(&specimen[at + old..]);
    out
}

/// Any value of MessagePack, its lengths mostly true.
fn value(random: &mut Random, depth: usize, out: &mut Vec<u8>) {
    match random.below(if depth < 6 { 9 } else { 7 }) {
        0 => out.push(random.below(256) as u8),
        1 => axon::codec::write_uint(
            out,
            1u64.checked_shl(random.below(65) as u32).unwrap_or(0).wrapping_sub(1),
        ),
        2 => axon::codec::write_int(out, -(1i64 << random.below(63))),
        3 => axon::codec::write_str(out, ["id", "tags", "kind", "after", "", "\u{0}ä"][random.below(6)]),
        4 => axon::codec::write_bin(out, &[7; 66][..[0, 16, 31, 32, 33, 64, 66][random.below(7)]]),
        5 => out.extend_from_slice(&[0xc0, 0xc3, 0xca, 0xd4, 0xc7][random.below(5)..][..1]),
        // A length beyond everything that follows.
        6 => out.extend_from_slice(&[[0xdd, 0xdf, 0xdb, 0xc6][random.below(4)], 0xff, 0xff, 0xff, 0xff]),
        7 => {
            let n = random.below(5);
            axon::codec::write_array_len(out, n as u32);
            (0..n).for_each(|_| value(random, depth + 1, out));
        }
        _ => {
            let n = random.below(4);
            axon::codec::write_map_len(out, n as u32);
            (0..2 * n).for_each(|_| value(random, depth + 1, out));
        }
    }
}

#[test]
fn an_event() {
    run("event");
}

#[test]
fn a_clients_message() {
    run("message");
}

#[test]
fn a_relays_message() {
    run("answer");
}

#[test]
fn a_filter() {
    run("filter");
}

#[test]
fn signatures() {
    run("signature");
}

#[test]
fn frames_in_any_pieces() {
    run("frames");
}

#[test]
fn the_head_of_a_request() {
    run("head");
}

#[test]
fn a_whole_session() {
    run("session");
}

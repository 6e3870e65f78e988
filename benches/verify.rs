//! Signature checks: batches of several sizes and numbers of authors, with and without a bad
//! one, against single checks.
//!
//! `cargo bench --bench verify` measures and prints the ratio that matters: a batch of 128
//! events of 8 authors to 128 single checks. Without `--bench` (under `cargo test`) it runs
//! everything once and prints the same result hash.

use axon::base::{Clock, PubKey, Signature};
use axon::verify::{Claim, Verifier};
use criterion::{BenchmarkId, Criterion, Throughput};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use std::hint::black_box;

const EVENTS: [usize; 5] = [1, 8, 64, 128, 512];
/// The last one is more than there are events: all different.
const AUTHORS: [usize; 4] = [1, 8, 64, 1_024];
const KEY_CACHE_MAX: usize = 65_536;

/// One signed message.
struct Signed {
    pubkey: PubKey,
    id: [u8; 32],
    sig: Signature,
}

fn main() {
    let real = std::env::args().any(|arg| arg == "--bench");
    println!("verify: result hash {}", hex::encode(result_hash()));
    let rounds = if real { 40 } else { 1 };
    let (batch, single) = best_of(rounds, &signed(128, 8, false));
    let ratio = batch as f64 / single as f64;
    let per_event = |nanos: u64| nanos as f64 / 128.0 / 1e3;
    println!(
        "verify: 128 events of 8 authors: batch {:.2} µs/event, single {:.2} µs/event, ratio {ratio:.3}",
        per_event(batch),
        per_event(single),
    );
    if real {
        let mut criterion = Criterion::default().configure_from_args();
        bench(&mut criterion);
        criterion.final_summary();
    }
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(20);
    for events in EVENTS {
        for authors in AUTHORS {
            for bad in [false, true] {
                let signed = signed(events, authors, bad);
                let claims = claims(&signed);
                let name = format!("{}{}", name_of(authors), if bad { ", one bad" } else { "" });
                let mut verifier = Verifier::new(KEY_CACHE_MAX);
                let mut verdicts = Vec::new();
                group.throughput(Throughput::Elements(events as u64));
                group.bench_with_input(BenchmarkId::new(name, events), &claims, |b, claims| {
                    b.iter(|| verifier.verify_batch(black_box(claims), &mut verdicts));
                });
            }
        }
    }
    group.finish();
}

fn name_of(authors: usize) -> String {
    if authors > 512 { "all authors different".to_owned() } else { format!("{authors} authors") }
}

/// Nanoseconds of one batch and of as many single checks; the best of several rounds.
fn best_of(rounds: usize, signed: &[Signed]) -> (u64, u64) {
    let clock = Clock::new();
    let claims = claims(signed);
    let mut verifier = Verifier::new(KEY_CACHE_MAX);
    let mut verdicts = Vec::new();
    let (mut batch, mut single) = (u64::MAX, u64::MAX);
    verifier.verify_batch(&claims, &mut verdicts);
    for _ in 0..rounds {
        let start = clock.nanos();
        verifier.verify_batch(black_box(&claims), &mut verdicts);
        let middle = clock.nanos();
        let held = claims.iter().filter(|claim| verifier.verify_one(black_box(claim))).count();
        let end = clock.nanos();
        assert_eq!(held, claims.len());
        assert!(verdicts.iter().all(|&verdict| verdict));
        batch = batch.min(middle - start);
        single = single.min(end - middle);
    }
    (batch, single)
}

/// A digest of every verdict of the grid, small sizes only: the same on every machine.
fn result_hash() -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut verifier = Verifier::new(KEY_CACHE_MAX);
    let mut verdicts = Vec::new();
    for events in [1, 8, 64] {
        for authors in AUTHORS {
            for bad in [false, true] {
                let signed = signed(events, authors, bad);
                verifier.verify_batch(&claims(&signed), &mut verdicts);
                for (verdict, signed) in verdicts.iter().zip(&signed) {
                    hash.update(signed.sig.0);
                    hash.update([u8::from(*verdict)]);
                }
            }
        }
    }
    hash.finalize().into()
}

/// `events` signed by `authors` in turn; `bad` spoils the one in the middle.
fn signed(events: usize, authors: usize, bad: bool) -> Vec<Signed> {
    let sign = |i: usize| {
        let seed: [u8; 32] = Sha256::digest(((i % authors) as u64).to_be_bytes()).into();
        let key = SigningKey::from_bytes(&seed);
        let id: [u8; 32] = Sha256::digest((i as u64).to_be_bytes()).into();
        let mut sig = key.sign(&id).to_bytes();
        sig[40] ^= u8::from(bad && i == events / 2);
        Signed { pubkey: PubKey(key.verifying_key().to_bytes()), id, sig: Signature(sig) }
    };
    (0..events).map(sign).collect()
}

fn claims(signed: &[Signed]) -> Vec<Claim<'_>> {
    signed.iter().map(|s| Claim { pubkey: &s.pubkey, id: &s.id, sig: &s.sig }).collect()
}

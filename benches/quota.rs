//! What a publish pays for being counted: a key without limits, a key with two rates, two
//! threads that share a key, and an author whose storm breaker counts.
//!
//! `cargo bench --bench quota` measures; without `--bench` (under `cargo test`) everything runs
//! once. Both print how many of a fixed number of publishes pass, and a hash over which.

use axon::base::{Bucket, KeyLimit, KeyOverrides, PubKey, Rate};
use axon::ingest::{Allowlist, Grant, Pass, RoleRules, Rules};
use axon::log::Role;
use criterion::{Criterion, Throughput};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn main() {
    let bucket = Bucket::default();
    let mut hash = DefaultHasher::new();
    let passes = (0..10_000u64).map(|n| bucket.take(Rate::per_second(1_000), n * 200_000, 1).is_ok());
    let passed = passes.inspect(|passes| passes.hash(&mut hash)).filter(|passes| *passes).count();
    println!(
        "quota: {passed} of 10000 publishes of two seconds pass a limit of 1000/s, result hash {:016x}",
        hash.finish()
    );
    if std::env::args().any(|arg| arg == "--bench") {
        let mut criterion = Criterion::default().configure_from_args();
        bench(&mut criterion);
        criterion.final_summary();
    }
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one publish");
    group.throughput(Throughput::Elements(1));
    let mut now = 0u64;
    let mut charge = |pass: &Pass| {
        now += 100;
        black_box(pass.charge_publish(now, 300)).is_ok()
    };
    let (free, limited) = (pass(0, 0), pass(1 << 30, 1 << 39));
    group.bench_function("no limit", |b| b.iter(|| charge(&free)));
    group.bench_function("two rates", |b| b.iter(|| charge(&limited)));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut now = 0;
            while !stop.load(Ordering::Relaxed) {
                now += 100;
                let _ = black_box(limited.charge_publish(now, 300));
            }
        });
        group.bench_function("two rates, another thread at the same key", |b| b.iter(|| charge(&limited)));
        stop.store(true, Ordering::Relaxed);
    });
    group.finish();
}

/// The pass of a member with these limits.
fn pass(publishes: u64, bytes: u64) -> Arc<Pass> {
    let mut rules = Rules::default();
    let RoleRules { limits, .. } = rules.of_mut(Role::Member);
    limits.set(KeyLimit::PublishesPerSecond, publishes);
    limits.set(KeyLimit::BytesPerSecond, bytes);
    let pubkey = PubKey([1; 32]);
    let grant = Grant { pubkey, role: Role::Member, name: String::new(), limits: KeyOverrides::default() };
    let allowlist = Allowlist::new(rules, vec![grant], Vec::new());
    match allowlist.pass(&pubkey) {
        Some(pass) => pass,
        None => unreachable!("it was granted"),
    }
}

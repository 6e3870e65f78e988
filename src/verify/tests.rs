use super::*;
use ed25519_dalek::{Signer, SigningKey};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

/// A claim that owns its parts, with the verdict it must get.
#[derive(Clone)]
struct Case {
    name: String,
    pubkey: PubKey,
    id: [u8; 32],
    sig: Signature,
    accept: bool,
}

impl Case {
    fn claim(&self) -> Claim<'_> {
        Claim { pubkey: &self.pubkey, id: &self.id, sig: &self.sig }
    }
}

fn edge_cases() -> Vec<Case> {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/ed25519_edge.json")).unwrap();
    let bytes = |case: &Value, key: &str| hex::decode(case[key].as_str().unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let cases = cases.iter().map(|case| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        pubkey: PubKey(bytes(case, "pubkey").try_into().unwrap()),
        id: bytes(case, "message").try_into().unwrap(),
        sig: Signature(bytes(case, "sig").try_into().unwrap()),
        accept: case["accept"].as_bool().unwrap(),
    });
    cases.collect()
}

fn honest(rng: &mut StdRng, authors: u64, count: usize) -> Vec<Case> {
    (0..count)
        .map(|_| {
            let mut seed = [0x5a; 32];
            seed[..8].copy_from_slice(&rng.random_range(0..authors).to_be_bytes());
            let key = SigningKey::from_bytes(&seed);
            let id: [u8; 32] = rng.random();
            Case {
                name: "honest".to_owned(),
                pubkey: PubKey(key.verifying_key().to_bytes()),
                id,
                sig: Signature(key.sign(&id).to_bytes()),
                accept: true,
            }
        })
        .collect()
}

/// Checks `cases` as one batch.
fn check_batch(verifier: &mut Verifier, cases: &[Case], what: &str) {
    let claims: Vec<Claim<'_>> = cases.iter().map(Case::claim).collect();
    let mut verdicts = vec![true; 3];
    verifier.verify_batch(&claims, &mut verdicts);
    assert_eq!(verdicts.len(), cases.len());
    for (case, verdict) in cases.iter().zip(verdicts) {
        assert_eq!(verdict, case.accept, "{what}: {}", case.name);
    }
}

#[test]
fn every_edge_case_alone() {
    let mut verifier = Verifier::new(64);
    let cases = edge_cases();
    assert!(cases.len() > 60 && cases.iter().any(|c| c.accept) && cases.iter().any(|c| !c.accept));
    for case in &cases {
        // Twice: checked fresh and from the cache.
        for _ in 0..2 {
            assert_eq!(verifier.verify_one(&case.claim()), case.accept, "{}", case.name);
        }
        assert_eq!(verify_stranger(&case.claim()), case.accept, "{}", case.name);
        assert_eq!(Verifier::new(0).verify_one(&case.claim()), case.accept, "{}", case.name);
        check_batch(&mut verifier, std::slice::from_ref(case), "alone");
    }
    check_batch(&mut verifier, &[], "empty");
}

#[test]
fn every_edge_case_beside_honest_and_other_edge_cases() {
    let edge = edge_cases();
    let mut verifier = Verifier::new(64);
    for seed in 0..60u64 {
        let mut rng = StdRng::seed_from_u64(seed);
        let size = [2, 3, 5, 16, 67, 128, 600][seed as usize % 7];
        let mut batch = honest(&mut rng, 1 + seed % 9, size);
        // From none to all of the batch is taken from the edge cases, in any order, also twice.
        let replaced = rng.random_range(0..=size);
        for case in &mut batch[..replaced] {
            *case = edge[rng.random_range(0..edge.len())].clone();
        }
        batch.shuffle(&mut rng);
        check_batch(&mut verifier, &batch, &format!("seed {seed}"));
    }
}

#[test]
fn neighbours_in_every_order_keep_their_verdicts() {
    let mut verifier = Verifier::new(64);
    let mut cases = edge_cases();
    // The two whose errors cancel if their coefficients are equal, beside torsion and honesty.
    let pair = cases.iter().position(|case| case.name.contains("cancels with the next")).unwrap();
    let chosen = [pair, pair + 1, 0, 5].map(|i| cases[i].clone());
    assert!(!chosen[0].accept && !chosen[1].accept && chosen[2].accept && chosen[3].accept);
    for order in 0..256usize {
        let picks: Vec<Case> = (0..4).map(|i| chosen[(order >> (2 * i)) & 3].clone()).collect();
        for len in 1..=4 {
            check_batch(&mut verifier, &picks[..len], &format!("order {order}"));
        }
    }
    for len in 0..cases.len() {
        check_batch(&mut verifier, &cases[..len], "prefix");
        check_batch(&mut verifier, &cases[len..], "suffix");
    }
    cases.reverse();
    check_batch(&mut verifier, &cases, "reversed");
}

#[test]
fn one_bad_in_128_leaves_127_accepted() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut verifier = Verifier::new(64);
    let good = honest(&mut rng, 8, 128);
    check_batch(&mut verifier, &good, "all good");
    for bad in [0, 1, 63, 64, 126, 127] {
        let mut batch = good.clone();
        batch[bad].id[9] ^= 1;
        batch[bad].accept = false;
        check_batch(&mut verifier, &batch, &format!("bad at {bad}"));
    }
}

#[test]
fn the_key_cache_stays_within_its_bound() {
    let mut rng = StdRng::seed_from_u64(8);
    let mut verifier = Verifier::new(10);
    let cases = honest(&mut rng, 1 << 40, 60);
    for case in &cases {
        assert!(verifier.verify_one(&case.claim()));
        // In use all the time, so it must never be checked anew.
        assert!(verifier.verify_one(&cases[0].claim()));
        assert!(verifier.keys_cached() <= 10, "{}", verifier.keys_cached());
        assert!(verifier.keys.holds(&cases[0].pubkey));
    }
    assert!(verifier.keys_cached() >= 5);
    check_batch(&mut verifier, &cases, "more authors than the cache holds");
    assert!(verifier.keys_cached() <= 10);
}

#[test]
fn a_refused_key_is_remembered_as_refused() {
    let cases = edge_cases();
    let refused = cases.iter().find(|case| case.name == "A not on the curve").unwrap();
    let mut verifier = Verifier::new(4);
    assert!(!verifier.verify_one(&refused.claim()));
    assert_eq!(verifier.keys_cached(), 1);
    assert!(!verifier.verify_one(&refused.claim()));
    assert_eq!(verifier.keys_cached(), 1);
}

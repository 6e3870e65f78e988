//! The door and the administration of keys; what they share.

mod door;
mod keys;
mod limits;
mod vectors;

use super::*;
use crate::base::{KeyOverrides, Kind, Limits, Now, PubKey, Reason, Signature, Stopwatch};
use crate::event::EventBuilder;
use crate::log::Role;
use ed25519_dalek::{Signer, SigningKey};
use std::sync::Arc;

const NOW: i64 = 1_760_000_000;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn pubkey(n: u8) -> PubKey {
    PubKey(key(n).verifying_key().to_bytes())
}

fn grant(pubkey: PubKey, role: Role) -> Grant {
    Grant { pubkey, role, name: String::new(), limits: KeyOverrides::default() }
}

/// Keys 1 to 8 are members.
fn gate_with(limits: Limits) -> Arc<Gate> {
    let config = (1..=8).map(|n| grant(pubkey(n), Role::Member)).collect();
    Arc::new(Gate::new(Arc::new(Allowlist::new(Rules::default(), config, Vec::new())), limits, Vec::new()))
}

fn builder(kind: u16, created_at: i64, content: &[u8]) -> EventBuilder {
    EventBuilder { kind: Kind(kind), created_at, content: content.to_vec(), tags: Vec::new() }
}

/// The event signed by key `n`.
fn sign(event: &EventBuilder, n: u8) -> Vec<u8> {
    sign_as(event, &key(n))
}

/// The same, with a signature that does not hold.
fn forge(event: &EventBuilder, n: u8) -> Vec<u8> {
    event.finish(&pubkey(n), |_| Signature(key(n).sign(b"something else").to_bytes())).unwrap().1
}

fn at(unix_seconds: i64) -> Now {
    Now { unix_seconds, ..Now::default() }
}

fn judge(door: &mut Door, now: i64, wires: &[Vec<u8>]) -> Vec<Verdict> {
    let arrivals: Vec<_> = wires.iter().map(|wire| Arrival { wire, suspect: false }).collect();
    let mut verdicts = Vec::new();
    door.judge(&Stopwatch::sampling(Arc::default()), at(now), &arrivals, &mut verdicts);
    assert_eq!(verdicts.len(), wires.len());
    verdicts
}

fn judge_one(door: &mut Door, now: i64, wire: Vec<u8>) -> Result<&'static str, Reason> {
    word(&judge(door, now, &[wire])[0])
}

fn word(verdict: &Verdict) -> Result<&'static str, Reason> {
    match verdict {
        Verdict::Refused { reason, .. } => Err(*reason),
        Verdict::Ephemeral(_) => Ok("ephemeral"),
        Verdict::Stored(_) => Ok("stored"),
    }
}

fn sign_as(event: &EventBuilder, key: &SigningKey) -> Vec<u8> {
    let pubkey = PubKey(key.verifying_key().to_bytes());
    event.finish(&pubkey, |id| Signature(key.sign(&id.0).to_bytes())).unwrap().1
}

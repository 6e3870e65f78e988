//! Signatures: the acceptance rule of protocol §1, alone and in batches.
//!
//! With `k = SHA-512(R ‖ A ‖ id) mod L`, a signature (R, S) by A is accepted if and only if
//! S < L, A and R are canonical encodings of points that are not of small order, A has no
//! torsion component, and `[8]([S]B − [k]A − R) = 0`.
//!
//! # What others rely on
//!
//! * **One rule.** [`Verifier::verify_batch`] gives each claim the verdict that
//!   [`Verifier::verify_one`] gives it, whatever stands beside it: the equation is cofactored,
//!   so torsion in R cannot make the two disagree, and a forged neighbour cannot cancel another
//!   because the coefficients are 128 bits that no sender can predict.
//! * **Bounded memory.** The key cache holds at most as many keys as it was given, and only
//!   keys whose claims came through a door that knows their author.
//!
//! Which keys may publish is not decided here.

mod batch;
mod keys;
mod point;

use crate::base::{PubKey, Signature};
use batch::{Batch, Parts};
use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::traits::IsIdentity;
use keys::KeyCache;

/// That `pubkey` signed these 32 bytes: an event id, or the digest of a login.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub pubkey: &'a PubKey,
    pub id: &'a [u8; 32],
    pub sig: &'a Signature,
}

/// Checks claims; one per publishing thread. Owns its key cache and its scratch buffers.
pub struct Verifier {
    keys: KeyCache,
    batch: Batch,
}

impl Verifier {
    /// A verifier that remembers at most `key_cache_max` keys, about 200 B each.
    ///
    /// # Panics
    /// If the operating system has no randomness to seed the coefficients with.
    pub fn new(key_cache_max: usize) -> Self {
        Verifier { keys: KeyCache::new(key_cache_max), batch: Batch::new() }
    }

    /// Whether the claim holds.
    pub fn verify_one(&mut self, claim: &Claim<'_>) -> bool {
        self.keys.get(claim.pubkey).is_some_and(|key| holds(claim, &key))
    }

    /// `verdicts[i]` becomes what [`verify_one`](Self::verify_one) says of `claims[i]`.
    pub fn verify_batch(&mut self, claims: &[Claim<'_>], verdicts: &mut Vec<bool>) {
        verdicts.clear();
        if let [claim] = claims {
            verdicts.push(self.verify_one(claim));
            return;
        }
        verdicts.resize(claims.len(), false);
        let chunks = claims.chunks(batch::CLAIMS_MAX).zip(verdicts.chunks_mut(batch::CLAIMS_MAX));
        for (claims, verdicts) in chunks {
            self.batch.verify(&mut self.keys, claims, verdicts);
        }
    }

    /// How many keys are remembered, the refused ones included.
    pub fn keys_cached(&self) -> usize {
        self.keys.len()
    }
}

/// As [`Verifier::verify_one`], for a key nobody vouches for: it is not remembered, so strangers
/// cannot push known keys out of a cache. The dear check of the key comes last, after a proof
/// that its owner is there.
pub fn verify_stranger(claim: &Claim<'_>) -> bool {
    point::read(&claim.pubkey.0).is_some_and(|key| holds(claim, &key) && key.is_torsion_free())
}

/// The equation for one claim whose key is a point.
fn holds(claim: &Claim<'_>, key: &EdwardsPoint) -> bool {
    Parts::read(claim).is_some_and(|Parts { r, s, k }| {
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-k, key, &s);
        (expected - r).mul_by_cofactor().is_identity()
    })
}

#[cfg(test)]
mod tests;

//! Checking what a relay delivers: the id, and the signature by the protocol's own rule.
//!
//! The rule is the cofactored one (protocol §1), so that clients and relay never disagree
//! about an event; a library's plain `verify` is cofactorless and would.

use super::Event;
use crate::base::{EventId, PubKey, Reason, Signature};
use bumpalo::Bump;
use bytes::Bytes;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};
use std::collections::HashMap;

/// Authors whose checked point is kept: about 250 B each. Checking a key costs as much as
/// checking a signature.
const KEYS_MAX: usize = 1_024;

/// Checks events one at a time.
#[derive(Debug, Default)]
pub struct Verifier {
    keys: HashMap<PubKey, EdwardsPoint>,
    arena: Bump,
}

impl Verifier {
    /// Decodes an event and checks its id and its signature.
    ///
    /// # Errors
    /// Not an event, a wrong id, a signature that does not verify.
    pub fn open(&mut self, wire: Bytes) -> Result<Event, Reason> {
        self.arena.reset();
        let event = Event::decode_with_id(wire, &self.arena)?;
        if self.verify(&event.id, &event.pubkey, &event.sig) { Ok(event) } else { Err(Reason::BadSignature) }
    }

    /// Whether `sig` is `pubkey`'s signature over `id`.
    pub fn verify(&mut self, id: &EventId, pubkey: &PubKey, sig: &Signature) -> bool {
        self.equation_holds(id, pubkey, sig).unwrap_or(false)
    }

    /// `[8]([S]B − [k]A − R) = 0`; `None` if one of them is not what it must be.
    fn equation_holds(&mut self, id: &EventId, pubkey: &PubKey, sig: &Signature) -> Option<bool> {
        let (r_bytes, s_bytes) = sig.0.split_first_chunk::<32>()?;
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s_bytes.try_into().ok()?))?;
        let r = point(r_bytes)?;
        let a = self.key(pubkey)?;
        let hash = Sha512::new().chain_update(r_bytes).chain_update(pubkey.0).chain_update(id.0).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&hash.into());
        let difference = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-a, &s) - r;
        Some(difference.mul_by_cofactor().is_identity())
    }

    fn key(&mut self, pubkey: &PubKey) -> Option<EdwardsPoint> {
        if let Some(a) = self.keys.get(pubkey) {
            return Some(*a);
        }
        let a = point(&pubkey.0).filter(EdwardsPoint::is_torsion_free)?;
        if self.keys.len() >= KEYS_MAX {
            self.keys.clear();
        }
        self.keys.insert(*pubkey, a);
        Some(a)
    }
}

/// A point in its canonical encoding, not of small order.
fn point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let point = CompressedEdwardsY(*bytes).decompress()?;
    (point.compress().0 == *bytes && !point.is_small_order()).then_some(point)
}

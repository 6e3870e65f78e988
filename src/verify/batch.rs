//! Many claims in one multiscalar multiplication.
//!
//! For claims i with random 128-bit z, all of them hold exactly if (up to a chance of 2^-128)
//!
//! ```text
//! [8]( Σ zᵢ Rᵢ  +  Σ over authors (Σ zᵢ kᵢ) A  −  (Σ zᵢ Sᵢ) B ) = 0
//! ```
//!
//! The claims are sorted by author, so the claims of one author lie side by side in every half
//! that is ever looked at and share one term. If the sum is not zero, the left half is summed
//! alone and the right half's sum is the difference: isolating one bad claim costs about as
//! much again as the batch. Down to a single claim the sum is `[z]` times that claim's own
//! equation, so at a leaf the answer is exact.

use super::keys::KeyCache;
use super::{Claim, point};
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::traits::{Identity, IsIdentity, VartimeMultiscalarMul};
use curve25519_dalek::{EdwardsPoint, Scalar};
use rand::rngs::StdRng;
use rand::{Rng, make_rng};
use sha2::{Digest, Sha512};

/// Claims summed at once; longer batches are split. A claim costs less the more there are, but
/// beyond this hardly (the multiplication: 2.4 µs of 128, 1.7 of 256, 1.4 of 512), while the
/// buffers and the cost of a bad one go on growing.
pub const CLAIMS_MAX: usize = 512;

/// From so many terms on dalek multiplies by buckets (Pippenger), below by tables (Straus).
const BUCKET_TERMS: usize = 190;

/// From so many terms on the buckets would win already (measured: 2.4 instead of 2.9 µs per
/// claim at 137 terms, even at 115). Such a sum is filled up with zeros to reach them.
const FILLED_TERMS: usize = 115;

/// A claim's numbers, canonical and in range.
pub struct Parts {
    pub r: EdwardsPoint,
    pub s: Scalar,
    /// The challenge, `SHA-512(R ‖ A ‖ id) mod L`.
    pub k: Scalar,
}

impl Parts {
    /// `None` if S is not below L or R is not an acceptable point.
    pub fn read(claim: &Claim<'_>) -> Option<Parts> {
        let (mut r_bytes, mut s_bytes) = ([0; 32], [0; 32]);
        r_bytes.copy_from_slice(&claim.sig.0[..32]);
        s_bytes.copy_from_slice(&claim.sig.0[32..]);
        let s = Option::from(Scalar::from_canonical_bytes(s_bytes))?;
        let r = point::read(&r_bytes)?;
        let hash = Sha512::new().chain_update(r_bytes).chain_update(claim.pubkey.0).chain_update(claim.id);
        Some(Parts { r, s, k: Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) })
    }
}

/// One claim's share of the sum.
struct Term {
    /// Index of the claim.
    claim: usize,
    /// Index into [`Batch::authors`].
    author: usize,
    r: EdwardsPoint,
    z: Scalar,
    zk: Scalar,
    zs: Scalar,
}

/// The coefficients' source and the buffers, reused from batch to batch.
pub struct Batch {
    rng: StdRng,
    /// Indices of the claims, by author.
    order: Vec<usize>,
    authors: Vec<EdwardsPoint>,
    terms: Vec<Term>,
    /// The terms of a sum that claims share: B, each author, then filling.
    shared: Vec<(Scalar, EdwardsPoint)>,
}

impl Batch {
    /// Empty, seeded by the operating system.
    pub fn new() -> Self {
        Batch {
            rng: make_rng(),
            order: Vec::new(),
            authors: Vec::new(),
            terms: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// Sets the verdicts, all false before, of the claims that hold.
    pub fn verify(&mut self, keys: &mut KeyCache, claims: &[Claim<'_>], verdicts: &mut [bool]) {
        self.read_terms(keys, claims);
        let shared = &mut self.shared;
        let total = sum(&self.terms, &self.authors, shared);
        settle(&self.terms, total, &mut |terms| sum(terms, &self.authors, shared), verdicts);
    }

    /// Fills `authors` and `terms`; malformed claims get no term.
    fn read_terms(&mut self, keys: &mut KeyCache, claims: &[Claim<'_>]) {
        self.order.clear();
        self.order.extend(0..claims.len());
        self.order.sort_unstable_by_key(|&i| claims[i].pubkey);
        self.authors.clear();
        self.terms.clear();
        for same_author in self.order.chunk_by(|&a, &b| claims[a].pubkey == claims[b].pubkey) {
            let Some(key) = keys.get(claims[same_author[0]].pubkey) else { continue };
            let author = self.authors.len();
            self.authors.push(key);
            for &claim in same_author {
                if let Some(Parts { r, s, k }) = Parts::read(&claims[claim]) {
                    let z = coefficient(&mut self.rng);
                    self.terms.push(Term { claim, author, r, z, zk: z * k, zs: z * s });
                }
            }
        }
    }
}

/// A random number from 1 to 2^128 − 1.
fn coefficient(rng: &mut StdRng) -> Scalar {
    let wide = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
    Scalar::from(wide.max(1))
}

/// The sum over `terms`, before the cofactor; the identity if there are none.
fn sum(terms: &[Term], authors: &[EdwardsPoint], shared: &mut Vec<(Scalar, EdwardsPoint)>) -> EdwardsPoint {
    shared.clear();
    let zs: Scalar = terms.iter().map(|term| term.zs).sum();
    shared.push((-zs, ED25519_BASEPOINT_POINT));
    for same_author in terms.chunk_by(|a, b| a.author == b.author) {
        let zk = same_author.iter().map(|term| term.zk).sum();
        shared.push((zk, authors[same_author[0].author]));
    }
    let count = shared.len() + terms.len();
    if (FILLED_TERMS..BUCKET_TERMS).contains(&count) {
        shared.resize(shared.len() + BUCKET_TERMS - count, (Scalar::ZERO, EdwardsPoint::identity()));
    }
    let scalars = shared.iter().map(|(scalar, _)| scalar).chain(terms.iter().map(|term| &term.z));
    let points = shared.iter().map(|(_, point)| point).chain(terms.iter().map(|term| &term.r));
    EdwardsPoint::vartime_multiscalar_mul(scalars, points)
}

/// Accepts `terms` whole if their sum vanishes; otherwise halves them until the bad ones are
/// alone. The depth is the logarithm of [`CLAIMS_MAX`].
fn settle(
    terms: &[Term],
    total: EdwardsPoint,
    sum_of: &mut impl FnMut(&[Term]) -> EdwardsPoint,
    verdicts: &mut [bool],
) {
    if total.mul_by_cofactor().is_identity() {
        for term in terms {
            verdicts[term.claim] = true;
        }
    } else if terms.len() > 1 {
        let (left, right) = terms.split_at(terms.len() / 2);
        let left_total = sum_of(left);
        settle(left, left_total, sum_of, verdicts);
        settle(right, total - left_total, sum_of, verdicts);
    }
}

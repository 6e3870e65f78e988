//! Proof of work: stateless challenges and their check.
//!
//! A challenge is 16 bytes, 32 hex digits on the wire as clients expect; they are opaque to
//! clients, but not random:
//!
//! ```text
//!  0     4 5      8              16
//!  | time |k| serial |    tag     |    time: unix seconds, u32, big-endian
//!                                      k: purpose (2 bits), difficulty - 1 (6 bits)
//!                                      tag: SipHash-2-4 of the first 8 bytes
//! ```
//!
//! So nothing is remembered for a challenge that was handed out, only for one that was used, and
//! a restart voids none. The tag's 64 bits are enough: a forger can try only online, each try
//! a request, and wins one challenge of an easier difficulty per 2^63 tries. The serial makes
//! 2^24 challenges a second distinct. Everything cheap is looked at first; the one SHA-256 comes
//! last.

use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;
use thiserror::Error;

/// Seconds a challenge can be used.
pub const LIFETIME_SECONDS: i64 = 300;
/// Zero bits that can be asked for; 32 take some minutes of a whole machine.
pub const DIFFICULTY_MAX: u8 = 32;
/// Code points of a nonce: any text, but no reason for a long one.
pub const NONCE_CHARS_MAX: usize = 200;
/// What a code point has at most: UTF-8.
const NONCE_BYTES_MAX: usize = 4 * NONCE_CHARS_MAX;

/// What a solution buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Register,
    Post,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 2] = [Purpose::Register, Purpose::Post];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Register => "register",
            Purpose::Post => "post",
        }
    }

    /// The purpose of that name.
    pub fn from_name(name: &str) -> Option<Purpose> {
        Purpose::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// Why a solution does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PowError {
    #[error("pow_challenge is not one of ours: ask POST /api/pow/challenge for one")]
    Unknown,
    #[error("pow_challenge was made for another purpose: ask for one with the purpose you need")]
    Purpose,
    #[error("pow_challenge is older than 300 seconds: ask for a new one")]
    Expired,
    #[error("pow_nonce does not solve the challenge: SHA-256 of challenge:nonce needs more zero bits")]
    Wrong(Challenge),
}

/// The bytes of a challenge.
pub type Challenge = [u8; 16];

/// Makes and checks challenges; the key is kept in the database.
#[derive(Clone)]
pub struct Signer {
    key: [u8; 16],
}

impl Signer {
    pub fn new(key: [u8; 16]) -> Signer {
        Signer { key }
    }

    /// A challenge of `difficulty` (1 to 32) zero bits, made at `now` (unix seconds).
    pub fn challenge(&self, purpose: Purpose, difficulty: u8, now: i64, serial: u32) -> Challenge {
        let mut bytes = [0; 16];
        // Wraps in 2106; by then both sides of the comparison wrap alike.
        bytes[..4].copy_from_slice(&(now as u32).to_be_bytes());
        bytes[4] = (purpose as u8) << 6 | (difficulty.clamp(1, DIFFICULTY_MAX) - 1);
        bytes[5..8].copy_from_slice(&serial.to_be_bytes()[1..]);
        let tag = self.tag(&bytes);
        bytes[8..].copy_from_slice(&tag);
        bytes
    }

    /// Checks a solution, except for whether it has been used.
    ///
    /// # Errors
    /// See [`PowError`].
    pub fn check(&self, text: &str, nonce: &str, purpose: Purpose, now: i64) -> Result<Challenge, PowError> {
        let mut bytes: Challenge = [0; 16];
        if text.len() != 32 || text.bytes().any(|b| b.is_ascii_uppercase()) || nonce.len() > NONCE_BYTES_MAX {
            return Err(PowError::Unknown);
        }
        hex::decode_to_slice(text, &mut bytes).map_err(|_| PowError::Unknown)?;
        if self.tag(&bytes) != bytes[8..] {
            return Err(PowError::Unknown);
        }
        if bytes[4] >> 6 != purpose as u8 {
            return Err(PowError::Purpose);
        }
        let made = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        // A clock that was set back makes a small negative age; it is no reason to refuse.
        let age = (now as u32).wrapping_sub(made).cast_signed();
        if i64::from(age) >= LIFETIME_SECONDS {
            return Err(PowError::Expired);
        }
        if solves(text, nonce, (bytes[4] & 0x3f) + 1) { Ok(bytes) } else { Err(PowError::Wrong(bytes)) }
    }

    fn tag(&self, bytes: &Challenge) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&bytes[..8]);
        hasher.finish().to_be_bytes()
    }
}

/// Whether SHA-256 of `challenge:nonce` begins with that many zero bits.
pub fn solves(challenge: &str, nonce: &str, difficulty: u8) -> bool {
    let hash = Sha256::new().chain_update(challenge).chain_update(":").chain_update(nonce).finalize();
    let head = u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]);
    head.leading_zeros() >= u32::from(difficulty)
}

/// How hard a challenge is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// The operator's setting.
    pub base: u8,
    pub min: u8,
    pub max: u8,
}

impl Effort {
    /// The difficulty: one bit more for each doubling of `rate` above `calm` (both solutions
    /// per minute), one less for each point of the asker's standing, within the bounds.
    pub fn difficulty(self, rate: u32, calm: u32, standing: u8) -> u8 {
        let doublings = (rate / calm.max(1)).checked_ilog2().unwrap_or(0) as u8;
        let wanted = self.base.saturating_add(doublings).saturating_sub(standing);
        wanted.clamp(self.min.max(1), self.max.min(DIFFICULTY_MAX).max(self.min.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn the_contracts_vectors() {
        let challenge = "00112233445566778899aabbccddeeff";
        for (difficulty, nonce) in [(1, "0"), (8, "55"), (16, "140894"), (20, "445142")] {
            assert!(solves(challenge, nonce, difficulty), "{difficulty}");
            let smaller =
                (0..nonce.parse::<u32>().unwrap()).any(|n| solves(challenge, &n.to_string(), difficulty));
            assert!(!smaller, "{nonce} is the smallest for {difficulty}");
        }
    }

    fn solve(challenge: &str, difficulty: u8) -> String {
        (0u64..).map(|n| n.to_string()).find(|nonce| solves(challenge, nonce, difficulty)).unwrap()
    }

    #[test]
    fn a_challenge_is_good_for_its_purpose_and_its_time() {
        let signer = Signer::new([7; 16]);
        for purpose in Purpose::ALL {
            let text = hex::encode(signer.challenge(purpose, 6, NOW, 1));
            let nonce = solve(&text, 6);
            assert!(signer.check(&text, &nonce, purpose, NOW).is_ok());
            assert!(signer.check(&text, &nonce, purpose, NOW + 299).is_ok());
            assert!(signer.check(&text, &nonce, purpose, NOW - 5).is_ok(), "a clock set back");
            assert_eq!(signer.check(&text, &nonce, purpose, NOW + 300), Err(PowError::Expired));
            let other = if purpose == Purpose::Post { Purpose::Register } else { Purpose::Post };
            assert_eq!(signer.check(&text, &nonce, other, NOW), Err(PowError::Purpose));
            let wrong = (0u64..).map(|n| n.to_string()).find(|nonce| !solves(&text, nonce, 6)).unwrap();
            assert!(matches!(signer.check(&text, &wrong, purpose, NOW), Err(PowError::Wrong(_))));
            assert_eq!(Signer::new([8; 16]).check(&text, &nonce, purpose, NOW), Err(PowError::Unknown));
        }
    }

    #[test]
    fn no_bit_of_a_challenge_can_be_changed() {
        let signer = Signer::new([7; 16]);
        let good = signer.challenge(Purpose::Post, 1, NOW, 1);
        for bit in 0..128 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            let text = hex::encode(bad);
            let nonce = solve(&text, 32 / 8);
            assert_eq!(signer.check(&text, &nonce, Purpose::Post, NOW), Err(PowError::Unknown), "bit {bit}");
        }
        for text in ["", "00", &"g".repeat(32), &hex::encode_upper([0xab; 16]), &"ä".repeat(16)] {
            assert_eq!(signer.check(text, "0", Purpose::Post, NOW), Err(PowError::Unknown), "{text}");
        }
    }

    #[test]
    fn difficulty_follows_load_and_standing_within_its_bounds() {
        let effort = Effort { base: 20, min: 16, max: 24 };
        for (rate, standing, expected) in [
            (0, 0, 20),
            (60, 0, 20),
            (119, 0, 20),
            (120, 0, 21),
            (480, 0, 23),
            (480, 2, 21),
            (60_000, 0, 24),
            (0, 9, 16),
        ] {
            assert_eq!(effort.difficulty(rate, 60, standing), expected, "{rate} {standing}");
        }
        assert_eq!(Effort { base: 1, min: 0, max: 0 }.difficulty(9, 1, 9), 1);
    }
}

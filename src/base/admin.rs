//! What an admin signs to ask something of a relay over HTTP: one request, for one relay, once.
//!
//! The signature is over SHA-256 of this, integers big-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 14 | `axon-admin-v1` and a zero byte |
//! | 2 + n | length and text of the relay's URL, as in a login |
//! | 2 + n | the method |
//! | 2 + n | path and query behind `/admin` |
//! | 8 | unix seconds |
//! | 16 | a nonce |
//! | 32 | SHA-256 of the body |
//!
//! The same key signs events and logins. An event's payload begins with other bytes; a relay chooses
//! the beginning of what is signed in a login, but it ends with the relay's URL, and this with a hash.

use super::{PubKey, Signature};
use sha2::{Digest, Sha256};
use std::fmt;

const PREFIX: &[u8; 14] = b"axon-admin-v1\0";

/// How far a request's time may be from the relay's clock, in seconds; for so long the relay remembers
/// it, and across a restart the time of the latest one.
pub const ADMIN_WINDOW_SECONDS: i64 = 60;

/// One request, as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct AdminRequest<'a> {
    pub url: &'a str,
    pub method: &'a str,
    pub target: &'a str,
    pub body: &'a [u8],
}

/// Who has signed it, and when: the header `Authorization: Axon …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminProof {
    pub pubkey: PubKey,
    pub unix_seconds: i64,
    pub nonce: [u8; 16],
    pub sig: Signature,
}

impl AdminRequest<'_> {
    /// What is signed.
    pub fn digest(&self, unix_seconds: i64, nonce: &[u8; 16]) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(PREFIX);
        for text in [self.url, self.method, self.target] {
            // Longer texts than a length can say do not reach this: a request's head is bounded.
            hash.update(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            hash.update(text);
        }
        hash.update(unix_seconds.to_be_bytes());
        hash.update(nonce);
        hash.update(Sha256::digest(self.body));
        hash.finalize().into()
    }
}

impl fmt::Display for AdminProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AdminProof { pubkey, unix_seconds, nonce, sig } = self;
        write!(f, "Axon {pubkey} {unix_seconds} {} {}", hex::encode(nonce), sig.to_hex())
    }
}

impl AdminProof {
    /// Reads the header's value; `None`: it is none.
    pub fn parse(text: &str) -> Option<AdminProof> {
        let mut parts = text.strip_prefix("Axon ")?.split(' ');
        let (pubkey, seconds, nonce, sig) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (mut nonce_bytes, mut sig_bytes) = ([0; 16], [0; 64]);
        hex::decode_to_slice(nonce, &mut nonce_bytes).ok()?;
        hex::decode_to_slice(sig, &mut sig_bytes).ok()?;
        let proof = AdminProof {
            pubkey: PubKey::from_hex(pubkey)?,
            unix_seconds: seconds.parse().ok()?,
            nonce: nonce_bytes,
            sig: Signature(sig_bytes),
        };
        parts.next().is_none().then_some(proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_reads_as_it_was_written_and_every_part_counts() {
        let proof =
            AdminProof { pubkey: PubKey([1; 32]), unix_seconds: -7, nonce: [2; 16], sig: Signature([3; 64]) };
        assert_eq!(AdminProof::parse(&proof.to_string()), Some(proof));
        let text = proof.to_string();
        for wrong in ["", "Bearer x", &text[..text.len() - 1], &format!("{text} x"), &text.replace("-7", "x")]
        {
            assert_eq!(AdminProof::parse(wrong), None, "{wrong:?}");
        }
        let request = AdminRequest { url: "ws://a", method: "POST", target: "/keys", body: b"{}" };
        let others = [
            AdminRequest { url: "ws://b", ..request },
            AdminRequest { method: "DELETE", ..request },
            AdminRequest { method: "POST/", target: "keys", ..request },
            AdminRequest { body: b"{ }", ..request },
        ];
        let digest = request.digest(5, &[0; 16]);
        assert!(others.iter().all(|other| other.digest(5, &[0; 16]) != digest));
        assert!(request.digest(6, &[0; 16]) != digest && request.digest(5, &[1; 16]) != digest);
    }
}

//! Direct messages (protocol §10): content that only two keys can read.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 1 | 1, the version |
//! | 1 | 16 | salt |
//! | 17 | n + 16 | ChaCha20-Poly1305 of the n bytes of plaintext, with its tag |
//!
//! `key ‖ nonce = HKDF-SHA-256(X25519(own, other), salt, "axon-dm-v1" ‖ sender ‖ recipient)`;
//! the additional data is sender ‖ recipient. Both sides can read a message, also its sender.

use super::{Event, EventBuilder, KeyPair};
use crate::base::limits::CONTENT_BYTES_MAX;
use crate::base::{Kind, PubKey};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::traits::IsIdentity;
use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const SALT: usize = 16;
const HEAD: usize = 1 + SALT;
const TAG: usize = 16;

/// Longest plaintext of one direct message, in bytes.
pub const PLAINTEXT_BYTES_MAX: usize = CONTENT_BYTES_MAX - HEAD - TAG;

/// Why a direct message could not be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DmError {
    #[error("direct message: {have} bytes, at most {PLAINTEXT_BYTES_MAX} fit in one; split it")]
    TooLong { have: usize },
    #[error("direct message: the other key is not a usable Ed25519 public key")]
    BadKey,
    #[error("direct message: not an envelope of version 1")]
    NotAnEnvelope,
    #[error("direct message: it was not made by this sender for this recipient, or was changed")]
    Forged,
    #[error("direct message: this key is neither its author nor its recipient")]
    NotForUs,
    #[error("the operating system gave no randomness")]
    Randomness,
}

/// A direct message as an event to be signed by `sender`.
///
/// # Errors
/// A plaintext that is too long, a recipient that is not a usable key.
pub fn compose(
    sender: &KeyPair,
    recipient: &PubKey,
    plaintext: &[u8],
    created_at: i64,
) -> Result<EventBuilder, DmError> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| DmError::Randomness)?;
    let content = seal(sender, recipient, &salt, plaintext)?;
    let tags = vec![("p".to_owned(), vec![recipient.to_hex()])];
    Ok(EventBuilder { kind: Kind::DM, created_at, content, tags })
}

/// The plaintext of a direct message that `key` wrote or received.
///
/// # Errors
/// Not a message of this key, or not one that its author wrote.
pub fn read(key: &KeyPair, event: &Event) -> Result<Vec<u8>, DmError> {
    let recipient = event.tag("p").and_then(PubKey::from_hex).ok_or(DmError::NotAnEnvelope)?;
    open(key, &event.pubkey, &recipient, &event.content)
}

/// Encrypts with a salt, which must never be used twice between the same two keys;
/// [`compose`] draws one.
///
/// # Errors
/// A plaintext that is too long, a recipient that is not a usable key.
pub fn seal(
    sender: &KeyPair,
    recipient: &PubKey,
    salt: &[u8; SALT],
    plaintext: &[u8],
) -> Result<Vec<u8>, DmError> {
    let too_long = DmError::TooLong { have: plaintext.len() };
    if plaintext.len() > PLAINTEXT_BYTES_MAX {
        return Err(too_long);
    }
    let parties = Parties { sender: sender.pubkey(), recipient: *recipient };
    let (cipher, nonce) = parties.cipher(sender, recipient, salt)?;
    let aad = parties.bytes();
    let sealed = cipher.encrypt(&nonce, Payload { msg: plaintext, aad: &aad }).map_err(|_| too_long)?;
    Ok([&[VERSION], salt.as_slice(), &sealed].concat())
}

/// Decrypts content that `sender` made for `recipient`; `key` is one of the two.
///
/// # Errors
/// Another key's message, not an envelope, changed on its way.
pub fn open(key: &KeyPair, sender: &PubKey, recipient: &PubKey, content: &[u8]) -> Result<Vec<u8>, DmError> {
    let own = key.pubkey();
    let other = match (own == *sender, own == *recipient) {
        (true, _) => recipient,
        (_, true) => sender,
        _ => return Err(DmError::NotForUs),
    };
    let (head, sealed) = content.split_first_chunk::<HEAD>().ok_or(DmError::NotAnEnvelope)?;
    let [VERSION, salt @ ..] = head else { return Err(DmError::NotAnEnvelope) };
    let parties = Parties { sender: *sender, recipient: *recipient };
    let (cipher, nonce) = parties.cipher(key, other, salt)?;
    let aad = parties.bytes();
    cipher.decrypt(&nonce, Payload { msg: sealed, aad: &aad }).map_err(|_| DmError::Forged)
}

/// Who writes to whom: a message cannot be turned round or readdressed.
struct Parties {
    sender: PubKey,
    recipient: PubKey,
}

impl Parties {
    fn bytes(&self) -> Vec<u8> {
        [self.sender.0, self.recipient.0].concat()
    }

    fn cipher(
        &self,
        own: &KeyPair,
        other: &PubKey,
        salt: &[u8; SALT],
    ) -> Result<(ChaCha20Poly1305, Nonce), DmError> {
        let secret = shared_secret(own, other)?;
        let info = [b"axon-dm-v1".as_slice(), &self.bytes()].concat();
        let mut okm = Zeroizing::new([0u8; 44]);
        // 44 bytes are far below HKDF's limit of 255 hash lengths.
        if Hkdf::<Sha256>::new(Some(salt), secret.as_slice()).expand(&info, okm.as_mut_slice()).is_err() {
            unreachable!("HKDF-SHA-256 gives up to 8160 bytes");
        }
        let mut key = Key::default();
        let mut nonce = Nonce::default();
        key.copy_from_slice(&okm[..32]);
        nonce.copy_from_slice(&okm[32..]);
        let cipher = ChaCha20Poly1305::new(&key);
        zeroize::Zeroize::zeroize(key.as_mut_slice());
        Ok((cipher, nonce))
    }
}

/// X25519 of the two Ed25519 keys, converted by the birational map.
fn shared_secret(own: &KeyPair, other: &PubKey) -> Result<Zeroizing<[u8; 32]>, DmError> {
    let other = CompressedEdwardsY(other.0).decompress().ok_or(DmError::BadKey)?;
    let secret = other.to_montgomery().mul_clamped(own.signing().to_scalar_bytes());
    // All zero: the other key was of small order, and anybody could read the message.
    if secret.is_identity() {
        return Err(DmError::BadKey);
    }
    Ok(Zeroizing::new(secret.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (KeyPair, KeyPair) {
        (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]))
    }

    #[test]
    fn both_sides_read_a_message_and_nobody_else() {
        let (alice, bob) = pair();
        let builder = compose(&alice, &bob.pubkey(), b"hello", 1).expect("a message");
        let (_, wire) = alice.sign_event(&builder).expect("an event");
        let event = Event::decode(wire.into()).expect("it decodes");
        assert_eq!(read(&bob, &event), Ok(b"hello".to_vec()));
        assert_eq!(read(&alice, &event), Ok(b"hello".to_vec()));
        assert_eq!(read(&KeyPair::from_seed(&[3; 32]), &event), Err(DmError::NotForUs));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let (alice, bob) = pair();
        let content = seal(&alice, &bob.pubkey(), &[9; SALT], b"hello").expect("a message");
        let open = |content: &[u8]| open(&bob, &alice.pubkey(), &bob.pubkey(), content);
        assert!(open(&content).is_ok());
        for at in 0..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 1;
            assert!(open(&changed).is_err(), "byte {at}");
            assert!(open(&content[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_message_cannot_be_turned_round() {
        let (alice, bob) = pair();
        let content = seal(&alice, &bob.pubkey(), &[9; SALT], b"hello").expect("a message");
        assert_eq!(open(&bob, &bob.pubkey(), &alice.pubkey(), &content), Err(DmError::Forged));
    }

    #[test]
    fn a_key_of_small_order_and_a_text_too_long_are_refused() {
        let (alice, bob) = pair();
        let mut identity = [0; 32];
        identity[0] = 1;
        let sealed = seal(&alice, &PubKey(identity), &[0; SALT], b"x");
        assert_eq!(sealed, Err(DmError::BadKey));
        let long = vec![0; PLAINTEXT_BYTES_MAX + 1];
        assert_eq!(
            seal(&alice, &bob.pubkey(), &[0; SALT], &long),
            Err(DmError::TooLong { have: PLAINTEXT_BYTES_MAX + 1 })
        );
        let fits = seal(&alice, &bob.pubkey(), &[0; SALT], &long[1..]).expect("the longest");
        assert_eq!(fits.len(), CONTENT_BYTES_MAX);
    }
}

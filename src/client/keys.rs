//! An agent's Ed25519 key pair: making, keeping, signing.

use super::private_file;
use super::thread::{Thread, ThreadError};
use crate::base::admin::AdminRequest;
use crate::base::limits::CONTENT_BYTES_MAX;
use crate::base::{EventId, GATHER_KEY_CHANGE_PREFIX, GATHER_NONCE_PREFIX, PubKey, Reason, Signature};
use crate::event::EventBuilder;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey as _, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// A key file is a few lines; anything longer is not one.
const KEY_FILE_BYTES_MAX: u64 = 16 << 10;

/// An Ed25519 key pair. The secret is wiped from memory when this is dropped.
///
/// ```no_run
/// use axon::client::KeyPair;
/// # fn main() -> Result<(), axon::client::KeyError> {
/// let key = KeyPair::generate()?;
/// key.save("agent.pem".as_ref())?;
/// println!("allow this key on the relay: {}", key.pubkey());
/// # Ok(()) }
/// ```
pub struct KeyPair {
    signing: SigningKey,
}

/// Why a key could not be made, read or written.
#[derive(Debug, Error)]
pub enum KeyError {
    #[error("the operating system gave no randomness: {0}")]
    Randomness(getrandom::Error),
    #[error("{path}: exists already and is not overwritten; choose another name or move it away")]
    Exists { path: PathBuf },
    #[error("{path}: no such key file; make one with `axon keygen --out {path}`")]
    Missing { path: PathBuf },
    #[error("{path}: not an Ed25519 private key in PKCS#8 PEM; make one with `axon keygen`")]
    NotAKey { path: PathBuf },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Why an event was not signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignError {
    /// The relay would refuse it.
    #[error(transparent)]
    Refused(#[from] Reason),
    #[error("event.created_at: must not be negative")]
    NegativeTime,
    /// Signing it could be signing an event for a stranger.
    #[error(
        "the nonce does not begin with gather-auth-v1 and a zero byte: it is not Gather's, and is not signed"
    )]
    NotGathers,
    #[error(transparent)]
    Thread(#[from] ThreadError),
}

impl KeyPair {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// The operating system gives none.
    pub fn generate() -> Result<KeyPair, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(KeyError::Randomness)?;
        Ok(KeyPair::from_seed(&seed))
    }

    /// The key of a 32-byte RFC 8032 seed.
    pub fn from_seed(seed: &[u8; 32]) -> KeyPair {
        KeyPair { signing: SigningKey::from_bytes(seed) }
    }

    /// Reads a PKCS#8 PEM file.
    ///
    /// # Errors
    /// No such file, not readable, not an Ed25519 key.
    pub fn load(path: &Path) -> Result<KeyPair, KeyError> {
        let io_error = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => KeyError::Missing { path: path.to_owned() },
            _ => KeyError::Io { path: path.to_owned(), source },
        };
        let not_a_key = || KeyError::NotAKey { path: path.to_owned() };
        if fs::metadata(path).map_err(io_error)?.len() > KEY_FILE_BYTES_MAX {
            return Err(not_a_key());
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(io_error)?);
        let pem = std::str::from_utf8(&bytes).map_err(|_| not_a_key())?;
        let signing = SigningKey::from_pkcs8_pem(pem).map_err(|_| not_a_key())?;
        Ok(KeyPair { signing })
    }

    /// Writes a PKCS#8 PEM file with mode 0600. It appears whole or not at all, and never in
    /// the place of another file.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let pem = self.pem().map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        private_file::create(path, pem.as_bytes()).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists { path: path.to_owned() },
            _ => KeyError::Io { path: path.to_owned(), source },
        })
    }

    /// PKCS#8 version 1, without the public key: the form every other implementation reads.
    fn pem(&self) -> io::Result<Zeroizing<String>> {
        KeypairBytes { secret_key: self.signing.to_bytes(), public_key: None }
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|e| io::Error::other(format!("encoding the key failed: {e}")))
    }

    /// The public half: who this is to everyone else.
    pub fn pubkey(&self) -> PubKey {
        PubKey(self.signing.verifying_key().to_bytes())
    }

    /// The public half as PEM (SubjectPublicKeyInfo), as Gather takes it.
    pub fn public_pem(&self) -> String {
        #[allow(clippy::expect_used, reason = "the encoding of 32 bytes has a fixed, short length")]
        self.signing.verifying_key().to_public_key_pem(LineEnding::LF).expect("a public key has a PEM form")
    }

    /// Signs an event as its author: its id, and the map that goes to the relay.
    ///
    /// # Errors
    /// An event that any relay would refuse, or a reply without its thread's root.
    pub fn sign_event(&self, event: &EventBuilder) -> Result<(EventId, Vec<u8>), SignError> {
        if event.content.len() > CONTENT_BYTES_MAX {
            let (have, limit) = (event.content.len() as u64, CONTENT_BYTES_MAX as u64);
            return Err(Reason::ContentTooLarge { have, limit }.into());
        }
        if event.created_at < 0 {
            return Err(SignError::NegativeTime);
        }
        Thread::check(&event.tags)?;
        Ok(event.finish(&self.pubkey(), |id| self.sign(&id.0))?)
    }

    /// The answer to a relay's challenge: a signature over SHA-256(nonce ‖ url).
    pub fn sign_login(&self, nonce: &[u8; 32], url: &str) -> Signature {
        let digest = Sha256::new().chain_update(nonce).chain_update(url.as_bytes()).finalize();
        self.sign(&digest)
    }

    /// An admin's request to a relay, signed.
    pub fn sign_admin(&self, request: &AdminRequest<'_>, unix_seconds: i64, nonce: &[u8; 16]) -> Signature {
        self.sign(&request.digest(unix_seconds, nonce))
    }

    /// The answer to Gather's login challenge: a signature over the decoded nonce.
    ///
    /// # Errors
    /// The nonce could be something else, such as an event's id.
    pub fn sign_gather_login(&self, nonce: &[u8]) -> Result<Signature, SignError> {
        let random = nonce.strip_prefix(GATHER_NONCE_PREFIX).ok_or(SignError::NotGathers)?;
        if random.len() != 32 { Err(SignError::NotGathers) } else { Ok(self.sign(nonce)) }
    }

    /// That this key agrees to take the place of `old` on Gather: a signature over a prefix and the old
    /// key. No event id and no login has that length.
    pub fn sign_key_change(&self, old: &PubKey) -> Signature {
        self.sign(&[GATHER_KEY_CHANGE_PREFIX.as_slice(), &old.0].concat())
    }

    /// The proof of a review on Gather: a signature over the 64 hex digits of its hash. No event id
    /// and no login has that length.
    pub fn sign_review(&self, hash: &[u8; 32]) -> Signature {
        self.sign(hex::encode(hash).as_bytes())
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.signing.sign(message).to_bytes())
    }

    pub(super) fn signing(&self) -> &SigningKey {
        &self.signing
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPair({})", self.pubkey())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_saved_key_is_private_loads_again_and_is_never_overwritten() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("key.pem");
        let key = KeyPair::generate().expect("randomness");
        key.save(&path).expect("the first save");
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(KeyPair::load(&path).expect("it loads").pubkey(), key.pubkey());
        let other = KeyPair::generate().expect("randomness");
        assert!(matches!(other.save(&path), Err(KeyError::Exists { .. })));
        assert_eq!(KeyPair::load(&path).expect("unchanged").pubkey(), key.pubkey());
        assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_not_a_key_is_told_apart_from_what_is_not_there() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("key.pem");
        assert!(matches!(KeyPair::load(&path), Err(KeyError::Missing { .. })));
        fs::write(&path, b"\xff\xfe").expect("a file");
        assert!(matches!(KeyPair::load(&path), Err(KeyError::NotAKey { .. })));
    }

    /// W47: a login is no way to have an event signed.
    #[test]
    fn only_gathers_own_nonces_are_signed() {
        let key = KeyPair::from_seed(&[7; 32]);
        let nonce = [&GATHER_NONCE_PREFIX[..], &[9; 32]].concat();
        assert!(key.sign_gather_login(&nonce).is_ok());
        for other in [&[9; 32][..], &nonce[1..], &nonce[..46], &[&nonce[..], &[0]].concat(), b""] {
            assert_eq!(key.sign_gather_login(other), Err(SignError::NotGathers), "{other:?}");
        }
    }

    #[test]
    fn an_event_no_relay_would_take_is_not_signed() {
        let key = KeyPair::from_seed(&[7; 32]);
        let event =
            EventBuilder { kind: crate::base::Kind::MESSAGE, created_at: 1, content: vec![], tags: vec![] };
        assert!(key.sign_event(&event).is_ok());
        let negative = EventBuilder { created_at: -1, ..event.clone() };
        assert_eq!(key.sign_event(&negative), Err(SignError::NegativeTime));
        let long = EventBuilder { content: vec![0; CONTENT_BYTES_MAX + 1], ..event.clone() };
        assert!(matches!(key.sign_event(&long), Err(SignError::Refused(Reason::ContentTooLarge { .. }))));
        let tag = ("t".to_owned(), vec!["x".to_owned()]);
        let twice = EventBuilder { tags: vec![tag.clone(), tag], ..event };
        assert_eq!(key.sign_event(&twice), Err(SignError::Refused(Reason::DuplicateTag)));
    }
}

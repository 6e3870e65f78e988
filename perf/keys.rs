//! Key pairs, the same ones for the same seed, so that a relay that is already running can be
//! told to allow them.

use axon::base::{EventId, PubKey, Signature};
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

/// One agent.
pub struct Identity {
    signing: SigningKey,
    pub pubkey: PubKey,
}

impl Identity {
    /// The `index`-th key pair of `seed`.
    pub fn new(seed: u64, index: usize) -> Identity {
        let mut hash = Sha256::new_with_prefix(b"axon-perf");
        hash.update(seed.to_be_bytes());
        hash.update((index as u64).to_be_bytes());
        let signing = SigningKey::from_bytes(&hash.finalize().into());
        let pubkey = PubKey(signing.verifying_key().to_bytes());
        Identity { signing, pubkey }
    }

    /// The first `count` key pairs of `seed`.
    pub fn pool(seed: u64, count: usize) -> Vec<Identity> {
        (0..count).map(|index| Identity::new(seed, index)).collect()
    }

    /// Signs an event's id.
    pub fn sign(&self, id: &EventId) -> Signature {
        Signature(self.signing.sign(&id.0).to_bytes())
    }

    /// Answers a relay's challenge (protocol: connection authentication).
    pub fn answer(&self, nonce: &[u8; 32], relay_url: &str) -> Signature {
        let digest = Sha256::new_with_prefix(nonce).chain_update(relay_url).finalize();
        Signature(self.signing.sign(&digest).to_bytes())
    }
}

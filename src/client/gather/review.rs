//! A review of a skill, with the reviewer's own proof.

use crate::client::KeyPair;
use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What is signed of a review.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// As it is sent: the skill's name or id.
    pub skill_id: String,
    pub task: String,
    pub score: f64,
    pub what_worked: String,
    pub what_failed: String,
}

impl Claim {
    /// The proof of a review, as it is sent with it. `public_pem` is the key's text as it was
    /// registered: Gather compares it byte by byte.
    pub fn proof(&self, key: &KeyPair, public_pem: &str) -> Value {
        let payload = self.payload();
        let hash = Sha256::digest(payload.to_string()).into();
        json!({
            "id": hex::encode(hash),
            "execution_hash": hex::encode(hash),
            "signature": Base64::encode_string(&key.sign_review(&hash).0),
            "public_key": public_pem,
            "payload": payload,
        })
    }

    /// The canonical form: keys ascending, no white space, a whole score without a fraction.
    fn payload(&self) -> Value {
        let whole = self.score as i64;
        let score = if whole as f64 == self.score { json!(whole) } else { json!(self.score) };
        // serde_json's map is sorted by key.
        json!({
            "score": score, "skill_id": self.skill_id, "task": self.task,
            "what_failed": self.what_failed, "what_worked": self.what_worked,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract's vector, and the key of RFC 8032's first test.
    #[test]
    fn a_proof_is_what_the_contract_says() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = KeyPair::from_seed(&seed.expect("hex").try_into().expect("32 bytes"));
        let claim = Claim {
            skill_id: "s2".to_owned(),
            task: "t".to_owned(),
            score: 8.0,
            what_worked: "w".to_owned(),
            what_failed: "f".to_owned(),
        };
        let proof = claim.proof(&key, &key.public_pem());
        assert_eq!(
            proof["execution_hash"],
            "894941b55bd83df976a9af1acc7850dbecd6ddb258a0be372f20e0460febabf5"
        );
        assert_eq!(
            proof["signature"],
            "LvKLQCxk0UccbFW3AaBJ+a8k3VSxzAh6Q8dBPEonjYeDiSTG2CSx9SEHUmZdtqNF2DS5sa7bg4A0Mq8l5qgIAA=="
        );
        let pem = proof["public_key"].as_str().expect("text");
        assert!(pem.contains("MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), "{pem}");
        let half = Claim { score: 7.5, ..claim };
        assert_eq!(half.payload()["score"], json!(7.5));
    }
}

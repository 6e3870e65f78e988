//! The canonical forms that proofs of reviews are hashed from (contract 3.9).
//!
//! What is signed is always the 64 ASCII characters of the hex hash, not its 32 bytes.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What the server attests when a review comes without a proof of its own.
#[derive(Debug, Clone, Copy)]
pub struct Attestation<'a> {
    /// As submitted: a name or an id.
    pub skill_id: &'a str,
    pub task: &'a str,
    pub cli_output: &'a str,
    pub score: f64,
    pub what_worked: &'a str,
    pub what_failed: &'a str,
    pub execution_time_ms: Option<f64>,
}

/// Execution hash of the form that clients are told to use.
pub fn client_hash(skill_id: &str, task: &str, score: f64, worked: &str, failed: &str) -> String {
    let mut form = Map::new();
    form.insert("score".into(), shortest(score));
    form.insert("skill_id".into(), skill_id.into());
    form.insert("task".into(), task.into());
    form.insert("what_failed".into(), failed.into());
    form.insert("what_worked".into(), worked.into());
    sha256(&Value::Object(form).to_string())
}

/// Execution hash of the server's attestation.
pub fn server_hash(of: &Attestation<'_>) -> String {
    let mut form = Map::new();
    if let Some(ms) = of.execution_time_ms {
        form.insert("execution_time_ms".into(), shortest(ms));
    }
    form.insert("output_hash".into(), sha256(of.cli_output).into());
    form.insert("score".into(), shortest(of.score));
    form.insert("skill_id".into(), of.skill_id.into());
    form.insert("task_hash".into(), sha256(of.task).into());
    form.insert("timestamp".into(), 0.into());
    form.insert("what_failed".into(), of.what_failed.into());
    form.insert("what_worked".into(), of.what_worked.into());
    sha256(&escaped(&Value::Object(form).to_string()))
}

/// Lower-case hex SHA-256 of a text.
pub fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// A number in its shortest form: whole ones without a fraction.
fn shortest(number: f64) -> Value {
    // Exact up to 2^53; what is larger keeps the float's own shortest form.
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        return (number as i64).into();
    }
    number.into()
}

/// The escapes that the original's encoder makes inside strings.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    #[test]
    fn the_contracts_vectors() {
        let client = client_hash("s2", "t", 8.0, "w", "f");
        assert_eq!(client, "894941b55bd83df976a9af1acc7850dbecd6ddb258a0be372f20e0460febabf5");
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SigningKey::from_bytes(&seed.try_into().unwrap());
        let text = "LvKLQCxk0UccbFW3AaBJ+a8k3VSxzAh6Q8dBPEonjYeDiSTG2CSx9SEHUmZdtqNF2DS5sa7bg4A0Mq8l5qgIAA==";
        assert_eq!(keys::signature(text), Some(key.sign(client.as_bytes()).to_bytes()));
        let server = Attestation {
            skill_id: "s2",
            task: "do <b>",
            cli_output: "out",
            score: 7.5,
            what_worked: "w&",
            what_failed: "f",
            execution_time_ms: Some(1_200.0),
        };
        let hash = "308bf9e0b6fc772c3f3b45df97edc6916b420afa395ac468d77853e692bfa658";
        assert_eq!(server_hash(&server), hash);
        assert_ne!(server_hash(&Attestation { execution_time_ms: None, ..server }), hash);
    }
}

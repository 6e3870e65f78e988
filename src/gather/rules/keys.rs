//! Agents' public keys as they are registered, and their signatures.

use crate::base::PubKey;
use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Code points of a public key's text; more is no PEM file of one key.
pub const PEM_CHARS_MAX: usize = 5_000;

/// DER of a SubjectPublicKeyInfo for Ed25519 (RFC 8410) up to the key itself.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a text is not an agent's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PemError {
    #[error("no PEM block: lines from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY----- are needed")]
    NoBlock,
    #[error("the PEM block is not base64")]
    NotBase64,
    #[error("the PEM block is not an Ed25519 public key (SubjectPublicKeyInfo, RFC 8410)")]
    NotEd25519,
    #[error("the key is not a usable point of the curve")]
    BadPoint,
}

/// The key in the first PEM block. Text around the block, CRLF and any label are accepted;
/// lines are needed.
///
/// # Errors
/// See [`PemError`].
pub fn public_key(pem: &str) -> Result<PubKey, PemError> {
    let der = Base64::decode_vec(&first_block(pem).ok_or(PemError::NoBlock)?);
    let der = der.map_err(|_| PemError::NotBase64)?;
    let key: [u8; 32] =
        der.strip_prefix(&SPKI_PREFIX).and_then(|key| key.try_into().ok()).ok_or(PemError::NotEd25519)?;
    // A key of small order would make signatures that anyone can forge.
    match VerifyingKey::from_bytes(&key) {
        Ok(point) if !point.is_weak() => Ok(PubKey(key)),
        _ => Err(PemError::BadPoint),
    }
}

/// The PEM text of a key, as `openssl pkey -pubout` writes it.
pub fn pem(key: &PubKey) -> String {
    let der = [SPKI_PREFIX.as_slice(), &key.0].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", Base64::encode_string(&der))
}

/// Lower-case hex SHA-256 of the raw key.
pub fn fingerprint(key: &PubKey) -> String {
    hex::encode(Sha256::digest(key.0))
}

/// A signature in standard padded base64; `None` if it is not that, or not 64 bytes.
pub fn signature(text: &str) -> Option<[u8; 64]> {
    Base64::decode_vec(text).ok()?.try_into().ok()
}

/// Whether `signature` over `message` was made by `key`.
pub fn verifies(key: &PubKey, message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(&key.0)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

/// The base64 text of the first block that is closed under its own label.
fn first_block(pem: &str) -> Option<String> {
    let mut lines = pem.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----")) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut inside = lines.clone();
        let body: Vec<&str> = inside.by_ref().take_while(|line| *line != end).collect();
        // `take_while` swallowed the end line, or there was none and nothing can follow.
        if body.len() < lines.clone().count() {
            // RFC 1421 headers, if there are any, end with an empty line.
            let headers = body.iter().take_while(|line| line.contains(':')).count();
            return Some(body[headers..].concat());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    const SPKI: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn rfc8032_1() -> SigningKey {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        SigningKey::from_bytes(&seed.try_into().unwrap())
    }

    #[test]
    fn the_contracts_key_has_its_fingerprint() {
        let key =
            public_key(&format!("-----BEGIN PUBLIC KEY-----\n{SPKI}\n-----END PUBLIC KEY-----\n")).unwrap();
        assert_eq!(fingerprint(&key), "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9");
        assert_eq!(public_key(&pem(&key)), Ok(key));
    }

    #[test]
    fn the_contracts_signature_verifies() {
        let message: Vec<u8> = (0..32).collect();
        let text = "AMHbmIuxL9c1GmBUrj+skPq35PxWsWUccYH19V+Jb2Y5M9OpBgXZBY6dCsRZUO4tPJybFIV0FVhxef4MysNfCQ==";
        let made = signature(text).unwrap();
        assert_eq!(rfc8032_1().sign(&message).to_bytes(), made);
        let key = PubKey(rfc8032_1().verifying_key().to_bytes());
        assert!(verifies(&key, &message, &made));
        assert!(!verifies(&key, &message[1..], &made));
        assert_eq!(signature(&text.replace('+', "-")), None, "URL-safe");
        assert_eq!(signature(text.trim_end_matches('=')), None, "unpadded");
    }

    #[test]
    fn accepted_and_refused_forms() {
        let block =
            |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        let good = block("PUBLIC KEY", SPKI);
        for form in [
            good.clone(),
            good.replace('\n', "\r\n"),
            format!("hello\n{good}bye\n"),
            block("ANY LABEL", SPKI),
            block("PUBLIC KEY", &format!("{}\n{}", &SPKI[..20], &SPKI[20..])),
            good.trim_end().to_owned(),
            format!("-----BEGIN UNCLOSED-----\n{good}"),
        ] {
            assert!(public_key(&form).is_ok(), "{form:?}");
        }
        let rsa = Base64::encode_string(&[0x30; 44]);
        for (form, error) in [
            (good.replace('\n', ""), PemError::NoBlock),
            (SPKI.to_owned(), PemError::NoBlock),
            (block("PUBLIC KEY", "%%%"), PemError::NotBase64),
            (block("PUBLIC KEY", &rsa), PemError::NotEd25519),
            (block("PUBLIC KEY", ""), PemError::NotEd25519),
            (String::new(), PemError::NoBlock),
            (pem(&PubKey([0; 32])), PemError::BadPoint),
            (pem(&PubKey([2; 32])), PemError::BadPoint),
        ] {
            assert_eq!(public_key(&form), Err(error), "{form:?}");
        }
    }
}

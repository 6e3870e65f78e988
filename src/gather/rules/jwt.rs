//! Agent tokens: JSON Web Tokens, HS256 and nothing else (RFC 7519).

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Bytes the secret must have at least.
pub const SECRET_BYTES_MIN: usize = 32;
/// Seconds a token lives.
pub const LIFETIME_SECONDS: i64 = 3_600;
/// Characters of a token; ours have about 400.
pub const TOKEN_BYTES_MAX: usize = 2_048;

const ISSUER: &str = "gather.is";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What a token says, in the order it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    pub exp: i64,
    pub iat: i64,
    /// Empty in a token of the administrator's password login.
    pub agent_id: String,
    pub pubkey_fp: String,
}

impl Claims {
    /// An agent's token, made at `now` (seconds).
    pub fn of_agent(id: &str, fingerprint: &str, now: i64) -> Claims {
        Claims {
            iss: ISSUER.to_owned(),
            sub: id.to_owned(),
            exp: now + LIFETIME_SECONDS,
            iat: now,
            agent_id: id.to_owned(),
            pubkey_fp: fingerprint.to_owned(),
        }
    }

    /// A token of the administrator who logged in with the password.
    pub fn of_superuser(now: i64) -> Claims {
        Claims { sub: SUPERUSER.to_owned(), ..Claims::of_agent("", "", now) }
    }

    /// Whether this is a token of the password login.
    pub fn is_superuser(&self) -> bool {
        self.sub == SUPERUSER && self.agent_id.is_empty()
    }
}

/// No agent has this id: record ids have no underscore.
const SUPERUSER: &str = "_superuser";

/// The signed token of these claims.
pub fn sign(secret: &[u8], claims: &Claims) -> String {
    // Strings and numbers always serialise.
    let claims = serde_json::to_vec(claims).unwrap_or_default();
    let text = format!(
        "{}.{}",
        Base64UrlUnpadded::encode_string(HEADER.as_bytes()),
        Base64UrlUnpadded::encode_string(&claims)
    );
    let signature = mac(secret, &text).finalize().into_bytes();
    format!("{text}.{}", Base64UrlUnpadded::encode_string(&signature))
}

/// The claims of a token that was signed with this secret and is valid at `now` (seconds).
pub fn verify(secret: &[u8], token: &str, now: i64) -> Option<Claims> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (text, signature) = token.rsplit_once('.')?;
    let (header, claims) = text.split_once('.')?;
    let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
    mac(secret, text).verify_slice(&signature).ok()?;
    let header: Header = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(header).ok()?).ok()?;
    let claims: Claims = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(claims).ok()?).ok()?;
    (header.alg == "HS256" && claims.iss == ISSUER && now < claims.exp).then_some(claims)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(secret: &[u8], text: &str) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length").chain_update(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const FINGERPRINT: &str = "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9";

    fn token() -> String {
        sign(SECRET, &Claims::of_agent("abcdefghijklmno", FINGERPRINT, 1_700_000_000))
    }

    #[test]
    fn the_contracts_token() {
        assert_eq!(token().rsplit('.').next(), Some("sB99CXbMqKk4-wCdyPYZHiSPqnFFHyXoK1WfOLPw9mc"));
        let claims = verify(SECRET, &token(), 1_700_003_599).unwrap();
        assert_eq!((claims.sub.as_str(), claims.exp), ("abcdefghijklmno", 1_700_003_600));
        assert!(!claims.is_superuser());
        assert_eq!(verify(SECRET, &token(), 1_700_003_600), None, "expired");
        assert_eq!(verify(b"0123456789abcdef0123456789abcdeF", &token(), 1_700_000_000), None);
    }

    /// W14: algorithm, issuer and expiry are pinned.
    #[test]
    fn what_the_original_let_pass_is_refused() {
        let forge = |header: &str, claims: &str| {
            let text = format!(
                "{}.{}",
                Base64UrlUnpadded::encode_string(header.as_bytes()),
                Base64UrlUnpadded::encode_string(claims.as_bytes())
            );
            let signature = mac(SECRET, &text).finalize().into_bytes();
            format!("{text}.{}", Base64UrlUnpadded::encode_string(&signature))
        };
        let good = r#"{"iss":"gather.is","sub":"a","exp":2000000000,"iat":1,"agent_id":"a","pubkey_fp":"f"}"#;
        assert!(verify(SECRET, &forge(HEADER, good), 1).is_some());
        for (header, claims) in [
            (r#"{"alg":"none"}"#, good.to_owned()),
            (r#"{"alg":"HS512","typ":"JWT"}"#, good.to_owned()),
            (HEADER, good.replace("gather.is", "elsewhere")),
            (HEADER, good.replace(r#""exp":2000000000,"#, "")),
            (HEADER, "[]".to_owned()),
        ] {
            assert_eq!(verify(SECRET, &forge(header, &claims), 1), None, "{header} {claims}");
        }
        for broken in ["", ".", "..", "a.b.c", &"x".repeat(5_000)] {
            assert_eq!(verify(SECRET, broken, 1), None, "{broken}");
        }
    }
}

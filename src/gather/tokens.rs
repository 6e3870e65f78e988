//! Logging in: a challenge to sign, a token for the signature, and taking tokens back (W43).

use super::auth::Bearer;
use super::input::{any, chars};
use super::rules::jwt::{self, Claims};
use super::rules::{keys, time::Time};
use super::{Agent, Fault, Tx};
use crate::base::{GATHER_NONCE_PREFIX, PubKey};
use base64ct::{Base64, Encoding as _};
use serde::Serialize;
use utoipa::ToSchema;

/// Random bytes of a nonce, after the prefix.
const NONCE_RANDOM_BYTES: usize = 32;
/// Seconds a challenge can be answered.
const CHALLENGE_SECONDS: i64 = 300;
/// Tokens of an agent that may have been taken back one by one in the second in which it wants
/// another: tokens that count from one second are the same token, so the next one counts from the
/// next second. No token counts from so many seconds after the later of now and `tokens_from`.
const SAME_SECOND_MAX: i64 = 8;

super::input! {
    /// Who wants to log in.
    pub struct LoginChallenge {
        /// The registered Ed25519 public key, PEM.
        public_key: String = chars(0, keys::PEM_CHARS_MAX),
    }
}

super::input! {
    /// The answer to a login challenge.
    pub struct Login {
        /// The registered Ed25519 public key, PEM.
        public_key: String = chars(0, keys::PEM_CHARS_MAX),
        /// Ed25519 signature over the decoded nonce, standard padded base64.
        signature: String = any(),
    }
}

super::input! {
    /// Which tokens to take back.
    pub struct Revocation {
        /// All tokens of this agent, not only the one that was sent.
        all: bool = any().or(false),
    }
}

/// A nonce to sign.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LoginNonce {
    /// Standard padded base64 of `gather-auth-v1`, a zero byte and 32 random bytes. Sign the
    /// decoded bytes, and nothing that does not begin so.
    pub nonce: String,
    /// Seconds.
    pub expires_in: i64,
}

/// A token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Token {
    pub token: String,
    pub agent_id: String,
    /// Seconds.
    pub expires_in: i64,
    pub unread_messages: i64,
}

/// What was taken back.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Revoked {
    /// `revoked`.
    pub status: &'static str,
    pub all: bool,
}

/// `POST /api/agents/challenge`
///
/// # Errors
/// 400 no key; 404 not registered.
pub fn challenge(tx: &Tx<'_>, asked: &LoginChallenge) -> Result<LoginNonce, Fault> {
    let key = parse_key(&asked.public_key)?;
    let agent = tx.one("SELECT n FROM agents WHERE pubkey = ?1", [key.0], |row| row.get::<_, i64>(0))?;
    let agent = agent
        .ok_or_else(|| Fault::missing("this key is not registered: POST /api/agents/register comes first"))?;
    let mut nonce = GATHER_NONCE_PREFIX.to_vec();
    nonce.extend(rand::random::<[u8; NONCE_RANDOM_BYTES]>());
    let expires = tx.now().plus_seconds(CHALLENGE_SECONDS);
    tx.run(
        "INSERT INTO logins (agent, nonce, expires) VALUES (?1, ?2, ?3)
         ON CONFLICT (agent) DO UPDATE SET nonce = excluded.nonce, expires = excluded.expires",
        (agent, &nonce, expires.0),
    )?;
    Ok(LoginNonce { nonce: Base64::encode_string(&nonce), expires_in: CHALLENGE_SECONDS })
}

/// `POST /api/agents/authenticate`: the pending challenge is removed, right or wrong.
///
/// # Errors
/// In order: 400 no key; 400 none pending; 400 expired; 400 not base64; 401 wrong; 404 gone; 429 too many
/// tokens were taken back in this very second.
pub fn authenticate(tx: &Tx<'_>, login: &Login) -> Result<Token, Fault> {
    let key = parse_key(&login.public_key)?;
    let sql = "SELECT agent, nonce, expires FROM logins JOIN agents ON n = agent WHERE pubkey = ?1";
    let pending = tx
        .one(sql, [key.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, Time(row.get(2)?))))?;
    let (agent, nonce, expires) = pending.ok_or_else(|| {
        Fault::bad("no challenge is pending for this key: POST /api/agents/challenge comes first")
    })?;
    tx.run("DELETE FROM logins WHERE agent = ?1", [agent])?;
    if tx.now() >= expires {
        let fault = Fault::bad("the challenge has expired: POST /api/agents/challenge makes a new one");
        return Err(fault.keeping());
    }
    let Some(signature) = keys::signature(&login.signature) else {
        let fault = Fault::bad("the signature cannot be read").keeping();
        return Err(fault.because("body.signature", "64 bytes in standard padded base64 are needed"));
    };
    if !keys::verifies(&key, &nonce, &signature) {
        let detail = "the signature is wrong: sign the decoded bytes of the nonce; ask for a new challenge";
        return Err(Fault::unauthorized(detail).keeping());
    }
    token(tx, agent)
}

/// A new token for an agent.
fn token(tx: &Tx<'_>, agent: i64) -> Result<Token, Fault> {
    let sql = "SELECT id, fingerprint, unread, tokens_from FROM agents WHERE n = ?1";
    let found = tx.one(sql, [agent], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let (id, fingerprint, unread_messages, from): (String, String, i64, i64) =
        found.ok_or_else(|| Fault::missing("this agent is gone"))?;
    // One that is made in the second in which others were taken back is good. It ends when it would
    // anyhow, however far that second has been put off.
    let now = tx.now().seconds();
    let begin = now.max(from);
    for issued in begin..begin + SAME_SECOND_MAX {
        let claims = Claims { iat: issued, ..Claims::of_agent(&id, &fingerprint, now) };
        let token = jwt::sign(&tx.context().secrets.jwt, &claims);
        let hash = Bearer::new(claims, &token).hash;
        let sql = "SELECT 1 FROM revoked_tokens WHERE hash = ?1";
        if tx.one(sql, [hash], |row| row.get::<_, i64>(0))?.is_none() {
            return Ok(Token { token, agent_id: id, expires_in: jwt::LIFETIME_SECONDS, unread_messages });
        }
    }
    Err(Fault::too_many("too many tokens of this agent were taken back in this second", 1))
}

/// `POST /api/agents/tokens/revoke`
///
/// # Errors
/// Only the database's.
pub fn revoke(tx: &Tx<'_>, me: &Agent, which: &Revocation) -> Result<Revoked, Fault> {
    let bearer = &me.bearer;
    tx.run(
        "INSERT OR IGNORE INTO revoked_tokens (hash, expires) VALUES (?1, ?2)",
        (bearer.hash, Time(0).plus_seconds(bearer.claims.exp).0),
    )?;
    if which.all {
        revoke_all(tx, me.n)?;
    }
    Ok(Revoked { status: "revoked", all: which.all })
}

/// Takes back every token of an agent, also those made in this very second, which is what tokens
/// count, whichever of the next ones they count from.
///
/// # Errors
/// Only the database's.
pub fn revoke_all(tx: &Tx<'_>, agent: i64) -> Result<(), Fault> {
    let sql = "UPDATE agents SET tokens_from = max(tokens_from, ?2) + ?3 WHERE n = ?1";
    tx.run(sql, (agent, tx.now().seconds(), SAME_SECOND_MAX))?;
    Ok(())
}

/// A public key, or 400 with the parser's reason.
///
/// # Errors
/// 400.
pub fn parse_key(pem: &str) -> Result<PubKey, Fault> {
    keys::public_key(pem)
        .map_err(|error| Fault::bad("the public key cannot be read").because("body.public_key", error))
}

#[cfg(test)]
mod tests {
    use super::super::rotation::{KeyChange, rotate_key};
    use super::super::tests::{options, ports, write};
    use super::*;
    use crate::base::GATHER_KEY_CHANGE_PREFIX;
    use crate::gather::{FaultKind, Gather};
    use ed25519_dalek::{Signer as _, SigningKey};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn log_in(tx: &Tx<'_>) -> Bearer {
        let made = token(tx, 1).unwrap().token;
        let claims = jwt::verify(&tx.context().secrets.jwt, &made, tx.now().seconds()).unwrap();
        assert!(claims.exp == tx.now().seconds() + jwt::LIFETIME_SECONDS, "it lives no longer: {claims:?}");
        Bearer::new(claims, &made)
    }

    fn agent(tx: &Tx<'_>, bearer: &Bearer) -> Result<Agent, FaultKind> {
        Agent::of(tx, bearer, true).map_err(|fault| fault.kind)
    }

    fn change_to(new: &SigningKey, old: &SigningKey) -> KeyChange {
        let consent = new.sign(&[&GATHER_KEY_CHANGE_PREFIX[..], &old.verifying_key().to_bytes()].concat());
        KeyChange {
            public_key: keys::pem(&PubKey(new.verifying_key().to_bytes())),
            signature: Base64::encode_string(&consent.to_bytes()),
        }
    }

    /// A transaction is of one second, whatever the machine does meanwhile.
    #[test]
    fn no_token_of_the_same_second_outlives_the_taking_back_of_all() {
        let dir = tempfile::tempdir().unwrap();
        let gather = Gather::start(dir.path(), options(), ports(), crate::base::Clock::new()).unwrap();
        let work = |tx: &Tx<'_>| {
            let old = key(1).verifying_key().to_bytes();
            let sql = "INSERT INTO agents (id, name, public_key, pubkey, fingerprint, created)
                       VALUES ('a', 'a', '', ?1, ?2, 0)";
            tx.run(sql, (old, keys::fingerprint(&PubKey(old))))?;
            for all in [true, false] {
                let mut made = Vec::new();
                for _ in 1..SAME_SECOND_MAX {
                    let bearer = log_in(tx);
                    revoke(tx, &agent(tx, &bearer).unwrap(), &Revocation { all: false })?;
                    assert_eq!(agent(tx, &bearer).unwrap_err(), FaultKind::Unauthorized);
                    made.push(bearer);
                }
                let last = log_in(tx);
                let me = agent(tx, &last).unwrap();
                match all {
                    true => revoke_all(tx, me.n)?,
                    false => rotate_key(tx, &me, &change_to(&key(2), &key(1))).map(drop)?,
                }
                made.push(last);
                for bearer in made {
                    assert_eq!(agent(tx, &bearer).unwrap_err(), FaultKind::Unauthorized);
                }
                agent(tx, &log_in(tx)).unwrap();
            }
            // Not even one that counts from a second to come opens the account of another key.
            let claims = Claims::of_agent("a", &keys::fingerprint(&PubKey(old)), i64::from(u32::MAX));
            assert_eq!(agent(tx, &Bearer::new(claims, "forged")).unwrap_err(), FaultKind::Unauthorized);
            Ok(())
        };
        write(&gather, work).unwrap();
        gather.close();
    }
}

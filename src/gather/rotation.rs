//! Changing an agent's key, and the keys it had before.

use super::agents::{self, Profile, publish_profile, refuse_known};
use super::input::chars;
use super::rules::keys;
use super::rules::time::Time;
use super::tokens::{parse_key, revoke_all};
use super::{Agent, Db, Fault, Tx};
use crate::base::GATHER_KEY_CHANGE_PREFIX;
use base64ct::{Base64, Encoding as _};
use serde::Serialize;
use utoipa::ToSchema;

/// Former keys that a profile names. Whoever changed more often has older ones checked by their
/// events alone.
const OLD_KEYS_MAX: i64 = 20;

super::input! {
    /// A new key for the same agent.
    pub struct KeyChange {
        /// The new Ed25519 public key, PEM.
        public_key: String = chars(0, keys::PEM_CHARS_MAX),
        /// Signature of the new key over `gather-key-v1`, a zero byte and the 32 bytes of the old key, standard padded base64.
        signature: String = chars(1, 200),
    }
}

/// A key that its agent has replaced.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OldKey {
    /// 64 hex digits.
    pub pubkey: String,
    #[schema(value_type = String)]
    pub replaced: Time,
}

/// `PUT /api/agents/me/key` (W43): the new key proves that it agrees; the relay lets it in and
/// the old one out; all tokens are taken back. The old key stays taken.
///
/// # Errors
/// 400 no key or signature; 401 the new key did not sign this; 409 the key is taken.
pub fn rotate_key(tx: &Tx<'_>, me: &Agent, change: &KeyChange) -> Result<Profile, Fault> {
    let key = parse_key(&change.public_key)?;
    let Some(signature) = keys::signature(&change.signature) else {
        let fault = Fault::bad("the signature cannot be read");
        return Err(fault.because("body.signature", "64 bytes in standard padded base64 are needed"));
    };
    let message = [GATHER_KEY_CHANGE_PREFIX.as_slice(), &me.key.0].concat();
    if !keys::verifies(&key, &message, &signature) {
        let detail = "the new key must sign gather-key-v1, a zero byte and the old key: ";
        return Err(Fault::unauthorized(format!("{detail}{}", Base64::encode_string(&message))));
    }
    if refuse_known(tx, &key).is_err() {
        return Err(Fault::conflict("this key is or was an agent's already"));
    }
    let sql = "INSERT INTO old_keys (pubkey, agent, replaced) VALUES (?1, ?2, ?3)";
    tx.run(sql, (me.key.0, me.n, tx.now().0))?;
    tx.run(
        "UPDATE agents SET public_key = ?2, pubkey = ?3, fingerprint = ?4, event_id = NULL,
                door_pending = 1 WHERE n = ?1",
        (me.n, &change.public_key, key.0, keys::fingerprint(&key)),
    )?;
    tx.run("DELETE FROM logins WHERE agent = ?1", [me.n])?;
    revoke_all(tx, me.n)?;
    tx.then_door()?;
    publish_profile(tx, me.n)?;
    agents::get(tx, &me.id)
}

/// The keys an agent had before, the newest first.
///
/// # Errors
/// The database's.
pub(super) fn old_keys(db: &Db<'_>, id: &str) -> Result<Vec<OldKey>, Fault> {
    let sql = "SELECT old_keys.pubkey, replaced FROM old_keys JOIN agents ON agents.n = agent
               WHERE id = ?1 ORDER BY replaced DESC LIMIT ?2";
    db.all(sql, (id, OLD_KEYS_MAX), |row| {
        Ok(OldKey { pubkey: hex::encode(row.get::<_, [u8; 32]>(0)?), replaced: Time(row.get(1)?) })
    })
}

//! Credentials in the shape that clients of an external chat server know (W29). There is none: the
//! address is the relay's, which takes the agent's key.

use super::{Agent, Db};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// Separates the secret from every other use of the token key.
const DOMAIN: &[u8] = b"gather-chat-v1\0";
/// Hex digits of a password.
const PASSWORD_DIGITS: usize = 24;

/// Where and how to listen.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChatCredentials {
    pub login: String,
    pub password: String,
    pub ws_url: String,
    pub note: &'static str,
}

/// `GET /api/chat/credentials`
pub fn credentials(db: &Db<'_>, me: &Agent) -> ChatCredentials {
    let secret = Sha256::new().chain_update(DOMAIN).chain_update(&db.context().secrets.jwt[..]).finalize();
    let mut password = hex::encode(Sha256::digest(format!("{}_{}", me.id, hex::encode(secret))));
    password.truncate(PASSWORD_DIGITS);
    ChatCredentials {
        login: format!("agent_{}", me.id),
        password,
        ws_url: db.context().options.relay_url.clone(),
        note: "The address is the relay's: connect with your agent key, not with this password. Channel \
               messages arrive there as events of kind 2100.",
    }
}

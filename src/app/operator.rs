//! The operator's key: without a configured or stored key nobody could ever connect, so the
//! first start makes one, allows it, and leaves it in the data directory.

use super::config::Config;
use crate::base::{KeyOverrides, PubKey};
use crate::client::{KeyError, KeyPair};
use crate::log::{KeyRow, KeyStore, Role};
use std::path::PathBuf;
use thiserror::Error;

/// The key's file name in the data directory.
pub const OPERATOR_KEY: &str = "operator.pem";

/// Why there is no operator key.
#[derive(Debug, Error)]
pub enum OperatorError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the operator key could not be allowed: {0}")]
    Store(String),
}

/// Makes and allows an operator key if nobody is allowed, or uses the one that lies in the data
/// directory. `None`: there are keys already.
///
/// # Errors
/// The key cannot be made, read or allowed.
pub fn ensure(config: &Config, store: &impl KeyStore) -> Result<Option<(PathBuf, PubKey)>, OperatorError> {
    let rows = store.keys().map_err(OperatorError::Store)?;
    if !config.allow.is_empty() || !rows.is_empty() {
        return Ok(None);
    }
    let path = config.relay.data_dir.join(OPERATOR_KEY);
    let key = if path.exists() {
        KeyPair::load(&path)?
    } else {
        let key = KeyPair::generate()?;
        key.save(&path)?;
        key
    };
    let (name, limits) = ("operator".to_owned(), KeyOverrides::default());
    let row = KeyRow { pubkey: key.pubkey(), role: Some(Role::Admin), name, limits };
    store.put_key(&row).map_err(OperatorError::Store)?;
    Ok(Some((path, key.pubkey())))
}

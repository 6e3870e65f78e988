//! `axon keygen`, and where keys lie.

use super::Failure;
use super::args::{DEFAULT_KEY, KeygenFlags};
use super::output::Output;
use crate::client::KeyPair;
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) fn run(flags: &KeygenFlags, output: &mut Output) -> Result<(), Failure> {
    let path = match &flags.out {
        Some(path) => path.clone(),
        None => {
            let path = own_key_path()?;
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            path
        }
    };
    let key = KeyPair::generate()?;
    key.save(&path)?;
    let (pubkey, path) = (key.pubkey(), path.display());
    output.either(
        || json!({ "pubkey": pubkey.to_hex(), "key_file": path.to_string() }),
        || format!("{pubkey}\nkey file: {path}\nnext, on the relay's machine: axon allow add {pubkey}"),
    )?;
    Ok(())
}

/// `~/.config/axon/key.pem`.
fn own_key_path() -> Result<PathBuf, Failure> {
    let home = std::env::home_dir().ok_or("no home directory is known; name a key file")?;
    Ok(home.join(".config/axon/key.pem"))
}

/// The key at [`key_path`].
pub(super) fn load_key(named: Option<&Path>) -> Result<KeyPair, Failure> {
    let path = key_path(named)?;
    if named.is_none() && !path.exists() {
        let own = path.display();
        return Err(format!(
            "no key: there is neither {DEFAULT_KEY}, which `axon serve` makes where it is started, nor {own}; \
             make one with `axon keygen`, or name the one you have"
        )
        .into());
    }
    Ok(KeyPair::load(&path)?)
}

/// The key that was named, or the operator's if it lies here, or one's own.
pub(super) fn key_path(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let operator = Path::new(DEFAULT_KEY);
    match named {
        Some(path) => Ok(path.to_owned()),
        None if operator.exists() => Ok(operator.to_owned()),
        None => own_key_path(),
    }
}

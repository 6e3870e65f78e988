//! `axon keygen`

use super::Failure;
use super::args::{KeygenFlags, own_key_path};
use super::output::Output;
use crate::client::KeyPair;
use serde_json::json;

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

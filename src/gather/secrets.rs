//! Keys of this installation, made on first use and kept with the data (W41).

use super::Options;
use super::rules::pow;
use crate::base::PubKey;
use ed25519_dalek::SigningKey;
use rusqlite::{Connection, OptionalExtension as _};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// The token key's file in the data directory.
pub const JWT_KEY_FILE: &str = "gather-jwt.key";
/// Bytes of a key file that are read; ours have 64.
const KEY_FILE_BYTES_MAX: u64 = 4_096;

/// Token key, challenge key, and the platform's signing key.
pub struct Secrets {
    pub jwt: Zeroizing<Vec<u8>>,
    pub pow: pow::Signer,
    /// Ed25519 seed of the platform, which signs events and attestations.
    pub platform: Zeroizing<[u8; 32]>,
}

impl Secrets {
    /// The key that signs what was done on the HTTP face.
    pub fn platform_key(&self) -> PubKey {
        PubKey(SigningKey::from_bytes(&self.platform).verifying_key().to_bytes())
    }

    pub(super) fn load(connection: &Connection, dir: &Path, options: &Options) -> Result<Secrets, String> {
        let jwt = match &options.jwt_key {
            Some(key) => key.clone(),
            None => kept_file(&dir.join(JWT_KEY_FILE))?,
        };
        Ok(Secrets {
            jwt: Zeroizing::new(jwt),
            pow: pow::Signer::new(kept_row(connection, "pow")?),
            platform: Zeroizing::new(kept_row(connection, "platform")?),
        })
    }
}

/// The token key as a file that only its owner reads; made if it is not there.
fn kept_file(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let key = hex::encode(random).into_bytes();
            file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut key = Vec::new();
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut key).map_err(failed)?;
            if key.len() < super::rules::jwt::SECRET_BYTES_MIN {
                return Err(format!("{}: too short; remove it to have one made", path.display()));
            }
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

/// A random value of the `secrets` table, made if it is not there.
fn kept_row<const N: usize>(connection: &Connection, name: &str) -> Result<[u8; N], String> {
    let failed = |error: rusqlite::Error| error.to_string();
    let mut fresh = [0u8; N];
    getrandom::fill(&mut fresh).map_err(|error| error.to_string())?;
    let sql = "INSERT OR IGNORE INTO secrets (name, value) VALUES (?1, ?2)";
    connection.execute(sql, (name, fresh.as_slice())).map_err(failed)?;
    let sql = "SELECT value FROM secrets WHERE name = ?1";
    let kept: Option<[u8; N]> =
        connection.query_row(sql, [name], |row| row.get(0)).optional().map_err(failed)?;
    kept.ok_or_else(|| format!("the key {name} is gone"))
}

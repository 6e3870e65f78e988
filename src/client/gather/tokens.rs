//! The tokens of one key, kept over runs in a file of mode 0600.

use super::GatherError;
use crate::base::PubKey;
use crate::client::private_file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

/// Servers that are remembered; who uses more logs in again.
const SERVERS_MAX: usize = 64;
/// A token has some 300 bytes; a longer file is not ours.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Where the tokens are kept. What cannot be read counts as nothing kept: a login mends it.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// The key they belong to; another key's are of no use.
    pubkey: String,
    /// By the server's address.
    tokens: BTreeMap<String, String>,
}

impl TokenFile {
    /// A file of that name; nothing is opened yet.
    pub fn at(path: PathBuf) -> TokenFile {
        TokenFile { path }
    }

    /// The token that this server gave to this key.
    pub(super) fn load(&self, pubkey: &PubKey, server: &str) -> Option<String> {
        self.kept(pubkey).tokens.remove(server)
    }

    /// Keeps a token in the place of the server's last one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn save(&self, pubkey: &PubKey, server: &str, token: &str) -> Result<(), GatherError> {
        let mut kept = self.kept(pubkey);
        kept.pubkey = pubkey.to_hex();
        if kept.tokens.len() >= SERVERS_MAX {
            kept.tokens.clear();
        }
        kept.tokens.insert(server.to_owned(), token.to_owned());
        self.write(&kept)
    }

    /// Drops this server's token, if there is one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn forget(&self, pubkey: &PubKey, server: &str) -> Result<(), GatherError> {
        let mut kept = self.kept(pubkey);
        if kept.tokens.remove(server).is_some() { self.write(&kept) } else { Ok(()) }
    }

    fn write(&self, kept: &Kept) -> Result<(), GatherError> {
        let failed = |source| GatherError::TokenFile { path: self.path.clone(), source };
        let text = serde_json::to_vec(kept).map_err(|error| failed(io::Error::other(error)))?;
        private_file::replace(&self.path, &text).map_err(failed)
    }

    fn kept(&self, pubkey: &PubKey) -> Kept {
        let read = || {
            let short = fs::metadata(&self.path).ok()?.len() <= FILE_BYTES_MAX;
            let text = short.then(|| fs::read(&self.path).ok()).flatten()?;
            serde_json::from_slice::<Kept>(&text).ok()
        };
        read().filter(|kept| kept.pubkey == pubkey.to_hex()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn tokens_are_kept_by_key_and_server_for_their_owner_alone() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("tokens");
        let (file, one, other) = (TokenFile::at(path.clone()), PubKey([1; 32]), PubKey([2; 32]));
        assert_eq!(file.load(&one, "a"), None);
        fs::write(&path, "nonsense").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
        file.save(&one, "a", "x").expect("it is written");
        file.save(&one, "b", "y").expect("it is written");
        file.save(&one, "a", "z").expect("it is written");
        assert_eq!(fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
        assert_eq!(
            (file.load(&one, "a"), file.load(&one, "b")),
            (Some("z".to_owned()), Some("y".to_owned()))
        );
        assert_eq!(file.load(&other, "a"), None);
        file.forget(&one, "a").expect("it is written");
        assert_eq!((file.load(&one, "a"), file.load(&one, "b")), (None, Some("y".to_owned())));
        for n in 0..2 * SERVERS_MAX {
            file.save(&one, &format!("server {n}"), "t").expect("it is written");
        }
        assert!(file.kept(&one).tokens.len() <= SERVERS_MAX);
        assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 1, "nothing is left beside it");
    }
}

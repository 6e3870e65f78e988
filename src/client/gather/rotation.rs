//! Another key for the same agent, without a moment in which a crash could lose the agent.

use super::{Gather, GatherError, Request};
use crate::base::PubKey;
use crate::client::{KeyError, KeyPair, private_file};
use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::{fs, io};
use thiserror::Error;

/// Hex digits of a key that was replaced or dropped in its file's name.
const NAME_DIGITS: usize = 16;

/// Why a key was not changed.
#[derive(Debug, Error)]
pub enum KeyChangeError {
    /// The old key is the agent's, the new one is not.
    #[error(transparent)]
    Unchanged(GatherError),
    /// One of the two keys is the agent's. Neither may be lost.
    #[error("{0}")]
    Unknown(GatherError),
}

impl Gather {
    /// Puts `next` in the place of the agent's key, here and on the relay; what was answered. All
    /// tokens are taken back. `next` must have been kept before: from the service's commit on nothing
    /// else opens the account. A change whose answer was lost, now or before, is recognised by the
    /// profile, which names the keys that were replaced.
    ///
    /// # Errors
    /// See [`KeyChangeError`]; with both, this is still the agent of the old key.
    pub async fn change_key(&mut self, next: KeyPair) -> Result<Value, KeyChangeError> {
        let old = self.key.pubkey();
        let signature = Base64::encode_string(&next.sign_key_change(&old).0);
        let body = json!({ "public_key": next.public_pem(), "signature": signature });
        let answer = self.send(&Request::put("/api/agents/me/key", &body)).await;
        // It keeps no token before it is known whose it would be.
        let mut renewed = Gather { http: self.http.clone(), key: next, file: None, token: None };
        let profile = match answer {
            Ok(profile) => profile,
            Err(error) => match renewed.profile_if_after(&old).await {
                Ok(Some(profile)) => profile,
                Ok(None) if is_final(&error) => return Err(KeyChangeError::Unchanged(error)),
                Ok(None) | Err(_) => return Err(KeyChangeError::Unknown(error)),
            },
        };
        *self = Gather { file: self.file.take(), ..renewed };
        Ok(profile)
    }

    /// The profile of this key's agent, if the agent had the key `old` before.
    async fn profile_if_after(&mut self, old: &PubKey) -> Result<Option<Value>, GatherError> {
        let profile = match self.send(&Request::get("/api/agents/me")).await {
            Err(GatherError::NotRegistered { .. }) => return Ok(None),
            answer => answer?,
        };
        let old = old.to_hex();
        let follows = profile["old_keys"].as_array().into_iter().flatten().any(|key| key["pubkey"] == *old);
        Ok(follows.then_some(profile))
    }
}

/// Whether a request that ended so will not be carried out later.
fn is_final(error: &GatherError) -> bool {
    match error {
        GatherError::Refused(problem) => problem.status < 500,
        GatherError::NotRegistered { .. } => true,
        _ => false,
    }
}

/// The files of a key that is being changed: FILE, in FILE.next the new key until it is the agent's,
/// and in FILE.old-… what stood in FILE before. Whatever is interrupted, the key that opens the
/// account is in FILE or in FILE.next.
#[derive(Debug, Clone)]
pub struct KeyChange {
    file: PathBuf,
    next: PathBuf,
}

impl KeyChange {
    /// Of the key in this file.
    pub fn of(file: &Path) -> KeyChange {
        KeyChange { file: file.to_owned(), next: beside(file, ".next") }
    }

    /// Where the new key waits.
    pub fn next(&self) -> &Path {
        &self.next
    }

    /// Whether a change was begun and not ended.
    pub fn is_begun(&self) -> bool {
        self.next.exists()
    }

    /// Keeps the new key, on disk when this returns: a copy of what is in `wanted`, or one that is
    /// made. If a change was begun before, its key.
    ///
    /// # Errors
    /// The files' own; `wanted` is another one than that of the change that was begun.
    pub fn begin(&self, wanted: Option<&Path>) -> Result<KeyPair, KeyError> {
        let wanted = wanted.map(KeyPair::load).transpose()?;
        if !self.is_begun() {
            let next = wanted.map_or_else(KeyPair::generate, Ok)?;
            next.save(&self.next)?;
            private_file::sync_dir(&self.next)
                .map_err(|source| KeyError::Io { path: self.next.clone(), source })?;
            return Ok(next);
        }
        let begun = KeyPair::load(&self.next)?;
        match wanted {
            Some(other) if other.pubkey() != begun.pubkey() => {
                Err(KeyError::Exists { path: self.next.clone() })
            }
            _ => Ok(begun),
        }
    }

    /// The new key is the agent's: it takes the file's place.
    ///
    /// # Errors
    /// The file system's; both keys are where they were, and this may be called again.
    pub fn settle(&self, old: &PubKey) -> Result<Settled, KeyError> {
        self.settle_with(old, private_file::sync_dir)
    }

    fn settle_with(&self, old: &PubKey, sync: impl Fn(&Path) -> io::Result<()>) -> Result<Settled, KeyError> {
        let kept = beside(&self.file, &format!(".old-{}", name_of(old)));
        let failed = |path: &Path, source| KeyError::Io { path: path.to_owned(), source };
        match fs::hard_link(&self.file, &kept) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(&kept, error)),
            _ => {}
        }
        // The old key's second name first: the rename takes away its first.
        let placed = sync(&self.file).and_then(|()| fs::rename(&self.next, &self.file));
        placed.map_err(|error| failed(&self.file, error))?;
        Ok(Settled { old_key: kept, unsynced: sync(&self.file).err() })
    }

    /// The change will not be, and the new key is nobody's: removes its file.
    ///
    /// # Errors
    /// The file system's.
    pub fn abandon(&self) -> Result<(), KeyError> {
        fs::remove_file(&self.next).map_err(|source| KeyError::Io { path: self.next.clone(), source })
    }

    /// The change is given up: another can be begun. The new key is kept all the same, in
    /// FILE.dropped-…, which is returned: a request that was lost on its way may yet arrive.
    ///
    /// # Errors
    /// The file's own; nothing has changed then.
    pub fn set_aside(&self) -> Result<PathBuf, KeyError> {
        let dropped =
            beside(&self.file, &format!(".dropped-{}", name_of(&KeyPair::load(&self.next)?.pubkey())));
        let moved = fs::rename(&self.next, &dropped);
        moved.map_err(|source| KeyError::Io { path: self.next.clone(), source })?;
        Ok(dropped)
    }
}

/// The new key is in the file's place.
#[derive(Debug)]
pub struct Settled {
    /// Where the old one is.
    pub old_key: PathBuf,
    /// Why a power failure might undo it, so that both keys are where they were before.
    pub unsynced: Option<io::Error>,
}

/// As it stands in the name of a key's file.
fn name_of(key: &PubKey) -> String {
    key.to_hex()[..NAME_DIGITS].to_owned()
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("the directory");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn no_step_of_a_change_leaves_fewer_keys_than_may_be_needed() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let (file, spare) = (dir.path().join("key"), dir.path().join("spare"));
        let old = KeyPair::from_seed(&[1; 32]);
        old.save(&file).expect("a key file");
        let change = KeyChange::of(&file);
        let new = change.begin(None).expect("a new key").pubkey();
        assert_eq!(names(dir.path()), ["key", "key.next"]);
        // Begun again, it is the same key; with another one it is not begun.
        assert_eq!(change.begin(None).expect("the same").pubkey(), new);
        KeyPair::from_seed(&[2; 32]).save(&spare).expect("a key file");
        assert!(matches!(change.begin(Some(&spare)), Err(KeyError::Exists { .. })));
        // A crash between the two steps of settling is mended by settling.
        fs::hard_link(&file, dir.path().join(format!("key.old-{}", &old.pubkey().to_hex()[..16])))
            .expect("a link");
        let kept = change.settle(&old.pubkey()).expect("it is settled").old_key;
        assert_eq!(KeyPair::load(&file).expect("the key").pubkey(), new);
        assert_eq!(KeyPair::load(&kept).expect("the old key").pubkey(), old.pubkey());
        assert!(!change.is_begun());

        assert_eq!(
            change.begin(Some(&spare)).expect("its copy").pubkey(),
            KeyPair::from_seed(&[2; 32]).pubkey()
        );
        change.abandon().expect("it is dropped");
        assert!(spare.exists() && !change.is_begun());
        assert_eq!(KeyPair::load(&file).expect("the key").pubkey(), new);

        let made = change.begin(None).expect("another new key").pubkey();
        let dropped = change.set_aside().expect("it is set aside");
        assert_eq!(KeyPair::load(&dropped).expect("it is kept").pubkey(), made);
        assert_ne!(change.begin(None).expect("another one").pubkey(), made);
    }

    #[test]
    fn what_is_not_known_to_be_on_disk_is_done_all_the_same_once_the_key_has_its_place() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let file = dir.path().join("key");
        let old = KeyPair::from_seed(&[1; 32]);
        old.save(&file).expect("a key file");
        let change = KeyChange::of(&file);
        let new = change.begin(None).expect("a new key").pubkey();
        let fails = |good: usize| {
            let calls = std::cell::Cell::new(0);
            move |_: &Path| {
                calls.set(calls.get() + 1);
                if calls.get() > good { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            }
        };
        change.settle_with(&old.pubkey(), fails(0)).expect_err("the old key's second name may be lost");
        assert!(change.is_begun() && KeyPair::load(&file).expect("the key").pubkey() == old.pubkey());
        let settled = change.settle_with(&old.pubkey(), fails(1)).expect("it is done");
        assert!(settled.unsynced.is_some() && !change.is_begun());
        assert_eq!(KeyPair::load(&file).expect("the key").pubkey(), new);
    }
}

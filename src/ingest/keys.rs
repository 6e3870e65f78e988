//! Administration of the allowlist. Blocks; called by the control socket, never by a shard.

use super::{Allowlist, Grant, ListedKey, Pass, Rules};
use crate::base::limits::NAME_BYTES_MAX;
use crate::base::{KeyOverrides, PubKey, Signature};
use crate::log::{Append, KeyRow, KeyStore, Role};
use crate::verify::{Claim, verify_stranger};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use thiserror::Error;

/// The entries of some keys, as they are now; `None`: it was removed.
pub type KeyChanges = HashMap<PubKey, Option<Arc<Pass>>>;

/// The threads that judge and submit events.
pub trait Publishers: Send + Sync {
    /// Returns when every publishing thread has submitted what it judged before this call, and
    /// goes by what it was told before it.
    fn quiesce(&self);
    /// These entries have changed; the connections of a key that was removed are to be answered 403
    /// and closed. Many at once cost one look at every connection, as one does.
    fn keys_changed(&self, changes: &Arc<KeyChanges>);
}

/// Why a change of the allowlist did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeysError {
    /// The row could not be written; nothing has changed.
    #[error("the key could not be stored: {0}")]
    Store(String),
    /// The name is too long; nothing has changed.
    #[error("name: {have} bytes, at most {NAME_BYTES_MAX} are allowed")]
    NameTooLong { have: usize },
    /// The log stopped meanwhile. The change is stored and in force, but an event of a removed
    /// key that was submitted before may still appear when the log is reopened.
    #[error("the key was removed, but the log stopped before it confirmed the key's last events")]
    LogStopped,
}

/// What another configuration has changed in the allowlist, in keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GrantChanges {
    pub added: usize,
    /// Their role is another one, or what they may do.
    pub changed: usize,
    pub removed: usize,
}

/// Changes the allowlist of a running relay, one change at a time.
pub struct Keys {
    allowlist: Arc<Allowlist>,
    store: Arc<dyn KeyStore>,
    log: Arc<dyn Append>,
    publishers: Arc<dyn Publishers>,
    one_at_a_time: Mutex<()>,
}

impl Keys {
    /// Whether `pubkey` is an admin's and has signed `digest`. The signature is looked at only then.
    pub fn is_admins(&self, pubkey: &PubKey, digest: &[u8; 32], sig: &Signature) -> bool {
        let claim = Claim { pubkey, id: digest, sig };
        self.allowlist.role(pubkey) == Some(Role::Admin) && verify_stranger(&claim)
    }

    /// Administration of `allowlist`, whose database rows lie in `store`.
    pub fn new(
        allowlist: Arc<Allowlist>,
        store: Arc<dyn KeyStore>,
        log: Arc<dyn Append>,
        publishers: Arc<dyn Publishers>,
    ) -> Self {
        Keys { allowlist, store, log, publishers, one_at_a_time: Mutex::new(()) }
    }

    /// Allows a key, or changes its role, name or limits. When this returns, nothing that is
    /// stored later reaches the key's connections by what it was allowed before.
    ///
    /// # Errors
    /// The row could not be written or the name is too long; nothing has changed then.
    pub fn add(&self, pubkey: PubKey, role: Role, name: &str, limits: KeyOverrides) -> Result<(), KeysError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(KeysError::NameTooLong { have: name.len() });
        }
        let _turn = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.allowlist.pass(&pubkey);
        self.put(KeyRow { pubkey, role: Some(role), name: name.to_owned(), limits })?;
        let now = self.allowlist.pass(&pubkey);
        if now.as_ref().map(Arc::as_ptr) != before.as_ref().map(Arc::as_ptr) {
            self.publishers.keys_changed(&Arc::new(KeyChanges::from([(pubkey, now)])));
            // A key that is new has no connection yet.
            if before.is_some() {
                self.publishers.quiesce();
            }
        }
        Ok(())
    }

    /// Removes a key; `false` if it was not allowed. When this returns `Ok(true)`, no later
    /// position of the log has this author.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub fn remove(&self, pubkey: &PubKey) -> Result<bool, KeysError> {
        let _turn = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        if self.allowlist.role(pubkey).is_none() {
            return Ok(false);
        }
        let limits = KeyOverrides::default();
        self.put(KeyRow { pubkey: *pubkey, role: None, name: String::new(), limits })?;
        self.expel(&[*pubkey])?;
        Ok(true)
    }

    /// Replaces the rules of the roles and the configuration file's rows. What keys have used
    /// up stays counted. When this returns `Ok`, no later position of the log has an author who
    /// is no longer allowed.
    ///
    /// # Errors
    /// [`KeysError::LogStopped`].
    pub fn replace_grants(&self, rules: Rules, grants: Vec<Grant>) -> Result<GrantChanges, KeysError> {
        let _turn = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Arc::clone(&self.allowlist.load());
        self.allowlist.replace_config(rules, grants);
        let now = Arc::clone(&self.allowlist.load());
        let removed: Vec<PubKey> = before.keys().filter(|key| !now.contains_key(key)).copied().collect();
        let mut changes = GrantChanges { removed: removed.len(), ..GrantChanges::default() };
        let mut changed = KeyChanges::new();
        for (pubkey, pass) in now.iter() {
            match before.get(pubkey) {
                None => changes.added += 1,
                Some(before) if !Arc::ptr_eq(before, pass) => {
                    changes.changed += 1;
                    changed.insert(*pubkey, Some(Arc::clone(pass)));
                }
                Some(_) => {}
            }
        }
        if !changed.is_empty() {
            self.publishers.keys_changed(&Arc::new(changed));
            self.publishers.quiesce();
        }
        if !removed.is_empty() {
            self.expel(&removed)?;
        }
        Ok(changes)
    }

    /// Every allowed key, by public key.
    pub fn list(&self) -> Vec<ListedKey> {
        self.allowlist.list()
    }

    fn put(&self, row: KeyRow) -> Result<(), KeysError> {
        self.store.put_key(&row).map_err(KeysError::Store)?;
        self.allowlist.put(row);
        Ok(())
    }

    /// Sees keys out that the allowlist no longer has. What was judged by the old list is
    /// submitted first, then committed and answered; only then are its connections told.
    fn expel(&self, removed: &[PubKey]) -> Result<(), KeysError> {
        self.publishers.quiesce();
        let (done, committed) = mpsc::channel();
        self.log.barrier(Box::new(move || {
            // The receiver waits below; it cannot be gone.
            let _ = done.send(());
        }));
        let confirmed = committed.recv();
        let gone: KeyChanges = removed.iter().map(|pubkey| (*pubkey, None)).collect();
        self.publishers.keys_changed(&Arc::new(gone));
        self.publishers.quiesce();
        confirmed.map_err(|_| KeysError::LogStopped)
    }
}

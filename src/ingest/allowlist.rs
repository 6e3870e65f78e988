//! Who may publish and log in: the union of the configuration file's rows and the database's,
//! where a database row wins, also when it is a removal (protocol §3).

use super::pass::{Pass, Rules};
use super::passes::Passes;
use crate::base::{KeyOverrides, PubKey};
use crate::log::{KeyRow, Role};
use arc_swap::{ArcSwap, Guard};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A row of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub pubkey: PubKey,
    pub role: Role,
    /// A name for people; may be empty.
    pub name: String,
    /// What it says instead of its role's limits.
    pub limits: KeyOverrides,
}

/// Where an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Config,
    Database,
}

/// One key that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    pub pubkey: PubKey,
    pub role: Role,
    pub name: String,
    pub limits: KeyOverrides,
    pub source: Source,
}

/// The allowlist: read by every publishing thread without a lock, replaced by [`Keys`].
///
/// [`Keys`]: super::Keys
pub struct Allowlist {
    current: ArcSwap<Passes>,
    /// Held only while the rows change or are listed, never by a publishing thread.
    rows: Mutex<Rows>,
}

struct Rows {
    rules: Rules,
    config: Vec<Grant>,
    database: HashMap<PubKey, KeyRow>,
}

impl Allowlist {
    /// The union of both lists; of several rows of one key in a list the last one counts.
    /// `rules` say what each role may do.
    pub fn new(rules: Rules, config: Vec<Grant>, database: Vec<KeyRow>) -> Self {
        let database = database.into_iter().map(|row| (row.pubkey, row)).collect();
        let rows = Rows { rules, config, database };
        let passes = rows.passes(&Passes::new());
        Allowlist { current: ArcSwap::from_pointee(passes), rows: Mutex::new(rows) }
    }

    /// What this key may do; `None` if it is not allowed.
    pub fn role(&self, pubkey: &PubKey) -> Option<Role> {
        self.current.load().get(pubkey).map(|pass| pass.role())
    }

    /// What this key may use up; `None` if it is not allowed.
    pub fn pass(&self, pubkey: &PubKey) -> Option<Arc<Pass>> {
        self.current.load().get(pubkey).cloned()
    }

    /// How many keys are allowed.
    pub fn len(&self) -> usize {
        self.current.load().len()
    }

    /// Whether nobody is allowed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every allowed key, by public key.
    pub fn list(&self) -> Vec<ListedKey> {
        let merged = self.rows.lock().unwrap_or_else(PoisonError::into_inner).merged();
        let mut list: Vec<ListedKey> = merged.into_values().collect();
        list.sort_unstable_by_key(|entry| entry.pubkey);
        list
    }

    /// The state that one batch is judged by.
    pub(super) fn load(&self) -> Guard<Arc<Passes>> {
        self.current.load()
    }

    /// Puts a database row, which must be durable already, into force.
    pub(super) fn put(&self, row: KeyRow) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, key) = (self.current.load(), row.pubkey);
        let pass = listed(&row).map(|entry| rows.pass(entry, &before));
        rows.database.insert(key, row);
        self.current.store(Arc::new(before.with(key, pass)));
    }

    /// Puts other rules and other rows of the configuration file into force.
    pub(super) fn replace_config(&self, rules: Rules, config: Vec<Grant>) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        (rows.rules, rows.config) = (rules, config);
        let passes = rows.passes(&self.current.load());
        self.current.store(Arc::new(passes));
    }
}

impl Rows {
    fn merged(&self) -> HashMap<PubKey, ListedKey> {
        let mut merged = HashMap::new();
        for Grant { pubkey, role, name, limits } in self.config.iter().cloned() {
            merged.insert(pubkey, ListedKey { pubkey, role, name, limits, source: Source::Config });
        }
        for row in self.database.values() {
            match listed(row) {
                Some(entry) => merged.insert(row.pubkey, entry),
                None => merged.remove(&row.pubkey),
            };
        }
        merged
    }

    /// What is in force.
    fn passes(&self, before: &Passes) -> Passes {
        let entries = self.merged().into_values();
        entries.map(|entry| (entry.pubkey, self.pass(entry, before))).collect()
    }

    /// A key's pass: if it was there it keeps its meters, and its very pass if that would be the
    /// same.
    fn pass(&self, entry: ListedKey, before: &Passes) -> Arc<Pass> {
        let rules = self.rules.of(entry.role);
        let old = before.get(&entry.pubkey);
        let new = Pass::new(entry.role, rules, rules.limits.with(&entry.limits), old.map(|old| &**old));
        let kept = old.filter(|old| old.grants_as(&new)).cloned();
        kept.unwrap_or_else(|| Arc::new(new))
    }
}

/// What a row of the database says; `None`: the key was removed.
fn listed(row: &KeyRow) -> Option<ListedKey> {
    let KeyRow { pubkey, role, name, limits } = row.clone();
    role.map(|role| ListedKey { pubkey, role, name, limits, source: Source::Database })
}

//! Who may publish and log in: the union of the configuration file's rows and the database's,
//! where a database row wins, also when it is a removal (protocol §3).

use super::pass::{Pass, RoleRules, Rules};
use super::passes::Passes;
use crate::base::{KeyOverrides, PubKey};
use crate::log::{KeyRow, Role};
use arc_swap::{ArcSwap, Guard};
use std::collections::BTreeMap;
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
    config: BTreeMap<PubKey, Grant>,
    database: BTreeMap<PubKey, Row>,
}

/// A row of the database in memory, where there are 100 000 of them.
struct Row {
    /// `None`: the key was removed.
    role: Option<Role>,
    name: Box<str>,
    /// `None`: it says nothing.
    limits: Option<Box<KeyOverrides>>,
}

/// What one key's rows come to.
struct Entry<'a> {
    pubkey: PubKey,
    role: Role,
    name: &'a str,
    limits: KeyOverrides,
    source: Source,
}

impl Allowlist {
    /// The union of both lists; of several rows of one key in a list the last one counts.
    /// `rules` say what each role may do.
    pub fn new(rules: Rules, config: Vec<Grant>, database: Vec<KeyRow>) -> Self {
        let database = database.into_iter().map(|row| (row.pubkey, Row::of(row))).collect();
        let rows = Rows { rules, config: by_key(config), database };
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
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<ListedKey> = rows.entries().map(Entry::listed).collect();
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
        let (before, key, row) = (self.current.load(), row.pubkey, Row::of(row));
        let pass = row.entry(key).map(|entry| rows.pass(&entry, &before));
        rows.database.insert(key, row);
        self.current.store(Arc::new(before.with(key, pass)));
    }

    /// Puts other rules and other rows of the configuration file into force.
    pub(super) fn replace_config(&self, rules: Rules, config: Vec<Grant>) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        (rows.rules, rows.config) = (rules, by_key(config));
        let passes = rows.passes(&self.current.load());
        self.current.store(Arc::new(passes));
    }
}

impl Rows {
    /// Every allowed key, once.
    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let config = self.config.values().filter(|grant| !self.database.contains_key(&grant.pubkey));
        let config = config.map(|Grant { pubkey, role, name, limits }| Entry {
            pubkey: *pubkey,
            role: *role,
            name,
            limits: *limits,
            source: Source::Config,
        });
        config.chain(self.database.iter().filter_map(|(pubkey, row)| row.entry(*pubkey)))
    }

    /// What is in force.
    fn passes(&self, before: &Passes) -> Passes {
        self.entries().map(|entry| (entry.pubkey, self.pass(&entry, before))).collect()
    }

    /// A key's pass: if it was there it keeps its meters, and its very pass if that would be the
    /// same.
    fn pass(&self, entry: &Entry<'_>, before: &Passes) -> Arc<Pass> {
        let of_role = self.rules.of(entry.role);
        let rules = match entry.limits.is_empty() {
            true => Arc::clone(of_role),
            false => Arc::new(RoleRules {
                limits: of_role.limits.with(&entry.limits),
                kinds: Arc::clone(&of_role.kinds),
            }),
        };
        let old = before.get(&entry.pubkey);
        let new = Pass::new(entry.role, rules, old.map(|old| &**old));
        let kept = old.filter(|old| old.grants_as(&new)).cloned();
        kept.unwrap_or_else(|| Arc::new(new))
    }
}

impl Row {
    fn of(KeyRow { role, name, limits, .. }: KeyRow) -> Row {
        let limits = (!limits.is_empty()).then(|| Box::new(limits));
        Row { role, name: name.into_boxed_str(), limits }
    }

    /// What it says; `None`: the key was removed.
    fn entry(&self, pubkey: PubKey) -> Option<Entry<'_>> {
        let limits = self.limits.as_deref().copied().unwrap_or_default();
        self.role.map(|role| Entry { pubkey, role, name: &self.name, limits, source: Source::Database })
    }
}

impl Entry<'_> {
    fn listed(self) -> ListedKey {
        let Entry { pubkey, role, name, limits, source } = self;
        ListedKey { pubkey, role, name: name.to_owned(), limits, source }
    }
}

/// Of several rows of one key the last one counts.
fn by_key(config: Vec<Grant>) -> BTreeMap<PubKey, Grant> {
    config.into_iter().map(|grant| (grant.pubkey, grant)).collect()
}

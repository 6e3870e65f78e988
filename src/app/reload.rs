//! What a running relay takes from a changed configuration: allowlist, limits, roles, certificate,
//! log level, private kinds, retention. A configuration that is wrong changes nothing.

use super::config::{ChangedKey, Config, ConfigErrors};
use super::facts::Fixed;
use super::options::{self, TlsFilesError};
use crate::base::{Limits, LogId};
use crate::ingest::{Gate, GrantChanges, Keys, KeysError, Publishers as _};
use crate::session::Terms;
use crate::shard::{Message, ShardGroup, TlsTerms};
use crate::store::Store;
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// Reads the configuration again, from where it came at the start.
pub type Source = Box<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// Puts a log level, which has been checked, into force.
pub type SetLevel = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Why a reload changed nothing.
#[derive(Debug, Error)]
pub enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Tls(#[from] TlsFilesError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("the log level cannot be changed: {0}")]
    Level(String),
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys that have another value now.
    pub changed: Vec<&'static str>,
    /// Keys whose new value counts from the next start.
    pub restart_needed: Vec<&'static str>,
    pub allowlist: GrantChanges,
    /// Whether certificate and key were read again.
    pub certificate: bool,
}

impl Reloaded {
    /// One object, for the command line.
    pub fn json(&self) -> Value {
        let GrantChanges { added, changed, removed } = self.allowlist;
        json!({
            "changed": self.changed,
            "restart_needed": self.restart_needed,
            "allowlist": { "added": added, "changed": changed, "removed": removed },
            "certificate": self.certificate,
        })
    }
}

/// The parts of a running relay that can be changed.
pub(super) struct Reloader {
    pub source: Source,
    pub set_level: SetLevel,
    /// As it was at the start, which counts for what needs a restart.
    pub started: Config,
    /// As it is now; held while a reload is under way.
    pub current: Mutex<Config>,
    pub tls: Option<Arc<TlsTerms>>,
    pub keys: Arc<Keys>,
    pub gate: Arc<Gate>,
    /// What the accepting thread goes by.
    pub accept_limits: Arc<ArcSwap<Limits>>,
    pub group: Arc<ShardGroup>,
    pub description: Arc<Fixed>,
    pub store: Arc<Store>,
    pub log_id: LogId,
}

impl Reloader {
    /// Reads the configuration again and puts what can be changed into force. Blocks until it
    /// is.
    ///
    /// # Errors
    /// See [`ReloadError`]; nothing has changed then.
    pub fn reload(&self) -> Result<Reloaded, ReloadError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let config = (self.source)()?;
        let reloaded = self.apply(&current, &config)?;
        *current = config;
        tracing::info!(outcome = %reloaded.json(), "configuration reloaded");
        Ok(reloaded)
    }

    /// First what can fail, and of that first what fails for what stands in a file.
    fn apply(&self, current: &Config, config: &Config) -> Result<Reloaded, ReloadError> {
        let certificate = self.tls.is_some() && config.tls.files().is_some();
        if certificate {
            options::tls(config, self.tls.as_deref())?;
        }
        (self.set_level)(&config.log.level).map_err(ReloadError::Level)?;
        let allowlist = self.keys.replace_grants(config.rules.clone(), options::grants(config))?;
        self.gate.set_limits(config.limits.clone());
        self.accept_limits.store(Arc::new(config.limits.clone()));
        let terms = Arc::new(Terms { limits: config.limits.clone(), log_id: self.log_id });
        for inbox in &self.group.inboxes {
            inbox.send(Message::NewTerms(Arc::clone(&terms), config.relay.private_kinds));
        }
        // Whoever asked may rely on it: what comes later meets the new terms.
        self.group.quiesce();
        self.description.set(config);
        self.store.set_retention(config.store.retention.clone());
        let live = |key: &ChangedKey| key.live && (certificate || !key.path.starts_with("tls."));
        let paths = |keys: Vec<ChangedKey>, wanted: bool| {
            keys.iter().filter(|key| live(key) == wanted).map(|key| key.path).collect()
        };
        Ok(Reloaded {
            changed: paths(config.changes(current), true),
            restart_needed: paths(config.changes(&self.started), false),
            allowlist,
            certificate,
        })
    }
}

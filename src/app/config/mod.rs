//! The effective configuration: defaults from the documented sample file, then the file, then
//! the environment, then flags. Loading reports everything that is wrong at once.
//!
//! This room alone reads configuration; every other room is handed a small options struct.

mod allow;
mod describe;
mod gather;
mod keys;
mod relations;
mod retention;
mod source;
mod violation;

pub use allow::AllowEntry;
pub use describe::{Description, KeyDescription, RuleDescription};
pub use gather::GatherConfig;
pub use violation::{ConfigErrors, Place, Violation};

use crate::base::Limits;
use crate::ingest::Rules;
use crate::store::StoreOptions;
use source::{Assignment, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The sample file that documents every key and holds every default.
pub const SAMPLE: &str = include_str!("../axon.toml");

/// When a publish is answered (protocol: durability).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the event is on disk.
    Fsync,
    /// When the event was handed to the operating system.
    Os,
}

impl Durability {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Durability::Fsync => "fsync",
            Durability::Os => "os",
        }
    }
}

/// How the relay's own messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// `[relay]`, without `max_future_seconds`, which is among the [`Limits`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayConfig {
    pub listen: SocketAddr,
    /// As configured; see [`RelayConfig::urls_for`].
    pub urls: Vec<String>,
    pub name: String,
    pub data_dir: PathBuf,
    /// 0: one per core.
    pub shards: usize,
    pub durability: Durability,
    pub private_kinds: bool,
}

impl RelayConfig {
    /// The URLs a login may sign, when the relay is bound to `bound`: those configured, or one
    /// derived from the address. An address that means "all" becomes the loopback address.
    pub fn urls_for(&self, bound: SocketAddr, tls: bool) -> Vec<String> {
        if !self.urls.is_empty() {
            return self.urls.clone();
        }
        let mut reachable = bound;
        if bound.ip().is_unspecified() {
            reachable.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        vec![format!("{}://{reachable}", if tls { "wss" } else { "ws" })]
    }
}

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// `None`: no health and metrics over TCP.
    pub listen: Option<SocketAddr>,
    /// Whether admins may use the control operations over it.
    pub admin: bool,
}

/// `[tls]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl TlsConfig {
    /// Certificate chain and private key; `None`: plain TCP.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.cert.as_deref().zip(self.key.as_deref())
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A `tracing` filter, checked.
    pub level: String,
    pub format: LogFormat,
}

/// A key that has another value than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedKey {
    /// `section.key`.
    pub path: &'static str,
    /// Whether a running relay takes it; if not, a restart is needed.
    pub live: bool,
}

/// Everything the relay can be told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub relay: RelayConfig,
    pub http: HttpConfig,
    pub tls: TlsConfig,
    pub limits: Limits,
    /// `[roles.*]`: what each role may do.
    pub rules: Rules,
    /// `[store]` and `[retention]`; where it lies and how durable it is are said under `[relay]`.
    pub store: StoreOptions,
    pub log: LogConfig,
    pub gather: GatherConfig,
    /// The file's part of the allowlist.
    pub allow: Vec<AllowEntry>,
    /// What is no error but probably not meant; for the start-up message.
    pub warnings: Vec<String>,
    /// What is in force for each key, and where that was said.
    effective: BTreeMap<&'static str, (Value, Place)>,
}

impl Config {
    /// Reads the sample's defaults, then the file at `path` if one is given, the process's
    /// environment, and `overrides` (pairs of `section.key` and value, from flags).
    ///
    /// # Errors
    /// Everything that is wrong, in the order of reading.
    pub fn load(path: Option<&Path>, overrides: &[(String, String)]) -> Result<Config, ConfigErrors> {
        Config::load_from(path, std::env::vars_os(), overrides)
    }

    /// [`Config::load`] with an environment of the caller's choice.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_from(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
        overrides: &[(String, String)],
    ) -> Result<Config, ConfigErrors> {
        let mut config = Config::blank();
        let mut violations = Vec::new();
        let sample = source::read_text(&Place::Default, SAMPLE, &mut violations);
        config.apply(sample.assignments, &mut violations);
        if let Some(path) = path {
            let file = source::read_file(path, &mut violations);
            config.apply(file.assignments, &mut violations);
            config.allow = allow::check(file.allow, &mut violations);
            config.store.retention.rules = retention::check(file.retention, &mut violations);
        }
        let (assignments, warnings) = source::read_env(env, &mut violations);
        config.warnings = warnings;
        config.apply(assignments, &mut violations);
        config.apply(source::read_overrides(overrides, &mut violations), &mut violations);
        relations::check(&config, &mut violations);
        config.warnings.extend(relations::warnings(&config));
        if violations.is_empty() { Ok(config) } else { Err(ConfigErrors(violations)) }
    }

    /// The keys whose values differ from those of `other`, in the order of the sample.
    pub fn changes(&self, other: &Config) -> Vec<ChangedKey> {
        let value = |config: &Config, key: &keys::Key| config.effective.get(key.path).map(|(v, _)| v.clone());
        let changed = keys::all().filter(|key| value(self, key) != value(other, key));
        let rules = self.store.retention.rules != other.store.retention.rules;
        let rules = rules.then_some(ChangedKey { path: "retention.rules", live: true });
        changed.map(|key| ChangedKey { path: key.path, live: key.is_live() }).chain(rules).collect()
    }

    fn apply(&mut self, assignments: Vec<Assignment>, violations: &mut Vec<Violation>) {
        for Assignment { key, value, place } in assignments {
            match (key.set)(self, &value) {
                Ok(()) => {
                    self.effective.insert(key.path, (value, place));
                }
                Err(limit) => violations.push(Violation {
                    place,
                    key: key.path.to_owned(),
                    value: value.to_string(),
                    limit,
                }),
            }
        }
    }

    /// What the sample overwrites, key by key, before anyone sees it.
    fn blank() -> Config {
        Config {
            relay: RelayConfig {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                urls: Vec::new(),
                name: String::new(),
                data_dir: PathBuf::new(),
                shards: 0,
                durability: Durability::Fsync,
                private_kinds: true,
            },
            http: HttpConfig { listen: None, admin: false },
            tls: TlsConfig::default(),
            limits: Limits::default(),
            rules: Rules::default(),
            store: StoreOptions::default(),
            log: LogConfig { level: String::new(), format: LogFormat::Text },
            gather: GatherConfig::blank(),
            allow: Vec::new(),
            warnings: Vec::new(),
            effective: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;

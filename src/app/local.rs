//! The relay of this machine, for the command line: a running one through its control socket, a
//! stopped one through its store.

use super::config::Config;
use super::{deletion, facts, options, relay, serve, transfer, upkeep};
use crate::base::counters::LogCounters;
use crate::base::{KeyOverrides, PubKey};
use crate::cli::{
    Administrator, AllowedKey, Deletion, Export, ImportStream, Operator, OperatorError, Progress, Role,
    Settings,
};
use crate::doctor::{self, Finding, Machine};
use crate::http::{ControlClient, ControlError, KeyEntry};
use crate::ingest::Allowlist;
use crate::log::{self, CommitSink, CommittedBatch, KeyRow, KeyStore};
use crate::store::Store;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// What the command line can do with a relay of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Local;

impl Administrator for Local {
    fn keys(&self, settings: &Settings) -> Result<Vec<AllowedKey>, OperatorError> {
        let config = load(settings)?;
        match ask(&config, async |control| control.keys().await)? {
            Some(keys) => Ok(keys.into_iter().map(from_entry).collect()),
            None => {
                let rows = existing_store(&config)?.map_or(Ok(Vec::new()), |store| store.keys());
                let rows = rows.map_err(OperatorError)?;
                let listed = Allowlist::new(config.rules.clone(), options::grants(&config), rows).list();
                let key = |k: crate::ingest::ListedKey| AllowedKey {
                    pubkey: k.pubkey,
                    role: from_role(k.role),
                    name: k.name,
                    limits: k.limits,
                };
                Ok(listed.into_iter().map(key).collect())
            }
        }
    }

    fn allow(&self, settings: &Settings, key: &AllowedKey) -> Result<(), OperatorError> {
        let config = load(settings)?;
        let (name, limits) = (key.name.clone(), key.limits);
        let entry = KeyEntry { pubkey: key.pubkey, role: to_role(key.role), name, limits };
        if ask(&config, async |control| control.add_key(&entry).await)?.is_none() {
            let (role, name) = (Some(to_role(key.role)), key.name.clone());
            let row = KeyRow { pubkey: key.pubkey, role, name, limits };
            stopped_store(&config)?.put_key(&row).map_err(OperatorError)?;
        }
        Ok(())
    }

    fn disallow(&self, settings: &Settings, pubkey: &PubKey) -> Result<bool, OperatorError> {
        let config = load(settings)?;
        if let Some(was_there) = ask(&config, async |control| control.remove_key(pubkey).await)? {
            return Ok(was_there);
        }
        let store = existing_store(&config)?;
        let rows = store.as_ref().map_or(Ok(Vec::new()), Store::keys).map_err(OperatorError)?;
        let allowlist = Allowlist::new(config.rules.clone(), options::grants(&config), rows);
        let was_there = allowlist.role(pubkey).is_some();
        if was_there {
            let limits = KeyOverrides::default();
            let row = KeyRow { pubkey: *pubkey, role: None, name: String::new(), limits };
            // The configuration alone may allow it, of a relay that was never started.
            let store = store.map_or_else(|| stopped_store(&config), Ok)?;
            store.put_key(&row).map_err(OperatorError)?;
        }
        Ok(was_there)
    }

    fn connections(&self, settings: &Settings, key: Option<&PubKey>) -> Result<Value, OperatorError> {
        ask_running(settings, async |control| control.connections(key).await)
    }

    fn disconnect(&self, settings: &Settings, id: &str) -> Result<Option<Value>, OperatorError> {
        ask_running(settings, async |control| control.disconnect(id).await)
    }

    fn reload(&self, settings: &Settings) -> Result<Value, OperatorError> {
        ask_running(settings, async |control| control.reload().await)
    }

    fn info(&self, settings: &Settings) -> Result<Value, OperatorError> {
        let config = load(settings)?;
        match ask(&config, async |control| control.info().await)? {
            Some(info) => Ok(info),
            None => {
                let store = existing_store(&config)?.ok_or_else(|| no_log(&config))?;
                Ok(facts::stats_json(&store.stats()))
            }
        }
    }
}

impl Operator for Local {
    fn serve(&self, settings: &Settings, json: bool) -> Result<(), OperatorError> {
        let settings = settings.clone();
        let source = move || Config::load(settings.config.as_deref(), &settings.overrides);
        let announce = |facts: &facts::Facts| {
            let text = if json { format!("{}\n", facts.json()) } else { facts.screen(&program()) };
            // Nobody reads it: the relay serves all the same.
            let _ = write!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush());
        };
        serve::serve(Box::new(source), announce).map_err(error)
    }

    fn config(&self, settings: &Settings, json: bool) -> Result<String, OperatorError> {
        let description = load(settings)?.describe();
        if json { serde_json::to_string(&description).map_err(error) } else { Ok(description.to_string()) }
    }

    fn doctor(&self, settings: &Settings) -> Result<Vec<Finding>, OperatorError> {
        Ok(doctor::examine(&Machine::this(), &options::needs(&load(settings)?)))
    }

    fn stat(
        &self,
        settings: &Settings,
        top: usize,
        events_max: Option<u64>,
        progress: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        upkeep::stat(settings, top, events_max, progress)
    }

    fn check(
        &self,
        settings: &Settings,
        deep: bool,
        progress: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        upkeep::check(settings, deep, progress)
    }

    fn repair(
        &self,
        settings: &Settings,
        yes: bool,
        progress: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        upkeep::repair(settings, yes, progress)
    }

    fn backup(
        &self,
        settings: &Settings,
        to: &Path,
        replace: bool,
        progress: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        upkeep::backup(settings, to, replace, progress)
    }

    fn restore(
        &self,
        settings: &Settings,
        from: &Path,
        to: &Path,
        progress: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        upkeep::restore(settings, from, to, progress)
    }

    fn delete(
        &self,
        settings: &Settings,
        what: &Deletion,
        progress: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        deletion::delete(settings, what, progress)
    }

    fn export(
        &self,
        settings: &Settings,
        what: &Export,
        out: &mut dyn Write,
        progress: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        transfer::export(settings, what, out, progress)
    }

    fn import(
        &self,
        settings: &Settings,
        stream: ImportStream<'_>,
        progress: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        transfer::import(settings, stream, progress)
    }
}

pub(super) fn error(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(error.to_string())
}

/// What the user typed to start this program.
fn program() -> String {
    std::env::args_os().next().map_or("axon".to_owned(), |path| path.to_string_lossy().into_owned())
}

pub(super) fn load(settings: &Settings) -> Result<Config, OperatorError> {
    Config::load(settings.config.as_deref(), &settings.overrides).map_err(error)
}

/// Asks the running relay of this data directory; `None`: none is running.
pub(super) fn ask<T>(
    config: &Config,
    question: impl AsyncFnOnce(&ControlClient) -> Result<T, ControlError>,
) -> Result<Option<T>, OperatorError> {
    let control = ControlClient::new(&config.relay.data_dir);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(error)?;
    match runtime.block_on(question(&control)) {
        Ok(answer) => Ok(Some(answer)),
        Err(ControlError::NotRunning(_)) => Ok(None),
        Err(failure) => Err(error(failure)),
    }
}

/// Whether a relay has ever run on this data directory.
pub(super) fn has_log(config: &Config) -> bool {
    config.relay.data_dir.join("log").is_dir()
}

pub(super) fn no_log(config: &Config) -> OperatorError {
    OperatorError(format!(
        "{}: there is no log here: name the relay's configuration with --config, or its directory with \
         --set relay.data_dir=DIR",
        config.relay.data_dir.display()
    ))
}

/// As [`stopped_store`], but none is made where there is none.
fn existing_store(config: &Config) -> Result<Option<Store>, OperatorError> {
    has_log(config).then(|| stopped_store(config)).transpose()
}

/// Asks a relay that has to be running.
fn ask_running<T>(
    settings: &Settings,
    question: impl AsyncFnOnce(&ControlClient) -> Result<T, ControlError>,
) -> Result<T, OperatorError> {
    let config = load(settings)?;
    ask(&config, question)?.ok_or_else(|| {
        OperatorError(format!(
            "no relay is running on {}: start it with `axon serve`, or name its configuration with --config",
            config.relay.data_dir.display()
        ))
    })
}

/// Nobody listens to the log of a stopped relay.
struct NoListener;

impl CommitSink for NoListener {
    fn committed(&self, _: &Arc<CommittedBatch>) {}
}

pub(super) fn stopped_store(config: &Config) -> Result<Store, OperatorError> {
    relay::make_data_dir(&config.relay.data_dir).map_err(error)?;
    let clock = crate::base::Clock::new();
    let mut options = options::store(config);
    // Whoever looks at a stopped relay, or repairs it, does not want anything to go by itself.
    options.retention.interval_ms = 0;
    Store::open(options, Arc::new(NoListener), clock, Arc::new(LogCounters::default())).map_err(error)
}

fn from_entry(entry: KeyEntry) -> AllowedKey {
    AllowedKey { pubkey: entry.pubkey, role: from_role(entry.role), name: entry.name, limits: entry.limits }
}

fn from_role(role: log::Role) -> Role {
    match role {
        log::Role::Member => Role::Member,
        log::Role::Auditor => Role::Auditor,
        log::Role::Admin => Role::Admin,
        log::Role::Agent => Role::Agent,
    }
}

fn to_role(role: Role) -> log::Role {
    match role {
        Role::Member => log::Role::Member,
        Role::Auditor => log::Role::Auditor,
        Role::Admin => log::Role::Admin,
        Role::Agent => log::Role::Agent,
    }
}

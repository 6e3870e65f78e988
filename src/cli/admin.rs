//! What the command line needs of a relay on this machine. `app` provides it: it alone knows
//! configuration files, the control socket of a running relay and the store of a stopped one.

use crate::base::{KeyOverrides, PubKey, Seq};
use crate::client::Filter;
use crate::doctor::Finding;
use clap::ValueEnum;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Publishes and reads; of private kinds only its own.
    Member,
    /// Reads private kinds, too.
    Auditor,
    /// May change the allowlist.
    Admin,
    /// Publishes the kinds that the configuration names, within low limits.
    Agent,
}

/// One entry of the allowlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedKey {
    pub pubkey: PubKey,
    pub role: Role,
    /// For people; may be empty.
    pub name: String,
    /// What it says instead of its role's limits.
    pub limits: KeyOverrides,
}

/// Which relay of this machine is meant, and with which settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The file given with `--config`.
    pub config: Option<PathBuf>,
    /// `section.key` and value of every `--set`; they win over the file.
    pub overrides: Vec<(String, String)>,
}

/// What `axon delete` is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub filter: Filter,
    /// Behind this position.
    pub after: Seq,
    /// Up to this position, or to the head.
    pub up_to: Seq,
    pub dry_run: bool,
}

/// What `axon export` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    pub filter: Filter,
    /// Behind this position; else from the start, or from where the file ends.
    pub after: Option<Seq>,
    /// Instead of length-prefixed events.
    pub json_lines: bool,
    /// Instead of the standard output.
    pub file: Option<PathBuf>,
}

/// What `axon import` reads.
pub struct ImportStream<'a> {
    pub input: Box<dyn BufRead + 'a>,
    /// 0: not known.
    pub bytes_total: u64,
    /// Events to leave out.
    pub skip: u64,
}

/// Why an operation failed, with what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct OperatorError(pub String);

/// Told now and then how much of how much is done.
pub type Progress<'a> = dyn Fn(u64, u64) + Sync + 'a;

/// What an admin asks of a relay: of this machine's, or of one elsewhere with his key.
pub trait Administrator {
    /// The allowlist, of a running relay through its control socket, of a stopped one directly.
    ///
    /// # Errors
    /// Neither can be reached.
    fn keys(&self, settings: &Settings) -> Result<Vec<AllowedKey>, OperatorError>;

    /// Adds a key or changes its role, name and limits; in force when this returns.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    fn allow(&self, settings: &Settings, key: &AllowedKey) -> Result<(), OperatorError>;

    /// Removes a key; in force when this returns. `false`: it was not on the list.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    fn disallow(&self, settings: &Settings, pubkey: &PubKey) -> Result<bool, OperatorError>;

    /// The running relay's connections, of a key or all: `{open, matching, connections}`.
    ///
    /// # Errors
    /// None is running.
    fn connections(
        &self,
        settings: &Settings,
        key: Option<&PubKey>,
    ) -> Result<serde_json::Value, OperatorError>;

    /// Ends a connection and says whose it was; `None`: it was not there.
    ///
    /// # Errors
    /// As [`connections`](Self::connections).
    fn disconnect(&self, settings: &Settings, id: &str) -> Result<Option<serde_json::Value>, OperatorError>;

    /// Has the running relay read its configuration again; what that changed, as one JSON object.
    ///
    /// # Errors
    /// None is running, or everything that is wrong with the configuration; nothing has changed.
    fn reload(&self, settings: &Settings) -> Result<serde_json::Value, OperatorError>;

    /// The store's figures, as one JSON object.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    fn info(&self, settings: &Settings) -> Result<serde_json::Value, OperatorError>;
}

/// A relay on this machine.
pub trait Operator: Administrator {
    /// Runs the relay until it is told to stop; says on stdout when it serves, for people or as
    /// one JSON object.
    ///
    /// # Errors
    /// It cannot start, or stopped for an error.
    fn serve(&self, settings: &Settings, json: bool) -> Result<(), OperatorError>;

    /// The effective configuration: TOML with comments, or as one JSON object.
    ///
    /// # Errors
    /// Every violation of the configuration at once.
    fn config(&self, settings: &Settings, json: bool) -> Result<String, OperatorError>;

    /// Whether this machine is fit for the relay as it is configured.
    ///
    /// # Errors
    /// The configuration is wrong.
    fn doctor(&self, settings: &Settings) -> Result<Vec<Finding>, OperatorError>;

    /// What is stored by kind, author and day, `top` rows each, from at most `events_max` events
    /// spread over the log; and what it takes on disk.
    ///
    /// # Errors
    /// There is no store, or it cannot be read.
    fn stat(
        &self,
        settings: &Settings,
        top: usize,
        events_max: Option<u64>,
        progress: &Progress<'_>,
    ) -> Result<serde_json::Value, OperatorError>;

    /// Verifies the store, `deep` with every signature. `sound` of the object says the result.
    ///
    /// # Errors
    /// There is none, or it cannot be read for a reason that is no damage.
    fn check(
        &self,
        settings: &Settings,
        deep: bool,
        progress: &Progress<'_>,
    ) -> Result<serde_json::Value, OperatorError>;

    /// Cuts the log of a stopped relay at its damage; without `yes` only says what that loses.
    ///
    /// # Errors
    /// It is running, or beyond repair.
    fn repair(
        &self,
        settings: &Settings,
        yes: bool,
        progress: &Progress<'_>,
    ) -> Result<serde_json::Value, OperatorError>;

    /// Brings the backup in `to` up to date, or makes one. That of another log gives way to it
    /// only with `replace`.
    ///
    /// # Errors
    /// The backup of another log is there; something cannot be read or written.
    fn backup(
        &self,
        settings: &Settings,
        to: &Path,
        replace: bool,
        progress: &Progress<'_>,
    ) -> Result<serde_json::Value, OperatorError>;

    /// Makes the new data directory `to` of the backup in `from`.
    ///
    /// # Errors
    /// `to` holds something; the backup is not whole.
    fn restore(
        &self,
        settings: &Settings,
        from: &Path,
        to: &Path,
        progress: &Progress<'_>,
    ) -> Result<serde_json::Value, OperatorError>;

    /// Deletes events, or only says which: counts by kind, bytes, oldest and newest.
    ///
    /// # Errors
    /// The store cannot be reached or has failed; what was deleted until then is.
    fn delete(
        &self,
        settings: &Settings,
        what: &Deletion,
        progress: &Progress<'_>,
    ) -> Result<serde_json::Value, OperatorError>;

    /// Writes events to the export's file, or to `out`; says up to which position.
    ///
    /// # Errors
    /// Something cannot be read or written.
    fn export(
        &self,
        settings: &Settings,
        what: &Export,
        out: &mut dyn Write,
        progress: &Progress<'_>,
    ) -> Result<serde_json::Value, OperatorError>;

    /// Brings events in; says what became of them.
    ///
    /// # Errors
    /// The stream or the store cannot be read or written; the message says where to go on.
    fn import(
        &self,
        settings: &Settings,
        stream: ImportStream<'_>,
        progress: &Progress<'_>,
    ) -> Result<serde_json::Value, OperatorError>;
}

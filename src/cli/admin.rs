//! What the command line needs of a relay on this machine. `app` provides it: it alone knows
//! configuration files, the control socket of a running relay and the store of a stopped one.

use crate::base::PubKey;
use crate::doctor::Finding;
use clap::ValueEnum;
use std::path::PathBuf;
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
}

/// One entry of the allowlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedKey {
    pub pubkey: PubKey,
    pub role: Role,
    /// For people; may be empty.
    pub name: String,
}

/// Which relay of this machine is meant, and with which settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The file given with `--config`.
    pub config: Option<PathBuf>,
    /// `section.key` and value of every `--set`; they win over the file.
    pub overrides: Vec<(String, String)>,
}

/// Why an operation failed, with what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct OperatorError(pub String);

/// A relay on this machine.
pub trait Operator {
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

    /// The allowlist, of a running relay through its control socket, of a stopped one directly.
    ///
    /// # Errors
    /// Neither can be reached.
    fn keys(&self, settings: &Settings) -> Result<Vec<AllowedKey>, OperatorError>;

    /// Adds a key or changes its role and name; in force when this returns.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    fn allow(&self, settings: &Settings, key: &AllowedKey) -> Result<(), OperatorError>;

    /// Removes a key; in force when this returns. `false`: it was not on the list.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    fn disallow(&self, settings: &Settings, pubkey: &PubKey) -> Result<bool, OperatorError>;

    /// Whether this machine is fit for the relay as it is configured.
    ///
    /// # Errors
    /// The configuration is wrong.
    fn doctor(&self, settings: &Settings) -> Result<Vec<Finding>, OperatorError>;

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

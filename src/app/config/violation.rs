//! What is wrong with a configuration, said with place, key, value and limit.

use std::fmt;
use std::path::PathBuf;

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The built-in sample file.
    Default,
    /// A configuration file, with the line (from 1); 0 stands for the file as a whole.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Env(String),
    /// A command-line flag.
    Flag,
}

impl Place {
    /// `default`, `file`, `env` or `flag`.
    pub fn origin(&self) -> &'static str {
        match self {
            Place::Default => "default",
            Place::File { .. } => "file",
            Place::Env(_) => "env",
            Place::Flag => "flag",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::File { path, line: 0 } => write!(f, "{}", path.display()),
            Place::File { path, line } => write!(f, "{}:{line}", path.display()),
            Place::Env(name) => write!(f, "environment variable {name}"),
            Place::Flag => f.write_str("flag"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub place: Place,
    /// `section.key`; empty if the text could not be read that far.
    pub key: String,
    /// The value as it was written; empty if there is none.
    pub value: String,
    /// What is allowed.
    pub limit: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (self.key.as_str(), self.value.as_str()) {
            ("", "") => {}
            (key, "") => write!(f, "{key}: ")?,
            ("", value) => write!(f, "{value}: ")?,
            (key, value) => write!(f, "{key} = {value}: ")?,
        }
        f.write_str(&self.limit)
    }
}

/// Everything that is wrong, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Violation>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "problem" } else { "problems" };
        write!(f, "the configuration has {} {noun}:", self.0.len())?;
        self.0.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

impl std::error::Error for ConfigErrors {}

//! Why something was not done on Gather.

use crate::base::PubKey;
use crate::client::SignError;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why something was not done on Gather.
#[derive(Debug, Error)]
pub enum GatherError {
    #[error("{url}: not an http:// or https:// address: {why}")]
    Address { url: String, why: String },
    /// Nobody answers there.
    #[error("{url}: cannot be reached: {why}")]
    Unreachable { url: String, why: String },
    /// The answer broke off or did not come in time; a write may have been done.
    #[error("{url}: the answer is missing: {why}")]
    Lost { url: String, why: String },
    /// The answer is none of Gather's.
    #[error("{url}: the answer makes no sense: {why}")]
    Strange { url: String, why: String },
    /// Gather said no.
    #[error("{0}")]
    Refused(Problem),
    /// Nobody has registered with this key there.
    #[error("{url}: this key is not registered: {pubkey}")]
    NotRegistered { url: String, pubkey: PubKey },
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the server asks for {have} zero bits of proof of work, at most {limit} are worked for")]
    TooHard { have: u8, limit: u8 },
    #[error("the proof of work was stopped")]
    Stopped,
    #[error("{path}: the token cannot be kept: {source}")]
    TokenFile { path: PathBuf, source: io::Error },
}

/// A refusal: problem+json.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Problem {
    #[serde(default)]
    pub title: String,
    pub status: u16,
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub errors: Vec<Flaw>,
    /// From the Retry-After header.
    #[serde(skip)]
    pub retry_seconds: Option<u32>,
}

/// What is wrong with one part of a request.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Flaw {
    pub message: String,
    /// Such as `body.title`.
    #[serde(default)]
    pub location: String,
    #[serde(default)]
    pub value: Option<Value>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.title, self.detail)?;
        for flaw in &self.errors {
            write!(f, "\n  {}: {}", flaw.location, flaw.message)?;
        }
        Ok(())
    }
}

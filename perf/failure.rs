//! Why a run could not be made.

use std::io;

/// What ends a run early. A run that was made but went badly is a report with warnings.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The system refused something.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// The relay did not start, or does not run any more.
    #[error("relay: {0}")]
    Relay(String),
    /// The relay said something a relay does not say at that point.
    #[error("protocol: {0}")]
    Protocol(String),
    /// A run was made, and in it the relay broke a promise.
    #[error("{0}")]
    Broken(String),
    /// The command line asks for something impossible.
    #[error("{0}")]
    Usage(String),
}

pub type Result<T> = std::result::Result<T, Failure>;

/// Says what was being done when the system refused it.
pub trait Doing<T> {
    /// # Errors
    /// The same failure, with `what` in front.
    fn doing(self, what: &str) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|error| Failure::Io { what: what.to_owned(), source: error.into() })
    }
}

//! Whether the relay serves, and if not, why.

use std::sync::{Mutex, PoisonError};

/// What the relay is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not serving yet, with what it is waiting for.
    Starting(String),
    Serving,
    /// The store failed; only a restart helps.
    Failed(String),
    Stopping,
}

impl Status {
    /// `starting`, `ok`, `failed` or `stopping`.
    pub fn name(&self) -> &'static str {
        match self {
            Status::Starting(_) => "starting",
            Status::Serving => "ok",
            Status::Failed(_) => "failed",
            Status::Stopping => "stopping",
        }
    }

    /// Why the relay does not serve.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Status::Starting(reason) | Status::Failed(reason) => Some(reason),
            Status::Serving => None,
            Status::Stopping => Some("the relay is shutting down"),
        }
    }
}

/// The present [`Status`]: set by whoever starts and stops the relay, read by `/healthz`.
#[derive(Debug)]
pub struct Health(Mutex<Status>);

impl Health {
    /// A relay that has just been started.
    pub fn new() -> Self {
        Health(Mutex::new(Status::Starting("opening the store".to_owned())))
    }

    /// Changes the status. A failed relay stays failed until it stops: what comes after the
    /// first failure is its consequence.
    pub fn set(&self, status: Status) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*current, Status::Failed(_)) || status == Status::Stopping {
            *current = status;
        }
    }

    /// The present status.
    pub fn get(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for Health {
    fn default() -> Self {
        Health::new()
    }
}

//! Whether the relay serves, and if not, why.

use crate::base::counters::LogCounters;
use std::sync::{Arc, Mutex, PoisonError};

/// What the relay is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not serving yet, with what it is waiting for.
    Starting(String),
    Serving,
    /// The store takes nothing, because a write has failed or the disk is full. It comes back by
    /// itself once the cause is gone.
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

/// The present [`Status`]: set by whoever starts and stops the relay, read by `/healthz`. Whether
/// the store works is known from the log's counters.
#[derive(Debug)]
pub struct Health {
    status: Mutex<Status>,
    log: Arc<LogCounters>,
}

impl Health {
    /// A relay that has just been started.
    pub fn new(log: Arc<LogCounters>) -> Self {
        Health { status: Mutex::new(Status::Starting("opening the store".to_owned())), log }
    }

    /// Changes the status.
    pub fn set(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// The present status.
    pub fn get(&self) -> Status {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (status, self.log.failure.get()) {
            (Status::Serving, Some(failure)) => Status::Failed(failure),
            (status, _) => status,
        }
    }
}

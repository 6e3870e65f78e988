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

/// Why the store takes nothing any more, if it has failed.
type Failure = Box<dyn Fn() -> Option<String> + Send>;

/// The present [`Status`]: set by whoever starts and stops the relay, read by `/healthz`.
pub struct Health(Mutex<Present>);

enum Present {
    Said(Status),
    /// Serving, for as long as the store does.
    ServingUnless(Failure),
}

impl Health {
    /// A relay that has just been started.
    pub fn new() -> Self {
        Health(Mutex::new(Present::Said(Status::Starting("opening the store".to_owned()))))
    }

    /// Changes the status.
    pub fn set(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Present::Said(status);
    }

    /// The relay serves, until `failure` gives a reason why not.
    pub fn serving(&self, failure: impl Fn() -> Option<String> + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Present::ServingUnless(Box::new(failure));
    }

    /// The present status.
    pub fn get(&self) -> Status {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Present::Said(status) => status.clone(),
            Present::ServingUnless(failure) => failure().map_or(Status::Serving, Status::Failed),
        }
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Health").field(&self.get()).finish()
    }
}

impl Default for Health {
    fn default() -> Self {
        Health::new()
    }
}

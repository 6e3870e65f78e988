//! Wiring, configuration, signals, shutdown order. Holds no logic a test of its own would want.

pub mod config;
mod connections;
mod control;
mod deletion;
mod facts;
mod filters;
mod front;
mod import;
mod local;
mod operator;
mod options;
mod relay;
mod reload;
mod serve;
mod social;
mod transfer;
mod upkeep;
mod window;

pub use crate::http::{ControlClient, ControlError, KeyEntry};
pub use facts::Facts;
pub use local::Local;
pub use operator::{OPERATOR_KEY, OperatorError};
pub use options::TlsFilesError;
pub use relay::{Relay, RelayError};
pub use reload::{SetLevel, Source};
pub use serve::{ServeError, serve};

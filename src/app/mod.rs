//! Wiring, configuration, signals, shutdown order. Holds no logic a test of its own would want.

pub mod config;
mod facts;
mod local;
mod operator;
mod options;
mod relay;
mod serve;
mod social;

pub use crate::http::{ControlClient, ControlError, KeyEntry};
pub use facts::Facts;
pub use local::Local;
pub use operator::{OPERATOR_KEY, OperatorError};
pub use relay::{Relay, RelayError};
pub use serve::{ServeError, serve};

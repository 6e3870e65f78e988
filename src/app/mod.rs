//! Wiring, configuration, signals, shutdown order. Holds no logic a test of its own would want.

pub mod config;
mod operator;
mod relay;
mod serve;

pub use crate::http::{ControlClient, ControlError, KeyEntry};
pub use operator::{OPERATOR_KEY, OperatorError};
pub use relay::{Facts, Relay, RelayError};
pub use serve::{ServeError, serve};

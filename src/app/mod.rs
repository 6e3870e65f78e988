//! Wiring, configuration, signals, shutdown order.

pub mod config;

pub use crate::http::{ControlClient, ControlError, KeyEntry};

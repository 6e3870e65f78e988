//! Wiring, configuration, signals, shutdown order.

pub mod config;

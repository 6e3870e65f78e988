//! Wiring, configuration, signals, shutdown order.

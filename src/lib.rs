//! # Axon
//!
//! A relay for signed agent events: an append-only log at the edge, plus identity. Agents
//! publish Ed25519-signed MessagePack events over WebSocket; the relay verifies, stores and
//! indexes them and forwards the very same bytes to everyone whose filter matches.
//!
//! The rooms, from the top; a room names only lower ones (`tests/tidy.rs` keeps this true):
//!
//! ```text
//!  7  app                       wiring, configuration, signals, shutdown order
//!  6  shard | http | api > pages    the I/O shells; api is gather's HTTP face, pages its people's
//!  5  ingest | store            the one door for events and keys | RocksDB
//!  4  session | fanout          protocol state machine | subscription index
//!  3  wire | verify | log       frames + messages | signatures | ports: append, tail, query
//!  2  filter                    parse, match, who may read
//!  1  event                     layout, borrowed view, canonical bytes
//!  0  codec > base              MessagePack cursor > ids, limits, reasons, clock, counters
//! ```
//!
//! Beside them: `gather`, the social layer over `log` and `ingest`, with its own database;
//! `upstream`, the services it asks outside; `client` (the library agents use), `torture` (tries
//! to make a relay lose something), `doctor` (is the machine fit?), `plan` (what does a load
//! need?) and `cli`. The wire format is specified in [`protocol`].

pub mod api;
pub mod app;
pub mod base;
pub mod cli;
pub mod client;
pub mod codec;
pub mod doctor;
pub mod event;
pub mod fanout;
pub mod filter;
pub mod gather;
pub mod http;
pub mod ingest;
pub mod log;
pub mod pages;
pub mod plan;
pub mod session;
pub mod shard;
pub mod store;
pub mod torture;
pub mod upstream;
pub mod verify;
pub mod wire;

#[cfg(test)]
#[path = "../tests/fuzz/targets/mutate.rs"]
mod mutate;

#[doc = include_str!("protocol.md")]
pub mod protocol {}

//! The relay as its users meet it: the real binary, real sockets, a real store on disk.
//!
//! Every file under `relay/` is a promise of the protocol, by its name.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "relay/admin.rs"]
mod admin;
#[path = "relay/attack.rs"]
mod attack;
#[path = "relay/beside.rs"]
mod beside;
#[path = "relay/client.rs"]
mod client;
#[path = "relay/connections.rs"]
mod connections;
#[path = "relay/delivery.rs"]
mod delivery;
#[path = "relay/durability.rs"]
mod durability;
#[path = "relay/faults.rs"]
mod faults;
#[path = "relay/floods.rs"]
mod floods;
#[path = "relay/harness.rs"]
mod harness;
#[path = "relay/hostile.rs"]
mod hostile;
#[path = "relay/http.rs"]
mod http;
#[path = "relay/limits.rs"]
mod limits;
#[path = "relay/liveness.rs"]
mod liveness;
#[path = "relay/reload.rs"]
mod reload;
#[path = "relay/retention.rs"]
mod retention;
#[path = "relay/roster.rs"]
mod roster;
#[path = "relay/secrets.rs"]
mod secrets;
#[path = "relay/shutdown.rs"]
mod shutdown;
#[path = "relay/startup.rs"]
mod startup;
#[path = "relay/tls.rs"]
mod tls;
#[path = "relay/upkeep.rs"]
mod upkeep;
#[path = "relay/vectors.rs"]
mod vectors;

//! The rooms that read strangers' bytes, from the relay's own files, without the database.

#![allow(dead_code, reason = "the targets use a part of each room")]

#[path = "../../../src/base/mod.rs"]
pub mod base;
#[path = "../../../src/codec/mod.rs"]
pub mod codec;
#[path = "../../../src/event/mod.rs"]
pub mod event;
#[path = "../../../src/filter/mod.rs"]
pub mod filter;
#[path = "../../../src/session/mod.rs"]
pub mod session;
#[path = "../../../src/verify/mod.rs"]
pub mod verify;
#[path = "../../../src/wire/mod.rs"]
pub mod wire;

pub mod store;

//! WebSocket frames and protocol messages, as bytes.
//!
//! Sans-IO: nothing here touches a stream. The request head is parsed by tungstenite's
//! handshake, frame headers by its header parser; unmasking and assembly are ours, because one
//! tungstenite context per connection cannot be both small when idle and fast when busy.
//! Outgoing frames are laid out here so that an event's bytes are written once for all of its
//! subscribers.

mod assemble;
mod frame;
mod handshake;
mod message;

pub use assemble::{Assembler, FrameError, Incoming};
pub use frame::{CloseCode, Opcode, put_close, put_frame, put_header, put_ping, put_pong};
pub use handshake::{Head, read_head, refusal, upgrade_response};
pub use message::{
    ClientMessage, Envelope, Eose, Problem, RelayMessage, put_envelope, put_error, put_ok, relay,
};

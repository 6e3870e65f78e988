//! The protocol state machine of one connection, without I/O.
//!
//! Bytes and integers in, bytes and requests out: no socket, no clock, no task. Who drives it
//! (a shard, or a simulation) hands in one input at a time and then
//!
//! * carries out the [`Request`] that a message turned out to be,
//! * asks [`Session::next_read`] what a subscription wants from the log,
//! * sends what lies in [`Session::out`], as far as the socket takes it,
//! * stops reading while [`Session::is_paused`], and ends when [`Session::ending`] says so.
//!
//! # What others rely on
//!
//! * **Replies in order.** Every message but a valid Subscribe or Unsubscribe takes a place in
//!   one queue; its reply leaves when all before it have left. A connection that is ended with
//!   an Error, or by its peer's Close, gets the replies that are due first.
//! * **Exactly once.** A subscription is a position in the log. Everything up to it that
//!   matches was queued, nothing beyond it; it moves only forward, by pages, by catching up,
//!   or by live events, and falling back to the log changes who feeds it, not where it stands.
//! * **Bounded.** The queue takes no further event once it holds `queue_bytes_max`; replies in
//!   flight are bounded because reading stops.

mod ending;
mod feeding;
mod machine;
mod outgoing;
mod replies;
mod subscription;

pub use feeding::{LogEnds, Subscribed};
pub use machine::{Admission, Ending, Request, Session, Terms};
pub use outgoing::Outgoing;
pub use subscription::{Followed, LiveTarget, NextRead, Span, SubIndex};

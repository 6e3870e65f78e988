//! One core's connections, driven by io_uring (epoll where that is missing).
//!
//! A shard owns its connections, sessions, subscriptions and buffers; it shares with other
//! shards only the interest table and the seen set. The way of one event:
//!
//! 1. [`io`](self) reads bytes; [`Core::received`] assembles messages and asks the session
//!    what each one is.
//! 2. Publishes wait in [`arrivals`](self) until every task that was ready in this turn has
//!    run; then [`Core::run_batch`] has the whole batch judged by `ingest`.
//! 3. Stored kinds go to the log; ephemeral ones to the [`Dispatcher`].
//! 4. The log's committer calls the [`Dispatcher`], which asks the interest table which shards
//!    could want the batch and puts it into their [`Inbox`].
//! 5. [`Core::drain`] matches the batch against the shard's filter index and writes once per
//!    connection.
//!
//! With TLS, [`io`](self) opens records on the way in and seals them on the way out; nothing
//! else knows. `core` and its parts know no runtime: the simulation drives the same code with a network
//! made of vectors. Only `io`, `accept` and `run` name monoio.
//!
//! # What others rely on
//!
//! * Nothing blocks: disk and other threads answer through the [`Inbox`].
//! * Cancelling a connection's task loses nothing: reads happen only after readiness.
//! * Nobody holds a shard: a turn reads at most [`READ_BYTES_PER_TURN`] from one connection, or
//!   [`READ_BYTES_OF_SINGLES`] of messages that no batch makes cheap, asks the log for at most one page of it, and catches it up by a bounded number of events; what
//!   is left waits behind the others.
//!
//! [`READ_BYTES_PER_TURN`]: crate::base::limits::READ_BYTES_PER_TURN
//! [`READ_BYTES_OF_SINGLES`]: crate::base::limits::READ_BYTES_OF_SINGLES

mod accept;
mod addresses;
mod admission;
mod arrivals;
mod conns;
mod core;
mod deliver;
mod dispatch;
mod farewell;
mod feed;
mod half_open;
mod inbox;
mod io;
mod publish;
mod records;
mod roster;
mod run;
mod signal;
mod socket;
mod tls;
mod turn;

pub use accept::{AcceptOptions, Acceptor, Description, Lease};
pub use conns::ConnIndex;
pub use core::{Core, Net, Ports, Sent};
pub use dispatch::{Dispatcher, Routed};
pub use inbox::{Inbox, Message, ShardGroup, Wake};
pub use roster::{ConnId, Connected, NoConnId, Roster, RosterQuery};
pub use run::{Shard, ShardOptions, WakePipe, inbox, start, uses_io_uring};
pub use tls::{TlsError, TlsTerms};

#[cfg(test)]
mod tests;

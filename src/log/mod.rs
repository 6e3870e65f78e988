//! The ports of the log: append, tail, query, and the allowlist kept beside it.
//!
//! The seam of the relay. What goes in is a batch of verified events; what comes out is the
//! same events with their positions, in order. Nothing here blocks: work is submitted now and
//! its outcome arrives as a message. Today `store` stands behind these ports (RocksDB on one
//! machine) and [`MemLog`] in tests; a distributed log can stand here later.
//!
//! # What others rely on
//!
//! * **One order.** Every committed event has the next [`Seq`]; [`CommitSink`] sees batches in
//!   that order, each exactly once.
//! * **Head before everything.** A batch is in the tail ring, then the head is published
//!   (SeqCst), then the sink is called, then the outcomes go out. So whoever reads a head `P`
//!   after making its interest known misses no event beyond `P`.
//! * **What is gone is known.** Before an event of a kind is taken away by retention, its
//!   [`PurgeMarks`] in the tail say so; a [`Query`] whose filter asks for everything behind a
//!   position is answered [`QueryError::Purged`] rather than with a gap.
//! * **An outcome is final.** [`Outcome::Stored`] and [`Outcome::Duplicate`] are sent only when
//!   the event is as durable as configured.

mod mem;
mod purged;
mod query;
mod tail;

pub use mem::MemLog;
pub use purged::PurgeMarks;
pub use query::{Page, PageEntry, Query, QueryError, Span};
pub use tail::{CommittedBatch, Tail};

use crate::base::{KeyOverrides, PubKey, Seq};
use crate::event::Envelope;
use std::sync::Arc;

/// Names a submission or a query to the one who made it; opaque to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// One verified event that wants a position.
#[derive(Debug, Clone)]
pub struct Submission {
    pub ticket: Ticket,
    pub envelope: Envelope,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored by this submission.
    Stored(Seq),
    /// It was stored before (or by a copy in the same commit).
    Duplicate,
    /// It was stored before and deleted, and may not come again.
    Deleted,
    /// The write failed; whether it is stored is unknown until the log has been reopened.
    Failed,
    /// The disk is full: it was not written.
    Full,
}

/// Receives the log's answers. Called on the log's threads: hand over and return.
pub trait LogClient: Send + Sync {
    /// The outcomes of one or more submissions, in the order they were submitted.
    fn outcomes(&self, outcomes: Vec<(Ticket, Outcome)>);
    /// The answer to one query.
    fn page(&self, ticket: Ticket, page: Result<Page, QueryError>);
}

/// Sees every committed batch, in log order, on the committer's thread, after the head was
/// published and before any outcome of the batch is sent. Must not block.
pub trait CommitSink: Send + Sync {
    fn committed(&self, batch: &Arc<CommittedBatch>);
}

/// The appending side.
pub trait Append: Send + Sync {
    /// Takes a batch of verified events of stored kinds. Never blocks; every submission gets
    /// exactly one outcome. The submitter bounds what it has in flight.
    fn submit(&self, client: &Arc<dyn LogClient>, batch: Vec<Submission>);

    /// Calls `done` on the log's thread when everything submitted before has its outcome sent;
    /// drops it uncalled if the log is closed or closing.
    fn barrier(&self, done: Box<dyn FnOnce() + Send>);
}

/// The reading side.
pub trait Read: Send + Sync {
    /// Answers with one page through [`LogClient::page`]. Never blocks. The asker bounds how
    /// many queries it has open.
    fn query(&self, client: &Arc<dyn LogClient>, ticket: Ticket, query: Query);
}

/// What a key may do, as kept beside the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Publishes and reads.
    Member,
    /// Reads private kinds too.
    Auditor,
    /// An operator's key.
    Admin,
    /// An agent that registered itself: publishes the kinds its role names.
    Agent,
}

impl Role {
    /// Every role, for messages that list them.
    pub const ALL: [Role; 4] = [Role::Member, Role::Auditor, Role::Admin, Role::Agent];

    /// The name used in configuration, on the command line and on disk.
    pub fn name(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
            Role::Agent => "agent",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// One entry of the allowlist's local database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub pubkey: PubKey,
    /// `None` marks a removal, which wins over the configuration file.
    pub role: Option<Role>,
    /// A name for people; may be empty.
    pub name: String,
    /// What it says instead of its role's limits.
    pub limits: KeyOverrides,
}

/// The allowlist's rows kept with the log. Blocks on disk: never called on a shard.
pub trait KeyStore: Send + Sync {
    /// All rows.
    ///
    /// # Errors
    /// The storage's own message.
    fn keys(&self) -> Result<Vec<KeyRow>, String>;
    /// Writes one row, durably.
    ///
    /// # Errors
    /// The storage's own message.
    fn put_key(&self, row: &KeyRow) -> Result<(), String>;
}

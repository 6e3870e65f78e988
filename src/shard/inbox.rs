//! What other threads tell a shard, and how they wake it.
//!
//! Many messages cost one wake-up: the first sender after the shard has looked writes one byte
//! to its wake pipe, the others see that this was done.

use super::accept::Lease;
use super::dispatch::Routed;
use crate::base::limits::LIVE_BATCHES_PER_SHARD_MAX;
use crate::base::{PubKey, Seq};
use crate::log::{LogClient, Outcome, Page, QueryError, Role, Ticket};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Wakes a shard's thread; called rarely, see the module.
pub trait Wake: Send + Sync {
    fn wake(&self);
}

/// Something for a shard to do.
pub enum Message {
    /// The log's answers to submissions.
    Outcomes(Vec<(Ticket, Outcome)>),
    /// The log's answer to a query.
    Page(Ticket, Result<Page, QueryError>),
    /// A new connection, and the share of the limit that it holds.
    Connect(TcpStream, Lease),
    /// A key's role has changed, or (`None`) it was removed.
    KeyChanged(PubKey, Option<Role>),
    /// Answer when everything judged before was submitted.
    Quiesce(Sender<()>),
    /// Finish what is under way and close every connection.
    Drain,
    /// Leave the loop, whatever is still open.
    Stop,
}

/// The receiving end of one shard, shared with everybody who has something to tell it.
pub struct Inbox {
    /// Bounded by what the shard itself has in flight (submissions, one query per connection)
    /// and by the acceptor's connection limit.
    messages: (Sender<Message>, Receiver<Message>),
    /// Committed batches; bounded, see `missed_from`.
    live: (Sender<Arc<Routed>>, Receiver<Arc<Routed>>),
    /// Ephemeral events of other shards; bounded, what does not fit is skipped and counted.
    ephemeral: (Sender<Arc<Routed>>, Receiver<Arc<Routed>>),
    /// First position that did not fit into `live`; 0: none. While it is set nothing more is
    /// put there, and the shard serves its subscriptions from the log instead.
    missed_from: AtomicU64,
    skipped_ephemerals: AtomicU64,
    awake: AtomicBool,
    /// Nobody will look any more.
    closed: AtomicBool,
    wake: Box<dyn Wake>,
}

impl Inbox {
    /// An empty inbox whose shard is woken by `wake`.
    pub fn new(wake: Box<dyn Wake>) -> Self {
        Inbox {
            messages: unbounded(),
            live: bounded(LIVE_BATCHES_PER_SHARD_MAX),
            ephemeral: bounded(LIVE_BATCHES_PER_SHARD_MAX),
            missed_from: AtomicU64::new(0),
            skipped_ephemerals: AtomicU64::new(0),
            awake: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            wake,
        }
    }

    fn notify(&self) {
        if !self.awake.swap(true, Ordering::SeqCst) {
            self.wake.wake();
        }
    }

    /// Puts a message in.
    pub fn send(&self, message: Message) {
        // The receiver lives in the same struct, so the channel is never disconnected.
        let _ = self.messages.0.send(message);
        if self.closed.load(Ordering::SeqCst) {
            self.forget_messages();
        }
        self.notify();
    }

    /// The shard has ended: messages are dropped, those that wait and those to come, so that
    /// nobody waits for their answer.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.forget_messages();
    }

    fn forget_messages(&self) {
        while self.next_message().is_some() {}
    }

    /// Puts a committed batch in; only the committer calls this, in log order.
    pub fn send_live(&self, batch: &Arc<Routed>) {
        if self.missed_from.load(Ordering::SeqCst) == 0
            && let Err(TrySendError::Full(_)) = self.live.0.try_send(Arc::clone(batch))
        {
            self.missed_from.store(batch.first().map_or(0, |first| first.0), Ordering::SeqCst);
        }
        self.notify();
    }

    /// Puts another shard's ephemeral events in.
    pub fn send_ephemeral(&self, events: &Arc<Routed>) {
        if self.ephemeral.0.try_send(Arc::clone(events)).is_err() {
            self.skipped_ephemerals.fetch_add(events.len() as u64, Ordering::Relaxed);
        }
        self.notify();
    }

    /// The shard is about to look: from now on a sender wakes it again.
    pub(super) fn begin_drain(&self) {
        self.awake.store(false, Ordering::SeqCst);
    }

    pub(super) fn next_message(&self) -> Option<Message> {
        self.messages.1.try_recv().ok()
    }

    pub(super) fn next_live(&self) -> Option<Arc<Routed>> {
        self.live.1.try_recv().ok()
    }

    pub(super) fn next_ephemeral(&self) -> Option<Arc<Routed>> {
        self.ephemeral.1.try_recv().ok()
    }

    /// The first position that was left out, once everything before it was taken.
    pub(super) fn take_missed(&self) -> Option<Seq> {
        let missed = self.missed_from.load(Ordering::SeqCst);
        if missed == 0 || !self.live.1.is_empty() {
            return None;
        }
        self.missed_from.store(0, Ordering::SeqCst);
        Some(Seq(missed))
    }

    pub(super) fn take_skipped_ephemerals(&self) -> u64 {
        self.skipped_ephemerals.swap(0, Ordering::Relaxed)
    }
}

impl LogClient for Inbox {
    fn outcomes(&self, outcomes: Vec<(Ticket, Outcome)>) {
        self.send(Message::Outcomes(outcomes));
    }

    fn page(&self, ticket: Ticket, page: Result<Page, QueryError>) {
        self.send(Message::Page(ticket, page));
    }
}

/// All shards of the relay, as the rest of it sees them.
pub struct ShardGroup {
    pub inboxes: Vec<Arc<Inbox>>,
}

impl crate::ingest::Publishers for ShardGroup {
    fn quiesce(&self) {
        let (done, all_done) = bounded(self.inboxes.len());
        for inbox in &self.inboxes {
            inbox.send(Message::Quiesce(done.clone()));
        }
        drop(done);
        // Ends when every shard has answered, or is gone and has dropped its sender.
        for () in all_done {}
    }

    fn key_changed(&self, pubkey: &PubKey, role: Option<Role>) {
        for inbox in &self.inboxes {
            inbox.send(Message::KeyChanged(*pubkey, role));
        }
    }
}

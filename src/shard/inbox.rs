//! What other threads tell a shard, and how they wake it.
//!
//! Many messages cost one wake-up: the first sender after the shard has looked writes one byte
//! to its wake pipe, the others see that this was done.

use super::accept::Lease;
use super::dispatch::Routed;
use super::roster::{ConnId, Roster, RosterQuery};
use crate::base::Seq;
use crate::base::limits::{LIVE_BATCHES_PER_SHARD_MAX, LIVE_BYTES_PER_SHARD_MAX};
use crate::ingest::KeyChanges;
use crate::log::{LogClient, Outcome, Page, QueryError, Ticket};
use crate::session::Terms;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

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
    /// The entries of these keys have changed.
    KeysChanged(Arc<KeyChanges>),
    /// Go on under these terms, with private kinds kept private or not.
    NewTerms(Arc<Terms>, bool),
    /// Answer when everything judged before was submitted.
    Quiesce(Sender<()>),
    /// Answer who is connected.
    Roster(RosterQuery, Sender<Roster>),
    /// End this connection; answer whether it was there.
    Dismiss(ConnId, Sender<bool>),
    /// Finish what is under way and close every connection.
    Drain,
    /// Leave the loop, whatever is still open.
    Stop,
}

/// The receiving end of one shard, shared with everybody who has something to tell it.
pub struct Inbox {
    /// Bounded by what the shard itself has in flight (submissions, one query per connection)
    /// and by the acceptor's connection limit; who asks for connections waits for the answer.
    messages: (Sender<Message>, Receiver<Message>),
    /// Committed batches; what does not fit is missed, see `missed_from`.
    live: Lane,
    /// Ephemeral events of other shards; what does not fit is skipped and counted.
    ephemeral: Lane,
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
            live: Lane::new(),
            ephemeral: Lane::new(),
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
        if self.missed_from.load(Ordering::SeqCst) == 0 && !self.live.put(batch) {
            self.missed_from.store(batch.first().map_or(0, |first| first.0), Ordering::SeqCst);
        }
        self.notify();
    }

    /// Puts another shard's ephemeral events in.
    pub fn send_ephemeral(&self, events: &Arc<Routed>) {
        if !self.ephemeral.put(events) {
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
        self.live.take()
    }

    pub(super) fn next_ephemeral(&self) -> Option<Arc<Routed>> {
        self.ephemeral.take()
    }

    /// The first position that was left out, once everything before it was taken.
    pub(super) fn take_missed(&self) -> Option<Seq> {
        let missed = self.missed_from.load(Ordering::SeqCst);
        if missed == 0 || !self.live.is_empty() {
            return None;
        }
        self.missed_from.store(0, Ordering::SeqCst);
        Some(Seq(missed))
    }

    pub(super) fn take_skipped_ephemerals(&self) -> u64 {
        self.skipped_ephemerals.swap(0, Ordering::Relaxed)
    }
}

/// Events on their way to one shard, bounded by number of batches and by bytes.
struct Lane {
    batches: (Sender<Arc<Routed>>, Receiver<Arc<Routed>>),
    bytes: AtomicUsize,
}

impl Lane {
    fn new() -> Self {
        Lane { batches: bounded(LIVE_BATCHES_PER_SHARD_MAX), bytes: AtomicUsize::new(0) }
    }

    /// Whether it fitted; an empty lane takes a batch of any size.
    fn put(&self, batch: &Arc<Routed>) -> bool {
        let bytes = batch.bytes();
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = held == 0 || held + bytes <= LIVE_BYTES_PER_SHARD_MAX;
        if fits && self.batches.0.try_send(Arc::clone(batch)).is_ok() {
            return true;
        }
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        false
    }

    fn take(&self) -> Option<Arc<Routed>> {
        let batch = self.batches.1.try_recv().ok()?;
        self.bytes.fetch_sub(batch.bytes(), Ordering::Relaxed);
        Some(batch)
    }

    fn is_empty(&self) -> bool {
        self.batches.1.is_empty()
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

    fn keys_changed(&self, changes: &Arc<KeyChanges>) {
        for inbox in &self.inboxes {
            inbox.send(Message::KeysChanged(Arc::clone(changes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Kind, PubKey, Signature};
    use crate::event::{Envelope, EventBuilder, EventView};
    use crate::fanout::InterestTable;
    use crate::log::{CommitSink, CommittedBatch};
    use crate::shard::Dispatcher;
    use crate::{fanout::Interest, filter::Filter};

    struct Nobody;

    impl Wake for Nobody {
        fn wake(&self) {}
    }

    /// A batch of 64 of the largest events, at this position.
    fn batch(first: u64) -> Arc<CommittedBatch> {
        let content = vec![0; 65_536];
        let builder = EventBuilder { kind: Kind(1000), created_at: 1, content, tags: Vec::new() };
        let (_, wire) = builder.finish(&PubKey([1; 32]), |_| Signature([2; 64])).unwrap();
        let arena = bumpalo::Bump::new();
        let event = EventView::parse(&wire, &arena).unwrap();
        let event = Envelope::new(&event, &wire, &mut Vec::new());
        Arc::new(CommittedBatch { first: Seq(first), events: vec![event; 64], committed_nanos: 0 })
    }

    #[test]
    fn a_shard_that_does_not_look_holds_bounded_bytes_and_is_told_what_it_missed() {
        let inbox = Arc::new(Inbox::new(Box::new(Nobody)));
        let table = Arc::new(InterestTable::new());
        Interest::new(Arc::clone(&table), 0).add(&Filter::default());
        let dispatcher = Dispatcher::new(table, vec![Arc::clone(&inbox)]);
        for n in 0..40 {
            dispatcher.committed(&batch(1 + 64 * n));
        }
        let mut taken = 0;
        let mut bytes = 0;
        while let Some(batch) = inbox.next_live() {
            taken += 1;
            bytes += batch.bytes();
        }
        assert!(bytes <= LIVE_BYTES_PER_SHARD_MAX && bytes > LIVE_BYTES_PER_SHARD_MAX / 2, "{bytes}");
        assert_eq!(inbox.take_missed(), Some(Seq(1 + 64 * taken)));
        assert_eq!(inbox.take_missed(), None);
        dispatcher.committed(&batch(1 + 64 * 40));
        assert!(inbox.next_live().is_some(), "from then on batches come again");
    }
}

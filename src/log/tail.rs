//! The newest part of the log, in memory: the published head and a bounded ring of batches; and
//! which of its oldest part is gone.
//!
//! The committer alone writes it, once per batch. Catching-up subscriptions read it to close
//! the gap between the disk and the head, queries to cover what is not indexed yet. The lock
//! is held for the copying of a few `Arc`s, never while matching or waiting.

use super::PurgeMarks;
use crate::base::{LogId, Seq};
use crate::event::Envelope;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Events that were committed together; the event at index `i` has the position `first + i`.
#[derive(Debug)]
pub struct CommittedBatch {
    pub first: Seq,
    pub events: Vec<Envelope>,
    /// Clock nanoseconds when the batch was made durable, for the fan-out latency.
    pub committed_nanos: u64,
}

impl CommittedBatch {
    /// The position of the last event; batches are never empty.
    pub fn last(&self) -> Seq {
        Seq(self.first.0 + self.events.len() as u64 - 1)
    }

    /// Every event with its position.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Seq, &Envelope)> {
        self.events.iter().enumerate().map(|(i, e)| (Seq(self.first.0 + i as u64), e))
    }

    /// Bytes of the envelopes.
    pub fn bytes(&self) -> usize {
        self.events.iter().map(Envelope::wire_len).sum()
    }
}

/// The head and the ring.
pub struct Tail {
    log_id: LogId,
    head: AtomicU64,
    ring: RwLock<Ring>,
    purged: RwLock<Arc<PurgeMarks>>,
}

#[derive(Default)]
struct Ring {
    batches: VecDeque<Arc<CommittedBatch>>,
    events: usize,
    bytes: usize,
}

impl Tail {
    /// A tail whose head is `head`, with an empty ring.
    pub fn new(log_id: LogId, head: Seq) -> Self {
        let (ring, purged) = (RwLock::default(), RwLock::default());
        Tail { log_id, head: AtomicU64::new(head.0), ring, purged }
    }

    /// The history these positions belong to.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// The last committed position. SeqCst: see the module documentation of `log`.
    pub fn head(&self) -> Seq {
        Seq(self.head.load(Ordering::SeqCst))
    }

    /// Up to where events were taken away by retention.
    pub fn purged(&self) -> Arc<PurgeMarks> {
        Arc::clone(&self.purged.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of new marks; called before the events themselves go.
    pub fn set_purged(&self, marks: PurgeMarks) {
        *self.purged.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(marks);
    }

    /// Appends a batch to the ring and then publishes its last position as the head. Only the
    /// committer calls this.
    pub fn publish(&self, batch: &Arc<CommittedBatch>) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.events += batch.events.len();
        ring.bytes += batch.bytes();
        ring.batches.push_back(Arc::clone(batch));
        drop(ring);
        self.head.store(batch.last().0, Ordering::SeqCst);
    }

    /// Drops the oldest batches that lie wholly at or below `droppable` while the ring is over
    /// either bound.
    pub fn trim(&self, droppable: Seq, events_max: usize, bytes_max: usize) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        while ring.events > events_max || ring.bytes > bytes_max {
            match ring.batches.front() {
                Some(oldest) if oldest.last() <= droppable => {
                    let (events, bytes) = (oldest.events.len(), oldest.bytes());
                    ring.events -= events;
                    ring.bytes -= bytes;
                    ring.batches.pop_front();
                }
                _ => break,
            }
        }
    }

    /// How many events and bytes the ring holds.
    pub fn size(&self) -> (usize, usize) {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        (ring.events, ring.bytes)
    }

    /// The batches that hold the positions in (`after`, `to`], oldest first; `None` if the ring
    /// does not reach back that far. The first and last batch may hold more than was asked for.
    pub fn range(&self, after: Seq, to: Seq) -> Option<Vec<Arc<CommittedBatch>>> {
        if to <= after {
            return Some(Vec::new());
        }
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        if ring.batches.front().is_none_or(|oldest| oldest.first > after.next()) {
            return None;
        }
        let from = ring.batches.partition_point(|batch| batch.last() <= after);
        Some(ring.batches.range(from..).take_while(|batch| batch.first <= to).cloned().collect())
    }
}

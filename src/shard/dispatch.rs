//! From the log (or, for ephemeral kinds, from a verdict) to the shards that could care.

use super::inbox::Inbox;
use crate::base::Seq;
use crate::event::Envelope;
use crate::fanout::InterestTable;
use crate::log::{CommitSink, CommittedBatch};
use std::sync::Arc;

/// Events on their way to shards, each with the shards that could want it.
#[derive(Debug)]
pub struct Routed {
    events: Events,
    /// By event: bit `i` for shard `i`.
    masks: Vec<u64>,
}

#[derive(Debug)]
enum Events {
    Committed(Arc<CommittedBatch>),
    Ephemeral(Vec<Envelope>),
}

impl Routed {
    /// The events that shard could want, with their positions if they have one.
    pub(super) fn of_shard(&self, shard: usize) -> impl Iterator<Item = (Option<Seq>, &Envelope)> {
        let (events, first) = match &self.events {
            Events::Committed(batch) => (&batch.events, Some(batch.first)),
            Events::Ephemeral(events) => (events, None),
        };
        let wanted = move |i: usize| self.masks[i] & (1 << shard) != 0;
        let seq = move |i: usize| first.map(|first| Seq(first.0 + i as u64));
        events.iter().enumerate().filter(move |(i, _)| wanted(*i)).map(move |(i, event)| (seq(i), event))
    }

    /// How many events there are, for whatever shard.
    pub(super) fn len(&self) -> usize {
        self.masks.len()
    }

    /// Bytes of the events.
    pub(super) fn bytes(&self) -> usize {
        match &self.events {
            Events::Committed(batch) => batch.bytes(),
            Events::Ephemeral(events) => events.iter().map(Envelope::wire_len).sum(),
        }
    }

    /// The first position, of committed events.
    pub(super) fn first(&self) -> Option<Seq> {
        match &self.events {
            Events::Committed(batch) => Some(batch.first),
            Events::Ephemeral(_) => None,
        }
    }

    /// Clock nanoseconds when the events were made durable, if they were.
    pub(super) fn committed_nanos(&self) -> Option<u64> {
        match &self.events {
            Events::Committed(batch) => Some(batch.committed_nanos),
            Events::Ephemeral(_) => None,
        }
    }
}

/// Asks the interest table and fills inboxes. Locks nothing.
pub struct Dispatcher {
    table: Arc<InterestTable>,
    inboxes: Vec<Arc<Inbox>>,
}

impl Dispatcher {
    /// Serves these shards; an inbox's place is its shard's number in the table.
    pub fn new(table: Arc<InterestTable>, inboxes: Vec<Arc<Inbox>>) -> Self {
        Dispatcher { table, inboxes }
    }

    /// Sends ephemeral events to every shard but `from` that could want one; what `from` itself
    /// could want is left to it.
    pub(super) fn ephemeral(&self, from: usize, events: Vec<Envelope>) -> Arc<Routed> {
        let masks: Vec<u64> = events.iter().map(|event| self.table.mask(event)).collect();
        let any = masks.iter().fold(0, |any, mask| any | mask);
        let routed = Arc::new(Routed { events: Events::Ephemeral(events), masks });
        for inbox in self.wanted(any & !(1 << from)) {
            inbox.send_ephemeral(&routed);
        }
        routed
    }

    fn wanted(&self, mask: u64) -> impl Iterator<Item = &Arc<Inbox>> {
        self.inboxes
            .iter()
            .enumerate()
            .filter(move |(shard, _)| mask & (1 << shard) != 0)
            .map(|(_, inbox)| inbox)
    }
}

impl CommitSink for Dispatcher {
    fn committed(&self, batch: &Arc<CommittedBatch>) {
        let masks: Vec<u64> = batch.events.iter().map(|event| self.table.mask(event)).collect();
        let any = masks.iter().fold(0, |any, mask| any | mask);
        if any == 0 {
            return;
        }
        let routed = Arc::new(Routed { events: Events::Committed(Arc::clone(batch)), masks });
        for inbox in self.wanted(any) {
            inbox.send_live(&routed);
        }
    }
}

//! From the log (or, for ephemeral kinds, from a verdict) to the shards that could care.

use super::inbox::Inbox;
use crate::event::Envelope;
use crate::fanout::InterestTable;
use crate::log::{CommitSink, CommittedBatch};
use std::sync::Arc;

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

    /// Sends ephemeral events to every shard but `from` that could want one; whether `from`
    /// itself could.
    pub fn ephemeral(&self, from: usize, events: &Arc<[Envelope]>) -> bool {
        let mask = self.mask(events);
        for (shard, inbox) in self.inboxes.iter().enumerate() {
            if shard != from && mask & (1 << shard) != 0 {
                inbox.send_ephemeral(events);
            }
        }
        mask & (1 << from) != 0
    }

    fn mask(&self, events: &[Envelope]) -> u64 {
        let all = if self.inboxes.len() < 64 { (1u64 << self.inboxes.len()) - 1 } else { u64::MAX };
        let mut mask = 0;
        for event in events {
            mask |= self.table.mask(event);
            if mask == all {
                break;
            }
        }
        mask
    }
}

impl CommitSink for Dispatcher {
    fn committed(&self, batch: &Arc<CommittedBatch>) {
        let mask = self.mask(&batch.events);
        for (shard, inbox) in self.inboxes.iter().enumerate() {
            if mask & (1 << shard) != 0 {
                inbox.send_live(batch);
            }
        }
    }
}

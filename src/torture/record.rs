//! Our own record of every event: what was sent, what was answered, and where it was seen.

use super::Broken;
use super::stretch::Stretch;
use crate::base::{EventId, Seq};
use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::hash::Hasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of an event that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not answered, or answered 503: it may be there or not.
    Unknown,
    /// Answered Ok or 409: it must be there.
    Stored,
    /// Refused for a fault of its own: it must not be there.
    Refused,
}

/// One event of the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) author: u8,
    /// Its place among its author's events, from 1; they are sent in this order.
    pub(super) number: u64,
    /// Bytes on the wire, and a hash of them.
    pub(super) len: u32,
    hash: u64,
    pub(super) fate: Fate,
    /// Where it was seen by whomever; 0: nowhere yet.
    pub(super) seq: Seq,
    /// The last look that has found it.
    pub(super) look: u32,
}

impl Sent {
    pub(super) fn new(author: u8, number: u64, wire: &[u8]) -> Sent {
        let (len, hash) = (wire.len() as u32, hash(wire));
        Sent { author, number, len, hash, fate: Fate::Unknown, seq: Seq::ZERO, look: 0 }
    }

    pub(super) fn stretch(&self) -> Stretch {
        Stretch::of(self.number)
    }

    /// Whether it must be there for as long as no rule takes it away: whoever was told of an event
    /// was told of one that is stored.
    pub(super) fn is_owed(&self) -> bool {
        self.fate == Fate::Stored || self.seq != Seq::ZERO
    }
}

/// Shared by publishers, subscribers and the check.
#[derive(Debug, Default)]
pub(super) struct Record {
    events: Mutex<HashMap<EventId, Sent>>,
    stored: AtomicU64,
}

impl Record {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Sent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sent(&self, id: EventId, sent: Sent) {
        self.lock().insert(id, sent);
    }

    pub(super) fn answered(&self, id: &EventId, fate: Fate) {
        if let Some(sent) = self.lock().get_mut(id) {
            self.stored.fetch_add(u64::from(fate == Fate::Stored && sent.fate != fate), Ordering::Relaxed);
            sent.fate = fate;
        }
    }

    /// How many events were answered as stored.
    pub(super) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Notes that somebody was given an event: one that was sent, as it was sent, that was not
    /// refused, and where everybody else was given it. `look` is 0 for a subscriber.
    pub(super) fn seen(&self, look: u32, seq: Seq, id: EventId, wire: &[u8]) -> Result<Sent, Broken> {
        let mut events = self.lock();
        let sent = events.get_mut(&id).ok_or_else(|| format!("{id} at {seq} was never sent"))?;
        if sent.hash != hash(wire) {
            return Err(format!("{id} at {seq} has other bytes than those sent"));
        }
        if sent.fate == Fate::Refused {
            return Err(format!("{id} at {seq} was refused"));
        }
        if sent.seq != Seq::ZERO && sent.seq != seq {
            return Err(format!("{id} is at {} and again at {seq}", sent.seq));
        }
        sent.seq = seq;
        sent.look = sent.look.max(look);
        Ok(*sent)
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

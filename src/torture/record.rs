//! Our own record of every event: what was sent, and what was answered.

use crate::base::EventId;
use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::hash::Hasher as _;
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
    /// A hash of the bytes that were sent.
    pub(super) bytes: u64,
    pub(super) author: u8,
    pub(super) fate: Fate,
    /// Where it was found when it was last looked for; 0: nowhere yet.
    pub(super) seq: u64,
}

/// Shared by publishers and the check.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<HashMap<EventId, Sent>>);

impl Record {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sent(&self, id: EventId, author: u8, wire: &[u8]) {
        self.lock().insert(id, Sent { bytes: hash(wire), author, fate: Fate::Unknown, seq: 0 });
    }

    pub(super) fn answered(&self, id: &EventId, fate: Fate) {
        if let Some(sent) = self.lock().get_mut(id) {
            sent.fate = fate;
        }
    }

    /// How many events were answered as stored.
    pub(super) fn stored(&self) -> u64 {
        self.lock().values().filter(|sent| sent.fate == Fate::Stored).count() as u64
    }
}

pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

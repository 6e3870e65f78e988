//! The agent's own signed event behind a transaction.

use crate::base::EventId;
use crate::gather::rules::ids;
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};

/// What the event turned out to tell of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Type and id of the record.
    pub about: (String, String),
    /// Topics of streams, one per line.
    pub topics: String,
}

/// An agent's own event that is being applied. Its records get ids that follow from the event's,
/// so that everybody knows them and a second fold of the log finds the same.
#[derive(Debug)]
pub struct Origin {
    pub event: EventId,
    pub kind: u16,
    /// The author's `n`.
    pub agent: i64,
    ids: Cell<u32>,
    told: RefCell<Option<Told>>,
}

impl Origin {
    pub fn new(event: EventId, kind: u16, agent: i64) -> Origin {
        Origin { event, kind, agent, ids: Cell::new(0), told: RefCell::default() }
    }

    /// The next record's id: character `i` of the `k`-th id is drawn by the first eight bytes of
    /// SHA-256(event id ‖ k ‖ i), both big-endian u32.
    pub fn record_id(&self) -> String {
        let (number, mut place) = (self.ids.get(), 0u32);
        self.ids.set(number + 1);
        ids::record_id(|| {
            let hash = Sha256::new_with_prefix(self.event.0)
                .chain_update(number.to_be_bytes())
                .chain_update(place.to_be_bytes())
                .finalize();
            place += 1;
            hash.iter().take(8).fold(0, |n, byte| n << 8 | u64::from(*byte))
        })
    }

    /// Keeps what it tells of.
    pub fn told(&self, about: (&str, &str), topics: String) {
        let about = (about.0.to_owned(), about.1.to_owned());
        *self.told.borrow_mut() = Some(Told { about, topics });
    }

    pub fn has_told(&self) -> bool {
        self.told.borrow().is_some()
    }

    /// What it told of; nothing, if the operation changed nothing that others are to learn.
    pub fn take(&self) -> Told {
        self.told.take().unwrap_or_default()
    }
}

//! Which shards may have a filter that matches: one lock-free table for the whole relay.
//!
//! | slots | count | addressed by |
//! |---|---|---|
//! | tag values | 2^18 | hash of name and first value |
//! | authors | 2^16 | hash |
//! | ids | 2^16 | hash |
//! | kinds | 2^16 | the kind itself |
//! | tag names | 2^12 | hash |
//! | gates | 6 | the field |
//!
//! Fields have slots of their own, so a crowd of filters on one field costs nothing to the
//! others. A field's gate is held by whoever holds any of its slots, so an unused field costs
//! one load and no hash; filters without any field hold just their gate. With 100 000 filters
//! on distinct tag values, spread over 16 shards, a tag that a given shard does not want meets
//! its bit in about one case of forty.

use super::slots::{Held, Slots};
use super::terms::{self, Field, Term};
use crate::base::limits::SHARDS_MAX;
use crate::event::EventFields;
use crate::filter::Filter;
use std::hash::RandomState;
use std::sync::Arc;

const TAG_VALUE_SLOTS: usize = 1 << 18;
const AUTHOR_SLOTS: usize = 1 << 16;
const ID_SLOTS: usize = 1 << 16;
const KIND_SLOTS: usize = 1 << 16;
const TAG_NAME_SLOTS: usize = 1 << 12;

const AUTHORS_AT: usize = TAG_VALUE_SLOTS;
const IDS_AT: usize = AUTHORS_AT + AUTHOR_SLOTS;
const KINDS_AT: usize = IDS_AT + ID_SLOTS;
const TAG_NAMES_AT: usize = KINDS_AT + KIND_SLOTS;
const GATES_AT: usize = TAG_NAMES_AT + TAG_NAME_SLOTS;
/// 3.6 MiB for the relay, and half as much of counts per shard.
const SLOTS: usize = GATES_AT + Field::COUNT;

const _: () = assert!(SHARDS_MAX <= u64::BITS as usize, "a mask has one bit per shard");

/// The shards' interests, as bits. Read by whoever has an event to hand out.
pub struct InterestTable {
    secret: RandomState,
    slots: Slots,
}

impl InterestTable {
    /// A table in which no shard wants anything.
    pub fn new() -> Self {
        InterestTable { secret: RandomState::new(), slots: Slots::new(SLOTS) }
    }

    /// The shards (bit `i` is shard `i`) that may have a filter matching `event`; every shard
    /// that has one is among them. To be called after the event's position was published.
    pub fn mask(&self, event: &impl EventFields) -> u64 {
        let look = |term: Term<'_>| self.slots.load_behind(gate(term), || self.slot(term));
        terms::of_event(event).fold(0, |mask, term| mask | look(term))
    }

    fn slot(&self, term: Term<'_>) -> usize {
        let (at, count) = match term {
            Term::TagValue(..) => (0, TAG_VALUE_SLOTS),
            Term::Author(_) => (AUTHORS_AT, AUTHOR_SLOTS),
            Term::Id(_) => (IDS_AT, ID_SLOTS),
            Term::TagName(_) => (TAG_NAMES_AT, TAG_NAME_SLOTS),
            Term::Kind(kind) => return KINDS_AT + usize::from(kind),
            Term::Any => return gate(term),
        };
        at + (term.hash(&self.secret) as usize & (count - 1))
    }
}

fn gate(term: Term<'_>) -> usize {
    GATES_AT + term.field() as usize
}

impl Default for InterestTable {
    fn default() -> Self {
        Self::new()
    }
}

/// One shard's hand on the table. There must be only one per shard index: it alone counts how
/// many of the shard's filters stand behind a bit.
pub struct Interest {
    table: Arc<InterestTable>,
    held: Held,
}

impl Interest {
    /// The hand of the shard with this index, which wants nothing yet.
    ///
    /// # Panics
    /// If `shard` is not below [`SHARDS_MAX`].
    pub fn new(table: Arc<InterestTable>, shard: usize) -> Self {
        assert!(shard < SHARDS_MAX, "shard {shard}: a mask has {SHARDS_MAX} bits");
        let held = Held::new(&table.slots, shard);
        Interest { table, held }
    }

    /// Makes a filter known. Only a head read after this is a safe border between what was
    /// stored before and what will be sent live.
    pub fn add(&mut self, filter: &Filter) {
        for term in terms::of_filter(filter) {
            self.held.add(&self.table.slots, gate(term));
            self.held.add(&self.table.slots, self.table.slot(term));
        }
    }

    /// Takes back one earlier [`add`](Self::add) of an equal filter.
    ///
    /// # Panics
    /// If it was not added.
    pub fn remove(&mut self, filter: &Filter) {
        for term in terms::of_filter(filter) {
            self.held.remove(&self.table.slots, gate(term));
            self.held.remove(&self.table.slots, self.table.slot(term));
        }
    }
}

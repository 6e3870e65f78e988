//! One subscription: a position in the log, and who feeds it from there.
//!
//! ```text
//!  Stored ──(covered P: Eose)──▶ Behind ──(position = head)──▶ Live
//!                                   ▲                            │
//!                                   └──(queue at its bound)──────┘
//! ```

use crate::base::{Seq, limits::SUB_ID_BYTES_MAX};
use crate::filter::{Filter, ReadAccess};
use std::sync::Arc;

/// A subscription's place in its session; reused after it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubIndex(pub u32);

/// Which of the matching events a read wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    Ascending,
    Last(u32),
}

/// Where a live event goes.
#[derive(Debug, Clone, Copy)]
pub struct LiveTarget<'a> {
    pub sub_id: &'a str,
    pub with_seq: bool,
    pub access: &'a ReadAccess,
}

/// What a subscription needs next.
#[derive(Debug, Clone)]
pub enum NextRead {
    /// A page of the stored phase: the matching events of (`after`, `to`].
    Page { filter: Arc<Filter>, access: ReadAccess, after: Seq, to: Seq, span: Span, events_max: usize },
    /// To catch up with the head: from the tail ring if that reaches back to `after`, by a page
    /// otherwise.
    CatchUp { sub: SubIndex, filter: Arc<Filter>, access: ReadAccess, after: Seq },
}

/// What a subscription follows, for whoever watches.
#[derive(Debug, Clone, Copy)]
pub struct Followed<'a> {
    pub sub_id: &'a str,
    pub filter: &'a Arc<Filter>,
    /// Fed by the fan-out alone; otherwise the log feeds it.
    pub is_live: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The stored phase, up to `to`.
    Stored {
        to: Seq,
        span: Span,
        /// With `after` and `limit`: what may still be sent.
        left: Option<Left>,
    },
    /// The live phase, stored events fed from the log, ephemeral ones by the fan-out.
    Behind,
    /// The live phase, all fed by the fan-out.
    Live,
}

/// What a limit still lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub events: u32,
    /// The last event sent, or where the subscription began.
    pub last: Seq,
}

#[derive(Debug)]
pub(super) struct Subscription {
    /// Tells this subscription from an earlier one at the same index.
    pub serial: u32,
    pub sub_id: SubId,
    pub filter: Arc<Filter>,
    /// Everything up to here that matches has been queued.
    pub position: Seq,
    pub phase: Phase,
}

impl Subscription {
    pub fn with_seq(&self) -> bool {
        self.filter.after.is_some()
    }
}

/// A `sub_id`, which is 1 to 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubId(Box<str>);

impl SubId {
    pub fn new(text: &str) -> Self {
        assert!((1..=SUB_ID_BYTES_MAX).contains(&text.len()), "the message parser checks it");
        SubId(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The subscriptions of a session, at stable indexes.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    slots: Vec<Option<Subscription>>,
    open: usize,
    serial: u32,
    /// Where the search for the next read begins, so that no subscription starves another.
    turn: usize,
}

impl Subscriptions {
    pub fn len(&self) -> usize {
        self.open
    }

    pub fn get(&self, index: SubIndex) -> Option<&Subscription> {
        self.slots.get(index.0 as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, index: SubIndex) -> Option<&mut Subscription> {
        self.slots.get_mut(index.0 as usize)?.as_mut()
    }

    pub fn find(&self, sub_id: &str) -> Option<SubIndex> {
        let is_it = |slot: &Option<Subscription>| slot.as_ref().is_some_and(|s| s.sub_id.as_str() == sub_id);
        self.slots.iter().position(is_it).map(|i| SubIndex(i as u32))
    }

    /// Makes a page that was asked for this subscription one of an earlier one.
    pub fn renew(&mut self, index: SubIndex) {
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        if let Some(sub) = self.get_mut(index) {
            sub.serial = serial;
        }
    }

    pub fn insert(&mut self, sub_id: &str, filter: Arc<Filter>, position: Seq, phase: Phase) -> SubIndex {
        self.serial = self.serial.wrapping_add(1);
        let sub = Subscription { serial: self.serial, sub_id: SubId::new(sub_id), filter, position, phase };
        self.open += 1;
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.slots.reserve_exact(1);
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[index] = Some(sub);
        SubIndex(index as u32)
    }

    pub fn remove(&mut self, index: SubIndex) -> Option<Subscription> {
        let removed = self.slots.get_mut(index.0 as usize)?.take();
        self.open -= usize::from(removed.is_some());
        removed
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SubIndex, &mut Subscription)> {
        self.slots.iter_mut().enumerate().filter_map(|(i, s)| s.as_mut().map(|s| (SubIndex(i as u32), s)))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.slots.iter().flatten()
    }

    /// Whether the log has to feed one.
    pub fn any_hungry(&self) -> bool {
        self.slots.iter().flatten().any(|sub| sub.phase != Phase::Live)
    }

    /// The next subscription, in turns, that the log has to feed.
    pub fn next_hungry(&mut self) -> Option<SubIndex> {
        let n = self.slots.len();
        let hungry = |slot: &Option<Subscription>| slot.as_ref().is_some_and(|s| s.phase != Phase::Live);
        let found = (0..n).map(|i| (self.turn + i) % n).find(|&i| hungry(&self.slots[i]))?;
        self.turn = found + 1;
        Some(SubIndex(found as u32))
    }
}

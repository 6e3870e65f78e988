//! Replies in the order of the publishes (protocol §4).

use crate::base::{EventId, Reason};
use crate::wire::{put_error, put_ok};
use std::collections::VecDeque;

/// What an Error's text begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Nothing,
    Event(EventId),
    Sub(Box<str>),
}

/// One place in the queue.
#[derive(Debug)]
enum Slot {
    /// A publish under way, and its size.
    Waiting {
        bytes: usize,
    },
    Ok(EventId),
    Error {
        about: About,
        reason: Reason,
    },
    /// The login's Ok.
    Welcome,
}

/// The queue of replies that have not been written yet.
#[derive(Debug, Default)]
pub struct Replies {
    slots: VecDeque<Slot>,
    /// The number of the first slot.
    first: u64,
    in_flight_bytes: usize,
}

impl Replies {
    /// Replies that have not been written.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of the publishes that wait for a verdict.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// Takes a place for a publish of `bytes`; returns its number.
    pub fn open(&mut self, bytes: usize) -> u64 {
        self.slots.push_back(Slot::Waiting { bytes });
        self.in_flight_bytes += bytes;
        self.first + self.slots.len() as u64 - 1
    }

    /// Fills the place of a publish. A number that is not waiting is ignored.
    pub fn settle(&mut self, number: u64, outcome: Result<EventId, (Option<EventId>, Reason)>) {
        let Some(slot) = number.checked_sub(self.first).and_then(|i| self.slots.get_mut(i as usize)) else {
            return;
        };
        let Slot::Waiting { bytes } = *slot else { return };
        self.in_flight_bytes -= bytes;
        *slot = match outcome {
            Ok(id) => Slot::Ok(id),
            Err((id, reason)) => Slot::Error { about: id.map_or(About::Nothing, About::Event), reason },
        };
    }

    /// An Error at the end of the queue.
    pub fn error(&mut self, about: About, reason: Reason) {
        self.slots.push_back(Slot::Error { about, reason });
    }

    /// The login's Ok.
    pub fn welcome(&mut self) {
        self.slots.push_back(Slot::Welcome);
    }

    /// Writes every reply whose turn has come.
    pub fn write(&mut self, out: &mut Vec<u8>) {
        while let Some(slot) = self.slots.front() {
            match slot {
                Slot::Waiting { .. } => return,
                Slot::Ok(id) => put_ok(out, id),
                Slot::Welcome => crate::wire::relay::put_ok_text(out, "authenticated"),
                Slot::Error { about: About::Nothing, reason } => put_error(out, None, *reason),
                Slot::Error { about: About::Event(id), reason } => {
                    put_error(out, Some(&id.to_hex()), *reason)
                }
                Slot::Error { about: About::Sub(sub_id), reason } => {
                    put_error(out, Some(&format!("sub {sub_id}")), *reason);
                }
            }
            self.slots.pop_front();
            self.first += 1;
        }
    }

    /// Frees what an idle connection does not need.
    pub fn shrink(&mut self) {
        if self.slots.is_empty() {
            self.slots = VecDeque::new();
        }
    }
}

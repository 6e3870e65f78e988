//! What a subscription must have got, computed naively from the whole log.

use crate::conn::{Conn, Frame, Generation};
use crate::log::LOG_ID;
use crate::pool::Pool;
use axon::event::{Envelope, EventFields};
use axon::filter::{Filter, ReadAccess};
use std::collections::{BTreeMap, BTreeSet};

/// An ephemeral event that passed the door.
#[derive(Debug, Clone, Copy)]
pub struct Forwarded {
    pub step: usize,
    pub event: usize,
    /// The connection that published it.
    pub by: usize,
}

/// One frame that is due.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Due {
    Event {
        event: usize,
        seq: Option<u64>,
    },
    /// With `more`, any position behind the last event and before the next one covers the same.
    Eose {
        more: bool,
        between: Option<(u64, u64)>,
    },
}

impl Due {
    fn is(&self, frame: &Frame) -> bool {
        match (*self, *frame) {
            (Due::Event { event, seq }, Frame::Event { event: got, seq: got_seq }) => {
                event == got && seq == got_seq
            }
            (Due::Eose { more, between }, Frame::Eose { more: got, position }) => {
                more == got
                    && match (between, position) {
                        (None, None) => true,
                        (Some((low, high)), Some((seq, log))) => (low..=high).contains(&seq) && log == LOG_ID,
                        _ => false,
                    }
            }
            _ => false,
        }
    }
}

/// The positions (from 1) of the log's events that a filter and a reader let through.
pub fn matching(log: &[Envelope], filter: &Filter, access: &ReadAccess, after: u64, to: u64) -> Vec<u64> {
    let lets = |seq: &u64| {
        let event = &log[*seq as usize - 1];
        filter.matches(event) && access.may_read(event)
    };
    (after + 1..=to).filter(lets).collect()
}

fn due(pool: &Pool, log: &[Envelope], generation: &Generation) -> Vec<Due> {
    let Generation { filter, access, border, .. } = generation;
    let event = |seq: u64| Due::Event {
        event: pool.by_id[log[seq as usize - 1].id()],
        seq: filter.after.map(|_| seq),
    };
    let mut stored = matching(log, filter, access, filter.after.unwrap_or(0), *border);
    if let Some(limit) = filter.limit.map(|limit| limit as usize).filter(|limit| *limit < stored.len()) {
        if filter.after.is_some() {
            let between = Some((stored[limit - 1], stored[limit] - 1));
            stored.truncate(limit);
            let events = stored.into_iter().map(event);
            return events.chain([Due::Eose { more: true, between }]).collect();
        }
        stored.drain(..stored.len() - limit);
    }
    let between = filter.after.map(|_| (*border, *border));
    let live = matching(log, filter, access, *border, log.len() as u64);
    let eose = [Due::Eose { more: false, between }];
    stored.into_iter().map(event).chain(eose).chain(live.into_iter().map(event)).collect()
}

/// Checks what one connection got for its subscriptions. A `sub_id` may have been used for
/// several, one after the other; all but the last one got a prefix of what was due.
pub struct Checker<'a> {
    pub pool: &'a Pool,
    pub log: &'a [Envelope],
    /// In the order they passed the door.
    pub forwarded: &'a BTreeMap<usize, (usize, Forwarded)>,
    /// Nobody was slow: ephemeral events may not be missing either.
    pub ample: bool,
}

impl Checker<'_> {
    /// `complete`: the connection was open to the end and everything was read.
    pub fn check(&self, conn: &Conn, complete: bool) {
        for sub_id in conn.got.keys() {
            assert!(conn.subs.contains_key(sub_id), "frames for {sub_id}, which was never subscribed");
        }
        let nothing = Vec::new();
        for (sub_id, generations) in &conn.subs {
            let got = conn.got.get(sub_id).unwrap_or(&nothing);
            let due: Vec<Vec<Due>> = generations.iter().map(|g| due(self.pool, self.log, g)).collect();
            let ends = self.follow(sub_id, generations, &due, got);
            let last = due.len() - 1;
            if complete && generations[last].open {
                assert!(
                    ends.contains(&(last, due[last].len())),
                    "{sub_id} is at {ends:?} (subscription, frames), due were {} of {last}: {:?}\ngot {got:?}",
                    due[last].len(),
                    due[last],
                );
                if self.ample {
                    self.check_ephemeral(sub_id, &generations[last], got);
                }
            }
            self.check_order(sub_id, got);
        }
    }

    /// Every place (subscription, frames of it) where `got` can have led.
    fn follow(
        &self,
        sub_id: &str,
        generations: &[Generation],
        due: &[Vec<Due>],
        got: &[(usize, Frame)],
    ) -> BTreeSet<(usize, usize)> {
        let mut places = BTreeSet::from([(0, 0)]);
        for (n, (step, frame)) in got.iter().enumerate() {
            let ephemeral = match frame {
                Frame::Event { event, seq } if self.pool.events[*event].ephemeral => {
                    assert_eq!(*seq, None, "{sub_id}: an ephemeral event has no position");
                    Some(&self.pool.events[*event].envelope)
                }
                _ => None,
            };
            let next: BTreeSet<(usize, usize)> = match ephemeral {
                Some(event) => {
                    let live = |&(g, at): &(usize, usize)| {
                        due[g][..at].iter().any(|due| matches!(due, Due::Eose { more: false, .. }))
                            && generations[g].filter.matches(event)
                            && generations[g].access.may_read(event)
                    };
                    places.iter().copied().filter(live).collect()
                }
                None => {
                    let goes_on =
                        places.iter().copied().filter(|&(g, at)| due[g].get(at).is_some_and(|d| d.is(frame)));
                    let first = places.first().map_or(0, |&(g, _)| g);
                    let begins = (first + 1..due.len()).filter(|&g| due[g][0].is(frame));
                    goes_on.map(|(g, at)| (g, at + 1)).chain(begins.map(|g| (g, 1))).collect()
                }
            };
            assert!(
                !next.is_empty(),
                "{sub_id}: frame {n} of step {step}, {frame:?}, is not due at {places:?}: {due:?}\ngot {got:?}"
            );
            places = next;
        }
        places
    }

    /// Ephemeral events: each at most once, and those of one publisher in the order sent.
    fn check_order(&self, sub_id: &str, got: &[(usize, Frame)]) {
        let mut last: BTreeMap<usize, usize> = BTreeMap::new();
        for (step, frame) in got {
            let Frame::Event { event, .. } = frame else { continue };
            if !self.pool.events[*event].ephemeral {
                continue;
            }
            let (place, forwarded) = self.forwarded.get(event).expect("was forwarded");
            assert!(forwarded.step <= *step);
            let before = last.insert(forwarded.by, place + 1).unwrap_or(0);
            assert!(
                before <= *place,
                "{sub_id}: ephemeral {event} twice or out of order, step {step}: {got:?}"
            );
        }
    }

    /// Every ephemeral event that passed the door after Eose came.
    fn check_ephemeral(&self, sub_id: &str, generation: &Generation, got: &[(usize, Frame)]) {
        let eose = got.iter().rev().find(|(_, frame)| matches!(frame, Frame::Eose { .. }));
        let Some((eose, Frame::Eose { more: false, .. })) = eose else { return };
        for (_, forwarded) in self.forwarded.values() {
            let event = &self.pool.events[forwarded.event].envelope;
            let wanted = generation.filter.matches(event) && generation.access.may_read(event);
            let came =
                got.iter().any(|(_, f)| matches!(f, Frame::Event { event, .. } if *event == forwarded.event));
            assert!(
                came || !wanted || forwarded.step <= *eose,
                "{sub_id}: {forwarded:?} is missing, Eose was {eose}"
            );
        }
    }
}

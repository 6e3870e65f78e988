//! The session's subscriptions: opened, fed by the log, fed by the fan-out.

use super::machine::{Admission, Session, State};
use super::replies::About;
use super::subscription::{Followed, Left, LiveTarget, NextRead, Phase, Span, SubIndex};
use crate::base::{Reason, Seq};
use crate::filter::Filter;
use crate::wire::{Eose, put_envelope, relay};
use std::sync::Arc;

/// The log as a Subscribe finds it.
#[derive(Debug, Clone, Copy)]
pub struct LogEnds {
    pub head: Seq,
    /// The last position that was purged of what the filter can match.
    pub purged: Option<Seq>,
}

/// A subscription that was opened.
#[derive(Debug)]
pub struct Subscribed {
    pub sub: SubIndex,
    /// The one it replaces, which may have had the same place.
    pub replaced: Option<(SubIndex, Arc<Filter>)>,
}

impl Session {
    /// Opens a subscription at the head of the log. On failure the Error is queued and an
    /// open one of that name stays as it is. `room` is whether the key may have one more than
    /// it has; one that is replaced needs none.
    ///
    /// # Errors
    /// Too many subscriptions, a position of another log, one beyond the head, or one below what
    /// was purged.
    pub fn subscribe(
        &mut self,
        sub_id: &str,
        filter: Arc<Filter>,
        log: LogEnds,
        room: Result<(), Reason>,
    ) -> Result<Subscribed, Reason> {
        let open = self.subs.find(sub_id);
        let room = if open.is_some() { Ok(()) } else { room };
        if let Err(reason) = room.and_then(|()| self.check_subscribe(&filter, log, open.is_some())) {
            self.refuse(About::Sub(sub_id.into()), reason);
            return Err(reason);
        }
        let (position, span, left) = match (filter.after, filter.limit) {
            (Some(after), limit) => {
                (Seq(after), Span::Ascending, limit.map(|events| Left { events, last: Seq(after) }))
            }
            (None, Some(limit)) => (Seq::ZERO, Span::Last(limit), None),
            (None, None) => (Seq::ZERO, Span::Ascending, None),
        };
        let replaced = open.and_then(|sub| Some((sub, self.subs.remove(sub)?.filter)));
        let sub = self.subs.insert(sub_id, filter, position, Phase::Stored { to: log.head, span, left });
        Ok(Subscribed { sub, replaced })
    }

    fn check_subscribe(&self, filter: &Filter, log: LogEnds, replaces: bool) -> Result<(), Reason> {
        let limit = self.terms.limits.subscriptions_max;
        if self.subs.len() >= limit && !replaces {
            let have = self.subs.len() as u64 + 1;
            return Err(Reason::OverLimit { field: "subscriptions", have, limit: limit as u64 });
        }
        if filter.log.is_some_and(|log| log != self.terms.log_id) {
            return Err(Reason::OtherLog);
        }
        let purged = log.purged.unwrap_or_default().0;
        match filter.after {
            Some(after) if after > log.head.0 => Err(Reason::AfterBeyondHead { after, head: log.head.0 }),
            Some(after) if after < purged => Err(Reason::AfterPurged { purged }),
            _ => Ok(()),
        }
    }

    /// Every open subscription.
    pub fn followed(&self) -> impl Iterator<Item = Followed<'_>> {
        self.subs.iter().map(|sub| Followed {
            sub_id: sub.sub_id.as_str(),
            filter: &sub.filter,
            is_live: sub.phase == Phase::Live,
        })
    }

    /// What the log should deliver next, if anything: at most one page is under way per
    /// connection, and only while the queue is below half its bound.
    pub fn next_read(&mut self) -> Option<NextRead> {
        let State::Open { admission: Admission { access, .. } } = self.state else { return None };
        if !self.may_read() {
            return None;
        }
        loop {
            let index = self.subs.next_hungry()?;
            let sub = self.subs.get_mut(index)?;
            let filter = Arc::clone(&sub.filter);
            let after = sub.position;
            match sub.phase {
                Phase::Stored { to, .. } if after >= to => self.finish_stored(index, false),
                Phase::Stored { to, span, left } => {
                    // One more than may be sent tells whether the limit cuts the phase short.
                    let events_max = left.map_or(usize::MAX, |left| left.events as usize + 1);
                    self.reading = Some((index, sub.serial));
                    return Some(NextRead::Page { filter, access, after, to, span, events_max });
                }
                Phase::Behind | Phase::Live => {
                    return Some(NextRead::CatchUp { sub: index, filter, access, after });
                }
            }
        }
    }

    /// Whether [`next_read`](Self::next_read) would find something to do.
    pub fn wants_read(&self) -> bool {
        matches!(self.state, State::Open { .. }) && self.may_read() && self.subs.any_hungry()
    }

    fn may_read(&self) -> bool {
        self.reading.is_none() && self.out.len() <= self.terms.limits.queue_bytes_max / 2
    }

    /// The driver answers [`NextRead::CatchUp`] by a page instead of the tail ring.
    pub fn reading(&mut self, index: SubIndex) {
        if let Some(sub) = self.subs.get(index) {
            self.reading = Some((index, sub.serial));
        }
    }

    /// A page came: the matching events up to `covered`. A subscription that was replaced or
    /// closed meanwhile ignores it. Returns the subscription if it has ended with this page,
    /// and how many events were queued.
    pub fn page<'p>(
        &mut self,
        events: impl Iterator<Item = (Seq, &'p [u8])>,
        covered: Seq,
    ) -> (Option<(SubIndex, Arc<Filter>)>, u64) {
        let Some((index, serial)) = self.reading.take() else { return (None, 0) };
        if !self.is_listening() {
            return (None, 0);
        }
        let Some(sub) = self.subs.get_mut(index).filter(|sub| sub.serial == serial) else { return (None, 0) };
        let with_seq = sub.with_seq();
        let (mut queued, mut cut) = (0, false);
        for (seq, wire) in events {
            if let Phase::Stored { left: Some(left), .. } = &mut sub.phase {
                if left.events == 0 {
                    // Whoever resumes goes on behind the last event that was sent.
                    sub.position = left.last;
                    cut = true;
                    break;
                }
                *left = Left { events: left.events - 1, last: seq };
            }
            put_envelope(self.out.end(), sub.sub_id.as_str(), with_seq.then_some(seq), wire);
            sub.position = seq;
            queued += 1;
        }
        if !cut {
            sub.position = sub.position.max(covered);
        }
        let mut ended = None;
        if let Phase::Stored { to, span, .. } = &mut sub.phase {
            *span = Span::Ascending;
            if cut || sub.position >= *to {
                self.finish_stored(index, cut);
                if cut {
                    ended = self.subs.remove(index).map(|sub| (index, sub.filter));
                }
            }
        }
        (ended, queued)
    }

    /// There is no page, for this reason: the subscription ends with an Error.
    pub fn read_failed(&mut self, reason: Reason) -> Option<(SubIndex, Arc<Filter>)> {
        let (index, serial) = self.reading.take()?;
        if !self.is_listening() || self.subs.get(index)?.serial != serial {
            return None;
        }
        let sub = self.subs.remove(index)?;
        self.refuse(About::Sub(sub.sub_id.as_str().into()), reason);
        Some((index, sub.filter))
    }

    fn finish_stored(&mut self, index: SubIndex, more: bool) {
        let Some(sub) = self.subs.get_mut(index) else { return };
        let position = sub.with_seq().then_some((sub.position, self.terms.log_id));
        relay::put_eose(self.out.end(), &Eose { sub_id: sub.sub_id.as_str(), more, position });
        sub.phase = Phase::Behind;
    }

    /// One event from the tail ring while catching up; `false` once the queue is full, and the
    /// event was not queued.
    pub fn catch_up(&mut self, index: SubIndex, seq: Seq, wire: &[u8]) -> bool {
        if self.out.len() >= self.terms.limits.queue_bytes_max {
            return false;
        }
        let Some(sub) = self.subs.get_mut(index) else { return false };
        put_envelope(self.out.end(), sub.sub_id.as_str(), sub.with_seq().then_some(seq), wire);
        sub.position = seq;
        true
    }

    /// Everything up to `head` is queued: from here on the fan-out feeds it.
    pub fn go_live(&mut self, index: SubIndex, head: Seq) {
        if let Some(sub) = self.subs.get_mut(index) {
            sub.position = head;
            sub.phase = Phase::Live;
        }
    }

    /// A subscription in catch-up stands at `position` though nothing matched on the way.
    pub fn passed(&mut self, index: SubIndex, position: Seq) {
        if let Some(sub) = self.subs.get_mut(index) {
            sub.position = sub.position.max(position);
        }
    }

    /// Whether the fan-out feeds this subscription with a stored event at `seq`, or, without a
    /// position, with an ephemeral one: those come as soon as Eose is queued.
    pub fn live_target(&self, index: SubIndex, seq: Option<Seq>) -> Option<LiveTarget<'_>> {
        let State::Open { admission: Admission { access, .. } } = &self.state else { return None };
        let sub = self.subs.get(index)?;
        let is_fed = match seq {
            Some(seq) => sub.phase == Phase::Live && seq > sub.position,
            None => matches!(sub.phase, Phase::Live | Phase::Behind),
        };
        if !is_fed {
            return None;
        }
        Some(LiveTarget { sub_id: sub.sub_id.as_str(), with_seq: sub.with_seq() && seq.is_some(), access })
    }

    /// A live event at `seq` is queued or sent.
    pub fn delivered(&mut self, index: SubIndex, seq: Seq) {
        if let Some(sub) = self.subs.get_mut(index) {
            sub.position = seq;
        }
    }

    /// The log feeds this subscription again, from behind `position`; the queue is full, or
    /// live batches were skipped. Whether it was live.
    pub fn fall_back(&mut self, index: SubIndex, position: Seq) -> bool {
        let Some(sub) = self.subs.get_mut(index).filter(|sub| sub.phase == Phase::Live) else { return false };
        sub.position = sub.position.max(position);
        sub.phase = Phase::Behind;
        true
    }

    /// Indexes of all live subscriptions.
    pub fn live_subscriptions(&mut self) -> Vec<SubIndex> {
        self.subs.iter_mut().filter(|(_, sub)| sub.phase == Phase::Live).map(|(index, _)| index).collect()
    }

    /// Ends every subscription, when the connection is gone.
    pub fn take_subscriptions(&mut self) -> Vec<(SubIndex, Arc<Filter>)> {
        let all: Vec<SubIndex> = self.subs.iter_mut().map(|(index, _)| index).collect();
        all.into_iter().filter_map(|index| Some((index, self.subs.remove(index)?.filter))).collect()
    }
}

//! The log feeds subscriptions: pages of the stored phase, and catching up with the head.

use super::conns::ConnIndex;
use super::core::{Core, Net};
use crate::base::limits::CATCH_UP_EVENTS_MAX;
use crate::base::{Now, Reason, Seq};
use crate::filter::{Filter, ReadAccess};
use crate::log::{self, Page, Query, QueryError, Ticket};
use crate::session::{NextRead, Span, SubIndex};
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of one page: large enough that a page costs few system calls, small enough that the
/// next one is read while it is sent.
const PAGE_BYTES_MAX: usize = 256 << 10;
/// What looking after one subscription costs a turn at least, in events.
const CATCH_UP_EVENTS_MIN: u64 = 16;
/// Events of one page; bounds what a page of tiny events costs a shard in one turn.
const PAGE_EVENTS_MAX: usize = 2_048;

/// Connections that would take more from the log than they may at present.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// They had their share of a turn, and go on one by one.
    hungry: VecDeque<ConnIndex>,
    /// Their key has used its replay budget up; looked at again with the next tick.
    paced: Vec<ConnIndex>,
}

impl<N: Net> Core<N> {
    /// Whether a connection waits for [`Core::feed_hungry`].
    pub fn is_hungry(&self) -> bool {
        !self.turns.hungry.is_empty()
    }

    /// Gives the connection that has waited longest another share. Call [`Core::end_turn`]
    /// afterwards, and let everybody else have a turn before the next call.
    pub fn feed_hungry(&mut self) {
        let Some(index) = self.turns.hungry.pop_front() else { return };
        if let Some(conn) = self.conns.get_mut(index) {
            conn.hungry = false;
        }
        self.mark_dirty(index);
    }

    /// Sends what is queued and lets the log queue more, until the socket is full, a page is
    /// under way, every subscription is live, or the connection has had its share of this turn.
    pub(super) fn feed(&mut self, now: Now, index: ConnIndex) {
        // However many subscriptions it has, a connection holds the shard no longer than one
        // that catches up.
        let mut share = CATCH_UP_EVENTS_MAX as u64;
        loop {
            self.flush(now, index);
            let over_budget = self.queued_bytes > self.terms.limits.shard_queue_bytes_max;
            let Some(conn) = self.conns.get_mut(index) else { return };
            // Whoever has nothing queued may always read one page, so a budget that others
            // have used up slows a reader down but never stops it.
            if over_budget && conn.session.queued_bytes() > 0 {
                return;
            }
            if conn.seat.as_ref().is_some_and(|seat| !seat.pass().may_replay(now.nanos)) {
                if conn.session.wants_read() && !std::mem::replace(&mut conn.paced, true) {
                    self.turns.paced.push(index);
                }
                break;
            }
            if share == 0 {
                if conn.session.wants_read() && !std::mem::replace(&mut conn.hungry, true) {
                    self.turns.hungry.push_back(index);
                }
                break;
            }
            match conn.session.next_read() {
                None => break,
                Some(NextRead::Page { filter, access, after, to, span, events_max }) => {
                    let span = match span {
                        Span::Ascending => log::Span::Ascending,
                        Span::Last(n) => log::Span::Last(n),
                    };
                    self.ask(index, filter, access, (after, to), span, events_max);
                }
                Some(NextRead::CatchUp { sub, filter, access, after }) => {
                    let behind = self.ports.tail.head().0 - after.0;
                    share = share.saturating_sub(behind.max(CATCH_UP_EVENTS_MIN));
                    if !self.catch_up(now, index, sub, &filter, access, after) {
                        break;
                    }
                }
            }
        }
        // next_read may have queued an Eose.
        self.flush(now, index);
    }

    fn ask(
        &mut self,
        index: ConnIndex,
        filter: Arc<Filter>,
        access: ReadAccess,
        (after, to): (Seq, Seq),
        span: log::Span,
        events_max: usize,
    ) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        conn.unanswered += 1;
        let bytes_max = PAGE_BYTES_MAX.min(self.terms.limits.queue_bytes_max / 2);
        let events_max = events_max.min(PAGE_EVENTS_MAX);
        let query = Query { filter, access, after, to, span, events_max, bytes_max };
        self.ports.read.query(&self.client, Ticket(u64::from(index.0)), query);
    }

    /// Brings one subscription to the head, from the tail ring if little is left and live in
    /// this same turn; else asks for a page. Whether to go on at once.
    fn catch_up(
        &mut self,
        now: Now,
        index: ConnIndex,
        sub: SubIndex,
        filter: &Arc<Filter>,
        access: ReadAccess,
        after: Seq,
    ) -> bool {
        let head = self.ports.tail.head();
        let near = head.0 - after.0 <= CATCH_UP_EVENTS_MAX as u64;
        let Some(batches) = near.then(|| self.ports.tail.range(after, head)).flatten() else {
            if let Some(conn) = self.conns.get_mut(index) {
                conn.session.reading(sub);
            }
            self.ask(index, Arc::clone(filter), access, (after, head), log::Span::Ascending, usize::MAX);
            return false;
        };
        let Some(conn) = self.conns.get_mut(index) else { return false };
        let mut bytes = 0;
        for (seq, event) in batches.iter().flat_map(|batch| batch.iter()) {
            if seq <= after || seq > head || !filter.matches(event) || !access.may_read(event) {
                continue;
            }
            if !conn.session.catch_up(sub, seq, event.wire()) {
                conn.session.passed(sub, Seq(seq.0 - 1));
                conn.charge_replay(now, bytes);
                return true;
            }
            bytes += event.wire_len();
            self.ports.counters.deliveries.add(1);
        }
        conn.session.go_live(sub, head);
        if bytes > 0 {
            conn.charge_replay(now, bytes);
        }
        true
    }

    /// The log's answer to a query.
    pub(super) fn page(&mut self, now: Now, ticket: Ticket, page: Result<Page, QueryError>) {
        let index = ConnIndex(ticket.0 as u32);
        let Some(conn) = self.conns.get_mut(index) else { return };
        conn.unanswered -= 1;
        if conn.gone {
            self.conns.release(index);
            return;
        }
        let ended = match page {
            Ok(page) => {
                let (ended, queued) = conn.session.page(page.iter(), page.covered);
                conn.charge_replay(now, page.bytes.len());
                self.ports.counters.deliveries.add(queued);
                ended
            }
            Err(QueryError::Purged(Seq(purged))) => conn.session.read_failed(Reason::AfterPurged { purged }),
            Err(error) => {
                tracing::error!(%error, "a query failed");
                conn.session.read_failed(Reason::ReadFailed)
            }
        };
        if let Some((sub, filter)) = ended {
            self.drop_subscription(index, sub, &filter);
        }
        self.mark_dirty(index);
    }

    /// A second has passed: whoever waits for his key's budget looks again.
    pub(super) fn resume_paced(&mut self) {
        for index in std::mem::take(&mut self.turns.paced) {
            if let Some(conn) = self.conns.get_mut(index) {
                conn.paced = false;
            }
            self.mark_dirty(index);
        }
    }

    /// The log feeds one live subscription again, from behind `position`.
    pub(super) fn fall_back(&mut self, index: ConnIndex, sub: SubIndex, position: Seq) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        if conn.session.fall_back(sub, position) {
            self.ports.counters.fallbacks.add(1);
            self.mark_dirty(index);
        }
    }

    /// Live batches behind `position` were left out: every live subscription goes on from the log.
    pub(super) fn fall_back_all(&mut self, position: Seq) {
        for index in self.conns.indexes() {
            let subs = self.conns.get_mut(index).map(|conn| conn.session.live_subscriptions());
            for sub in subs.unwrap_or_default() {
                self.fall_back(index, sub, position);
            }
        }
    }
}

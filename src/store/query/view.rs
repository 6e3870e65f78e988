//! What one slice of a query sees, and its walks over it in either direction.
//!
//! Index rows are complete up to the position the snapshot's marks tell; what is newer is in
//! the tail ring. Both together are every event up to the query's end, each once.

use super::blocks::Blocks;
use super::cursor::{Cursor, Stretch, Way};
use super::merge::{Candidate, Source};
use super::plan::{Plan, Planner, Range};
use super::scan::Budget;
use crate::base::Seq;
use crate::event::EventView;
use crate::filter::{Filter, ReadAccess};
use crate::log::{CommittedBatch, Tail};
use crate::store::StoreError;
use crate::store::database::{Database, mark};
use bumpalo::Bump;
use rocksdb::Snapshot;
use std::sync::Arc;

/// Called with each match; true ends the walk.
pub(super) type Visit<'a> = dyn FnMut(u64, &[u8]) -> bool + 'a;

/// Where a walk has stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Walked {
    /// At the end.
    Through,
    /// The visitor has had enough at this position.
    Enough(u64),
    /// The slice is over; this position is next.
    Paused(u64),
}

/// One state of the index, and the ring from there to the query's end.
pub(super) struct View<'a> {
    db: &'a Database,
    snapshot: &'a Snapshot<'a>,
    filter: &'a Filter,
    access: ReadAccess,
    plan: &'a Plan,
    /// The ranges of the plan; none when it is read without an index.
    ranges: Option<Vec<Range>>,
    /// What is found on disk.
    disk: Stretch,
    /// What is found in `ring`; behind `disk`.
    newest: Stretch,
    ring: Vec<Arc<CommittedBatch>>,
}

impl<'a> View<'a> {
    /// `None` if the ring does not reach back to the snapshot's index.
    pub(super) fn new(
        planner: &'a Planner<'a>,
        plan: &'a Plan,
        tail: &Tail,
    ) -> Result<Option<Self>, StoreError> {
        let Planner { db, snapshot, stretch, .. } = *planner;
        let ranges = plan.resolve(planner);
        let mut indexed = Seq(stretch.last);
        if ranges.is_some() {
            for family in plan.families() {
                indexed = indexed.min(mark(db, snapshot, family)?);
            }
        }
        let Some(ring) = tail.range(indexed, Seq(stretch.last)) else { return Ok(None) };
        Ok(Some(View {
            db,
            snapshot,
            filter: &planner.filter,
            access: planner.access,
            plan,
            ranges,
            disk: Stretch { first: stretch.first, last: indexed.0 },
            newest: Stretch { first: stretch.first.max(indexed.0 + 1), last: stretch.last },
            ring,
        }))
    }

    /// Visits the matches from `pos` on, in the order of the way.
    pub(super) fn walk(
        &self,
        way: Way,
        pos: u64,
        budget: &mut Budget<'_>,
        arena: &mut Bump,
        visit: &mut Visit<'_>,
    ) -> Result<Walked, StoreError> {
        match way {
            Way::Up => match self.walk_disk(way, pos, budget, arena, visit)? {
                Walked::Through => Ok(self.walk_ring(way, pos.max(self.newest.first), budget, visit)),
                stopped => Ok(stopped),
            },
            Way::Down => match self.walk_ring(way, pos, budget, visit) {
                Walked::Through => self.walk_disk(way, pos.min(self.disk.last), budget, arena, visit),
                stopped => Ok(stopped),
            },
        }
    }

    fn walk_ring(&self, way: Way, pos: u64, budget: &mut Budget<'_>, visit: &mut Visit<'_>) -> Walked {
        let events = self.ring.iter().flat_map(|batch| batch.iter());
        match way {
            Way::Up => self.visit_ring(way, pos, events, budget, visit),
            Way::Down => self.visit_ring(way, pos, events.rev(), budget, visit),
        }
    }

    fn visit_ring<'e>(
        &self,
        way: Way,
        pos: u64,
        events: impl Iterator<Item = (Seq, &'e crate::event::Envelope)>,
        budget: &mut Budget<'_>,
        visit: &mut Visit<'_>,
    ) -> Walked {
        for (Seq(seq), envelope) in events {
            if !way.reached(seq, pos) || !self.newest.contains(seq) {
                continue;
            }
            if budget.spent() {
                return Walked::Paused(seq);
            }
            if self.filter.matches(envelope) && self.access.may_read(envelope) && visit(seq, envelope.wire())
            {
                return Walked::Enough(seq);
            }
        }
        Walked::Through
    }

    fn walk_disk(
        &self,
        way: Way,
        mut pos: u64,
        budget: &mut Budget<'_>,
        arena: &mut Bump,
        visit: &mut Visit<'_>,
    ) -> Result<Walked, StoreError> {
        if !self.disk.contains(pos) {
            return Ok(Walked::Through);
        }
        let mut blocks = Blocks::new(self.db, self.snapshot, self.filter)?;
        let fill_cache = !matches!(self.plan, Plan::Log);
        let mut log = Cursor::log(self.db, self.snapshot, self.disk, way, fill_cache);
        let mut source = self.source(way);
        while self.disk.contains(pos) {
            if budget.spent() {
                return Ok(Walked::Paused(pos));
            }
            let Some(candidate) =
                source.find(self.db, &mut log, pos, |kind| self.filter.matches_kind(kind))?
            else {
                return Ok(Walked::Through);
            };
            let seq = candidate.seq;
            if let Some(blocks) = &mut blocks
                && let Some(behind) = blocks.skip(self.db, self.snapshot, way, seq)?
            {
                pos = behind;
                continue;
            }
            if candidate.wanted
                && log.find(self.db, seq)? == Some(seq)
                && (self.is_decided(candidate) || self.accepts(seq, log.value(), arena)?)
                && visit(seq, log.value())
            {
                return Ok(Walked::Enough(seq));
            }
            pos = way.next(seq);
        }
        Ok(Walked::Through)
    }

    fn source(&self, way: Way) -> Source<'_> {
        match (self.plan, &self.ranges) {
            (Plan::Points(points), _) => Source::Points(points, way),
            (_, Some(ranges)) => Source::ranges(self.db, self.snapshot, ranges, self.disk, way),
            (_, None) => Source::Log,
        }
    }

    /// Whether the row, or the lack of any condition, has decided already.
    fn is_decided(&self, candidate: Candidate) -> bool {
        self.filter.only_kinds()
            && (candidate.exact_kind || (!self.filter.limits_kinds() && self.access == ReadAccess::All))
    }

    fn accepts(&self, seq: u64, wire: &[u8], arena: &mut Bump) -> Result<bool, StoreError> {
        let accepted = EventView::parse(wire, arena)
            .map(|event| self.filter.matches(&event) && self.access.may_read(&event))
            .map_err(|reason| StoreError::Damaged { what: format!("the event at {seq}: {reason}") });
        arena.reset();
        accepted
    }
}

//! One query as an object that runs for a slice of time, stops at a position, and goes on
//! from there later. Between slices it holds neither a snapshot nor an iterator.

use super::cursor::{Stretch, Way};
use super::plan::{Plan, Planner};
use super::view::{View, Walked};
use crate::base::Seq;
use crate::log::{Page, Query, Span};
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::shared::Shared;
use bumpalo::Bump;
use rocksdb::Snapshot;
use std::sync::Arc;

/// Candidates between two looks at the clock: some ten microseconds.
const CANDIDATES_PER_LOOK: u32 = 32;

/// A query under way.
pub(in crate::store) struct Scan {
    query: Query,
    /// What was asked for: what is gone from there on is not looked for.
    asked_after: Seq,
    plan: Option<Plan>,
    goal: Goal,
    page: Page,
}

/// What the scan is doing, and the next position it looks at.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// Going down until `left` more matches are found, to learn where the page begins.
    Locate { pos: u64, left: u32 },
    /// Going up, filling the page.
    Collect { pos: u64 },
}

/// How a slice has ended.
pub(in crate::store) enum Slice {
    Done(Page),
    Unfinished,
    /// The filter wants everything behind a position, and some of it is gone, up to here.
    Purged(Seq),
}

/// When a slice is over.
pub(super) struct Budget<'a> {
    shared: &'a Shared,
    deadline_nanos: u64,
    unlooked: u32,
}

impl<'a> Budget<'a> {
    /// A slice that begins now.
    pub(super) fn new(shared: &'a Shared) -> Self {
        let deadline_nanos = shared.clock.nanos().saturating_add(shared.options.slice_nanos);
        Budget { shared, deadline_nanos, unlooked: CANDIDATES_PER_LOOK }
    }

    /// Counts one candidate. A slice always gets past a few, so every slice makes progress.
    pub(super) fn spent(&mut self) -> bool {
        if self.unlooked > 0 {
            self.unlooked -= 1;
            return false;
        }
        self.unlooked = CANDIDATES_PER_LOOK;
        self.shared.clock.nanos() >= self.deadline_nanos
    }
}

impl Scan {
    /// A query that has not begun. It cannot reach beyond the head.
    pub(in crate::store) fn new(mut query: Query, shared: &Shared) -> Self {
        query.to = query.to.min(shared.tail.head());
        let asked_after = query.after;
        let gone = shared.tail.purged().lowest_of(&query.filter);
        query.after = query.after.max(Seq(shared.first() - 1)).max(gone).min(query.to);
        query.events_max = query.events_max.max(1);
        let goal = match query.span {
            Span::Ascending => Goal::Collect { pos: query.after.0.saturating_add(1) },
            Span::Last(0) => Goal::Collect { pos: query.to.next().0 },
            Span::Last(left) => Goal::Locate { pos: query.to.0, left },
        };
        Scan { query, asked_after, plan: None, goal, page: Page::default() }
    }

    /// Goes on for one slice.
    pub(in crate::store) fn run(&mut self, shared: &Shared, arena: &mut Bump) -> Result<Slice, StoreError> {
        let slice = self.run_slice(shared, arena)?;
        // The marks are raised before events go: what was seen is whole if they are still low.
        let wants_all = matches!(slice, Slice::Done(_)) && self.query.filter.after.is_some();
        let purged = wants_all.then(|| shared.tail.purged().reaching(&self.query.filter)).flatten();
        Ok(purged.filter(|purged| self.asked_after < *purged).map_or(slice, Slice::Purged))
    }

    fn run_slice(&mut self, shared: &Shared, arena: &mut Bump) -> Result<Slice, StoreError> {
        if self.query.after >= self.query.to {
            return Ok(self.finish(self.query.to));
        }
        let mut budget = Budget::new(shared);
        let db = shared.database()?;
        loop {
            let snapshot = db.raw().snapshot();
            let planner = self.planner(&db, shared, &snapshot);
            let plan = match self.plan.take() {
                Some(plan) => plan,
                None => planner.choose()?,
            };
            let view = View::new(&planner, &plan, &shared.tail)?;
            let slice = match view {
                Some(view) => Some(self.proceed(&view, &mut budget, arena)?),
                // The ring was trimmed after the snapshot: the next one sees a longer index.
                None => None,
            };
            self.plan = Some(plan);
            if let Some(slice) = slice {
                return Ok(slice);
            }
        }
    }

    fn planner<'a>(&self, db: &'a Database, shared: &'a Shared, snapshot: &'a Snapshot<'a>) -> Planner<'a> {
        Planner {
            db,
            snapshot,
            prefixes: shared.prefixes,
            kinds: &shared.kinds,
            filter: Arc::clone(&self.query.filter),
            access: self.query.access,
            stretch: Stretch { first: self.query.after.0 + 1, last: self.query.to.0 },
            way: if matches!(self.goal, Goal::Locate { .. }) { Way::Down } else { Way::Up },
        }
    }

    fn proceed(
        &mut self,
        view: &View<'_>,
        budget: &mut Budget<'_>,
        arena: &mut Bump,
    ) -> Result<Slice, StoreError> {
        if let Goal::Locate { pos, mut left } = self.goal {
            let walked = view.walk(Way::Down, pos, budget, arena, &mut |_, _| {
                left -= 1;
                left == 0
            })?;
            self.goal = match walked {
                Walked::Enough(pos) => Goal::Collect { pos },
                Walked::Through => Goal::Collect { pos: self.query.after.0 + 1 },
                Walked::Paused(pos) => {
                    self.goal = Goal::Locate { pos, left };
                    return Ok(Slice::Unfinished);
                }
            };
        }
        let Goal::Collect { pos } = self.goal else {
            unreachable!("locating ends with collecting or a pause")
        };
        let (page, query) = (&mut self.page, &self.query);
        let walked = view.walk(Way::Up, pos, budget, arena, &mut |seq, wire| {
            page.push(Seq(seq), wire);
            page.entries.len() >= query.events_max || page.bytes.len() >= query.bytes_max
        })?;
        match walked {
            Walked::Enough(seq) => Ok(self.finish(Seq(seq))),
            Walked::Through => Ok(self.finish(self.query.to)),
            Walked::Paused(pos) => {
                self.goal = Goal::Collect { pos };
                Ok(Slice::Unfinished)
            }
        }
    }

    fn finish(&mut self, covered: Seq) -> Slice {
        let mut page = std::mem::take(&mut self.page);
        page.covered = covered;
        Slice::Done(page)
    }
}

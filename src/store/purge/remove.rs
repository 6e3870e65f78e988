//! Deleting what an operator's filter matches, a step at a time: whoever asks goes on from where
//! the last step has ended, so nothing is left to do for somebody who does not come back.

use super::super::StoreError;
use super::super::shared::Shared;
use super::retain::Pace;
use super::slice::{self, SLICE_EVENTS};
use crate::base::Seq;
use crate::event::EventView;
use crate::filter::Filter;
use crate::log::Page;
use bumpalo::Bump;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A step ends after so long: the asker shows how far it is.
const STEP_MS: u64 = 250;

/// What to delete.
#[derive(Debug, Clone)]
pub struct Removal {
    /// Its `limit`, `after` and `log` mean nothing here.
    pub filter: Filter,
    /// Behind this position.
    pub after: Seq,
    /// Up to this one; beyond the head: up to the head.
    pub to: Seq,
    /// Only look.
    pub dry_run: bool,
}

/// What a step has deleted, or found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Everything up to here is done.
    pub covered: Seq,
    /// Where it ends.
    pub to: Seq,
    /// Events and bytes by kind.
    pub kinds: BTreeMap<u16, (u64, u64)>,
    /// First and last `created_at`.
    pub dates: Option<(i64, i64)>,
    /// First and last position.
    pub positions: Option<(Seq, Seq)>,
}

impl Removed {
    fn add(&mut self, page: &Page) -> Result<(), StoreError> {
        let mut arena = Bump::new();
        for (seq, wire) in page.iter() {
            let event = EventView::parse(wire, &arena)
                .map_err(|reason| StoreError::Damaged { what: format!("the event at {seq}: {reason}") })?;
            let (events, bytes) = self.kinds.entry(event.kind.0).or_default();
            (*events, *bytes) = (*events + 1, *bytes + wire.len() as u64);
            let (first, last) = self.dates.unwrap_or((event.created_at, event.created_at));
            self.dates = Some((first.min(event.created_at), last.max(event.created_at)));
            self.positions = Some((self.positions.map_or(seq, |(first, _)| first), seq));
            arena.reset();
        }
        Ok(())
    }
}

/// One step. Blocks for [`STEP_MS`] or a slice, and before the first until the index has come to
/// the end of what is asked for.
pub(in crate::store) fn remove(shared: &Shared, removal: &Removal) -> Result<Removed, StoreError> {
    let to = removal.to.min(shared.tail.head());
    shared.wait_indexed(to)?;
    let filter = Arc::new(Filter { limit: None, after: None, log: None, ..removal.filter.clone() });
    let begin = shared.clock.now();
    let mut step = Removed { covered: removal.after.min(to), to, ..Removed::default() };
    while step.covered < to && shared.clock.now().since(begin) < STEP_MS {
        let pace = Pace::begin(shared);
        remove_slice(shared, &filter, &mut step, removal.dry_run)?;
        std::thread::sleep(pace.rest());
    }
    Ok(step)
}

fn remove_slice(
    shared: &Shared,
    filter: &Arc<Filter>,
    step: &mut Removed,
    dry_run: bool,
) -> Result<(), StoreError> {
    let _turn = shared.purging();
    let page = slice::page(shared, filter, (step.covered, step.to), SLICE_EVENTS)?;
    if !dry_run && !page.entries.is_empty() {
        slice::delete(shared, page.iter(), None)?;
    }
    step.add(&page)?;
    step.covered = page.covered;
    Ok(())
}

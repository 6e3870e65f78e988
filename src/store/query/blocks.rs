//! Which stretches of the log `since` and `until` rule out.

use super::cursor::Way;
use crate::filter::Filter;
use crate::store::StoreError;
use crate::store::database::{Database, mark};
use crate::store::families::{BLOCK_EVENTS, Family, block_bounds, block_end, block_of};
use rocksdb::Snapshot;

/// Looks at a block's bounds once, when a scan enters it.
pub(super) struct Blocks {
    since: i64,
    until: i64,
    /// Bounds of blocks that end beyond this are not complete.
    complete: u64,
    /// The block the scan is in, which may hold matches.
    entered: Option<u64>,
}

impl Blocks {
    /// `None` if the filter has no bound on `created_at`.
    pub(super) fn new(
        db: &Database,
        snapshot: &Snapshot<'_>,
        filter: &Filter,
    ) -> Result<Option<Self>, StoreError> {
        if filter.since.is_none() && filter.until.is_none() {
            return Ok(None);
        }
        let complete = mark(db, snapshot, Family::Blocks)?.0;
        let (since, until) = (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(i64::MAX));
        Ok(Some(Blocks { since, until, complete, entered: None }))
    }

    /// The position behind the block of `pos`, if nothing in that block can match.
    pub(super) fn skip(
        &mut self,
        db: &Database,
        snapshot: &Snapshot<'_>,
        way: Way,
        pos: u64,
    ) -> Result<Option<u64>, StoreError> {
        let block = block_of(pos);
        if self.entered == Some(block) || block_end(block) > self.complete {
            return Ok(None);
        }
        let row =
            snapshot.get_pinned_cf(db.cf(Family::Blocks), block.to_be_bytes()).map_err(|e| db.error(e))?;
        // A block without a row holds no event.
        let may_match = match row.as_deref().map(block_bounds) {
            Some(Some((min, max))) => min <= self.until && self.since <= max,
            Some(None) => return Err(StoreError::Damaged { what: format!("block row {block}") }),
            None => false,
        };
        if may_match {
            self.entered = Some(block);
            return Ok(None);
        }
        Ok(Some(match way {
            Way::Up => block_end(block) + 1,
            Way::Down => block_end(block) - BLOCK_EVENTS,
        }))
    }
}

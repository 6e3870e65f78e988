//! Giving room back, without hurting anybody's latency.
//!
//! Files of the log that lie wholly before its first position are dropped as they are, unread:
//! what retention of everything leaves behind costs nothing to clear away. The rows of the
//! indexes, and of a log with gaps, lie among those that stay: RocksDB drops them whenever it
//! merges the files they are in, and when they have become a good part of a family, it is told
//! to: the log one file's keys at a time, with rests in between; the others, whose runs are
//! merged by size, each as a whole, for RocksDB cannot merge a part of those.

use super::super::StoreError;
use super::super::database::{Database, LAST_KEY};
use super::super::families::Family;
use super::super::shared::Shared;
use std::collections::VecDeque;

/// Deleted bytes of the log that are worth looking for files to drop.
const DROP_BYTES: u64 = 32 << 20;

/// Rows are merged away when they are this part of those that are left.
const DEBRIS_PART: u64 = 4;

/// And not before there are so many.
const DEBRIS_EVENTS_MIN: u64 = 65_536;

/// The families whose rows go with an event.
const MERGED: [Family; 6] =
    [Family::Ids, Family::Author, Family::Kind, Family::AuthorKind, Family::Tag, Family::Deleted];

/// What was deleted and still takes room, as far as this process knows.
pub(super) struct Debris {
    /// Deleted events and bytes when files were dropped or merged last.
    dropped_bytes: u64,
    merged_events: u64,
    /// The first position of the log when files were dropped, and when they were merged last.
    dropped_first: u64,
    merged_first: u64,
    /// Merges to do: a family and the first and last key.
    merges: VecDeque<(Family, Vec<u8>, Vec<u8>)>,
    /// However little it is.
    everything: bool,
}

/// Clears everything that was deleted since the store was opened.
pub(in crate::store) fn reclaim_now(shared: &Shared) -> Result<(), StoreError> {
    let mut debris = Debris::new(shared);
    debris.clear_all();
    while debris.clear_some(shared)? {}
    Ok(())
}

impl Debris {
    pub(super) fn new(shared: &Shared) -> Self {
        let (first, merges) = (shared.first(), VecDeque::new());
        let (dropped_bytes, merged_events) = (0, 0);
        Debris {
            dropped_bytes,
            merged_events,
            dropped_first: 0,
            merged_first: first,
            merges,
            everything: false,
        }
    }

    /// The next turn clears all there is.
    pub(super) fn clear_all(&mut self) {
        self.everything = true;
    }

    /// One merge's worth of it; whether there is more.
    pub(super) fn clear_some(&mut self, shared: &Shared) -> Result<bool, StoreError> {
        let db = shared.database()?;
        if let Some((family, from, to)) = self.merges.pop_front() {
            db.merge(family, &from, &to);
            return Ok(true);
        }
        let everything = std::mem::take(&mut self.everything);
        self.drop_files(shared, &db, everything)?;
        self.plan_merges(shared, &db, everything)?;
        Ok(!self.merges.is_empty())
    }

    fn drop_files(&mut self, shared: &Shared, db: &Database, everything: bool) -> Result<(), StoreError> {
        let (first, bytes) = (shared.first(), shared.counters.purged_bytes.get());
        if first == self.dropped_first || (bytes - self.dropped_bytes < DROP_BYTES && !everything) {
            return Ok(());
        }
        db.drop_log_before(first)?;
        (self.dropped_first, self.dropped_bytes) = (first, bytes);
        Ok(())
    }

    fn plan_merges(&mut self, shared: &Shared, db: &Database, everything: bool) -> Result<(), StoreError> {
        let (first, events) = (shared.first(), shared.counters.purged_events.get());
        let deleted = events - self.merged_events;
        let many = DEBRIS_EVENTS_MIN.max(db.rows_estimate(Family::Ids) / DEBRIS_PART);
        let is_much = |deleted: u64| deleted >= many || (everything && deleted > 0);
        if !is_much(deleted) {
            return Ok(());
        }
        // Deletions before the log's first position are not in the way of anything.
        let inside = deleted.saturating_sub(first - self.merged_first);
        let log = is_much(inside).then_some(Family::Log);
        (self.merged_events, self.merged_first) = (events, first);
        db.flush(&Family::ALL, true)?;
        self.merges.extend(MERGED.map(|family| (family, Vec::new(), LAST_KEY.to_vec())));
        if let Some(log) = log {
            self.merges.extend(db.files(log)?.into_iter().map(|(from, to)| (log, from, to)));
        }
        Ok(())
    }
}

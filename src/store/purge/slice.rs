//! One slice: some events, in one batch, with every row they have.

use super::super::StoreError;
use super::super::database::Database;
use super::super::families::{BLOCK_EVENTS, Family, Prefixes, ROW_FAMILIES, block_end, block_of, row_key};
use super::super::options::Durability;
use super::super::query::{Scan, Slice};
use super::super::shared::Shared;
use super::{Gaps, gaps, ledger::Ledger, tombstones};
use crate::base::Seq;
use crate::event::{EventFields, EventView};
use crate::filter::{Filter, ReadAccess};
use crate::log::{Page, Query, Span};
use bumpalo::Bump;
use rocksdb::WriteBatch;
use std::sync::Arc;

/// Events of one slice: some six rows each, so that a commit waits behind it for a millisecond.
pub(super) const SLICE_EVENTS: usize = 128;

/// Bytes of those events.
pub(super) const SLICE_BYTES: usize = 1 << 20;

/// Ids forgotten in one slice, beside those that its own take the place of.
pub(super) const EXPIRED_MAX: u64 = 256;

/// The matching events of (`after`, `to`], at most a slice of them.
pub(in crate::store) fn page(
    shared: &Shared,
    filter: &Arc<Filter>,
    (after, to): (Seq, Seq),
    events_max: usize,
) -> Result<Page, StoreError> {
    let query = Query {
        filter: Arc::clone(filter),
        access: ReadAccess::All,
        after,
        to,
        span: Span::Ascending,
        events_max,
        bytes_max: SLICE_BYTES,
    };
    let mut scan = Scan::new(query, shared);
    let mut arena = Bump::new();
    loop {
        match scan.run(shared, &mut arena) {
            Ok(Slice::Done(page)) => return Ok(page),
            Ok(Slice::Unfinished) => {}
            Ok(Slice::Purged(_)) => unreachable!("the filter asks for no position"),
            Err(error) => return Err(error),
        }
    }
}

/// Deletes these stored events, which must be indexed and ascend. With `mark` everything of
/// these kinds up to the last of them is gone, and whoever asks is told.
pub(super) fn delete<'e>(
    shared: &Shared,
    events: impl Iterator<Item = (Seq, &'e [u8])>,
    mark: Option<&[(u16, u16)]>,
) -> Result<(), StoreError> {
    let retention = shared.retention();
    let db = shared.database()?;
    let mut ledger = shared.ledger();
    let mut deletion = Deletion {
        db: &db,
        prefixes: shared.prefixes,
        now: ledger.time(&shared.clock.read()),
        gaps: Gaps::new(&db, ledger.first),
        after: ledger.clone(),
        batch: WriteBatch::default(),
        keeps_ids: retention.tombstones_max > 0,
        bytes: 0,
        events: 0,
    };
    let mut arena = Bump::new();
    let mut last = Seq::ZERO;
    for (seq, wire) in events {
        deletion.take(seq, wire, &arena)?;
        arena.reset();
        last = seq;
    }
    for (lo, hi) in mark.unwrap_or_default() {
        deletion.after.marks.raise(*lo, *hi, last);
    }
    deletion.after.floor = deletion.after.floor.max(last);
    deletion.move_first(shared.indexed())?;
    let over = deletion.after.tombstones.saturating_sub(retention.tombstones_max);
    deletion.forget(over.min(deletion.events + EXPIRED_MAX), None)?;
    let Deletion { after, batch, events, bytes, .. } = deletion;
    // First the word, then the deed.
    if after.marks != ledger.marks {
        shared.tail.set_purged(after.marks.clone());
    }
    shared.counters.purged_events.add(events);
    shared.counters.purged_bytes.add(bytes);
    write(shared, &db, &mut ledger, after, batch)
}

/// Forgets ids of events that were deleted too long ago, a slice of them; whether there may be
/// more.
pub(super) fn forget_old(shared: &Shared) -> Result<bool, StoreError> {
    let seconds = i64::try_from(shared.retention().tombstone_seconds).unwrap_or(i64::MAX);
    let over = shared.ledger().tombstones.saturating_sub(shared.retention().tombstones_max);
    let db = shared.database()?;
    let mut ledger = shared.ledger();
    let before = ledger.time(&shared.clock.read()).saturating_sub(seconds);
    if ledger.tombstones == 0 {
        return Ok(false);
    }
    let (mut after, mut batch) = (ledger.clone(), WriteBatch::default());
    let (most, before) = if over > 0 { (over.min(EXPIRED_MAX), None) } else { (EXPIRED_MAX, Some(before)) };
    let expired = tombstones::expire(&db, &mut batch, most, before, &mut after.oldest_tombstone)?;
    after.tombstones = after.tombstones.saturating_sub(expired);
    if expired > 0 {
        write(shared, &db, &mut ledger, after, batch)?;
    }
    Ok(expired == most)
}

/// Writes what was counted and seen without a deletion.
pub(super) fn note(shared: &Shared, change: impl FnOnce(&mut Ledger)) -> Result<(), StoreError> {
    let db = shared.database()?;
    let mut ledger = shared.ledger();
    let mut after = ledger.clone();
    change(&mut after);
    if after == *ledger { Ok(()) } else { write(shared, &db, &mut ledger, after, WriteBatch::default()) }
}

/// Writes a batch with the ledger's changes, as durably as a commit.
fn write(
    shared: &Shared,
    db: &Database,
    ledger: &mut Ledger,
    after: Ledger,
    mut batch: WriteBatch,
) -> Result<(), StoreError> {
    // Nothing is written before it was opened again.
    if let Some(message) = shared.failure() {
        return Err(StoreError::Failed(message));
    }
    after.put(db, ledger, &mut batch);
    let written = db.write_logged(batch).and_then(|()| match shared.options.durability {
        Durability::Fsync => db.sync(),
        Durability::Os => Ok(()),
    });
    // As after a commit that has failed: what is on disk is known when it was opened again.
    written.inspect_err(|error| shared.fail(&error.to_string()))?;
    shared.counters.tombstones.set(after.tombstones);
    shared.set_first(after.first);
    *ledger = Ledger { unsaved: false, ..after };
    Ok(())
}

/// A slice that is being put together.
struct Deletion<'a> {
    db: &'a Database,
    prefixes: Prefixes,
    /// By the log's own clock.
    now: i64,
    gaps: Gaps<'a>,
    /// The ledger as it will be.
    after: Ledger,
    batch: WriteBatch,
    keeps_ids: bool,
    events: u64,
    bytes: u64,
}

impl Deletion<'_> {
    fn take(&mut self, seq: Seq, wire: &[u8], arena: &Bump) -> Result<(), StoreError> {
        let event = EventView::parse(wire, arena)
            .map_err(|reason| StoreError::Damaged { what: format!("the event at {seq}: {reason}") })?;
        let (db, batch) = (self.db, &mut self.batch);
        batch.delete_cf(db.cf(Family::Log), seq.0.to_be_bytes());
        batch.delete_cf(db.cf(Family::Ids), event.id.0);
        let (author, kind) = (&event.pubkey, event.kind.0);
        let [authors, kinds, author_kinds, tags] = ROW_FAMILIES;
        let mut row = |family, prefix| batch.delete_cf(db.cf(family), row_key(prefix, seq.0).to_be_bytes());
        row(authors, self.prefixes.author(author));
        row(kinds, Prefixes::kind(kind));
        row(author_kinds, self.prefixes.author_kind(author, kind));
        for (name, value) in event.tag_heads().filter_map(|(name, first)| Some((name, first?))) {
            row(tags, self.prefixes.tag(name, value));
        }
        if self.keeps_ids {
            tombstones::put(db, &mut self.batch, self.now, seq, &event.id);
            self.after.tombstones += 1;
            self.after.oldest_tombstone = self.after.oldest_tombstone.min(self.now);
        }
        let bytes = wire.len() as u64;
        self.after.tallies.iter_mut().for_each(|tally| tally.take_away(seq, kind, bytes));
        self.gaps.set(seq.0)?;
        self.events += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// Moves the beginning of the log behind what is gone. Of whole blocks that are behind it
    /// nothing is kept, if the indexer is done with them.
    fn move_first(&mut self, indexed: Seq) -> Result<(), StoreError> {
        let before = self.after.first;
        let first = self.gaps.next_kept(before, self.after.floor.0)?;
        self.after.first = first;
        let whole = block_of(first);
        for (block, row) in self.gaps.changed().filter(|(block, _)| *block >= whole) {
            self.batch.put_cf(self.db.cf(Family::Deleted), gaps::key(block), row);
        }
        for block in (block_of(before)..whole).filter(|block| block_end(*block) <= indexed.0) {
            self.batch.delete_cf(self.db.cf(Family::Deleted), gaps::key(block));
            self.batch.delete_cf(self.db.cf(Family::Blocks), block.to_be_bytes());
        }
        Ok(())
    }

    fn forget(&mut self, count: u64, before: Option<i64>) -> Result<(), StoreError> {
        if count > 0 {
            let oldest = &mut self.after.oldest_tombstone;
            let expired = tombstones::expire(self.db, &mut self.batch, count, before, oldest)?;
            self.after.tombstones = self.after.tombstones.saturating_sub(expired);
        }
        Ok(())
    }
}

const _: () = assert!(SLICE_EVENTS < BLOCK_EVENTS as usize);

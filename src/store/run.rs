//! The index rows of a stretch of the log, gathered, sorted and written at once.

use super::StoreError;
use super::database::{Database, mark};
use super::families::{
    BLOCK_EVENTS, Family, INDEX_FAMILIES, MARK_KEY, Prefixes, ROW_FAMILIES, block_bounds, block_of,
    block_row, row_key,
};
use crate::base::Seq;
use crate::event::EventFields;
use rocksdb::WriteBatch;

/// One index row: its key and the kind it carries.
type Row = (u128, u16);

/// Bytes a row takes in a write batch, to size it once.
const BATCH_ROW_BYTES: usize = 32;

/// How far each of [`INDEX_FAMILIES`] is on disk.
pub(super) fn marks(db: &Database) -> Result<[Seq; INDEX_FAMILIES.len()], StoreError> {
    let snapshot = db.raw().snapshot();
    let mut marks = [Seq::ZERO; INDEX_FAMILIES.len()];
    for (slot, family) in marks.iter_mut().zip(INDEX_FAMILIES) {
        *slot = mark(db, &snapshot, family)?;
    }
    Ok(marks)
}

/// Rows that are not written yet. Events are added in log order.
pub(super) struct Run {
    prefixes: Prefixes,
    rows: [Vec<Row>; ROW_FAMILIES.len()],
    /// Blocks touched by the run: number, smallest and largest `created_at`.
    blocks: Vec<(u64, i64, i64)>,
    /// What each of [`INDEX_FAMILIES`] has, written or in `rows`.
    marks: [Seq; INDEX_FAMILIES.len()],
    events: usize,
    bytes: usize,
}

impl Run {
    /// An empty run that goes on where each family's mark on disk stands.
    pub(super) fn open(db: &Database, prefixes: Prefixes) -> Result<Run, StoreError> {
        let marks = marks(db)?;
        let mut run =
            Run { prefixes, rows: Default::default(), blocks: Vec::new(), marks, events: 0, bytes: 0 };
        run.resume_block(db)?;
        Ok(run)
    }

    /// The last block may be unfinished: its bounds so far are on disk.
    fn resume_block(&mut self, db: &Database) -> Result<(), StoreError> {
        let mark = self.marks[ROW_FAMILIES.len()];
        if mark.0.is_multiple_of(BLOCK_EVENTS) {
            return Ok(());
        }
        let block = block_of(mark.0);
        // Without a row: what the block had so far is deleted.
        let Some(row) = db.get(Family::Blocks, &block.to_be_bytes())? else { return Ok(()) };
        let (min, max) = block_bounds(&row)
            .ok_or_else(|| StoreError::Damaged { what: format!("block row {block} is damaged") })?;
        self.blocks.push((block, min, max));
        Ok(())
    }

    /// The position up to which every family is complete once the run is written.
    pub(super) fn complete(&self) -> Seq {
        self.marks.into_iter().min().unwrap_or(Seq::ZERO)
    }

    /// Events and bytes added since the last write.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.events, self.bytes)
    }

    /// Adds an event's rows to every family that does not have them yet.
    pub(super) fn add(&mut self, seq: Seq, wire_len: usize, event: &impl EventFields) {
        let kind = event.kind().0;
        let author = event.pubkey();
        let [author_mark, kind_mark, author_kind_mark, tag_mark, blocks_mark] = self.marks;
        let [authors, kinds, author_kinds, tags] = &mut self.rows;
        if author_mark < seq {
            authors.push((row_key(self.prefixes.author(author), seq.0), kind));
        }
        if kind_mark < seq {
            kinds.push((row_key(Prefixes::kind(kind), seq.0), kind));
        }
        if author_kind_mark < seq {
            author_kinds.push((row_key(self.prefixes.author_kind(author, kind), seq.0), kind));
        }
        if tag_mark < seq {
            let heads = event.tag_heads().filter_map(|(name, first)| Some((name, first?)));
            tags.extend(heads.map(|(name, value)| (row_key(self.prefixes.tag(name, value), seq.0), kind)));
        }
        if blocks_mark < seq {
            self.add_to_block(seq, event.created_at());
        }
        self.marks = self.marks.map(|mark| mark.max(seq));
        self.events += 1;
        self.bytes += wire_len;
    }

    /// There is nothing more up to `head`: what was there is deleted.
    pub(super) fn reach(&mut self, head: Seq) {
        self.marks = self.marks.map(|mark| mark.max(head));
    }

    fn add_to_block(&mut self, seq: Seq, created_at: i64) {
        let number = block_of(seq.0);
        match self.blocks.last_mut() {
            Some((last, min, max)) if *last == number => {
                *min = created_at.min(*min);
                *max = created_at.max(*max);
            }
            _ => self.blocks.push((number, created_at, created_at)),
        }
    }

    /// Writes all rows, unlogged, a family at a time, each together with its mark: what a
    /// flush of one family carries to disk is always a complete stretch and says how far.
    pub(super) fn write(&mut self, db: &Database) -> Result<(), StoreError> {
        for (index, family) in ROW_FAMILIES.into_iter().enumerate() {
            let rows = &mut self.rows[index];
            rows.sort_unstable_by_key(|row| row.0);
            let mut batch = WriteBatch::with_capacity_bytes(BATCH_ROW_BYTES * (rows.len() + 1));
            let cf = db.cf(family);
            for (key, kind) in rows.drain(..) {
                batch.put_cf(cf, key.to_be_bytes(), kind.to_be_bytes());
            }
            batch.put_cf(cf, MARK_KEY, self.marks[index].0.to_be_bytes());
            db.write_unlogged(batch)?;
        }
        self.write_blocks(db)?;
        (self.events, self.bytes) = (0, 0);
        Ok(())
    }

    fn write_blocks(&mut self, db: &Database) -> Result<(), StoreError> {
        let mark = self.marks[ROW_FAMILIES.len()];
        let cf = db.cf(Family::Blocks);
        let mut batch = WriteBatch::default();
        for (block, min, max) in &self.blocks {
            batch.put_cf(cf, block.to_be_bytes(), block_row(*min, *max));
        }
        batch.put_cf(cf, MARK_KEY, mark.0.to_be_bytes());
        db.write_unlogged(batch)?;
        // An unfinished block is written again, wider, by the next run.
        let unfinished = block_of(mark.next().0);
        self.blocks.retain(|(block, ..)| *block == unfinished);
        Ok(())
    }
}

//! Which positions hold no event any more: a bit each, in the family `deleted`, a row per block
//! that has a gap. Blocks below the first position of the log have none.

use super::super::StoreError;
use super::super::database::Database;
use super::super::families::{BLOCK_EVENTS, Family, block_of};
use std::collections::BTreeMap;

/// Bytes of a block's bits.
const ROW_BYTES: usize = BLOCK_EVENTS as usize / 8;

/// Positions that the beginning of the log moves on by in one slice, at most.
const ADVANCE_MAX: u64 = 64 * BLOCK_EVENTS;

/// What every key of these rows begins with.
const TAG: u8 = 0;

/// The bits of some blocks, read when they are first asked for.
pub(in crate::store) struct Gaps<'a> {
    db: &'a Database,
    /// Every position below it is gone.
    first: u64,
    blocks: BTreeMap<u64, Block>,
}

struct Block {
    bits: Box<[u8; ROW_BYTES]>,
    changed: bool,
}

impl<'a> Gaps<'a> {
    pub(in crate::store) fn new(db: &'a Database, first: u64) -> Self {
        Gaps { db, first, blocks: BTreeMap::new() }
    }

    /// Whether the event at `seq` was deleted.
    pub(in crate::store) fn is_gone(&mut self, seq: u64) -> Result<bool, StoreError> {
        if seq < self.first {
            return Ok(true);
        }
        let (byte, bit) = place(seq);
        Ok(self.block(block_of(seq))?.bits[byte] & bit != 0)
    }

    /// Notes that the event at `seq` is deleted.
    pub(super) fn set(&mut self, seq: u64) -> Result<(), StoreError> {
        let (byte, bit) = place(seq);
        let block = self.block(block_of(seq))?;
        block.bits[byte] |= bit;
        block.changed = true;
        Ok(())
    }

    /// The first position from `from` on, up to behind `floor`, that is not gone; or one on the
    /// way there that is far behind `from`.
    pub(super) fn next_kept(&mut self, from: u64, floor: u64) -> Result<u64, StoreError> {
        let mut seq = from;
        while seq <= floor && seq - from < ADVANCE_MAX && self.is_gone(seq)? {
            seq += 1;
        }
        Ok(seq)
    }

    /// The blocks that were changed, and their rows.
    pub(super) fn changed(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let changed = self.blocks.iter().filter(|(_, block)| block.changed);
        changed.map(|(number, block)| (*number, &block.bits[..]))
    }

    fn block(&mut self, block: u64) -> Result<&mut Block, StoreError> {
        use std::collections::btree_map::Entry;
        match self.blocks.entry(block) {
            Entry::Occupied(bits) => Ok(bits.into_mut()),
            Entry::Vacant(place) => {
                let row = self.db.get(Family::Deleted, &key(block))?;
                let bits = row.map_or(Ok([0; ROW_BYTES]), |row| decode(block, &row))?;
                Ok(place.insert(Block { bits: Box::new(bits), changed: false }))
            }
        }
    }
}

/// The key of a block's row.
pub(super) fn key(block: u64) -> [u8; 9] {
    let mut key = [TAG; 9];
    key[1..].copy_from_slice(&block.to_be_bytes());
    key
}

/// The block whose row this is; none if it is another sort of row.
pub(super) fn block_of_key(key: &[u8]) -> Option<u64> {
    let (tag, block) = key.split_first()?;
    (*tag == TAG).then(|| block.try_into().ok().map(u64::from_be_bytes))?
}

/// The bits of a row.
pub(super) fn decode(block: u64, row: &[u8]) -> Result<[u8; ROW_BYTES], StoreError> {
    row.try_into().map_err(|_| StoreError::Damaged {
        what: format!("the row of deleted positions of block {block} has {} bytes", row.len()),
    })
}

/// The positions of a row's bits that are set.
pub(super) fn positions(block: u64, bits: &[u8; ROW_BYTES]) -> impl Iterator<Item = u64> {
    let first = block * BLOCK_EVENTS + 1;
    (0..BLOCK_EVENTS).map(move |at| first + at).filter(|seq| {
        let (byte, bit) = place(*seq);
        bits[byte] & bit != 0
    })
}

/// There is an event at `seq` after all.
pub(super) fn clear(bits: &mut [u8; ROW_BYTES], seq: u64) {
    let (byte, bit) = place(seq);
    bits[byte] &= !bit;
}

fn place(seq: u64) -> (usize, u8) {
    let at = (seq - 1) % BLOCK_EVENTS;
    ((at / 8) as usize, 1 << (at % 8))
}

//! Which kinds have rows, in memory, so that a query for a range of kinds does not look for them
//! on disk, where it would have to find its way over all rows that were deleted. A kind stays in
//! the set when its last event goes.

use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::families::{Family, Prefixes, row_key};
use std::sync::atomic::{AtomicU64, Ordering};

const KINDS: usize = 1 << 16;

/// A bit for each kind.
pub(in crate::store) struct KindSet(Box<[AtomicU64]>);

impl KindSet {
    /// The kinds of no event.
    pub(in crate::store) fn new() -> Self {
        KindSet((0..KINDS / 64).map(|_| AtomicU64::new(0)).collect())
    }

    /// Adds a kind; called before its first row is written.
    pub(in crate::store) fn add(&self, kind: u16) {
        let (word, bit) = place(kind);
        if self.0[word].load(Ordering::Relaxed) & bit == 0 {
            self.0[word].fetch_or(bit, Ordering::Release);
        }
    }

    /// Adds every kind that has rows: one seek each.
    pub(in crate::store) fn read(&self, db: &Database) -> Result<(), StoreError> {
        let mut iter = db.raw().raw_iterator_cf(db.cf(Family::Kind));
        let mut from = Some(0);
        while let Some(kind) = from {
            iter.seek(row_key(Prefixes::kind(kind), 0).to_be_bytes());
            // Behind the last kind lies nothing, unless it is damaged: `check` tells of it.
            let Some(found) = iter.key().and_then(kind_of).filter(|found| *found >= kind) else {
                return iter.status().map_err(|e| db.error(e));
            };
            self.add(found);
            from = found.checked_add(1);
        }
        Ok(())
    }

    /// The lowest kind of the set from `from` on.
    pub(super) fn next(&self, from: u16) -> Option<u16> {
        let (first, bit) = place(from);
        let mut mask = !(bit - 1);
        for word in first..self.0.len() {
            let bits = self.0[word].load(Ordering::Acquire) & mask;
            if bits != 0 {
                return u16::try_from(word * 64 + bits.trailing_zeros() as usize).ok();
            }
            mask = u64::MAX;
        }
        None
    }
}

fn kind_of(key: &[u8]) -> Option<u16> {
    u16::try_from(u64::from_be_bytes(*key.first_chunk()?)).ok()
}

fn place(kind: u16) -> (usize, u64) {
    (usize::from(kind) / 64, 1 << (kind % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_kind_is_found_across_words() {
        let set = KindSet::new();
        assert_eq!(set.next(0), None);
        for kind in [0, 63, 64, 1_000, u16::MAX] {
            set.add(kind);
        }
        let all = std::iter::successors(set.next(0), |kind| set.next(kind.checked_add(1)?));
        assert_eq!(all.collect::<Vec<_>>(), [0, 63, 64, 1_000, u16::MAX]);
    }
}

//! A position in one sorted list of log positions: the rows of one index prefix, or the log.

use crate::store::database::{Database, read_seq};
use crate::store::families::Family;
use crate::store::{StoreError, families::row_key};
use rocksdb::{DBRawIterator, ReadOptions, Snapshot};

/// Steps to a near position before the cursor seeks: a seek costs about as much as ten.
const STEPS_BEFORE_SEEK: u32 = 8;

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

impl Way {
    /// Whether `seq` is at `pos` or beyond it.
    pub(super) fn reached(self, seq: u64, pos: u64) -> bool {
        match self {
            Way::Up => seq >= pos,
            Way::Down => seq <= pos,
        }
    }

    /// The position behind `seq`. Scans end before the ends of the number range: positions
    /// begin with 1 and the head is far below the largest number.
    pub(super) fn next(self, seq: u64) -> u64 {
        match self {
            Way::Up => seq + 1,
            Way::Down => seq - 1,
        }
    }

    /// The one of two positions that a scan reaches first.
    pub(super) fn nearer(self, a: u64, b: u64) -> u64 {
        match self {
            Way::Up => a.min(b),
            Way::Down => a.max(b),
        }
    }
}

/// The stretch of the log a scan is about, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Stretch {
    pub(super) fn contains(self, seq: u64) -> bool {
        self.first <= seq && seq <= self.last
    }
}

/// An iterator over the positions of one list within a stretch.
pub(super) struct Cursor<'a> {
    iter: DBRawIterator<'a>,
    /// The index prefix; none for the log.
    prefix: Option<u64>,
    way: Way,
    at: At,
}

enum At {
    Nowhere,
    Seq(u64),
    End,
}

impl<'a> Cursor<'a> {
    /// A cursor over the rows of `prefix` in an index family.
    pub(super) fn rows(
        db: &Database,
        snapshot: &'a Snapshot<'_>,
        (family, prefix): (Family, u64),
        stretch: Stretch,
        way: Way,
    ) -> Self {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(row_key(prefix, stretch.first).to_be_bytes());
        options.set_iterate_upper_bound(row_key(prefix, stretch.last + 1).to_be_bytes());
        let iter = snapshot.raw_iterator_cf_opt(db.cf(family), options);
        Cursor { iter, prefix: Some(prefix), way, at: At::Nowhere }
    }

    /// A cursor over the log. A whole replay does not push everything else out of the cache.
    pub(super) fn log(
        db: &Database,
        snapshot: &'a Snapshot<'_>,
        stretch: Stretch,
        way: Way,
        fill_cache: bool,
    ) -> Self {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(stretch.first.to_be_bytes());
        options.set_iterate_upper_bound((stretch.last + 1).to_be_bytes());
        options.fill_cache(fill_cache);
        let iter = snapshot.raw_iterator_cf_opt(db.cf(Family::Log), options);
        Cursor { iter, prefix: None, way, at: At::Nowhere }
    }

    /// The nearest position at `pos` or beyond it.
    pub(super) fn find(&mut self, db: &Database, pos: u64) -> Result<Option<u64>, StoreError> {
        for _ in 0..STEPS_BEFORE_SEEK {
            match self.at {
                At::Nowhere => break,
                At::End => return Ok(None),
                At::Seq(seq) if self.way.reached(seq, pos) => return Ok(Some(seq)),
                At::Seq(_) => self.step(db)?,
            }
        }
        match self.at {
            At::Seq(seq) if self.way.reached(seq, pos) => return Ok(Some(seq)),
            At::End => return Ok(None),
            _ => self.seek(pos),
        }
        self.settle(db)?;
        match self.at {
            At::Seq(seq) => Ok(Some(seq)),
            _ => Ok(None),
        }
    }

    /// Where it stands.
    pub(super) fn at(&self) -> Option<u64> {
        match self.at {
            At::Seq(seq) => Some(seq),
            At::Nowhere | At::End => None,
        }
    }

    pub(super) fn way(&self) -> Way {
        self.way
    }

    /// The kind that the index row carries.
    pub(super) fn row_kind(&self) -> Result<u16, StoreError> {
        let kind = self.value().try_into().map(u16::from_be_bytes);
        kind.map_err(|_| StoreError::Damaged { what: "an index row without a kind".to_owned() })
    }

    /// The value of the row that `find` has found.
    pub(super) fn value(&self) -> &[u8] {
        self.iter.value().unwrap_or_default()
    }

    fn step(&mut self, db: &Database) -> Result<(), StoreError> {
        match self.way {
            Way::Up => self.iter.next(),
            Way::Down => self.iter.prev(),
        }
        self.settle(db)
    }

    fn seek(&mut self, pos: u64) {
        let row = self.prefix.map(|prefix| row_key(prefix, pos).to_be_bytes());
        let log = pos.to_be_bytes();
        let key = row.as_ref().map_or(&log[..], |row| &row[..]);
        match self.way {
            Way::Up => self.iter.seek(key),
            Way::Down => self.iter.seek_for_prev(key),
        }
    }

    fn settle(&mut self, db: &Database) -> Result<(), StoreError> {
        self.at = match self.iter.key() {
            Some(key) => At::Seq(read_seq(key.get(key.len().saturating_sub(8)..).unwrap_or_default())?.0),
            None => {
                self.iter.status().map_err(|e| db.error(e))?;
                At::End
            }
        };
        Ok(())
    }
}

//! What is known of everything that is gone, as a whole: some rows of `meta`, of which every
//! slice writes those it changes, together with the deletions themselves.
//!
//! | key | value |
//! |---|---|
//! | `gone` | the last position that was ever deleted, the first that may hold an event, the number of tombstones, and SipHash-1-3 of these; u64 each |
//! | `purged` | the marks of retention: first kind u16, last kind u16, position u64, for each stretch |
//! | `tally` | see `tally`, for each rule that counts |
//! | `clock` | the head at some moments: seconds of the log's own clock i64, position u64, for each |
//! | `ahead` | seconds that the machine's clock is ahead of the log's: i64; no row: 0 |

use super::super::StoreError;
use super::super::database::Database;
use super::super::families::Family;
use super::clock::HeadClock;
use super::tally::{Tally, take};
use crate::base::{Now, Seq};
use crate::log::PurgeMarks;
use rocksdb::WriteBatch;
use siphasher::sip::SipHasher13;

/// The row that [`Database::head`] reads, too.
pub(in crate::store) const GONE: &[u8] = b"gone";
const PURGED: &[u8] = b"purged";
const TALLY: &[u8] = b"tally";
const CLOCK: &[u8] = b"clock";
const AHEAD: &[u8] = b"ahead";

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Ledger {
    /// The last position that was ever deleted: the log reaches at least as far.
    pub(in crate::store) floor: Seq,
    /// Every position below it is gone.
    pub(in crate::store) first: u64,
    pub(in crate::store) tombstones: u64,
    pub(in crate::store) marks: PurgeMarks,
    pub(super) tallies: Vec<Tally>,
    pub(super) clock: HeadClock,
    /// The tallies, or what the clock was set by, have gone on since they were written; not on disk.
    pub(super) unsaved: bool,
    /// No tombstone is older (seconds of the log's own clock); not on disk.
    pub(super) oldest_tombstone: i64,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger {
            floor: Seq::ZERO,
            first: 1,
            tombstones: 0,
            marks: PurgeMarks::default(),
            tallies: Vec::new(),
            clock: HeadClock::default(),
            unsaved: false,
            oldest_tombstone: 0,
        }
    }
}

impl Ledger {
    /// What is on disk. What was counted or seen of positions that are not there (any more) is
    /// counted again.
    pub(in crate::store) fn read(db: &Database, head: Seq) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::default();
        let row = |key| db.get(Family::Meta, key).map(Option::unwrap_or_default);
        if let Some(row) = db.get(Family::Meta, GONE)? {
            (ledger.floor, ledger.first, ledger.tombstones) = decode_gone(&row)?;
        }
        ledger.marks = decode_marks(&row(PURGED)?).ok_or_else(|| damaged(PURGED))?;
        ledger.tallies = decode_tallies(&row(TALLY)?).ok_or_else(|| damaged(TALLY))?;
        ledger.tallies.retain(|tally| tally.to <= head);
        let ahead = db.get(Family::Meta, AHEAD)?.map_or(Some(0), |row| {
            let row: [u8; 8] = row.try_into().ok()?;
            Some(i64::from_be_bytes(row))
        });
        let ahead = ahead.ok_or_else(|| damaged(AHEAD))?;
        ledger.clock = HeadClock::decode(&row(CLOCK)?, ahead).ok_or_else(|| damaged(CLOCK))?;
        ledger.clock.cut(head);
        Ok(ledger)
    }

    /// Adds the rows that differ from those of `before`.
    pub(in crate::store) fn put(&self, db: &Database, before: &Ledger, batch: &mut WriteBatch) {
        let meta = db.cf(Family::Meta);
        let gone = |it: &Ledger| [it.floor.0, it.first, it.tombstones];
        if gone(self) != gone(before) {
            batch.put_cf(meta, GONE, encode_gone(gone(self)));
        }
        if self.marks != before.marks {
            batch.put_cf(meta, PURGED, encode_marks(&self.marks));
        }
        if self.tallies != before.tallies || before.unsaved {
            let mut row = Vec::new();
            self.tallies.iter().for_each(|tally| tally.encode(&mut row));
            batch.put_cf(meta, TALLY, row);
        }
        if self.clock != before.clock {
            batch.put_cf(meta, CLOCK, self.clock.encode());
        }
        if self.clock.ahead() != before.clock.ahead() || before.unsaved {
            batch.put_cf(meta, AHEAD, self.clock.ahead().to_be_bytes());
        }
    }

    /// What time it is by the log's own clock: what the machine's was set by is not part of any age.
    pub(super) fn time(&mut self, at: &Now) -> i64 {
        let (now, set) = self.clock.read(at);
        if set != 0 {
            tracing::warn!(seconds = set, "the machine's clock was set: ages in the log go on as if not");
            self.unsaved = true;
        }
        now
    }

    /// Read from disk again, goes on as `before` did.
    pub(in crate::store) fn go_on_from(&mut self, before: &Ledger) {
        let ahead = self.clock.ahead();
        self.clock.go_on_from(&before.clock);
        self.unsaved |= self.clock.ahead() != ahead;
    }

    /// The same of a log that ends with `head`.
    pub(in crate::store) fn cut(mut self, head: Seq) -> Ledger {
        self.floor = self.floor.min(head);
        self.first = self.first.min(head.next().0);
        // They are counted again, from events that are still there.
        self.tallies.clear();
        self.clock.cut(head);
        let marks = std::mem::take(&mut self.marks);
        for (lo, hi, mark) in marks.stretches() {
            self.marks.raise(*lo, *hi, (*mark).min(head));
        }
        self
    }
}

/// The row `gone`. The length of the log and where it begins follow from it: a wrong figure would
/// send whoever reads the log across positions without end, and so it carries a hash.
pub(in crate::store) fn encode_gone(figures: [u64; 3]) -> Vec<u8> {
    let mut row = figures.map(u64::to_be_bytes).concat();
    row.extend_from_slice(&hash_of(&row));
    row
}

/// The last deleted position of a `gone` row, the first of the log, and the tombstones.
pub(in crate::store) fn decode_gone(row: &[u8]) -> Result<(Seq, u64, u64), StoreError> {
    let read = || {
        let (mut figures, hash) = row.split_last_chunk()?;
        let is_whole = hash_of(figures) == *hash;
        let [floor, first, tombstones] = [take(&mut figures)?, take(&mut figures)?, take(&mut figures)?];
        let [floor, first, tombstones] = [floor, first, tombstones].map(u64::from_be_bytes);
        (is_whole && figures.is_empty()).then_some((Seq(floor), first.max(1), tombstones))
    };
    read().ok_or_else(|| damaged(GONE))
}

fn hash_of(figures: &[u8]) -> [u8; 8] {
    SipHasher13::new().hash(figures).to_be_bytes()
}

fn damaged(key: &[u8]) -> StoreError {
    StoreError::Damaged { what: format!("meta row {}", String::from_utf8_lossy(key)) }
}

fn encode_marks(marks: &PurgeMarks) -> Vec<u8> {
    let mut row = Vec::new();
    for (lo, hi, mark) in marks.stretches() {
        row.extend_from_slice(&lo.to_be_bytes());
        row.extend_from_slice(&hi.to_be_bytes());
        row.extend_from_slice(&mark.0.to_be_bytes());
    }
    row
}

fn decode_marks(mut row: &[u8]) -> Option<PurgeMarks> {
    let mut marks = PurgeMarks::default();
    while !row.is_empty() {
        let (lo, hi) = (u16::from_be_bytes(take(&mut row)?), u16::from_be_bytes(take(&mut row)?));
        let mark = Seq(u64::from_be_bytes(take(&mut row)?));
        if lo > hi {
            return None;
        }
        marks.raise(lo, hi, mark);
    }
    Some(marks)
}

fn decode_tallies(mut row: &[u8]) -> Option<Vec<Tally>> {
    let mut tallies = Vec::new();
    while !row.is_empty() {
        tallies.push(Tally::decode(&mut row)?);
    }
    Some(tallies)
}

//! The walk over the log: what is wrong with its entries, and which rows they demand.

use super::{Checking, ROWS, Sum};
use crate::base::{Seq, limits};
use crate::event::{EventFields, EventView};
use crate::store::StoreError;
use crate::store::database::read_seq;
use crate::store::families::{BLOCK_EVENTS, Family, Prefixes, block_bounds, block_end, block_of, row_key};
use crate::store::purge::Gaps;
use bumpalo::Bump;
use rocksdb::ReadOptions;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Positions one thread takes at a time: whole blocks.
const STRETCH_EVENTS: u64 = 4 * BLOCK_EVENTS;

/// The rows that the log demands of each of [`ROWS`], up to its mark.
pub(super) type Demanded = [Sum; ROWS.len()];

/// Walks the whole log on all threads.
pub(super) fn walk(checking: &Checking<'_>) -> Demanded {
    let next = AtomicU64::new(0);
    let total: Mutex<Demanded> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..checking.how.threads.max(1) {
            scope.spawn(|| {
                let mut walker = Walker::new(checking);
                loop {
                    let first = next.fetch_add(STRETCH_EVENTS, Ordering::Relaxed) + 1;
                    if first > checking.head.0 {
                        break;
                    }
                    walker.stretch(first, (first + STRETCH_EVENTS - 1).min(checking.head.0));
                }
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                total.iter_mut().zip(walker.demanded).for_each(|(sum, mine)| sum.merge(mine));
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Every row of [`ROWS`] that an event demands: which of them, its key and its value.
pub(super) fn each_row(
    prefixes: Prefixes,
    seq: u64,
    event: &EventView<'_>,
    mut on: impl FnMut(usize, &[u8], &[u8]),
) {
    let (author, kind) = (&event.pubkey, event.kind.0);
    on(0, &event.id.0, &seq.to_be_bytes());
    let mut row = |family: usize, prefix: u64| {
        on(family, &row_key(prefix, seq).to_be_bytes(), &kind.to_be_bytes());
    };
    row(1, prefixes.author(author));
    row(2, Prefixes::kind(kind));
    row(3, prefixes.author_kind(author, kind));
    for (name, value) in event.tag_heads().filter_map(|(name, first)| Some((name, first?))) {
        row(4, prefixes.tag(name, value));
    }
}

struct Walker<'a> {
    checking: &'a Checking<'a>,
    examine: Option<super::Examine>,
    /// Events for the examiner.
    waiting: Vec<(Seq, Vec<u8>)>,
    waiting_bytes: usize,
    demanded: Demanded,
    arena: Bump,
}

impl<'a> Walker<'a> {
    fn new(checking: &'a Checking<'a>) -> Self {
        let examine = checking.how.deep.map(|make| make());
        let (waiting, demanded) = (Vec::new(), Demanded::default());
        Walker { checking, examine, waiting, waiting_bytes: 0, demanded, arena: Bump::new() }
    }

    fn stretch(&mut self, first: u64, last: u64) {
        let db = self.checking.db;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound((last + 1).to_be_bytes());
        options.fill_cache(false);
        let mut iter = db.raw().raw_iterator_cf_opt(db.cf(Family::Log), options);
        iter.seek(first.to_be_bytes());
        let mut gaps = Gaps::new(db, self.checking.first);
        let (mut expected, mut events, mut bytes) = (first, 0, 0);
        let mut bounds: Vec<(u64, i64, i64)> = Vec::new();
        while let Some((key, wire)) = iter.item() {
            match read_seq(key) {
                Ok(Seq(seq)) => {
                    self.gap(&mut gaps, expected, seq);
                    self.not_gone(&mut gaps, seq);
                    expected = seq + 1;
                    self.event(seq, wire, &mut bounds);
                }
                Err(error) => self.checking.find("log", None, error.to_string()),
            }
            (events, bytes) = (events + 1, bytes + wire.len() as u64);
            iter.next();
        }
        match iter.status() {
            Ok(()) => self.gap(&mut gaps, expected, last + 1),
            Err(error) => {
                let what = format!("cannot be read from here on: {}", db.error(error));
                self.checking.find("log", Some(Seq(expected)), what);
            }
        }
        self.examine();
        self.blocks(&mut gaps, &bounds);
        self.checking.change(|report| {
            report.events += events;
            report.bytes += bytes;
        });
        self.checking.advance(events);
    }

    /// Every position from `expected` to before `found` was deleted.
    fn gap(&self, gaps: &mut Gaps<'_>, expected: u64, found: u64) {
        let mut seq = expected.max(self.checking.first);
        while seq < found {
            let first = seq;
            while seq < found && !self.is_gone(gaps, seq) {
                seq += 1;
            }
            if first < seq {
                let what = format!("positions {first} to {} hold no event", seq - 1);
                self.checking.find("log", Some(Seq(first)), what);
            }
            seq += 1;
        }
    }

    fn not_gone(&self, gaps: &mut Gaps<'_>, seq: u64) {
        if self.is_gone(gaps, seq) {
            self.checking.find("deleted", Some(Seq(seq)), "the event counts as deleted, and is there");
        }
    }

    fn has_gap(&self, gaps: &mut Gaps<'_>, block: u64) -> bool {
        let last = block_end(block);
        (last + 1 - BLOCK_EVENTS..=last).any(|seq| self.is_gone(gaps, seq))
    }

    /// What cannot be read is told where that family is read.
    fn is_gone(&self, gaps: &mut Gaps<'_>, seq: u64) -> bool {
        gaps.is_gone(seq).unwrap_or(false)
    }

    fn event(&mut self, seq: u64, wire: &[u8], bounds: &mut Vec<(u64, i64, i64)>) {
        let checking = self.checking;
        match EventView::parse(wire, &self.arena) {
            Err(reason) => {
                checking.find("log", Some(Seq(seq)), format!("the event does not parse: {reason}"))
            }
            Ok(event) => {
                let demanded = &mut self.demanded;
                each_row(checking.prefixes, seq, &event, |family, key, value| {
                    if seq <= checking.mark(family).0 {
                        demanded[family].add(checking.prefixes.row(key, value));
                    }
                });
                if seq <= checking.marks[ROWS.len() - 1].0 {
                    widen(bounds, block_of(seq), event.created_at());
                }
            }
        }
        self.arena.reset();
        if self.examine.is_some() {
            self.waiting_bytes += wire.len();
            self.waiting.push((Seq(seq), wire.to_vec()));
            if self.waiting.len() >= limits::VERIFY_BATCH_EVENTS_MAX
                || self.waiting_bytes >= limits::VERIFY_BATCH_BYTES_MAX
            {
                self.examine();
            }
        }
    }

    fn examine(&mut self) {
        if let Some(examine) = &mut self.examine {
            let events: Vec<(Seq, &[u8])> =
                self.waiting.iter().map(|(seq, wire)| (*seq, &wire[..])).collect();
            for (seq, what) in examine(&events) {
                self.checking.find("signature", Some(seq), what);
            }
        }
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// Compares the bounds of each block with its row, which is wider where events were deleted.
    fn blocks(&self, gaps: &mut Gaps<'_>, bounds: &[(u64, i64, i64)]) {
        let found = |block: u64| -> Result<Option<(i64, i64)>, StoreError> {
            let row = self.checking.db.get(Family::Blocks, &block.to_be_bytes())?;
            Ok(row.as_deref().and_then(block_bounds))
        };
        for (block, min, max) in bounds {
            let what = match found(*block) {
                Ok(Some(row)) if row == (*min, *max) => continue,
                Ok(Some(row)) if row.0 <= *min && *max <= row.1 && self.has_gap(gaps, *block) => continue,
                Ok(Some(row)) => format!("block {block} says {row:?}, its events say {:?}", (min, max)),
                Ok(None) => format!("block {block} has no row, or a damaged one"),
                Err(error) => format!("block {block}: {error}"),
            };
            self.checking.find("blocks", Some(Seq(block * BLOCK_EVENTS + 1)), what);
        }
    }
}

fn widen(bounds: &mut Vec<(u64, i64, i64)>, block: u64, created_at: i64) {
    match bounds.last_mut() {
        Some((last, min, max)) if *last == block => {
            (*min, *max) = (created_at.min(*min), created_at.max(*max));
        }
        _ => bounds.push((block, created_at, created_at)),
    }
}

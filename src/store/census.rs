//! What is in the log, and how much of it: by kind, author and day.
//!
//! No index knows the size of an event, or the key behind a hash, so events are read. A large log
//! is not read as a whole: stretches of one block each are taken at equal distances, as many as
//! the caller allows, and what they hold stands for the rest. At about a million events a second
//! and core, and 256 kB per block of events of 64 bytes, the bound is one on time.

use super::database::{Database, read_seq};
use super::families::{BLOCK_EVENTS, Family};
use super::meta::Meta;
use super::stats::{self, FamilyStats};
use super::{StoreError, StoreOptions};
use crate::base::calendar::day_of;
use crate::base::{LogId, PubKey, Seq};
use crate::event::EventView;
use bumpalo::Bump;
use rocksdb::ReadOptions;
use std::collections::HashMap;
use std::hash::Hash;
use std::path::Path;

/// Different authors, and different days, that are told apart; further ones are counted together.
/// Days are what authors claim, so that there can be as many of them as events.
const KEYS_MAX: usize = 100_000;

/// How to count.
pub struct CensusOptions<'a> {
    /// Events to read at most, but one block at least; `None`: all.
    pub events_max: Option<u64>,
    /// Told now and then how many events of how many were read.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// Events and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    pub events: u64,
    pub bytes: u64,
}

/// What was counted, by one property; largest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally<K> {
    pub rows: Vec<(K, Amount)>,
    /// What was not told apart any more.
    pub others: Amount,
}

/// What is in a log.
#[derive(Debug, Clone)]
pub struct Census {
    pub log_id: LogId,
    pub head: Seq,
    /// Events that were read. If fewer than the log holds, every other amount is an estimate.
    pub read: u64,
    pub is_exact: bool,
    /// All events of the log.
    pub total: Amount,
    pub kinds: Tally<u16>,
    pub authors: Tally<PubKey>,
    /// Days since 1970-01-01, by `created_at`.
    pub days: Tally<i64>,
    pub families: Vec<FamilyStats>,
}

/// Counts the log in `dir`, which nobody writes: that of a stopped relay, or a checkpoint.
///
/// # Errors
/// It is not there, or cannot be read.
pub fn census(options: &StoreOptions, dir: &Path, how: &CensusOptions<'_>) -> Result<Census, StoreError> {
    let db = Database::open_read_only(options, dir)?;
    let (meta, head) = (Meta::peek(&db)?, db.head()?);
    let blocks = head.0.div_ceil(BLOCK_EVENTS);
    let wanted = how.events_max.map_or(blocks, |events| (events / BLOCK_EVENTS).clamp(1, blocks.max(1)));
    let mut counting = Counting::default();
    // The newest block is always among them, and at equal distances the others.
    for number in 0..wanted.min(blocks) {
        let block = ((u128::from(number) + 1) * u128::from(blocks) / u128::from(wanted)) as u64 - 1;
        counting.block(&db, block)?;
        (how.progress)(number + 1, wanted);
    }
    let scale = Scale { of: wanted.max(1), to: blocks };
    Ok(Census {
        log_id: meta.log_id,
        head,
        read: counting.total.events,
        is_exact: wanted >= blocks,
        total: scale.amount(counting.total),
        kinds: counting.kinds.finish(scale),
        authors: counting.authors.finish(scale),
        days: counting.days.finish(scale),
        families: Family::ALL.map(|family| stats::family_stats(&db, family)).to_vec(),
    })
}

#[derive(Default)]
struct Counting {
    total: Amount,
    kinds: Counted<u16>,
    authors: Counted<PubKey>,
    days: Counted<i64>,
    arena: Bump,
}

impl Counting {
    fn block(&mut self, db: &Database, block: u64) -> Result<(), StoreError> {
        let first = block * BLOCK_EVENTS + 1;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound((first + BLOCK_EVENTS).to_be_bytes());
        options.fill_cache(false);
        let mut iter = db.raw().raw_iterator_cf_opt(db.cf(Family::Log), options);
        iter.seek(first.to_be_bytes());
        while let Some((key, wire)) = iter.item() {
            let seq = read_seq(key)?;
            let event = EventView::parse(wire, &self.arena).map_err(|reason| StoreError::Damaged {
                what: format!("the event at {seq} does not parse: {reason}"),
            })?;
            let bytes = wire.len() as u64;
            self.total.add(bytes);
            self.kinds.add(event.kind.0, bytes);
            self.authors.add(event.pubkey, bytes);
            self.days.add(day_of(event.created_at), bytes);
            self.arena.reset();
            iter.next();
        }
        iter.status().map_err(|e| db.error(e))
    }
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.events += 1;
        self.bytes += bytes;
    }
}

struct Counted<K> {
    rows: HashMap<K, Amount>,
    others: Amount,
}

impl<K> Default for Counted<K> {
    fn default() -> Self {
        Counted { rows: HashMap::new(), others: Amount::default() }
    }
}

impl<K: Hash + Ord> Counted<K> {
    fn add(&mut self, key: K, bytes: u64) {
        let is_full = self.rows.len() >= KEYS_MAX;
        match self.rows.get_mut(&key) {
            Some(amount) => amount.add(bytes),
            None if is_full => self.others.add(bytes),
            None => self.rows.entry(key).or_default().add(bytes),
        }
    }

    fn finish(self, scale: Scale) -> Tally<K> {
        let mut rows: Vec<(K, Amount)> =
            self.rows.into_iter().map(|(key, amount)| (key, scale.amount(amount))).collect();
        rows.sort_unstable_by(|(a, x), (b, y)| y.events.cmp(&x.events).then_with(|| a.cmp(b)));
        Tally { rows, others: scale.amount(self.others) }
    }
}

/// From the blocks that were read to all of them.
#[derive(Clone, Copy)]
struct Scale {
    of: u64,
    to: u64,
}

impl Scale {
    fn amount(self, read: Amount) -> Amount {
        Amount { events: self.number(read.events), bytes: self.number(read.bytes) }
    }

    fn number(self, n: u64) -> u64 {
        let scaled = u128::from(n) * u128::from(self.to.max(1)) / u128::from(self.of);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

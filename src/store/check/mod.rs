//! `axon check`: whether a store is what it must be.
//!
//! Read-only, on all cores. Every log entry is parsed, its position follows the one before it,
//! its id stands for it, and its index rows are all there and no others. Rows are compared as
//! sums of keyed hashes, of the rows the log demands and of those that are there, so that both
//! sides are read in their own order; only where the sums differ is row by row looked for.
//! Positions without an event are those that were deleted, and no others.

mod rows;
mod walk;

use super::database::Database;
use super::families::{Family, INDEX_FAMILIES, Prefixes, ROW_FAMILIES};
use super::meta::Meta;
use super::purge::Ledger;
use super::{StoreError, StoreOptions, run, wal};
use crate::base::{LogId, Seq};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Findings that are kept word by word; the others are counted.
pub const FINDINGS_MAX: usize = 100;

/// The families whose rows follow from the log: the ids, then [`ROW_FAMILIES`].
const ROWS: [Family; 5] = [Family::Ids, ROW_FAMILIES[0], ROW_FAMILIES[1], ROW_FAMILIES[2], ROW_FAMILIES[3]];

/// Looks at stored events (position and wire bytes) more closely than the store can, and says
/// what is wrong with which; one per thread.
pub type Examine = Box<dyn FnMut(&[(Seq, &[u8])]) -> Vec<(Seq, String)>>;

/// How to check.
pub struct CheckOptions<'a> {
    /// Makes an examiner for each thread; `None`: only what the store knows itself.
    pub deep: Option<&'a (dyn Fn() -> Examine + Sync)>,
    pub threads: usize,
    /// Told now and then how many rows of how many were looked at.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: `wal`, `log`, `signature`, or the name of a family.
    pub about: &'static str,
    pub seq: Option<Seq>,
    pub what: String,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// `None`: the store cannot be opened at all.
    pub log_id: Option<LogId>,
    pub head: Seq,
    /// Index rows are complete up to here; what follows is indexed at the next start.
    pub indexed: Seq,
    pub events: u64,
    pub bytes: u64,
    /// Index rows and ids.
    pub rows: u64,
    pub findings: Vec<Finding>,
    /// Also those that were only counted.
    pub findings_total: u64,
}

/// Checks the database in `dir`, which nobody writes: that of a stopped relay, or a checkpoint.
///
/// # Errors
/// It is not there, or cannot be read for a reason that is no damage.
pub fn check(options: &StoreOptions, dir: &Path, how: &CheckOptions<'_>) -> Result<CheckReport, StoreError> {
    let mut report = CheckReport::default();
    for error in wal::first_damage(&wal::survey(dir)?).into_iter().map(|(_, error)| error) {
        report.add(Finding { about: "wal", seq: None, what: error.to_string() });
    }
    if report.findings_total > 0 {
        return Ok(report);
    }
    match Database::open_read_only(options, dir) {
        Ok(db) => check_database(&db, how),
        Err(error @ (StoreError::Storage { .. } | StoreError::DamagedFile { .. })) => {
            report.add(Finding { about: "files", seq: None, what: error.to_string() });
            Ok(report)
        }
        Err(error) => Err(error),
    }
}

/// Checks an open database that nobody writes.
pub(super) fn check_database(db: &Database, how: &CheckOptions<'_>) -> Result<CheckReport, StoreError> {
    let meta = Meta::peek(db)?;
    let marks = run::marks(db)?;
    let head = db.head()?;
    let ledger = Ledger::read(db, head)?;
    let checking = Checking {
        db,
        how,
        prefixes: Prefixes::new(meta.hash_key),
        marks,
        head,
        first: ledger.first,
        total: head.0 + ROWS.iter().map(|family| db.rows_estimate(*family)).sum::<u64>(),
        done: AtomicU64::new(0),
        report: Mutex::new(CheckReport { log_id: Some(meta.log_id), head, ..CheckReport::default() }),
    };
    for (family, mark) in INDEX_FAMILIES.into_iter().zip(marks) {
        if mark > head {
            checking.find(family.name(), Some(mark), "its mark lies beyond the head of the log");
        }
    }
    let demanded = walk::walk(&checking);
    rows::compare(&checking, &demanded);
    rows::read_few(&checking);
    rows::read_deleted(&checking, ledger.tombstones);
    let mut report = checking.report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.indexed = marks.into_iter().min().unwrap_or_default();
    report.findings.sort_by_key(|finding| finding.seq);
    Ok(report)
}

/// One check under way.
struct Checking<'a> {
    db: &'a Database,
    how: &'a CheckOptions<'a>,
    prefixes: Prefixes,
    marks: [Seq; INDEX_FAMILIES.len()],
    head: Seq,
    /// Every position below it was deleted.
    first: u64,
    total: u64,
    done: AtomicU64,
    report: Mutex<CheckReport>,
}

impl Checking<'_> {
    fn find(&self, about: &'static str, seq: Option<Seq>, what: impl Into<String>) {
        self.change(|report| report.add(Finding { about, seq, what: what.into() }));
    }

    fn change(&self, change: impl FnOnce(&mut CheckReport)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn advance(&self, rows: u64) {
        let done = self.done.fetch_add(rows, Ordering::Relaxed) + rows;
        (self.how.progress)(done, self.total.max(done));
    }

    /// The position up to which one of [`ROWS`] has to be complete.
    fn mark(&self, family: usize) -> Seq {
        if family == 0 { self.head } else { self.marks[family - 1].min(self.head) }
    }
}

impl CheckReport {
    fn add(&mut self, finding: Finding) {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// A sum of rows in which their order does not show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    hashes: u64,
}

impl Sum {
    fn add(&mut self, hash: u64) {
        self.rows += 1;
        self.hashes = self.hashes.wrapping_add(hash);
    }

    fn merge(&mut self, other: Sum) {
        self.rows += other.rows;
        self.hashes = self.hashes.wrapping_add(other.hashes);
    }
}

//! The rows that are there, against those that the log demands.

use super::walk::{Demanded, each_row};
use super::{Checking, ROWS, Sum};
use crate::base::Seq;
use crate::event::EventView;
use crate::store::StoreError;
use crate::store::database::read_seq;
use crate::store::families::{Family, MARK_KEY};
use crate::store::{keys, purge};
use bumpalo::Bump;
use rocksdb::ReadOptions;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows between two reports of progress.
const REPORT_ROWS: u64 = 16_384;

/// Reads every family once, on all threads, and compares.
pub(super) fn compare(checking: &Checking<'_>, demanded: &Demanded) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..checking.how.threads.clamp(1, ROWS.len()) {
            scope.spawn(|| {
                loop {
                    let family = next.fetch_add(1, Ordering::Relaxed);
                    if family >= ROWS.len() {
                        return;
                    }
                    compare_family(checking, family, demanded[family]);
                }
            });
        }
    });
}

fn compare_family(checking: &Checking<'_>, family: usize, demanded: Sum) {
    let name = ROWS[family].name();
    let found = match sum(checking, family) {
        Ok(found) => found,
        Err(error) => return checking.find(name, None, format!("cannot be read: {error}")),
    };
    checking.change(|report| report.rows += found.rows);
    if found == demanded {
        return;
    }
    let (missing, wrong) = match find_missing(checking, family) {
        Ok(counts) => counts,
        Err(error) => return checking.find(name, None, error.to_string()),
    };
    let strangers = (found.rows + missing).saturating_sub(demanded.rows);
    if strangers > 0 {
        checking.find(name, None, format!("{strangers} rows stand for no event"));
    } else if missing + wrong == 0 {
        checking.find(name, None, "its rows are not those of the log");
    }
}

/// The sum of the rows up to the family's mark.
fn sum(checking: &Checking<'_>, family: usize) -> Result<Sum, StoreError> {
    let (db, mark) = (checking.db, checking.mark(family));
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    let mut iter = db.raw().raw_iterator_cf_opt(db.cf(ROWS[family]), options);
    iter.seek_to_first();
    let (mut sum, mut unreported) = (Sum::default(), 0);
    while let Some((key, value)) = iter.item() {
        let is_mark = ROWS[family] != Family::Ids && key == MARK_KEY;
        // A row tells its position at the end of its key, an id in its value.
        let place = if ROWS[family] == Family::Ids { value } else { key.get(8..).unwrap_or_default() };
        if !is_mark && (ROWS[family] == Family::Ids || read_seq(place)? <= mark) {
            sum.add(checking.prefixes.row(key, value));
        }
        unreported += 1;
        if unreported == REPORT_ROWS {
            checking.advance(unreported);
            unreported = 0;
        }
        iter.next();
    }
    checking.advance(unreported);
    iter.status().map_err(|e| db.error(e)).map(|()| sum)
}

/// Looks for every row that the log demands; tells of those that are missing and of those with a
/// wrong value, and how many each are.
fn find_missing(checking: &Checking<'_>, family: usize) -> Result<(u64, u64), StoreError> {
    let (db, mark) = (checking.db, checking.mark(family));
    let (mut missing, mut wrong) = (0, 0);
    let mut arena = Bump::new();
    let mut iter = db.raw().raw_iterator_cf(db.cf(Family::Log));
    iter.seek_to_first();
    while let Some((key, wire)) = iter.item() {
        let Seq(seq) = read_seq(key)?;
        if seq > mark.0 {
            break;
        }
        if let Ok(event) = EventView::parse(wire, &arena) {
            let mut failed = None;
            each_row(checking.prefixes, seq, &event, |of, key, value| {
                if of != family {
                    return;
                }
                match db.get(ROWS[family], key) {
                    Ok(Some(found)) if found == value => {}
                    Ok(Some(_)) => {
                        wrong += 1;
                        checking.find(
                            ROWS[family].name(),
                            Some(Seq(seq)),
                            "the event's row has a wrong value",
                        );
                    }
                    Ok(None) => {
                        missing += 1;
                        checking.find(ROWS[family].name(), Some(Seq(seq)), "the event's row is missing");
                    }
                    Err(error) => failed = Some(error),
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        arena.reset();
        iter.next();
    }
    iter.status().map_err(|e| db.error(e))?;
    Ok((missing, wrong))
}

/// The families with few rows read as what they must be.
pub(super) fn read_few(checking: &Checking<'_>) {
    if let Err(error) = keys::read_all(checking.db) {
        checking.find("keys", None, error);
    }
}

/// What is said of deleted events is whole, and their ids are as many as were counted.
pub(super) fn read_deleted(checking: &Checking<'_>, counted: u64) {
    let wrong = |what: String| checking.find(Family::Deleted.name(), None, what);
    match purge::verify_rows(checking.db, wrong) {
        Ok(found) if found != counted => wrong(format!("{found} deleted ids are counted as {counted}")),
        Ok(_) => {}
        Err(error) => wrong(error.to_string()),
    }
}

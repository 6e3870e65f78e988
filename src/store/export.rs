//! Reading a store's events from its first to its last, for `axon export`.

use super::database::{Database, read_seq};
use super::families::Family;
use super::meta::Meta;
use super::{StoreError, StoreOptions};
use crate::base::{EventId, LogId, Seq};
use crate::event::EventView;
use crate::filter::Filter;
use bumpalo::Bump;
use rocksdb::ReadOptions;
use std::path::Path;

/// Bytes read ahead of the one that is looked at.
const READ_AHEAD_BYTES: usize = 4 << 20;

/// Events between two reports of progress.
const REPORT_EVENTS: u64 = 4_096;

/// Where an export begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    Seq(Seq),
    /// The stored event of this id.
    Event(EventId),
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReport {
    /// The history the positions belong to.
    pub log_id: LogId,
    /// Everything that matches up to here was read; another export goes on behind it.
    pub position: Seq,
    pub events: u64,
    pub bytes: u64,
}

/// Is given every event that matches, in the order of the log; false ends the export.
pub type Visit<'a> = dyn FnMut(Seq, &EventView<'_>, &[u8]) -> bool + 'a;

/// Reads the database in `dir`, which nobody writes: that of a stopped relay, or a checkpoint.
///
/// # Errors
/// It cannot be read, or does not hold the event to begin behind.
pub fn export(
    options: &StoreOptions,
    dir: &Path,
    filter: &Filter,
    behind: Behind,
    visit: &mut Visit<'_>,
    progress: &dyn Fn(u64, u64),
) -> Result<ExportReport, StoreError> {
    let db = Database::open_read_only(options, dir)?;
    let (log_id, head) = (Meta::peek(&db)?.log_id, db.head()?);
    let after = match behind {
        Behind::Seq(seq) => seq,
        Behind::Event(id) => match db.get(Family::Ids, &id.0)? {
            Some(row) => read_seq(&row)?,
            None => return Err(StoreError::NoSuchEvent { id }),
        },
    };
    let mut report = ExportReport { log_id, position: after, events: 0, bytes: 0 };
    let mut read = ReadOptions::default();
    read.fill_cache(false);
    read.set_readahead_size(READ_AHEAD_BYTES);
    let mut iter = db.raw().raw_iterator_cf_opt(db.cf(Family::Log), read);
    let (mut arena, mut looked_at) = (Bump::new(), 0u64);
    iter.seek(after.next().0.to_be_bytes());
    while let Some((key, wire)) = iter.item() {
        let seq = read_seq(key)?;
        let event = EventView::parse(wire, &arena)
            .map_err(|reason| StoreError::Damaged { what: format!("the event at {seq}: {reason}") })?;
        if filter.matches(&event) {
            if !visit(seq, &event, wire) {
                return Ok(report);
            }
            report.events += 1;
            report.bytes += wire.len() as u64;
        }
        report.position = seq;
        arena.reset();
        looked_at += 1;
        if looked_at.is_multiple_of(REPORT_EVENTS) {
            progress(seq.0.saturating_sub(after.0), head.0.saturating_sub(after.0));
        }
        iter.next();
    }
    iter.status().map_err(|e| db.error(e))?;
    report.position = head.max(after);
    Ok(report)
}

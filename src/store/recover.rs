//! Opening: index families are brought up to the head of the log before anything is served.

use super::database::{Database, read_seq};
use super::families::{Family, INDEX_FAMILIES, Prefixes};
use super::run::{Run, marks};
use super::{StoreError, StoreOptions};
use crate::base::Seq;
use crate::event::EventView;
use bumpalo::Bump;

/// Indexes what the log has and an index family has not. Returns a run that is complete up to
/// `head` and holds nothing unwritten.
pub(super) fn index_rest(
    db: &mut Database,
    prefixes: Prefixes,
    head: Seq,
    options: &StoreOptions,
) -> Result<Run, StoreError> {
    for (family, mark) in INDEX_FAMILIES.into_iter().zip(marks(db)?) {
        if mark > head {
            tracing::warn!(family = family.name(), "index is ahead of the log: making it anew");
            db.recreate(family, options)?;
        }
    }
    let mut run = Run::open(db, prefixes)?;
    let from = run.complete();
    if from < head {
        tracing::info!(from = from.0, head = head.0, "indexing the end of the log");
        index_from(db, from, head, &mut run, options)?;
    }
    Ok(run)
}

fn index_from(
    db: &Database,
    from: Seq,
    head: Seq,
    run: &mut Run,
    options: &StoreOptions,
) -> Result<(), StoreError> {
    let mut arena = Bump::new();
    let mut iter = db.raw().raw_iterator_cf(db.cf(Family::Log));
    iter.seek(from.next().0.to_be_bytes());
    let mut unflushed = 0;
    while let Some((key, wire)) = iter.item() {
        let seq = read_seq(key)?;
        let event = EventView::parse(wire, &arena)
            .map_err(|reason| StoreError::Damaged { what: format!("the event at {seq}: {reason}") })?;
        run.add(seq, wire.len(), &event);
        arena.reset();
        let (events, bytes) = run.size();
        if events >= options.index_run_events || bytes >= options.index_run_bytes {
            run.write(db)?;
            unflushed += events as u64;
        }
        if unflushed >= options.index_flush_events {
            db.flush(&INDEX_FAMILIES, false)?;
            unflushed = 0;
        }
        iter.next();
    }
    iter.status().map_err(|e| db.error(e))?;
    run.reach(head);
    run.write(db)
}

//! After a failed write: the database is closed, opened again and compared with what was
//! answered, without a restart of the relay.
//!
//! Nothing is tried twice on the old handle: a sync that failed once and succeeds the second
//! time proves nothing. What the opening reads back from the write-ahead log it writes to new
//! files and syncs, so what is found afterwards is on disk.
//!
//! Until a trial write succeeds the old handle stays, and is read from.

use super::database::{Database, read_seq};
use super::families::Family;
use super::meta::{self, Meta};
use super::purge::{Gaps, Ledger};
use super::run::Run;
use super::shared::Shared;
use super::{StoreError, recover, room};
use crate::base::limits::COMMIT_EVENTS_MAX;
use crate::base::{Millis, Seq};
use crate::event::{Envelope, EventView};
use crate::log::CommittedBatch;
use bumpalo::Bump;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Waiting before the first attempt, and at most.
const DELAY_MS_MIN: u64 = 1_000;
const DELAY_MS_MAX: u64 = 30_000;

/// Answered events compared byte by byte with what is on disk.
const COMPARED_MAX: u64 = 4_096;

/// The file of the trial write, beside the database.
const TRIAL: &str = "log.trial";

/// When to try again.
pub(super) struct Attempts {
    at: Millis,
    delay_ms: u64,
}

impl Attempts {
    /// The store has just failed.
    pub(super) fn begin(now: Millis) -> Self {
        Attempts { at: now.plus(DELAY_MS_MIN), delay_ms: DELAY_MS_MIN }
    }

    pub(super) fn is_due(&self, now: Millis) -> bool {
        now >= self.at
    }

    /// Another attempt has failed.
    pub(super) fn back_off(&mut self, now: Millis) {
        self.delay_ms = (2 * self.delay_ms).min(DELAY_MS_MAX);
        self.at = now.plus(self.delay_ms);
    }
}

/// What is found when the database is open again.
pub(super) struct Found {
    /// Complete up to the end of the log.
    pub(super) run: Run,
    /// Events beyond the last answered one: they were written before the failure and never
    /// answered. From now on they are stored like any other.
    pub(super) unanswered: Option<CommittedBatch>,
}

/// Whether it makes sense to open the database again: there is room, and a file can be written
/// and synced.
pub(super) fn try_disk(shared: &Shared) -> Result<(), StoreError> {
    let dir = &shared.options.dir;
    room::check(dir, shared.options.reserve_bytes)?;
    write_trial(&dir.join(TRIAL)).map_err(|source| StoreError::Unwritable { dir: dir.clone(), source })
}

fn write_trial(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&[0; 4_096])?;
    file.sync_all()?;
    fs::remove_file(path)
}

/// Opens the database again. Everything up to `answered` must be there.
pub(super) fn open_again(shared: &Shared, answered: Seq) -> Result<(Database, Found), StoreError> {
    let mut db = Database::open_existing(&shared.options)?;
    let meta = Meta::open(&db, shared.options.durability, &meta::boot_id())?;
    if meta.log_id != shared.tail.log_id() {
        return Err(StoreError::Damaged { what: format!("this is another log, {}", meta.log_id) });
    }
    let head = db.head()?;
    let ledger = Ledger::read(&db, head)?;
    compare(&db, shared, ledger.first, answered, head)?;
    let unanswered = read_unanswered(&db, shared, answered, head)?;
    let run = recover::index_rest(&mut db, shared.prefixes, head, &shared.options)?;
    shared.kinds.read(&db)?;
    shared.set_ledger(ledger);
    Ok((db, Found { run, unanswered }))
}

/// The end of what was answered is on disk with the bytes that were sent, but for what was
/// deleted.
fn compare(db: &Database, shared: &Shared, first: u64, answered: Seq, head: Seq) -> Result<(), StoreError> {
    if head < answered {
        let what = format!("events up to {answered} were answered, but the log ends with {head}");
        return Err(StoreError::Damaged { what });
    }
    let (ring_events, _) = shared.tail.size();
    let compared = COMPARED_MAX.min(ring_events as u64).min(answered.0);
    let from = Seq(answered.0 - compared);
    let batches = shared.tail.range(from, answered).unwrap_or_default();
    let mut gaps = Gaps::new(db, first);
    for (seq, envelope) in batches.iter().flat_map(|batch| batch.iter()).filter(|(seq, _)| *seq > from) {
        let found = db.get(Family::Log, &seq.0.to_be_bytes())?;
        let is_gone = found.is_none() && gaps.is_gone(seq.0)?;
        if found.as_deref() != Some(envelope.wire()) && !is_gone {
            let what = format!("the answered event at {seq} is gone or has other bytes");
            return Err(StoreError::Damaged { what });
        }
    }
    Ok(())
}

/// What the last write, which failed, has left: at most one commit, whole, with its ids.
fn read_unanswered(
    db: &Database,
    shared: &Shared,
    answered: Seq,
    head: Seq,
) -> Result<Option<CommittedBatch>, StoreError> {
    if head.0 - answered.0 > COMMIT_EVENTS_MAX as u64 {
        let what = format!("the log goes on to {head}, far beyond {answered}, the last that was answered");
        return Err(StoreError::Damaged { what });
    }
    let mut arena = Bump::new();
    let mut scratch = Vec::new();
    let mut events = Vec::new();
    for seq in answered.0 + 1..=head.0 {
        let damaged = |what: &str| StoreError::Damaged { what: format!("the event at {seq}: {what}") };
        let wire = db.get(Family::Log, &seq.to_be_bytes())?.ok_or_else(|| damaged("missing"))?;
        let event = EventView::parse(&wire, &arena).map_err(|reason| damaged(&reason.to_string()))?;
        let row = db.get(Family::Ids, &event.id.0)?.ok_or_else(|| damaged("its id is missing"))?;
        if read_seq(&row)?.0 != seq {
            return Err(damaged("its id stands for another position"));
        }
        events.push(Envelope::new(&event, &wire, &mut scratch));
        arena.reset();
    }
    let batch = CommittedBatch { first: answered.next(), events, committed_nanos: shared.clock.nanos() };
    Ok(Some(batch).filter(|batch| !batch.events.is_empty()))
}

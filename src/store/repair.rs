//! `axon repair`: cuts a damaged log at the damage.
//!
//! The damaged database is never written. A copy is made beside it (of hard links, which cost no
//! room), with the write-ahead log cut before its first damage; what cannot be read in it is
//! left out by writing the log anew up to there. Then the two change names, the old one stays
//! for whoever wants to look at it, and the log has a new id.

use super::check::{CheckOptions, CheckReport, Finding, check_database};
use super::database::{Database, read_seq};
use super::families::{Family, Prefixes};
use super::meta::Meta;
use super::purge::{self, Ledger};
use super::wal::{self, End};
use super::{StoreError, StoreOptions, keys, lock, recover};
use crate::base::{LogId, Seq};
use crate::event::EventView;
use bumpalo::Bump;
use rocksdb::WriteBatch;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of the log written at once when it is written anew.
const BATCH_BYTES: usize = 4 << 20;

/// What a repair does, or has done.
#[derive(Debug, Clone, Default)]
pub struct RepairReport {
    /// What is lost or made anew, in words.
    pub losses: Vec<String>,
    /// The last position that stays, and the last that was found.
    pub head: Seq,
    pub head_before: Seq,
    /// The new history; none if nothing was wrong or this was a trial.
    pub log_id: Option<LogId>,
    /// Where the damaged database is kept.
    pub kept: Option<PathBuf>,
}

/// Repairs the log of a stopped relay; with `dry_run` only says what it would do.
///
/// # Errors
/// It is in use, or beyond repair.
pub fn repair(
    options: &StoreOptions,
    how: &CheckOptions<'_>,
    dry_run: bool,
) -> Result<RepairReport, StoreError> {
    let original = options.dir.join("log");
    let stage = StoreOptions { dir: options.dir.join("log.repair"), ..options.clone() };
    let _lock = lock(options)?;
    remove_dir(&stage.dir)?;
    let result = repair_in(options, &original, &stage, how, dry_run);
    remove_dir(&stage.dir)?;
    result
}

fn repair_in(
    options: &StoreOptions,
    original: &Path,
    stage: &StoreOptions,
    how: &CheckOptions<'_>,
    dry_run: bool,
) -> Result<RepairReport, StoreError> {
    let mut report = RepairReport::default();
    let mut repaired = stage.dir.join("log");
    stage_copy(original, &repaired, &mut report)?;
    let mut db = Database::open_existing(stage)?;
    let found = check_database(&db, how)?;
    (report.head, report.head_before) = (found.head, found.head);
    if found.findings_total > 0 {
        report.head = judge(&found, &mut report)?;
    }
    if report.losses.is_empty() || dry_run {
        return Ok(report);
    }
    if found.findings_total > 0 {
        let anew = StoreOptions { dir: stage.dir.join("anew"), ..stage.clone() };
        repaired = anew.dir.join("log");
        db = write_anew(&db, &anew, report.head)?;
    }
    db.flush(&Family::ALL, true)?;
    report.log_id = Some(Meta::rename(&db)?);
    drop(db);
    report.kept = Some(swap(original, &repaired, &options.dir)?);
    Ok(report)
}

/// Where the log can go on to, and what that costs.
fn judge(found: &CheckReport, report: &mut RepairReport) -> Result<Seq, StoreError> {
    let in_log = |finding: &&Finding| matches!(finding.about, "log" | "signature");
    let (cuts, rows): (Vec<&Finding>, Vec<&Finding>) = found.findings.iter().partition(in_log);
    if !rows.is_empty() {
        let which: BTreeSet<&str> = rows.iter().map(|finding| finding.about).collect();
        let which: Vec<&str> = which.into_iter().collect();
        report.losses.push(format!("no event, but the rows of {} are made anew", which.join(", ")));
    }
    let Some(first) = cuts.iter().filter_map(|finding| finding.seq).min() else {
        return match cuts.first() {
            Some(finding) => Err(StoreError::Damaged { what: finding.what.clone() }),
            None => Ok(found.head),
        };
    };
    let what = cuts.iter().find(|finding| finding.seq == Some(first)).map_or("", |finding| &finding.what);
    report.losses.push(format!("the events from {first} to {}: {what}", found.head));
    Ok(Seq(first.0.saturating_sub(1)))
}

/// A new database with the events up to `head`; what follows from them is derived again.
fn write_anew(from: &Database, to: &StoreOptions, head: Seq) -> Result<Database, StoreError> {
    let mut db = Database::open(to)?;
    let meta = Meta::copy(from, &db)?;
    for row in keys::read_all(from).map_err(|what| StoreError::Damaged { what })? {
        keys::write(&db, &row).map_err(|what| StoreError::Damaged { what })?;
    }
    purge::copy_rows(from, &db, head)?;
    let mut arena = Bump::new();
    let mut batch = WriteBatch::default();
    let ledger = Ledger::read(from, head)?.cut(head);
    ledger.put(&db, &Ledger::default(), &mut batch);
    let mut iter = from.raw().raw_iterator_cf(from.cf(Family::Log));
    iter.seek_to_first();
    while head > Seq::ZERO
        && let Some((key, wire)) = iter.item()
    {
        let seq = read_seq(key)?;
        let event = EventView::parse(wire, &arena)
            .map_err(|reason| StoreError::Damaged { what: format!("the event at {seq}: {reason}") })?;
        batch.put_cf(db.cf(Family::Ids), event.id.0, key);
        batch.put_cf(db.cf(Family::Log), key, wire);
        arena.reset();
        if batch.size_in_bytes() >= BATCH_BYTES {
            db.write_logged(std::mem::take(&mut batch))?;
        }
        // What follows cannot be read.
        if seq == head {
            break;
        }
        iter.next();
    }
    iter.status().map_err(|e| from.error(e))?;
    db.write_logged(batch)?;
    recover::index_rest(&mut db, Prefixes::new(meta.hash_key), head, to)?;
    Ok(db)
}

/// Puts the repaired database in the damaged one's place, which is kept. The two change names at
/// once: whatever is killed, the log is one of them. Where the file system cannot do that, one
/// after the other.
fn swap(original: &Path, repaired: &Path, dir: &Path) -> Result<PathBuf, StoreError> {
    let name = |number: u32| dir.join(format!("log.damaged-{number}"));
    // Somebody removes them before there are so many.
    let kept = (1..=u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0));
    let exchange = || -> io::Result<()> {
        fs::rename(repaired, &kept)?;
        match renameat_with(CWD, &kept, CWD, original, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                fs::rename(&kept, repaired)?;
                fs::rename(original, &kept)?;
                fs::rename(repaired, original)
            }
            exchanged => Ok(exchanged?),
        }
    };
    exchange()
        .and_then(|()| fs::File::open(dir)?.sync_all())
        .map_err(|source| StoreError::File { path: original.to_owned(), source })?;
    Ok(kept)
}

fn remove_dir(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::File { path: dir.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Hard links of everything but the write-ahead log, which is copied up to its first damage.
fn stage_copy(from: &Path, to: &Path, report: &mut RepairReport) -> Result<(), StoreError> {
    let wal = wal::survey(from)?;
    let cut = wal::first_damage(&wal);
    let copy = || -> io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let path = entry?.path();
            if path.is_dir() {
                continue;
            }
            let name = path.file_name().unwrap_or_default();
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            match name.to_str() {
                // RocksDB's lock and diary.
                Some("LOCK") => {}
                Some(name) if name.starts_with("LOG") => {}
                _ if is_log => {}
                _ if path.extension().is_some_and(|extension| extension == "sst") => {
                    fs::hard_link(&path, to.join(name))?;
                }
                _ => _ = fs::copy(&path, to.join(name))?,
            }
        }
        Ok(())
    };
    copy().map_err(|source| StoreError::File { path: to.to_owned(), source })?;
    let last = cut.as_ref().map_or(wal.len(), |(index, _)| index + 1);
    for file in &wal[..last] {
        copy_wal(&file.path, to, cut_of(file.end, file.bytes))?;
    }
    if let Some((index, error)) = &cut {
        let rest: usize = wal[index + 1..].iter().map(|file| file.bytes).sum();
        let lost = wal[*index].bytes - cut_of(wal[*index].end, wal[*index].bytes) + rest;
        let file = wal[*index].path.display();
        report.losses.push(format!("{lost} bytes of the write-ahead log from {file} on: {error}"));
    }
    Ok(())
}

fn cut_of(end: End, bytes: usize) -> usize {
    match end {
        End::Whole => bytes,
        End::Torn { at } | End::Damaged { at, .. } => at,
    }
}

fn copy_wal(path: &Path, to: &Path, bytes: usize) -> Result<(), StoreError> {
    let copied = to.join(path.file_name().unwrap_or_default());
    let copy = || -> io::Result<()> {
        fs::copy(path, &copied)?;
        let file = fs::OpenOptions::new().write(true).open(&copied)?;
        file.set_len(bytes as u64)?;
        file.sync_all()
    };
    copy().map_err(|source| StoreError::File { path: copied.clone(), source })
}

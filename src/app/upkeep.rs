//! Check, repair, backup and restore of this machine's store: of a running relay through a
//! checkpoint that it makes, of a stopped one directly.

use super::config::Config;
use super::local::{ask, error, has_log, load, no_log};
use super::{facts, options, relay};
use crate::base::calendar::day_text;
use crate::base::{LogId, Seq, limits};
use crate::cli::{OperatorError, Progress, Settings};
use crate::event::{EventView, canonical_id};
use crate::gather;
use crate::store::{
    self, Amount, BackupReport, BackupTarget, Beside, Census, CensusOptions, CheckOptions, CheckReport,
    Examine, RepairReport, StoreError, Tally,
};
use crate::verify::{Claim, Verifier};
use bumpalo::Bump;
use serde_json::{Value, json};
use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What a backup holds beside the log, in the order it is copied; the log comes last, so that
/// what was derived from it is never ahead of it.
const BEFORE_THE_LOG: &[Step] = &[gather, designs, keys];

/// Finds, or makes in the scratch directory, what one part of the relay wants in the backup.
type Step = fn(&Config, &Path) -> Result<Vec<Beside>, OperatorError>;

pub(super) fn check(
    settings: &Settings,
    deep: bool,
    progress: &Progress<'_>,
) -> Result<Value, OperatorError> {
    let config = load(settings)?;
    let make = || examiner();
    let deep = deep.then_some(&make as &(dyn Fn() -> Examine + Sync));
    let how = CheckOptions { deep, threads: threads(), progress };
    let report = with_files(&config, |dir| store::check(&options::store(&config), dir, &how))?;
    Ok(check_json(&report))
}

pub(super) fn stat(
    settings: &Settings,
    top: usize,
    events_max: Option<u64>,
    progress: &Progress<'_>,
) -> Result<Value, OperatorError> {
    let config = load(settings)?;
    let how = CensusOptions { events_max, progress };
    let census = with_files(&config, |dir| store::census(&options::store(&config), dir, &how))?;
    Ok(census_json(&census, top))
}

pub(super) fn repair(
    settings: &Settings,
    yes: bool,
    progress: &Progress<'_>,
) -> Result<Value, OperatorError> {
    let config = load(settings)?;
    if ask(&config, async |control| control.info().await)?.is_some() {
        return Err(OperatorError("a relay is running on this store: stop it first".to_owned()));
    }
    let how = CheckOptions { deep: None, threads: threads(), progress };
    let report = store::repair(&options::store(&config), &how, !yes).map_err(error)?;
    Ok(repair_json(&report, yes))
}

pub(super) fn backup(
    settings: &Settings,
    to: &Path,
    replace: bool,
    progress: &Progress<'_>,
) -> Result<Value, OperatorError> {
    let config = load(settings)?;
    if !config.relay.data_dir.is_dir() {
        return Err(OperatorError(format!(
            "{}: there is no such directory",
            config.relay.data_dir.display()
        )));
    }
    let scratch = Scratch::new(&config.relay.data_dir)?;
    let mut beside = Vec::new();
    for step in BEFORE_THE_LOG {
        beside.extend(step(&config, &scratch.path)?);
    }
    let options = options::store(&config);
    let target = BackupTarget { dir: to, replace };
    let report = with_files(&config, |dir| store::backup(&options, dir, &beside, &target, progress))?;
    Ok(backup_json(&report))
}

pub(super) fn restore(
    settings: &Settings,
    from: &Path,
    to: &Path,
    progress: &Progress<'_>,
) -> Result<Value, OperatorError> {
    let mut options = options::store(&load(settings)?);
    options.dir = to.to_owned();
    Ok(backup_json(&store::restore(from, &options, progress).map_err(error)?))
}

/// Does something with the database's files while nobody writes them.
pub(super) fn with_files<T>(
    config: &Config,
    work: impl FnOnce(&Path) -> Result<T, StoreError>,
) -> Result<T, OperatorError> {
    let Some(checkpoint) = ask(config, async |control| control.make_checkpoint().await)? else {
        if !has_log(config) {
            return Err(no_log(config));
        }
        let _lock = store::lock(&options::store(config)).map_err(error)?;
        return work(&config.relay.data_dir.join("log")).map_err(error);
    };
    let held = store::hold(&checkpoint).map_err(error)?;
    let done = work(&checkpoint);
    drop(held);
    let name = checkpoint.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A relay that has ended meanwhile removes it at its next start.
    ask(config, async |control| control.remove_checkpoint(&name).await)?;
    done.map_err(error)
}

/// A directory for the time of a backup, which only its owner reads. There is one: backups of a
/// relay that run at once would copy over each other.
struct Scratch {
    path: PathBuf,
    /// Locked until it is dropped, or its process killed.
    _lock: File,
}

impl Scratch {
    /// In the data directory, where there is room for what is copied from there.
    fn new(data_dir: &Path) -> Result<Scratch, OperatorError> {
        let path = data_dir.join("backup.lock");
        let mut options = File::options();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(|source| OperatorError(format!("{}: {source}", path.display())))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = "a backup of this relay is under way already: try again when it has ended";
                return Err(OperatorError(why.to_owned()));
            }
            Err(TryLockError::Error(source)) => {
                return Err(OperatorError(format!("{}: {source}", path.display())));
            }
        }
        let path = data_dir.join("backup.scratch");
        // Of a backup that was killed.
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(error)?;
        }
        relay::make_data_dir(&path).map_err(error)?;
        Ok(Scratch { path, _lock: lock })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a backup's scratch directory stays");
        }
    }
}

/// Gather's database, as it is now.
fn gather(config: &Config, scratch: &Path) -> Result<Vec<Beside>, OperatorError> {
    let copy = gather::db::snapshot(&config.relay.data_dir, scratch).map_err(error)?;
    let beside = |path| Beside { name: gather::db::DATABASE.to_owned(), path, immutable: false };
    Ok(copy.into_iter().map(beside).collect())
}

/// Uploaded pictures. After the database, so that each one that it names is there.
fn designs(config: &Config, _: &Path) -> Result<Vec<Beside>, OperatorError> {
    let entries = match std::fs::read_dir(config.relay.data_dir.join(gather::shop::designs::FOLDER)) {
        Ok(entries) => entries,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(other) => return Err(error(other)),
    };
    let beside = |path: PathBuf| {
        let name = format!("{}/{}", gather::shop::designs::FOLDER, plain_name(&path));
        Beside { name, path, immutable: true }
    };
    Ok(entries.flatten().map(|entry| beside(entry.path())).collect())
}

fn plain_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The keys in the data directory: the operator's (`.pem`) and Gather's (`.key`).
fn keys(config: &Config, _: &Path) -> Result<Vec<Beside>, OperatorError> {
    let entries = std::fs::read_dir(&config.relay.data_dir).map_err(error)?;
    let is_key =
        |path: &PathBuf| path.is_file() && path.extension().is_some_and(|e| e == "pem" || e == "key");
    let beside = |path: PathBuf| Beside { name: plain_name(&path), path, immutable: false };
    Ok(entries.flatten().map(|entry| entry.path()).filter(is_key).map(beside).collect())
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Ids and signatures, a batch at a time.
fn examiner() -> Examine {
    let mut verifier = Verifier::new(limits::KEY_CACHE_MAX);
    let mut arena = Bump::new();
    let mut verdicts = Vec::new();
    Box::new(move |events| {
        let found = examine(&mut verifier, &arena, &mut verdicts, events);
        arena.reset();
        found
    })
}

fn examine(
    verifier: &mut Verifier,
    arena: &Bump,
    verdicts: &mut Vec<bool>,
    events: &[(Seq, &[u8])],
) -> Vec<(Seq, String)> {
    // What does not parse was found before.
    let parsed: Vec<(Seq, EventView<'_>)> =
        events.iter().filter_map(|(seq, wire)| Some((*seq, EventView::parse(wire, arena).ok()?))).collect();
    let claims: Vec<Claim<'_>> =
        parsed.iter().map(|(_, e)| Claim { pubkey: &e.pubkey, id: &e.id.0, sig: &e.sig }).collect();
    verifier.verify_batch(&claims, verdicts);
    let mut found = Vec::new();
    for ((seq, event), held) in parsed.iter().zip(&*verdicts) {
        if canonical_id(&event.canonical(), arena) != Ok(event.id) {
            found.push((*seq, format!("its id {} is not the hash of its content", event.id)));
        } else if !held {
            found.push((*seq, format!("the signature of {} does not verify", event.id)));
        }
    }
    found
}

fn check_json(report: &CheckReport) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|f| json!({ "about": f.about, "seq": f.seq.map(|seq| seq.0), "what": f.what }))
        .collect();
    json!({
        "sound": report.findings_total == 0,
        "log_id": report.log_id.map(|id| id.to_hex()),
        "head": report.head.0,
        "indexed": report.indexed.0,
        "events": report.events,
        "bytes": report.bytes,
        "rows": report.rows,
        "findings_total": report.findings_total,
        "findings": findings,
    })
}

fn census_json(census: &Census, top: usize) -> Value {
    let amount = |amount: Amount| json!({ "events": amount.events, "bytes": amount.bytes });
    let rest = |rows: &[Amount], others: Amount| {
        let rest = rows.iter().skip(top).fold(others, |sum, row| Amount {
            events: sum.events + row.events,
            bytes: sum.bytes + row.bytes,
        });
        amount(rest)
    };
    fn amounts<K>(tally: &Tally<K>) -> Vec<Amount> {
        tally.rows.iter().map(|(_, amount)| *amount).collect()
    }
    let row = |name: &str, key: Value, amount: Amount| json!({ name: key, "events": amount.events, "bytes": amount.bytes });
    let kinds = census.kinds.rows.iter().take(top).map(|(kind, n)| row("kind", json!(kind), *n));
    let authors = census.authors.rows.iter().take(top).map(|(key, n)| row("author", json!(key.to_hex()), *n));
    let mut days: Vec<_> = census.days.rows.iter().take(top).collect();
    // The largest, newest first.
    days.sort_unstable_by_key(|(day, _)| std::cmp::Reverse(*day));
    let days = days.into_iter().map(|(day, n)| row("day", json!(day_text(*day)), *n));
    json!({
        "log_id": census.log_id.to_hex(),
        "head": census.head.0,
        "exact": census.is_exact,
        "events_read": census.read,
        "events": census.total.events,
        "bytes": census.total.bytes,
        "kinds": kinds.collect::<Vec<_>>(),
        "authors": authors.collect::<Vec<_>>(),
        "days": days.collect::<Vec<_>>(),
        "others": {
            "kinds": rest(&amounts(&census.kinds), census.kinds.others),
            "authors": rest(&amounts(&census.authors), census.authors.others),
            "days": rest(&amounts(&census.days), census.days.others),
        },
        "families": facts::families_json(&census.families),
    })
}

fn repair_json(report: &RepairReport, yes: bool) -> Value {
    json!({
        "repaired": report.log_id.is_some(),
        "dry_run": !yes,
        "head_before": report.head_before.0,
        "head": report.head.0,
        "log_id": report.log_id.map(|id: LogId| id.to_hex()),
        "kept": report.kept,
        "losses": report.losses,
    })
}

fn backup_json(report: &BackupReport) -> Value {
    json!({
        "log_id": report.log_id.to_hex(),
        "position": report.head.0,
        "files": report.files,
        "bytes": report.bytes,
        "copied_files": report.copied_files,
        "copied_bytes": report.copied_bytes,
    })
}

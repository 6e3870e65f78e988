//! Backups: a checkpoint copied to another place, and back.
//!
//! A backup is a directory with `backup.json` and `files/`. What is written once and never
//! changes is copied once: the next backup into the same directory copies only what is new. The
//! new list replaces the old one when all its files are there and synced; files that only the
//! old one names are removed after that. So there is a whole backup in it at any moment.

use super::database::Database;
use super::meta::Meta;
use super::unfinished::{begin_restore, end_restore, refuse_restore, sync_dir};
use super::{StoreError, StoreOptions, recover};
use crate::base::{LogId, Seq};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

const LIST: &str = "backup.json";
const FILES: &str = "files";
const FORMAT: u32 = 1;

/// Bytes copied at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Bytes of a list that is read: some 200 per file.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// A file for the backup beside the log.
#[derive(Debug, Clone)]
pub struct Beside {
    /// In the data directory; at most one folder deep.
    pub name: String,
    /// Where it is now.
    pub path: PathBuf,
    /// It is written once: what an earlier backup has of it is still good.
    pub immutable: bool,
}

/// Where a backup goes.
#[derive(Debug, Clone, Copy)]
pub struct BackupTarget<'a> {
    pub dir: &'a Path,
    /// Also in the place of another log's backup. After a repair or a restore the log is another
    /// one, and what was saved before may hold more than it does.
    pub replace: bool,
}

/// What a backup holds, or a restore has brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// The history the positions belong to.
    pub log_id: LogId,
    /// The last position in it.
    pub head: Seq,
    /// All files and their bytes.
    pub files: u64,
    pub bytes: u64,
    /// Those that had to be copied.
    pub copied_files: u64,
    pub copied_bytes: u64,
}

/// `backup.json`.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    format: u32,
    log_id: String,
    head: u64,
    /// By their path in the data directory.
    files: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    sha256: String,
}

impl Entry {
    /// Its name below `files/`; files of the same name and other content lie side by side.
    fn stored(&self, name: &str) -> String {
        format!("{}-{}", self.sha256.get(..16).unwrap_or_default(), name.replace('/', "-"))
    }
}

/// Copies a checkpoint, and before it what lies beside the log.
///
/// # Errors
/// Another log's backup is there; a file cannot be read or written. The backup that was there
/// before stays whole.
pub fn backup(
    options: &StoreOptions,
    checkpoint: &Path,
    beside: &[Beside],
    &BackupTarget { dir: to, replace }: &BackupTarget<'_>,
    progress: &dyn Fn(u64, u64),
) -> Result<BackupReport, StoreError> {
    let (log_id, head) = describe(options, checkpoint)?;
    let there = read_list(to).ok();
    // Of another history nothing is known to be the same, whatever its name.
    let before = there.as_ref().filter(|list| list.log_id == log_id.to_hex());
    if let (Some(other), None, false) = (&there, before, replace) {
        let what = format!(
            "holds the backup of another log ({}, up to position {}), and this one is {log_id}, up to {head}: a \
             repair, a restore, or another relay; name another directory, or give that one up with --replace",
            other.log_id, other.head
        );
        return Err(StoreError::Backup { dir: to.to_owned(), what });
    }
    let store = to.join(FILES);
    fs::create_dir_all(&store).map_err(|source| file_error(&store, source))?;
    let mut sources = beside.to_vec();
    for path in list_files(checkpoint)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // RocksDB's lock and diary.
        if name != "LOCK" && !name.starts_with("LOG") {
            let immutable = name.ends_with(".sst");
            sources.push(Beside { name: format!("log/{name}"), path, immutable });
        }
    }
    let total = sources.iter().filter_map(|file| Some(file.path.metadata().ok()?.len())).sum();
    let mut report = BackupReport { log_id, head, files: 0, bytes: 0, copied_files: 0, copied_bytes: 0 };
    let mut files = BTreeMap::new();
    for file in sources {
        let entry = match before.and_then(|list| unchanged(list, &store, &file)) {
            Some(entry) => entry,
            None => {
                let entry = copy_in(&file.path, &file.name, &store)?;
                report.copied_files += 1;
                report.copied_bytes += entry.bytes;
                entry
            }
        };
        report.files += 1;
        report.bytes += entry.bytes;
        progress(report.bytes, total);
        files.insert(file.name, entry);
    }
    write_list(to, &List { format: FORMAT, log_id: log_id.to_hex(), head: head.0, files })?;
    remove_unnamed(to)?;
    Ok(report)
}

/// Brings a backup back into the data directory of `options`, which must be empty or missing.
/// The log gets a new id: what was answered after the backup is gone.
///
/// # Errors
/// The target holds something; the backup is not whole; a file cannot be read or written.
pub fn restore(
    from: &Path,
    options: &StoreOptions,
    progress: &dyn Fn(u64, u64),
) -> Result<BackupReport, StoreError> {
    let dir = &options.dir;
    let list = read_list(from)?;
    refuse_restore(dir)?;
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let what = "is not empty: name a new directory".to_owned();
        return Err(StoreError::Backup { dir: dir.clone(), what });
    }
    make_private(dir)?;
    begin_restore(dir)?;
    make_private(&dir.join("log"))?;
    let total = list.files.values().map(|entry| entry.bytes).sum();
    let mut done = 0;
    for (name, entry) in &list.files {
        copy_out(from, name, entry, dir)?;
        done += entry.bytes;
        progress(done, total);
    }
    let mut db = Database::open_existing(options)?;
    let meta = Meta::peek(&db)?;
    let head = db.head()?;
    recover::index_rest(&mut db, super::families::Prefixes::new(meta.hash_key), head, options)?;
    db.flush(&super::families::Family::ALL, true)?;
    let log_id = Meta::rename(&db)?;
    let folders: BTreeSet<&str> =
        list.files.keys().map(|name| name.split_once('/').unwrap_or(("", name)).0).collect();
    for folder in folders {
        let folder = dir.join(folder);
        sync_dir(&folder).map_err(|source| file_error(&folder, source))?;
    }
    end_restore(dir)?;
    let files = list.files.len() as u64;
    Ok(BackupReport { log_id, head, files, bytes: total, copied_files: files, copied_bytes: total })
}

fn describe(options: &StoreOptions, checkpoint: &Path) -> Result<(LogId, Seq), StoreError> {
    let db = Database::open_read_only(options, checkpoint)?;
    Ok((Meta::peek(&db)?.log_id, db.head()?))
}

/// The entry of the last backup, if the file is one that never changes and is there.
fn unchanged(before: &List, store: &Path, file: &Beside) -> Option<Entry> {
    let Beside { name, path, immutable } = file;
    let entry = before.files.get(name).filter(|_| *immutable)?;
    let same = |path: &Path| path.metadata().is_ok_and(|found| found.len() == entry.bytes);
    (same(path) && same(&store.join(entry.stored(name)))).then(|| entry.clone())
}

fn copy_in(path: &Path, name: &str, store: &Path) -> Result<Entry, StoreError> {
    let unfinished = store.join("unfinished");
    let entry = copy(path, &unfinished)?;
    let stored = store.join(entry.stored(name));
    fs::rename(&unfinished, &stored).map_err(|source| file_error(&stored, source))?;
    Ok(entry)
}

fn copy_out(from: &Path, name: &str, entry: &Entry, dir: &Path) -> Result<(), StoreError> {
    let stored = from.join(FILES).join(entry.stored(name));
    let (folder, plain) = name.split_once('/').unwrap_or(("", name));
    // The list may come from anywhere: nothing is written beside the target.
    if folder.starts_with('.') || plain.contains('/') || plain.starts_with('.') || plain.is_empty() {
        let what = format!("{LIST} names {name:?}");
        return Err(StoreError::Backup { dir: from.to_owned(), what });
    }
    make_private(&dir.join(folder))?;
    let found = copy(&stored, &dir.join(name))?;
    if found == *entry {
        return Ok(());
    }
    let what = format!("{} is damaged: its bytes are not those that were saved", stored.display());
    Err(StoreError::Backup { dir: from.to_owned(), what })
}

/// Copies a file so that only its owner reads the copy, syncs it, and says what it holds.
fn copy(from: &Path, to: &Path) -> Result<Entry, StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut source = File::open(from).map_err(|source| file_error(from, source))?;
    let mut options = File::options();
    let target = options.write(true).create(true).truncate(true).mode(0o600).open(to);
    let mut target = target.map_err(|source| file_error(to, source))?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = source.read(&mut chunk).map_err(|source| file_error(from, source))?;
        if n == 0 {
            break;
        }
        hash.update(&chunk[..n]);
        bytes += n as u64;
        target.write_all(&chunk[..n]).map_err(|source| file_error(to, source))?;
    }
    target.sync_all().map_err(|source| file_error(to, source))?;
    Ok(Entry { bytes, sha256: hex::encode(hash.finalize()) })
}

fn read_list(dir: &Path) -> Result<List, StoreError> {
    let path = dir.join(LIST);
    let mut text = String::new();
    let refused = |what: String| StoreError::Backup { dir: dir.to_owned(), what: format!("{LIST}: {what}") };
    let file = File::open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => refused("not there; `axon backup DIR` makes a backup".to_owned()),
        _ => file_error(&path, source),
    })?;
    file.take(LIST_BYTES_MAX).read_to_string(&mut text).map_err(|source| file_error(&path, source))?;
    let list: List = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    if list.format == FORMAT { Ok(list) } else { Err(refused(format!("format {} is unknown", list.format))) }
}

fn write_list(dir: &Path, list: &List) -> Result<(), StoreError> {
    let (beside, path) = (dir.join("backup.json.new"), dir.join(LIST));
    let write = || -> io::Result<()> {
        // The new files' names are on disk before the list that names them.
        sync_dir(&dir.join(FILES))?;
        let mut file = File::create(&beside)?;
        serde_json::to_writer_pretty(&mut file, list)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        sync_dir(dir)
    };
    write().map_err(|source| file_error(&path, source))
}

/// Removes what the list does not name.
fn remove_unnamed(dir: &Path) -> Result<(), StoreError> {
    let list = read_list(dir)?;
    let named: BTreeSet<String> = list.files.iter().map(|(name, entry)| entry.stored(name)).collect();
    for path in list_files(&dir.join(FILES))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !named.contains(&name) {
            fs::remove_file(&path).map_err(|source| file_error(&path, source))?;
        }
    }
    Ok(())
}

fn list_files(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|source| file_error(dir, source))?;
    let mut paths: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path()).filter(|p| p.is_file()).collect();
    paths.sort();
    Ok(paths)
}

fn make_private(dir: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| file_error(dir, source))
}

fn file_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::File { path: path.to_owned(), source }
}

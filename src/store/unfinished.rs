//! Data directories that hold no whole log, because something was killed: RocksDB would make a new,
//! empty one in its place. They are refused instead, with what to do.

use super::StoreError;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// In a data directory while a backup is brought back into it: until then it is not the relay
/// that was saved, but looks like one.
const RESTORING: &str = "restore.unfinished";

/// Says that a restore into this directory has begun.
pub(super) fn begin_restore(data_dir: &Path) -> Result<(), StoreError> {
    let path = data_dir.join(RESTORING);
    let made = File::create(&path).and_then(|file| file.sync_all()).and_then(|()| sync_dir(data_dir));
    made.map_err(|source| StoreError::File { path, source })
}

/// Says that it has come to its end.
pub(super) fn end_restore(data_dir: &Path) -> Result<(), StoreError> {
    let path = data_dir.join(RESTORING);
    let removed = sync_dir(data_dir).and_then(|()| fs::remove_file(&path)).and_then(|()| sync_dir(data_dir));
    removed.map_err(|source| StoreError::File { path, source })
}

/// A restore that has not come to its end.
pub(super) fn refuse_restore(data_dir: &Path) -> Result<(), StoreError> {
    if !data_dir.join(RESTORING).exists() {
        return Ok(());
    }
    let what = "a restore into it was broken off: remove the directory, and restore again".to_owned();
    Err(StoreError::Backup { dir: data_dir.to_owned(), what })
}

/// A repair that was killed where two directories cannot change names at once: there is no log
/// but the one that it has put aside.
pub(super) fn refuse_repair(data_dir: &Path) -> Result<(), StoreError> {
    if data_dir.join("log").exists() {
        return Ok(());
    }
    let entries = fs::read_dir(data_dir).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let Some(kept) = names.find(|name| name.starts_with("log.damaged-")) else { return Ok(()) };
    let what = format!(
        "it has no log, but {kept} of a repair that was broken off: rename that to log, and repair again"
    );
    Err(StoreError::Backup { dir: data_dir.to_owned(), what })
}

/// Without `CURRENT` RocksDB would make a new, empty database over the files of the old one.
pub(super) fn refuse_headless(dir: &Path) -> Result<(), StoreError> {
    let current = dir.join("CURRENT");
    let is_data = |path: PathBuf| path.extension().is_some_and(|e| e == "sst" || e == "log");
    let entries =
        fs::read_dir(dir).map_err(|source| StoreError::Directory { dir: dir.to_owned(), source })?;
    if !current.exists() && entries.flatten().any(|entry| is_data(entry.path())) {
        return Err(StoreError::DamagedFile { file: current, what: "it is missing".to_owned() });
    }
    Ok(())
}

/// The names in it are on disk.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

//! Checkpoints: the state of an open store as files that never change, for backups and checks.
//!
//! They are hard links beside the database and cost neither time nor room worth speaking of,
//! but keep the files of that moment on disk until they are removed. Those that a killed
//! process has left are removed when the store opens.

use super::database::Database;
use super::{StoreError, StoreOptions};
use std::fs;
use std::path::{Path, PathBuf};

/// At once. A backup and a check need one each.
const CHECKPOINTS_MAX: usize = 4;

const PREFIX: &str = "log.checkpoint-";

/// Makes one and says where it is.
pub(super) fn make(db: &Database, options: &StoreOptions) -> Result<PathBuf, StoreError> {
    let taken = list(&options.dir)?;
    let name = |number: usize| options.dir.join(format!("{PREFIX}{number}"));
    let Some(path) = (0..CHECKPOINTS_MAX).map(name).find(|path| !taken.contains(path)) else {
        return Err(StoreError::Checkpoints { max: CHECKPOINTS_MAX });
    };
    db.checkpoint(&path)?;
    Ok(path)
}

/// Removes the checkpoint of that name; nothing else in the directory can be named.
pub(super) fn remove(options: &StoreOptions, name: &str) -> Result<(), StoreError> {
    match list(&options.dir)?.into_iter().find(|path| path.file_name().is_some_and(|found| found == name)) {
        Some(path) => fs::remove_dir_all(&path).map_err(|source| StoreError::File { path, source }),
        None => Ok(()),
    }
}

/// Removes all of them.
pub(super) fn remove_all(options: &StoreOptions) -> Result<(), StoreError> {
    let remove =
        |path: PathBuf| fs::remove_dir_all(&path).map_err(|source| StoreError::File { path, source });
    list(&options.dir)?.into_iter().try_for_each(remove)
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(dir).map_err(|source| StoreError::File { path: dir.to_owned(), source })?;
    let is_one = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX))
    };
    Ok(entries.flatten().map(|entry| entry.path()).filter(is_one).collect())
}

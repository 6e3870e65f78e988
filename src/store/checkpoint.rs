//! Checkpoints: the state of an open store as files that never change, for backups and checks.
//!
//! They are hard links beside the database and cost neither time nor room worth speaking of,
//! but keep the files of that moment on disk until they are removed. Whoever works on one holds
//! it by a lock, which the system lets go of with his process: what nobody holds is removed by
//! the store, and what a killed store has left, when it opens.

use super::database::Database;
use super::{StoreError, StoreOptions};
use crate::base::Millis;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// At once. A backup and a check need one each.
const CHECKPOINTS_MAX: usize = 4;

/// From making one until whoever asked for it holds it, at most.
const HAND_OVER_MS_MAX: u64 = 30_000;

const PREFIX: &str = "log.checkpoint-";

/// In every checkpoint; its lock says that somebody works on it.
const HELD: &str = "CURRENT";

/// Those of an open store: when each was made, by its number.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    made: Mutex<[Option<Millis>; CHECKPOINTS_MAX]>,
}

impl Checkpoints {
    /// Makes one and says where it is.
    pub(super) fn make(
        &self,
        db: &Database,
        options: &StoreOptions,
        now: Millis,
    ) -> Result<PathBuf, StoreError> {
        self.remove_abandoned(options, now)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(number) = (0..CHECKPOINTS_MAX).find(|number| !path(options, *number).exists()) else {
            return Err(StoreError::Checkpoints { max: CHECKPOINTS_MAX });
        };
        db.checkpoint(&path(options, number))?;
        made[number] = Some(now);
        Ok(path(options, number))
    }

    /// Removes those that were handed over and that nobody holds any more.
    pub(super) fn remove_abandoned(&self, options: &StoreOptions, now: Millis) -> Result<(), StoreError> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, made) in made.iter().enumerate() {
            let path = path(options, number);
            let is_handed_over = made.is_none_or(|made| now.since(made) >= HAND_OVER_MS_MAX);
            if !is_handed_over || !path.exists() {
                continue;
            }
            // Without the file it was removed half-way.
            let held = File::open(path.join(HELD));
            if held.as_ref().is_ok_and(|file| file.try_lock().is_err()) {
                continue;
            }
            tracing::warn!(path = %path.display(), "whoever worked on this checkpoint is gone: it is removed");
            fs::remove_dir_all(&path).map_err(|source| StoreError::File { path, source })?;
        }
        Ok(())
    }
}

/// Keeps a checkpoint from being removed by the store, until the file is dropped.
///
/// # Errors
/// It is gone.
pub fn hold(checkpoint: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::File { path: checkpoint.to_owned(), source };
    let file = File::open(checkpoint.join(HELD)).map_err(failed)?;
    file.try_lock_shared().map_err(|error| failed(error.into()))?;
    Ok(file)
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

fn path(options: &StoreOptions, number: usize) -> PathBuf {
    options.dir.join(format!("{PREFIX}{number}"))
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(dir).map_err(|source| StoreError::File { path: dir.to_owned(), source })?;
    let is_one = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX))
    };
    Ok(entries.flatten().map(|entry| entry.path()).filter(is_one).collect())
}

//! What can be wrong with the store as a whole, each with what to do about it.

use std::path::PathBuf;
use thiserror::Error;

/// Why the store cannot be opened or closed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process (or this one) has it open.
    #[error(
        "{dir} is in use by another process: stop the relay that runs on it, or give this one another data_dir"
    )]
    InUse { dir: PathBuf },
    /// The directory cannot be made or read.
    #[error("{dir}: {source}: check that the directory exists and belongs to this user")]
    Directory { dir: PathBuf, source: std::io::Error },
    /// Made by a version with another layout.
    #[error("{dir} has format {found}, this version reads format {expected}: use the version that made it")]
    Format { dir: PathBuf, found: u16, expected: u16 },
    /// A row does not read as what it must be.
    #[error("the log is damaged: {what}: restore the data directory from a backup")]
    Damaged { what: String },
    /// RocksDB's own message.
    #[error(
        "{dir}: {message}: if the disk is healthy and not full, restore the data directory from a backup"
    )]
    Storage { dir: PathBuf, message: String },
    /// No random numbers for a new log.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}: raise the limit on processes (ulimit -u)")]
    Thread(std::io::Error),
    /// A write failed earlier; what was answered is safe, the rest is unknown.
    #[error("the store had failed: {0}: mend the cause and start again")]
    Failed(String),
}

//! What can be wrong with the store as a whole, each with what to do about it.

use crate::base::EventId;
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
    /// Made by an earlier version, and opened for reading alone.
    #[error("{dir} was made by an earlier version: start the relay on it once, which brings it up to date")]
    Older { dir: PathBuf },
    /// A row does not read as what it must be.
    #[error(
        "the log is damaged: {what}: see what is there with `axon check`, then cut the log at the damage with `axon repair` or restore a backup with `axon restore`"
    )]
    Damaged { what: String },
    /// A file whose bytes are not those that were written.
    #[error(
        "{file} is damaged: {what}: see what is there with `axon check`, then cut the log at the damage with `axon repair` or restore a backup with `axon restore`"
    )]
    DamagedFile { file: PathBuf, what: String },
    /// RocksDB's own message.
    #[error(
        "{dir}: {message}: if the disk is healthy and not full, try `axon check`, `axon repair` and the backup"
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
    /// Closed after a failure and not open again yet.
    #[error("the store has failed and is not open again yet")]
    Closed,
    /// A trial write, before the store is opened again.
    #[error("{dir} cannot be written: {source}")]
    Unwritable { dir: PathBuf, source: std::io::Error },
    /// Checkpoints for backups and checks that are under way.
    #[error("{max} backups or checks are under way already: try again when one has ended")]
    Checkpoints { max: usize },
    /// A file or directory beside the database.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    /// The backup is not one, or is incomplete.
    #[error("{dir}: {what}")]
    Backup { dir: PathBuf, what: String },
    /// What an export is to go on behind.
    #[error(
        "the log does not hold {id}, the last event of the export (it may be deleted): say with --after behind which position to go on"
    )]
    NoSuchEvent { id: EventId },
    /// Less room than the reserve.
    #[error(
        "{dir} has {free} bytes free, which is below the reserve of {reserve} bytes (store.reserve_bytes)"
    )]
    Full { dir: PathBuf, free: u64, reserve: u64 },
}

//! The database: one writer, a few readers, bounded queues, and the views that operations get.
//!
//! * **One writer thread.** Closures queue for it; those that wait are gathered into one commit,
//!   each in a savepoint of its own, so that one that fails harms no other and a disk sync is
//!   shared by all that wait for it.
//! * **Answered means durable.** A write's answer is given after its commit, which is on disk
//!   (WAL, `synchronous = FULL`).
//! * **Readers never wait for the writer** (WAL); each sees the last commit.
//! * **Nothing is unbounded.** A full queue is a fault "unavailable", at once.

mod migrate;
mod origin;
mod readers;
mod transaction;
mod writer;

pub use origin::{Origin, Told};
pub use transaction::{Db, Effect, Effects, Tx};

use super::{Context, Fault};
use readers::Readers;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use writer::Writer;

/// The file's name in the data directory.
pub const DATABASE: &str = "gather.sqlite";

/// Statements each connection keeps prepared: more than there are in all operations.
const STATEMENTS_MAX: usize = 512;

/// Why the database cannot be opened.
#[derive(Debug, Error)]
pub enum DatabaseError {
    #[error("{}: {source}", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: was written by a newer version ({have}, this one knows {known})", path.display())]
    Newer { path: PathBuf, have: i64, known: i64 },
    #[error("a thread of the database: {0}")]
    Thread(std::io::Error),
}

/// The open database.
pub struct Database {
    writer: Writer,
    readers: Readers,
}

impl Database {
    /// Brings the schema of the file in `dir` up to date.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub fn prepare(dir: &Path) -> Result<(PathBuf, Connection), DatabaseError> {
        let path = dir.join(DATABASE);
        make_private(&path).map_err(|source| DatabaseError::File { path: path.clone(), source })?;
        let failed = |source| DatabaseError::Sqlite { path: path.clone(), source };
        let mut connection = open(&path).map_err(failed)?;
        migrate::run(&mut connection, &path)?;
        Ok((path, connection))
    }

    /// Starts the threads on a prepared file.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub fn start(
        (path, connection): (PathBuf, Connection),
        context: &Arc<Context>,
        reader_threads: usize,
    ) -> Result<Database, DatabaseError> {
        let writer = Writer::start(connection, Arc::clone(context)).map_err(DatabaseError::Thread)?;
        let readers = Readers::start(&path, context, reader_threads)?;
        Ok(Database { writer, readers })
    }

    /// Runs `work` in the next commit; `done` gets its result when that is on disk, with the
    /// effects that are then to be carried out. Never blocks; `done` runs on the writer's thread.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
        done: impl FnOnce(Result<T, Fault>, Effects) + Send + 'static,
    ) {
        self.writer.submit(work, done);
    }

    /// Runs `work` on a reader; `done` runs on its thread. Never blocks.
    pub fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
        done: impl FnOnce(Result<T, Fault>) + Send + 'static,
    ) {
        self.readers.submit(work, done);
    }

    /// Finishes what is queued and ends the threads. Blocks.
    pub fn close(&self) {
        self.readers.close();
        self.writer.close();
    }
}

/// Copies the database of the data directory `dir`, as it is at one moment and whoever writes it,
/// to a file in the directory `to`; `None`: there is no database.
///
/// # Errors
/// It cannot be read, or there is such a file.
pub fn snapshot(dir: &Path, to: &Path) -> Result<Option<PathBuf>, DatabaseError> {
    let (from, to) = (dir.join(DATABASE), to.join(DATABASE));
    if !from.exists() {
        return Ok(None);
    }
    make_private(&to).map_err(|source| DatabaseError::File { path: to.clone(), source })?;
    let copy = open(&from).and_then(|db| db.execute("VACUUM INTO ?1", [to.to_string_lossy()]));
    copy.map_err(|source| DatabaseError::Sqlite { path: from, source })?;
    Ok(Some(to))
}

/// Makes the file, if it is not there, so that only its owner reads it: it holds keys. SQLite
/// gives the files beside it the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.map(drop)
}

/// A connection as all of ours are set up.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // A plan is made once and not again for other values: making one costs more than most queries.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(
        // 16 MiB of pages per connection; the rest of a big file is left to the kernel's cache.
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 10000;",
    )?;
    Ok(connection)
}

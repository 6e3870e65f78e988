//! What the store knows about its log as a whole, in the family `meta`:
//!
//! | key | value |
//! |---|---|
//! | `format` | u16, [`FORMAT`] |
//! | `log_id` | 16 random bytes |
//! | `hash_key` | 16 random bytes, the key of the index prefixes |
//! | `admin_latest` | i64, the latest unix seconds of an admin's request that was let in; not there before the first one |
//! | `open` | while the store is open (or was not closed): 1 byte durability (0 fsync, 1 os), then the boot id of the machine as text |
//!
//! A store under `os` durability that was not closed and is opened after the machine was
//! restarted may have lost answered positions: it gets a new `log_id` (protocol §6).

use super::StoreError;
use super::database::Database;
use super::families::Family;
use super::options::Durability;
use crate::base::LogId;

/// The layout of `families`; another number is refused.
pub(super) const FORMAT: u16 = 1;

const ADMIN_LATEST: &[u8] = b"admin_latest";

/// What is read at open.
pub(super) struct Meta {
    pub(super) log_id: LogId,
    pub(super) hash_key: [u8; 16],
}

impl Meta {
    /// Reads the rows, or makes them for a new log, and notes that the store is open.
    pub(super) fn open(db: &Database, durability: Durability, boot_id: &str) -> Result<Meta, StoreError> {
        let meta = match db.get(Family::Meta, b"format")? {
            None => Meta::create(db)?,
            Some(found) if *found == FORMAT.to_be_bytes() => Meta::read(db, boot_id)?,
            Some(found) => {
                let found = found.try_into().map(u16::from_be_bytes).unwrap_or_default();
                return Err(StoreError::Format { dir: db.dir().to_owned(), found, expected: FORMAT });
            }
        };
        let mut open = vec![u8::from(durability == Durability::Os)];
        open.extend_from_slice(boot_id.as_bytes());
        db.put_synced(Family::Meta, b"open", &open)?;
        Ok(meta)
    }

    /// Notes that everything is on disk. The last thing a store does.
    pub(super) fn close(db: &Database) -> Result<(), StoreError> {
        db.delete_synced(Family::Meta, b"open")
    }

    /// Reads the rows and changes nothing.
    pub(super) fn peek(db: &Database) -> Result<Meta, StoreError> {
        match db.get(Family::Meta, b"format")? {
            Some(found) if *found == FORMAT.to_be_bytes() => {
                Ok(Meta { log_id: LogId(bytes16(db, b"log_id")?), hash_key: bytes16(db, b"hash_key")? })
            }
            found => {
                let found =
                    found.and_then(|it| it.try_into().ok()).map(u16::from_be_bytes).unwrap_or_default();
                Err(StoreError::Format { dir: db.dir().to_owned(), found, expected: FORMAT })
            }
        }
    }

    /// Begins another history: answered positions may be gone. The log counts as closed.
    pub(super) fn rename(db: &Database) -> Result<LogId, StoreError> {
        let log_id = LogId(random()?);
        db.put_synced(Family::Meta, b"log_id", &log_id.0)?;
        Meta::close(db)?;
        Ok(log_id)
    }

    /// Copies the rows that stay when the log is written anew.
    pub(super) fn copy(from: &Database, to: &Database) -> Result<Meta, StoreError> {
        let meta = Meta::peek(from)?;
        to.put_synced(Family::Meta, b"hash_key", &meta.hash_key)?;
        to.put_synced(Family::Meta, b"log_id", &meta.log_id.0)?;
        if let Some(latest) = from.get(Family::Meta, ADMIN_LATEST)? {
            to.put_synced(Family::Meta, ADMIN_LATEST, &latest)?;
        }
        to.put_synced(Family::Meta, b"format", &FORMAT.to_be_bytes())?;
        Ok(meta)
    }

    fn create(db: &Database) -> Result<Meta, StoreError> {
        let meta = Meta { log_id: LogId(random()?), hash_key: random()? };
        db.put_synced(Family::Meta, b"log_id", &meta.log_id.0)?;
        db.put_synced(Family::Meta, b"hash_key", &meta.hash_key)?;
        // Last: a crash before this line leaves a log that is made anew.
        db.put_synced(Family::Meta, b"format", &FORMAT.to_be_bytes())?;
        Ok(meta)
    }

    fn read(db: &Database, boot_id: &str) -> Result<Meta, StoreError> {
        let mut meta = Meta { log_id: LogId(bytes16(db, b"log_id")?), hash_key: bytes16(db, b"hash_key")? };
        let lost_power = db
            .get(Family::Meta, b"open")?
            .is_some_and(|open| matches!(open.split_first(), Some((1, boot)) if boot != boot_id.as_bytes()));
        if lost_power {
            meta.log_id = LogId(random()?);
            tracing::warn!(log_id = %meta.log_id, "not closed before the machine went down and durability is os: \
                positions may be gone, so the log has a new id");
            db.put_synced(Family::Meta, b"log_id", &meta.log_id.0)?;
        }
        Ok(meta)
    }
}

/// The latest unix seconds of an admin's request that was let in; `None`: there was none.
pub(super) fn admin_latest(db: &Database) -> Result<Option<i64>, StoreError> {
    let Some(value) = db.get(Family::Meta, ADMIN_LATEST)? else { return Ok(None) };
    value.try_into().map(|bytes| Some(i64::from_be_bytes(bytes))).map_err(|_| damaged(ADMIN_LATEST))
}

/// Writes it and syncs it, whatever the log's durability.
pub(super) fn put_admin_latest(db: &Database, unix_seconds: i64) -> Result<(), StoreError> {
    db.put_synced(Family::Meta, ADMIN_LATEST, &unix_seconds.to_be_bytes())
}

/// Changes whenever the machine starts; empty where the kernel does not tell.
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

fn bytes16(db: &Database, key: &[u8]) -> Result<[u8; 16], StoreError> {
    db.get(Family::Meta, key)?.and_then(|value| value.try_into().ok()).ok_or_else(|| damaged(key))
}

fn damaged(key: &[u8]) -> StoreError {
    let key = String::from_utf8_lossy(key);
    StoreError::Damaged { what: format!("meta row {key} is missing or has a wrong length") }
}

fn random() -> Result<[u8; 16], StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Random(e.to_string()))?;
    Ok(bytes)
}

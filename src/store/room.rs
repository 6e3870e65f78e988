//! Whether the disk has room. Publishes stop before it is really full, so that flushes, merges
//! and the recovery after a crash never want for room.

use super::StoreError;
use super::shared::Shared;
use crate::base::Millis;
use std::path::Path;

/// The disk is looked at again after so long: others fill and empty it, too.
const LOOK_EVERY_MS: u64 = 250;

/// The disk is looked at again after so many submitted bytes, a part of any sensible reserve.
const LOOK_EVERY_BYTES: usize = 8 << 20;

/// What the committer knows of the disk.
pub(super) struct Room {
    is_enough: bool,
    looked_at: Option<Millis>,
    bytes_since: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Room { is_enough: true, looked_at: None, bytes_since: 0 }
    }

    /// Whether so many bytes more may be written.
    pub(super) fn has(&mut self, shared: &Shared, bytes: usize) -> bool {
        self.bytes_since += bytes;
        let now = shared.clock.now();
        let recent = self.looked_at.is_some_and(|at| now.since(at) < LOOK_EVERY_MS);
        if recent && self.bytes_since < LOOK_EVERY_BYTES {
            return self.is_enough;
        }
        (self.looked_at, self.bytes_since) = (Some(now), 0);
        let found = check(&shared.options.dir, shared.options.reserve_bytes + bytes as u64);
        if found.is_ok() != self.is_enough {
            self.is_enough = found.is_ok();
            shared.set_full(found.err().map(|error| error.to_string()));
        }
        self.is_enough
    }
}

/// Whether the disk of `dir` has so many bytes free. A file system that does not tell has.
pub(super) fn check(dir: &Path, reserve: u64) -> Result<(), StoreError> {
    let Ok(disk) = rustix::fs::statvfs(dir) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= reserve { Ok(()) } else { Err(StoreError::Full { dir: dir.to_owned(), free, reserve }) }
}

//! The faults that come from outside the relay: a preloaded library for failing writes, failing
//! syncs and a wrong clock, and its files changed while it is down.

use rand::RngExt;
use rand::rngs::StdRng;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCE: &str = include_str!("faults.c");

/// Blocks of RocksDB's write-ahead log; a record lies within one, and the last bytes of a block
/// may be empty.
const WAL_BLOCK_BYTES: u64 = 32 << 10;
const WAL_HEADER_BYTES: u64 = 7;

pub(super) const EIO: u8 = 5;
pub(super) const ENOSPC: u8 = 28;

/// The library and its control file.
#[derive(Debug)]
pub(super) struct Preload {
    pub(super) library: PathBuf,
    pub(super) control: PathBuf,
}

impl Preload {
    /// Builds the library with the system's C compiler; `None` if there is none.
    pub(super) fn build(dir: &Path) -> io::Result<Option<Preload>> {
        let (source, library, control) = (dir.join("faults.c"), dir.join("faults.so"), dir.join("faults"));
        fs::write(&source, SOURCE)?;
        fs::write(&control, [0; 16])?;
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .stderr(Stdio::null())
            .status();
        Ok(built.is_ok_and(|status| status.success()).then_some(Preload { library, control }))
    }

    /// The errno of writes and of syncs (0: none), and whether a failing write writes half.
    pub(super) fn fail(&self, write: u8, sync: u8, half: bool) -> io::Result<()> {
        File::options().write(true).open(&self.control)?.write_all_at(&[write, sync, u8::from(half)], 0)
    }

    /// Seconds the wall clock is wrong by.
    pub(super) fn shift_clock(&self, seconds: i64) -> io::Result<()> {
        File::options().write(true).open(&self.control)?.write_all_at(&seconds.to_be_bytes(), 8)
    }
}

/// The newest file of the write-ahead log that holds something.
fn newest_wal(data_dir: &Path) -> io::Result<Option<(PathBuf, u64)>> {
    let mut found = None;
    for entry in fs::read_dir(data_dir.join("log"))? {
        let path = entry?.path();
        let len = path.metadata()?.len();
        if path.extension().is_some_and(|e| e == "log") && len > WAL_HEADER_BYTES {
            found = found.max(Some((path, len)));
        }
    }
    Ok(found)
}

/// Adds the beginning of a record whose rest was never written. `false`: there was no place.
pub(super) fn tear(data_dir: &Path, rng: &mut StdRng) -> io::Result<bool> {
    let Some((path, len)) = newest_wal(data_dir)? else { return Ok(false) };
    let room = WAL_BLOCK_BYTES - len % WAL_BLOCK_BYTES;
    if room < WAL_HEADER_BYTES + 2 {
        return Ok(false);
    }
    let payload = rng.random_range(2..=room - WAL_HEADER_BYTES);
    let written = rng.random_range(1..payload);
    let mut bytes: Vec<u8> = (0..WAL_HEADER_BYTES + written).map(|_| rng.random()).collect();
    // RocksDB's integers are little-endian; type 1 is a whole record.
    (bytes[4], bytes[5], bytes[6]) = (payload as u8, (payload >> 8) as u8, 1);
    File::options().write(true).open(&path)?.write_all_at(&bytes, len)?;
    Ok(true)
}

/// A flipped bit, and the way back.
#[derive(Debug)]
pub(super) struct Flip {
    pub(super) path: PathBuf,
    at: u64,
    byte: u8,
}

/// Where a bit is flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Region {
    /// Before the last block.
    Whole,
    /// In the last block: the kill itself may have torn the last record, and what a bit is in there
    /// nobody can tell.
    End,
}

/// Flips one bit of the newest write-ahead log. `None`: there was no place.
pub(super) fn flip(data_dir: &Path, region: Region, rng: &mut StdRng) -> io::Result<Option<Flip>> {
    let Some((path, len)) = newest_wal(data_dir)? else { return Ok(None) };
    let end = len.saturating_sub(WAL_BLOCK_BYTES);
    let region = match region {
        Region::Whole => 0..end,
        Region::End => end..len,
    };
    if region.is_empty() {
        return Ok(None);
    }
    let at = rng.random_range(region);
    if WAL_BLOCK_BYTES - at % WAL_BLOCK_BYTES < WAL_HEADER_BYTES {
        return Ok(None);
    }
    let file = File::options().read(true).write(true).open(&path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 1 << rng.random_range(0..8)], at)?;
    Ok(Some(Flip { path, at, byte: byte[0] }))
}

impl Flip {
    pub(super) fn undo(&self) -> io::Result<()> {
        File::options().write(true).open(&self.path)?.write_all_at(&[self.byte], self.at)
    }
}

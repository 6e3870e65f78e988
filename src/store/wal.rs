//! The files of the write-ahead log, read as bytes before RocksDB replays them.
//!
//! RocksDB takes whatever record reaches beyond the end of the last block for a torn write and
//! leaves it out silently, with everything behind it; a flipped bit in a record's length looks
//! just like that. Here the two are told apart, every checksum is checked, and the file is named.
//!
//! A file is a row of blocks of 32 KiB; a record lies within one block. A batch that does not
//! fit is divided. The integers are RocksDB's, little-endian.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 4 | masked CRC-32C of type and payload |
//! | 4 | 2 | length of the payload |
//! | 6 | 1 | type: 1 whole, 2 first, 3 middle, 4 last; others are RocksDB's notes |
//! | 7 | n | payload |

use super::StoreError;
use std::fs;
use std::path::{Path, PathBuf};

const BLOCK_BYTES: usize = 32 << 10;
const HEADER_BYTES: usize = 7;

/// Added by RocksDB to the rotated checksum.
const MASK_DELTA: u32 = 0xa282_ead8;

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With a whole record.
    Whole,
    /// Inside the record that begins here: a write that was under way.
    Torn { at: usize },
    /// Here is no record, though some follow or must be here.
    Damaged { at: usize, what: &'static str },
}

/// One file.
#[derive(Debug)]
pub(super) struct WalFile {
    pub(super) path: PathBuf,
    pub(super) bytes: usize,
    pub(super) end: End,
    /// Whole batches before the end.
    pub(super) records: usize,
}

/// Every file of the write-ahead log in `dir`, oldest first.
pub(super) fn survey(dir: &Path) -> Result<Vec<WalFile>, StoreError> {
    let failed = |source| StoreError::Directory { dir: dir.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            paths.push(path);
        }
    }
    // Numbered with leading zeros.
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).map_err(failed)?;
        let (records, end) = scan(&bytes);
        Ok(WalFile { path, bytes: bytes.len(), end, records })
    };
    paths.into_iter().map(read).collect()
}

/// The first file that RocksDB must not replay. A torn end is harmless where nothing was
/// written afterwards.
pub(super) fn first_damage(files: &[WalFile]) -> Option<(usize, StoreError)> {
    let damaged = |index: usize, at: usize, what: &str| {
        let file = files[index].path.clone();
        Some((index, StoreError::DamagedFile { file, what: format!("{what} at byte {at}") }))
    };
    files.iter().enumerate().find_map(|(index, file)| match file.end {
        End::Whole => None,
        End::Damaged { at, what } => damaged(index, at, what),
        End::Torn { at } if files[index + 1..].iter().any(|later| later.records > 0) => {
            damaged(index, at, "a record is torn, though a later file goes on")
        }
        End::Torn { .. } => None,
    })
}

/// Refuses what is damaged and says what is torn.
pub(super) fn inspect(dir: &Path) -> Result<(), StoreError> {
    let files = survey(dir)?;
    if let Some((_, error)) = first_damage(&files) {
        return Err(error);
    }
    for file in &files {
        if let End::Torn { at } = file.end {
            tracing::warn!(
                file = %file.path.display(),
                bytes = file.bytes - at,
                "the write-ahead log ends inside a write that was never answered: it is left out"
            );
        }
    }
    Ok(())
}

/// Counts the whole records and says how the file ends.
pub(super) fn scan(bytes: &[u8]) -> (usize, End) {
    let (mut at, mut records) = (0, 0);
    // Where the batch begins whose parts are being read.
    let mut begun = None;
    loop {
        at = skip_trailer(at);
        let torn = End::Torn { at: begun.unwrap_or(at) };
        if at >= bytes.len() {
            return (records, if begun.is_some() { torn } else { End::Whole });
        }
        match record(bytes, at) {
            Record::Good { kind, end } => {
                match kind {
                    2 => begun = Some(at),
                    1 | 4 => {
                        begun = None;
                        records += 1;
                    }
                    _ => {}
                }
                at = end;
            }
            Record::Cut => {
                let end = match hides_records(bytes, at) {
                    true => End::Damaged { at, what: "the length of a record is wrong" },
                    false => torn,
                };
                return (records, end);
            }
            Record::Bad(what) => return (records, End::Damaged { at, what }),
        }
    }
}

enum Record {
    Good {
        kind: u8,
        end: usize,
    },
    /// The file ends before the record does.
    Cut,
    Bad(&'static str),
}

/// A block's last bytes stay empty where no header fits.
fn skip_trailer(at: usize) -> usize {
    let left = BLOCK_BYTES - at % BLOCK_BYTES;
    if left < HEADER_BYTES { at + left } else { at }
}

fn record(bytes: &[u8], at: usize) -> Record {
    let rest = &bytes[at..];
    if rest.iter().take(BLOCK_BYTES).all(|byte| *byte == 0) && rest.iter().all(|byte| *byte == 0) {
        return Record::Cut;
    }
    let Some((header, body)) = rest.split_at_checked(HEADER_BYTES) else { return Record::Cut };
    let len = usize::from(header[4]) | usize::from(header[5]) << 8;
    let end = at + HEADER_BYTES + len;
    if end > at - at % BLOCK_BYTES + BLOCK_BYTES {
        return Record::Bad("a record is longer than its block");
    }
    let Some(payload) = body.get(..len) else { return Record::Cut };
    if checksum(header[6], payload) == stored_checksum(header) {
        Record::Good { kind: header[6], end }
    } else {
        Record::Bad("the checksum of a record is wrong")
    }
}

/// Whether what looks like a torn record has a whole one in it: its own payload, or a chain of
/// others up to the very end of the file. What a publisher puts into an event cannot look like
/// that, because nobody chooses where a write is torn.
fn hides_records(bytes: &[u8], at: usize) -> bool {
    let Some((header, body)) = bytes[at..].split_at_checked(HEADER_BYTES) else { return false };
    if checksum(header[6], body) == stored_checksum(header) {
        return true;
    }
    (at + 1..bytes.len().saturating_sub(HEADER_BYTES)).any(|start| {
        let mut next = start;
        while next < bytes.len()
            && (1..=4).contains(&bytes.get(next + 6).copied().unwrap_or(0))
            && let Record::Good { end, .. } = record(bytes, next)
        {
            next = skip_trailer(end);
        }
        next > start && next >= bytes.len()
    })
}

fn stored_checksum(header: &[u8]) -> u32 {
    let masked = (0..4).fold(0, |sum, i| sum | u32::from(header[i]) << (8 * i));
    masked.wrapping_sub(MASK_DELTA).rotate_left(15)
}

/// CRC-32C.
fn checksum(kind: u8, payload: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8;
    !payload.iter().fold(step(!0, &kind), step)
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

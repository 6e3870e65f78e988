//! Of the store what reads files without the database.

#[path = "../../../src/store/error.rs"]
mod error;
#[path = "../../../src/store/wal.rs"]
mod wal;

pub use error::StoreError;

/// Surveys a file of the write-ahead log.
pub fn write_ahead_log(bytes: &[u8]) {
    let (records, end) = wal::scan(bytes);
    // A record has a header of seven bytes.
    assert!(records <= bytes.len() / 7);
    if let wal::End::Torn { at } | wal::End::Damaged { at, .. } = end {
        assert!(at <= bytes.len());
    }
}

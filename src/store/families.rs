//! The column families and the bytes of their rows. Integers are big-endian, so that byte
//! order is log order.
//!
//! | family | key | value |
//! |---|---|---|
//! | `log` | seq u64 | the event map as received |
//! | `ids` | id 32 | seq u64 |
//! | `author` | hash of (pubkey) u64, seq u64 | kind u16 |
//! | `kind` | kind as u64, seq u64 | kind u16 |
//! | `author_kind` | hash of (pubkey, kind) u64, seq u64 | kind u16 |
//! | `tag` | hash of (name, first value) u64, seq u64 | kind u16 |
//! | `blocks` | block number u64 | smallest, largest created_at, i64 each |
//! | `meta` | a name | see `meta` |
//! | `keys` | pubkey 32 | see `keys` |
//! | `deleted` | `00`, block number u64 | a bit for each position of the block, set where an event was deleted |
//! | `deleted` | `01` or `02`, … | see `purge::tombstones` |
//!
//! The five index families also hold their mark, the position up to which they are complete,
//! under the key `00`, which sorts before every row: `00` → seq u64.
//!
//! Hashes are SipHash-1-3 under a secret key made with the log, so nobody can aim at
//! collisions; a colliding row is a candidate that the full check on the event refuses.

use crate::base::PubKey;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// One column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Log,
    Ids,
    Author,
    Kind,
    AuthorKind,
    Tag,
    Blocks,
    Meta,
    Keys,
    Deleted,
}

/// The families with rows of (prefix, seq) → kind, in the order their runs are written.
pub(super) const ROW_FAMILIES: [Family; 4] = [Family::Author, Family::Kind, Family::AuthorKind, Family::Tag];

/// The families that the indexer derives from the log; each carries its mark.
pub(super) const INDEX_FAMILIES: [Family; 5] =
    [Family::Author, Family::Kind, Family::AuthorKind, Family::Tag, Family::Blocks];

/// Where an index family keeps its mark.
pub(super) const MARK_KEY: [u8; 1] = [0];

/// Positions of one row of `blocks`.
pub(super) const BLOCK_EVENTS: u64 = 4_096;

impl Family {
    pub(super) const ALL: [Family; 10] = [
        Family::Log,
        Family::Ids,
        Family::Author,
        Family::Kind,
        Family::AuthorKind,
        Family::Tag,
        Family::Blocks,
        Family::Meta,
        Family::Keys,
        Family::Deleted,
    ];

    /// Its name on disk.
    pub(super) fn name(self) -> &'static str {
        match self {
            Family::Log => "log",
            Family::Ids => "ids",
            Family::Author => "author",
            Family::Kind => "kind",
            Family::AuthorKind => "author_kind",
            Family::Tag => "tag",
            Family::Blocks => "blocks",
            Family::Meta => "meta",
            Family::Keys => "keys",
            Family::Deleted => "deleted",
        }
    }
}

/// The key of an index row, as a number whose order is the order of the bytes.
pub(super) fn row_key(prefix: u64, seq: u64) -> u128 {
    u128::from(prefix) << 64 | u128::from(seq)
}

/// The block that holds a position.
pub(super) fn block_of(seq: u64) -> u64 {
    seq.saturating_sub(1) / BLOCK_EVENTS
}

/// The last position of a block.
pub(super) fn block_end(block: u64) -> u64 {
    (block + 1) * BLOCK_EVENTS
}

/// A row of `blocks`.
pub(super) fn block_row(min: i64, max: i64) -> [u8; 16] {
    let mut row = [0; 16];
    row[..8].copy_from_slice(&min.to_be_bytes());
    row[8..].copy_from_slice(&max.to_be_bytes());
    row
}

/// Reads a row of `blocks`.
pub(super) fn block_bounds(row: &[u8]) -> Option<(i64, i64)> {
    let (min, max) = row.split_at_checked(8)?;
    Some((i64::from_be_bytes(min.try_into().ok()?), i64::from_be_bytes(max.try_into().ok()?)))
}

/// Makes the prefixes of index rows.
#[derive(Clone, Copy)]
pub(super) struct Prefixes {
    key: [u8; 16],
}

impl Prefixes {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Prefixes { key }
    }

    pub(super) fn author(&self, author: &PubKey) -> u64 {
        self.hash([&author.0, &[]])
    }

    pub(super) fn kind(kind: u16) -> u64 {
        u64::from(kind)
    }

    pub(super) fn author_kind(&self, author: &PubKey, kind: u16) -> u64 {
        self.hash([&author.0, &kind.to_be_bytes()])
    }

    pub(super) fn tag(&self, name: &str, value: &str) -> u64 {
        self.hash([name.as_bytes(), value.as_bytes()])
    }

    /// A hash of a whole row, for sums of rows.
    pub(super) fn row(&self, key: &[u8], value: &[u8]) -> u64 {
        self.hash([key, value])
    }

    /// The first part's length stands before it, so that no two pairs read the same.
    fn hash(&self, [first, second]: [&[u8]; 2]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(&(first.len() as u64).to_be_bytes());
        hasher.write(first);
        hasher.write(second);
        hasher.finish()
    }
}

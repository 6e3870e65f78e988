//! The canonical payload, whose SHA-256 is the event's id (protocol §1).
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 2 | 32, the length of the pubkey |
//! | 2 | 32 | pubkey |
//! | 34 | 8 | created_at |
//! | 42 | 2 | kind |
//! | 44 | 4 | n, the length of content |
//! | 48 | n | content |
//! | 48+n | 32 | SHA-256 of the canonical tags |
//!
//! Canonical tags: u16 count, then per tag, sorted by (name, first value): u16 length of the
//! name, name, u16 number of values, per value u32 length and value. All big-endian.

use super::Tag;
use crate::base::{EventId, Kind, PubKey, Reason};
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use sha2::{Digest, Sha256};

/// What of an event its id commits to.
#[derive(Debug, Clone, Copy)]
pub struct Canonical<'a> {
    pub pubkey: &'a PubKey,
    pub created_at: i64,
    pub kind: Kind,
    pub content: &'a [u8],
    pub tags: &'a [Tag<'a>],
}

/// The bytes before the content, and the digest of the tags behind it.
///
/// # Errors
/// Two tags with the same name and first value; a count or a length beyond 65 535.
fn parts(event: &Canonical<'_>, arena: &Bump) -> Result<([u8; 48], [u8; 32]), Reason> {
    let tags_digest = hash_tags(event.tags, arena)?;
    let content_len = u32::try_from(event.content.len())
        .map_err(|_| over("event.content", event.content.len(), u32::MAX as usize))?;
    let mut head = [0; 48];
    head[0..2].copy_from_slice(&32u16.to_be_bytes());
    head[2..34].copy_from_slice(&event.pubkey.0);
    head[34..42].copy_from_slice(&event.created_at.to_be_bytes());
    head[42..44].copy_from_slice(&event.kind.0.to_be_bytes());
    head[44..48].copy_from_slice(&content_len.to_be_bytes());
    Ok((head, tags_digest))
}

/// The id of an event.
///
/// # Errors
/// Two tags with the same name and first value; a count or a length beyond 65 535.
pub fn canonical_id(event: &Canonical<'_>, arena: &Bump) -> Result<EventId, Reason> {
    let (head, tags_digest) = parts(event, arena)?;
    let mut hash = Sha256::new();
    hash.update(head);
    hash.update(event.content);
    hash.update(tags_digest);
    Ok(EventId(hash.finalize().into()))
}

/// The canonical payload itself, for tools and tests; the relay only hashes it.
///
/// # Errors
/// As [`canonical_id`].
pub fn canonical_payload(event: &Canonical<'_>) -> Result<Vec<u8>, Reason> {
    let (head, tags_digest) = parts(event, &Bump::new())?;
    Ok([&head, event.content, &tags_digest].concat())
}

fn hash_tags(tags: &[Tag<'_>], arena: &Bump) -> Result<[u8; 32], Reason> {
    let count = len_u16("event.tags", tags.len())?;
    let mut sorted = BumpVec::with_capacity_in(tags.len(), arena);
    sorted.extend_from_slice(tags);
    sorted.sort_unstable_by_key(sort_key);
    if sorted.windows(2).any(|pair| sort_key(&pair[0]) == sort_key(&pair[1])) {
        return Err(Reason::DuplicateTag);
    }
    let mut out = BumpVec::with_capacity_in(64 * tags.len() + 2, arena);
    out.extend_from_slice(&count.to_be_bytes());
    for tag in &sorted {
        out.extend_from_slice(&len_u16("event.tags.name", tag.name.len())?.to_be_bytes());
        out.extend_from_slice(tag.name.as_bytes());
        out.extend_from_slice(&len_u16("event.tags.values", tag.values.len())?.to_be_bytes());
        for value in tag.values {
            let n = u32::try_from(value.len())
                .map_err(|_| over("event.tags.values", value.len(), u32::MAX as usize))?;
            out.extend_from_slice(&n.to_be_bytes());
            out.extend_from_slice(value.as_bytes());
        }
    }
    Ok(Sha256::digest(&out).into())
}

/// A tag without values sorts as if its first value were empty.
fn sort_key<'a>(tag: &Tag<'a>) -> (&'a [u8], &'a [u8]) {
    (tag.name.as_bytes(), tag.first().unwrap_or("").as_bytes())
}

fn len_u16(field: &'static str, have: usize) -> Result<u16, Reason> {
    u16::try_from(have).map_err(|_| over(field, have, usize::from(u16::MAX)))
}

fn over(field: &'static str, have: usize, limit: usize) -> Reason {
    Reason::OverLimit { field, have: have as u64, limit: limit as u64 }
}

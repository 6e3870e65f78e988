//! An event as it stands on the wire: a MessagePack map with exactly seven keys (protocol §1).

use super::{Canonical, EventFields};
use crate::base::{EventId, Kind, PubKey, Reason, Signature};
use crate::codec::{CodecError, Reader};
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

/// One tag, borrowed from the wire bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    pub name: &'a str,
    pub values: &'a [&'a str],
}

impl<'a> Tag<'a> {
    /// The first value, the one that filters look at.
    pub fn first(&self) -> Option<&'a str> {
        self.values.first().copied()
    }
}

/// A decoded event that borrows everything from its wire bytes; the lists of tags and values
/// live in the arena it was decoded into.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a> {
    pub id: EventId,
    pub pubkey: PubKey,
    pub created_at: i64,
    pub kind: Kind,
    pub content: &'a [u8],
    pub sig: Signature,
    pub tags: &'a [Tag<'a>],
}

impl<'a> EventView<'a> {
    /// Decodes exactly one event: a missing, repeated or unknown key, a wrong type, text that
    /// is not UTF-8 or a byte left over is refused, with the field's name.
    pub fn parse(wire: &'a [u8], arena: &'a Bump) -> Result<Self, Reason> {
        let mut reader = Reader::new(wire);
        let event = Self::read(&mut reader, arena)?;
        if !reader.is_empty() {
            return Err(malformed("event", "bytes left over after the map"));
        }
        Ok(event)
    }

    fn read(reader: &mut Reader<'a>, arena: &'a Bump) -> Result<Self, Reason> {
        if reader.map_len().map_err(|e| e.at("event"))? != 7 {
            return Err(malformed("event", "must be a map with exactly 7 keys"));
        }
        let (mut id, mut pubkey, mut created_at, mut kind, mut content, mut sig, mut tags) =
            (None, None, None, None, None, None, None);
        for _ in 0..7 {
            match reader.str().map_err(|e| e.at("event"))? {
                "id" => set(&mut id, reader.bin_of::<32>(), "event.id")?,
                "pubkey" => set(&mut pubkey, reader.bin_of::<32>(), "event.pubkey")?,
                "created_at" => set(&mut created_at, timestamp(reader), "event.created_at")?,
                "kind" => set(&mut kind, kind_of(reader), "event.kind")?,
                "content" => set(&mut content, reader.bin(), "event.content")?,
                "sig" => set(&mut sig, reader.bin_of::<64>(), "event.sig")?,
                "tags" => {
                    if tags.is_some() {
                        return Err(malformed("event.tags", "repeated key"));
                    }
                    tags = Some(read_tags(reader, arena)?);
                }
                _ => return Err(malformed("event", "unknown key")),
            }
        }
        // Seven entries, none unknown, none repeated: all seven are there.
        match (id, pubkey, created_at, kind, content, sig, tags) {
            (Some(id), Some(pubkey), Some(created_at), Some(kind), Some(content), Some(sig), Some(tags)) => {
                Ok(EventView {
                    id: EventId(*id),
                    pubkey: PubKey(*pubkey),
                    created_at,
                    kind,
                    content,
                    sig: Signature(*sig),
                    tags,
                })
            }
            _ => Err(malformed("event", "missing key")),
        }
    }
}

impl<'a> EventView<'a> {
    /// What the id commits to.
    pub fn canonical(&'a self) -> Canonical<'a> {
        Canonical {
            pubkey: &self.pubkey,
            created_at: self.created_at,
            kind: self.kind,
            content: self.content,
            tags: self.tags,
        }
    }
}

impl EventFields for EventView<'_> {
    fn id(&self) -> &EventId {
        &self.id
    }
    fn pubkey(&self) -> &PubKey {
        &self.pubkey
    }
    fn kind(&self) -> Kind {
        self.kind
    }
    fn created_at(&self) -> i64 {
        self.created_at
    }
    fn tag_heads(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.tags.iter().map(|tag| (tag.name, tag.first()))
    }
}

/// The shortest tag: a map of two, its two keys, an empty str and an empty array.
const TAG_BYTES_MIN: usize = 1 + 5 + 1 + 7 + 1;

fn malformed(field: &'static str, problem: &'static str) -> Reason {
    Reason::Malformed { field, problem }
}

fn set<T>(slot: &mut Option<T>, value: Result<T, CodecError>, field: &'static str) -> Result<(), Reason> {
    if slot.is_some() {
        return Err(malformed(field, "repeated key"));
    }
    *slot = Some(value.map_err(|e| e.at(field))?);
    Ok(())
}

fn timestamp(reader: &mut Reader<'_>) -> Result<i64, CodecError> {
    i64::try_from(reader.uint()?).map_err(|_| CodecError::OutOfRange)
}

fn kind_of(reader: &mut Reader<'_>) -> Result<Kind, CodecError> {
    u16::try_from(reader.uint()?).map(Kind).map_err(|_| CodecError::OutOfRange)
}

fn read_tags<'a>(reader: &mut Reader<'a>, arena: &'a Bump) -> Result<&'a [Tag<'a>], Reason> {
    let count = reader.array_len().map_err(|e| e.at("event.tags"))?;
    // The capacity is bounded by the bytes that are there, not by the length they claim.
    let mut tags = BumpVec::with_capacity_in(count.min(reader.rest().len() / TAG_BYTES_MIN), arena);
    for _ in 0..count {
        tags.push(read_tag(reader, arena)?);
    }
    Ok(tags.into_bump_slice())
}

fn read_tag<'a>(reader: &mut Reader<'a>, arena: &'a Bump) -> Result<Tag<'a>, Reason> {
    const FIELD: &str = "event.tags";
    if reader.map_len().map_err(|e| e.at(FIELD))? != 2 {
        return Err(malformed(FIELD, "a tag must be a map with exactly the keys name and values"));
    }
    let (mut name, mut values) = (None, None);
    for _ in 0..2 {
        match reader.str().map_err(|e| e.at(FIELD))? {
            "name" => set(&mut name, reader.str(), "event.tags.name")?,
            "values" => {
                if values.is_some() {
                    return Err(malformed("event.tags.values", "repeated key"));
                }
                values = Some(read_values(reader, arena)?);
            }
            _ => return Err(malformed(FIELD, "unknown key in a tag")),
        }
    }
    match (name, values) {
        (Some(name), Some(values)) => Ok(Tag { name, values }),
        _ => Err(malformed(FIELD, "missing key in a tag")),
    }
}

fn read_values<'a>(reader: &mut Reader<'a>, arena: &'a Bump) -> Result<&'a [&'a str], Reason> {
    const FIELD: &str = "event.tags.values";
    let count = reader.array_len().map_err(|e| e.at(FIELD))?;
    let mut values = BumpVec::with_capacity_in(count.min(reader.rest().len()), arena);
    for _ in 0..count {
        values.push(reader.str().map_err(|e| e.at(FIELD))?);
    }
    Ok(values.into_bump_slice())
}

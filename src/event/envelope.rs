//! One accepted event in one refcounted buffer: the wire bytes, unchanged, and beside them
//! what indexes and filters need, so that nobody parses the event a second time.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | created_at |
//! | 8 | 2 | kind |
//! | 10 | 2 | t, number of tags |
//! | 12 | 4 | n, length of the wire bytes |
//! | 16 | n | the event map as received |
//! | 16+n | 14 t | per tag: u32 offset and u16 length of the name, u32 offset and u32 length of the first value (length 0xffff_ffff: no values); offsets count from the wire bytes' start |

use super::{EventFields, EventView};
use crate::base::{EventId, Kind, PubKey};
use std::sync::Arc;

const WIRE_AT: usize = 16;
const TAG_BYTES: usize = 14;
const NO_VALUE: u32 = u32::MAX;

/// A cheap-to-clone accepted event.
#[derive(Clone)]
pub struct Envelope {
    buf: Arc<[u8]>,
    id: EventId,
    pubkey: PubKey,
}

impl Envelope {
    /// Lays `event`, decoded from `wire`, into one buffer. `scratch` is reused by the caller;
    /// the one allocation is the envelope's own.
    ///
    /// # Panics
    /// If `event` was not decoded from `wire`, or its id was not computed (which is what
    /// bounds the number of tags and the names' lengths to 65 535).
    pub fn new(event: &EventView<'_>, wire: &[u8], scratch: &mut Vec<u8>) -> Envelope {
        scratch.clear();
        scratch.extend_from_slice(&event.created_at.to_be_bytes());
        scratch.extend_from_slice(&event.kind.0.to_be_bytes());
        scratch.extend_from_slice(&narrow::<u16>(event.tags.len()).to_be_bytes());
        scratch.extend_from_slice(&narrow::<u32>(wire.len()).to_be_bytes());
        scratch.extend_from_slice(wire);
        for tag in event.tags {
            scratch.extend_from_slice(&offset_in(wire, tag.name).to_be_bytes());
            scratch.extend_from_slice(&narrow::<u16>(tag.name.len()).to_be_bytes());
            let (at, len) = match tag.first() {
                Some(value) => (offset_in(wire, value), narrow(value.len())),
                None => (0, NO_VALUE),
            };
            scratch.extend_from_slice(&at.to_be_bytes());
            scratch.extend_from_slice(&len.to_be_bytes());
        }
        Envelope { buf: Arc::from(scratch.as_slice()), id: event.id, pubkey: event.pubkey }
    }

    /// The event map, byte for byte as received.
    pub fn wire(&self) -> &[u8] {
        &self.buf[WIRE_AT..WIRE_AT + self.wire_len()]
    }

    /// Length of [`wire`](Self::wire).
    pub fn wire_len(&self) -> usize {
        self.u32_at(12) as usize
    }

    fn u16_at(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.buf[at], self.buf[at + 1]])
    }

    fn u32_at(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.buf[at], self.buf[at + 1], self.buf[at + 2], self.buf[at + 3]])
    }

    fn tag_head(&self, index: usize) -> (&str, Option<&str>) {
        let at = WIRE_AT + self.wire_len() + index * TAG_BYTES;
        let name = self.text(self.u32_at(at), u32::from(self.u16_at(at + 4)));
        let value_len = self.u32_at(at + 10);
        let value = (value_len != NO_VALUE).then(|| self.text(self.u32_at(at + 6), value_len));
        (name, value)
    }

    fn text(&self, offset: u32, len: u32) -> &str {
        let at = WIRE_AT + offset as usize;
        // Written by `new` from a &str that lies in the wire bytes, so this is UTF-8.
        std::str::from_utf8(&self.buf[at..at + len as usize]).unwrap_or_default()
    }
}

impl EventFields for Envelope {
    fn id(&self) -> &EventId {
        &self.id
    }
    fn pubkey(&self) -> &PubKey {
        &self.pubkey
    }
    fn kind(&self) -> Kind {
        Kind(self.u16_at(8))
    }
    fn created_at(&self) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.buf[0..8]);
        i64::from_be_bytes(bytes)
    }
    fn tag_heads(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        (0..usize::from(self.u16_at(10))).map(|index| self.tag_head(index))
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope({}, kind {})", self.id, self.kind().0)
    }
}

fn narrow<T: TryFrom<usize>>(n: usize) -> T {
    // The message limit (u32 frame lengths) and the canonical form (u16 tags and names) bound it.
    T::try_from(n).unwrap_or_else(|_| panic!("{n} does not fit: the id was not computed first"))
}

/// Where `part`, a slice of `wire`, begins in it.
fn offset_in(wire: &[u8], part: &str) -> u32 {
    let offset = part.as_ptr().addr() - wire.as_ptr().addr();
    assert!(offset + part.len() <= wire.len(), "the event was decoded from other bytes");
    narrow(offset)
}

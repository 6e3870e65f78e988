//! Making a signed event's wire bytes from its parts, for clients, tools and tests.

use super::{Canonical, Tag, canonical_id};
use crate::base::{EventId, Kind, PubKey, Reason, Signature};
use crate::codec::{write_array_len, write_bin, write_map_len, write_str, write_uint};
use bumpalo::Bump;

/// The parts of an event that its author chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBuilder {
    pub kind: Kind,
    /// Unix seconds.
    pub created_at: i64,
    pub content: Vec<u8>,
    /// Name and values of each tag, in the order they will stand on the wire.
    pub tags: Vec<(String, Vec<String>)>,
}

impl EventBuilder {
    /// The id this event has when `pubkey` is its author.
    ///
    /// # Errors
    /// Tags that cannot be encoded (protocol §1).
    pub fn id(&self, pubkey: &PubKey) -> Result<EventId, Reason> {
        let values: Vec<Vec<&str>> =
            self.tags.iter().map(|(_, values)| values.iter().map(String::as_str).collect()).collect();
        let tags: Vec<Tag<'_>> =
            self.tags.iter().zip(&values).map(|((name, _), values)| Tag { name, values }).collect();
        let canonical = Canonical {
            pubkey,
            created_at: self.created_at,
            kind: self.kind,
            content: &self.content,
            tags: &tags,
        };
        canonical_id(&canonical, &Bump::new())
    }

    /// The event map, with the signature that `sign` makes over the id.
    ///
    /// # Errors
    /// Tags that cannot be encoded (protocol §1).
    pub fn finish(
        &self,
        pubkey: &PubKey,
        sign: impl FnOnce(&EventId) -> Signature,
    ) -> Result<(EventId, Vec<u8>), Reason> {
        let id = self.id(pubkey)?;
        let sig = sign(&id);
        let mut out = Vec::with_capacity(256 + self.content.len());
        write_map_len(&mut out, 7);
        write_str(&mut out, "id");
        write_bin(&mut out, &id.0);
        write_str(&mut out, "pubkey");
        write_bin(&mut out, &pubkey.0);
        write_str(&mut out, "created_at");
        write_uint(&mut out, self.created_at.unsigned_abs());
        write_str(&mut out, "kind");
        write_uint(&mut out, u64::from(self.kind.0));
        write_str(&mut out, "content");
        write_bin(&mut out, &self.content);
        write_str(&mut out, "sig");
        write_bin(&mut out, &sig.0);
        write_str(&mut out, "tags");
        write_array_len(&mut out, self.tags.len() as u32);
        for (name, values) in &self.tags {
            write_map_len(&mut out, 2);
            write_str(&mut out, "name");
            write_str(&mut out, name);
            write_str(&mut out, "values");
            write_array_len(&mut out, values.len() as u32);
            for value in values {
                write_str(&mut out, value);
            }
        }
        Ok((id, out))
    }
}

//! A received event that owns its bytes.

use crate::base::{EventId, Kind, PubKey, Reason, Signature};
use crate::event::{EventFields, EventView, canonical_id};
use bumpalo::Bump;
use bytes::Bytes;

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    pub name: String,
    pub values: Vec<String>,
}

/// A decoded event. `content` and `wire` share the buffer the event arrived in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub pubkey: PubKey,
    pub kind: Kind,
    /// Unix seconds, the author's claim.
    pub created_at: i64,
    pub content: Bytes,
    /// In the order they stand on the wire.
    pub tags: Vec<Tag>,
    pub sig: Signature,
    /// The event map as the relay sent it: what to forward.
    pub wire: Bytes,
}

impl Event {
    /// Decodes exactly one event map. Neither its id nor its signature is looked at; see
    /// [`Verifier`](super::Verifier).
    ///
    /// # Errors
    /// Anything but an event as protocol §1 has it.
    pub fn decode(wire: Bytes) -> Result<Event, Reason> {
        let arena = Bump::new();
        let view = EventView::parse(&wire, &arena)?;
        Ok(Event::of(&view, &wire))
    }

    /// Decodes an event and checks that its id is the hash of the rest.
    pub(super) fn decode_with_id(wire: Bytes, arena: &Bump) -> Result<Event, Reason> {
        let view = EventView::parse(&wire, arena)?;
        if canonical_id(&view.canonical(), arena)? != view.id {
            return Err(Reason::IdMismatch);
        }
        Ok(Event::of(&view, &wire))
    }

    fn of(view: &EventView<'_>, wire: &Bytes) -> Event {
        let tag = |tag: &crate::event::Tag<'_>| Tag {
            name: tag.name.to_owned(),
            values: tag.values.iter().map(|v| (*v).to_owned()).collect(),
        };
        Event {
            id: view.id,
            pubkey: view.pubkey,
            kind: view.kind,
            created_at: view.created_at,
            content: wire.slice_ref(view.content),
            tags: view.tags.iter().map(tag).collect(),
            sig: view.sig,
            wire: wire.clone(),
        }
    }

    /// The values of every tag of that name, in wire order.
    pub fn tags_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [String]> {
        self.tags.iter().filter(move |tag| tag.name == name).map(|tag| tag.values.as_slice())
    }

    /// The first value of the first tag of that name.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.name == name)?.values.first().map(String::as_str)
    }
}

impl EventFields for Event {
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
        self.tags.iter().map(|tag| (tag.name.as_str(), tag.values.first().map(String::as_str)))
    }
}

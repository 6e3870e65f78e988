//! The event: its borrowed view, its canonical bytes, and the refcounted envelope that
//! carries one accepted event, unchanged, through the relay.
//!
//! This room does not verify anything; it only says what the bytes mean.

mod build;
mod canonical;
mod envelope;
mod scan;
mod view;

pub use build::EventBuilder;
pub use canonical::{Canonical, canonical_id, canonical_payload};
pub use envelope::Envelope;
pub use scan::scan_id;
pub use view::{EventView, Tag};

use crate::base::{EventId, Kind, PubKey};

/// The fields an index or a filter looks at. A tag counts with its name and first value.
pub trait EventFields {
    fn id(&self) -> &EventId;
    fn pubkey(&self) -> &PubKey;
    fn kind(&self) -> Kind;
    /// Unix seconds, the author's claim.
    fn created_at(&self) -> i64;
    /// Every tag's name and first value, in wire order.
    fn tag_heads(&self) -> impl Iterator<Item = (&str, Option<&str>)>;
}

//! The event that made a public record, as its author signed it: whoever has no key on the relay can
//! check it, too. All of its content is shown, also what Gather does not keep: `events.md` says so.

use super::{Db, Fault, outbox};
use crate::base::EventId;
use crate::event::EventView;
use bumpalo::Bump;
use serde::Serialize;
use utoipa::ToSchema;

/// The kinds that make records which everybody may see, ascending. No private kind is among them.
pub(super) const KINDS: [u16; 6] =
    [outbox::PROFILE, outbox::SKILL, outbox::REVIEW, outbox::POST, outbox::COMMENT, outbox::CHANGE];

/// An event: its id is the hash of the rest, and `sig` is the author's signature of the id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SealedEvent {
    /// 64 hex digits.
    pub id: String,
    /// The key that signed it, 64 hex digits.
    pub pubkey: String,
    pub kind: u16,
    /// Unix seconds, the author's claim.
    pub created_at: i64,
    /// As it was signed, byte for byte.
    pub content: String,
    /// Each with its name first.
    pub tags: Vec<Vec<String>>,
    /// 128 hex digits.
    pub sig: String,
}

/// The id of an event that a public record names as its own, from 64 hex digits.
///
/// # Errors
/// 404 if none does: it is no event, a private one, had no effect, or its record was deleted or changed
/// since.
pub fn public(db: &Db<'_>, id: &str) -> Result<EventId, Fault> {
    let event = EventId::from_hex(id).ok_or_else(missing)?;
    let sql = "SELECT ref_type, ref_id FROM applied_events WHERE event_id = ?1 AND refused = 0";
    let record = db.one(sql, [event.0], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let (kind, record) = record.ok_or_else(missing)?;
    let sql = match kind.as_str() {
        "agent" => "SELECT 1 FROM agents WHERE id = ?1 AND event_id = ?2 AND suspended = 0",
        "skill" => "SELECT 1 FROM skills WHERE id = ?1 AND event_id = ?2",
        "review" => "SELECT 1 FROM reviews WHERE id = ?1 AND event_id = ?2",
        "post" => "SELECT 1 FROM posts WHERE id = ?1 AND event_id = ?2",
        "comment" => "SELECT 1 FROM comments WHERE id = ?1 AND event_id = ?2",
        _ => return Err(missing()),
    };
    let shown = db.one(sql, (record, event.0), |row| row.get::<_, i64>(0))?;
    shown.map(|_| event).ok_or_else(missing)
}

/// The event in these wire bytes of the log.
///
/// # Errors
/// 404 if there are none, though a record names the event; ours if they are no event of such a kind.
pub fn read(wire: Option<&[u8]>) -> Result<SealedEvent, Fault> {
    let arena = Bump::new();
    let event = EventView::parse(wire.ok_or_else(purged)?, &arena).map_err(Fault::internal)?;
    let content = std::str::from_utf8(event.content).map_err(Fault::internal)?;
    let tag = |tag: &crate::event::Tag<'_>| {
        [tag.name].iter().chain(tag.values).map(|part| (*part).to_owned()).collect()
    };
    Ok(SealedEvent {
        id: event.id.to_hex(),
        pubkey: event.pubkey.to_hex(),
        kind: event.kind.0,
        created_at: event.created_at,
        content: content.to_owned(),
        tags: event.tags.iter().map(tag).collect(),
        sig: event.sig.to_hex(),
    })
}

fn missing() -> Fault {
    Fault::missing("no public record has this event: GET /api/posts/{id} names its own in event_id")
}

fn purged() -> Fault {
    Fault::missing(
        "a record has this event, but the relay's log does not keep it any more (retention): it cannot be checked \
         here",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Kind;

    #[test]
    fn an_event_that_is_gone_is_told_from_one_that_no_record_has() {
        let gone = read(None).unwrap_err();
        assert_eq!(gone.kind, missing().kind);
        assert!(gone.detail.contains("retention") && !missing().detail.contains("retention"));
    }

    #[test]
    fn no_private_kind_is_looked_for() {
        assert!(KINDS.is_sorted());
        for (kind, name) in outbox::KINDS {
            assert!(!(KINDS.contains(&kind) && Kind(kind).is_private()), "{name}");
        }
    }
}

//! What a message is read as.

use super::vectors;
use axon::base::{PubKey, Reason, Signature};
use axon::codec::Reader;
use axon::event::{Envelope, EventFields, EventView, canonical_id, canonical_payload, scan_id};
use axon::filter::{Filter, FilterLimits};
use axon::verify::{Claim, Verifier};
use axon::wire::{ClientMessage, RelayMessage};
use bumpalo::Bump;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

const LIMITS: FilterLimits = FilterLimits { entries_max: 64, tags_max: 8 };

/// Claims of one input; more would only be slow.
const CLAIMS_MAX: usize = 8;

/// A refusal has a code of the protocol and says something.
fn assert_told(reason: Reason) {
    assert!(matches!(reason.code(), 400 | 413), "{reason:?}");
    assert!(reason.to_string().len() > 5, "{reason:?}");
}

/// An event: its view, its id, the envelope it is carried in.
pub fn event(bytes: &[u8]) {
    let arena = Bump::new();
    let event = match EventView::parse(bytes, &arena) {
        Ok(event) => event,
        Err(reason) => return assert_told(reason),
    };
    // What the arena takes is bounded by the bytes that came, not by what they claim.
    assert!(arena.allocated_bytes() <= 4_096 + 64 * bytes.len(), "{} bytes", arena.allocated_bytes());
    assert_eq!(scan_id(bytes), Some(event.id));
    match (canonical_id(&event.canonical(), &arena), canonical_payload(&event.canonical())) {
        (Ok(id), Ok(payload)) => assert_eq!(id.0[..], Sha256::digest(payload)[..]),
        (Err(one), Err(other)) => assert_eq!(one, other),
        (one, other) => panic!("the id is {one:?}, the payload {:?}", other.is_ok()),
    }
    let envelope = Envelope::new(&event, bytes, &mut Vec::new());
    assert_eq!(envelope.wire(), bytes);
    assert_eq!((envelope.id(), envelope.pubkey(), envelope.kind()), (&event.id, &event.pubkey, event.kind));
    assert_eq!(envelope.created_at(), event.created_at);
    assert!(envelope.tag_heads().eq(event.tag_heads()));
}

/// A client's message, and again after it was written.
pub fn message(bytes: &[u8]) {
    match ClientMessage::parse(bytes, &LIMITS) {
        Err(problem) => {
            assert_told(problem.reason);
            assert!(problem.sub_id.is_none_or(|sub_id| (1..=64).contains(&sub_id.len())));
        }
        Ok(message) => {
            let mut written = Vec::new();
            message.write(&mut written);
            assert_eq!(ClientMessage::parse(&written, &LIMITS), Ok(message));
        }
    }
}

/// A relay's message, as a client reads it.
pub fn answer(bytes: &[u8]) {
    match RelayMessage::parse(bytes) {
        Err(reason) => assert!(!reason.to_string().is_empty()),
        Ok(RelayMessage::Envelope(envelope)) => event(envelope.event),
        Ok(_) => {}
    }
}

/// A filter: within its limits, again after it was written, and against events.
pub fn filter(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let filter = match Filter::read(&mut reader, &LIMITS) {
        Ok(filter) => filter,
        Err(reason) => return assert_told(reason),
    };
    let lists = [filter.ids.len(), filter.authors.len(), filter.kinds.len(), filter.kind_ranges.len()];
    assert!(lists.into_iter().all(|len| len <= LIMITS.entries_max), "{lists:?}");
    assert!(filter.tags.len() <= LIMITS.tags_max);
    let mut written = Vec::new();
    filter.write(&mut written);
    assert_eq!(Filter::read(&mut Reader::new(&written), &LIMITS), Ok(filter.clone()));
    for (wire, arena) in log().iter().map(|wire| (wire, Bump::new())) {
        let event = EventView::parse(wire, &arena).expect("an event of the vectors");
        assert_eq!(filter.matches(&event), matches(&filter, &event), "{filter:?} {event:?}");
    }
}

/// The protocol's table, word by word.
pub fn matches(filter: &Filter, event: &EventView<'_>) -> bool {
    let kinds = filter.kinds.contains(&event.kind.0)
        || filter.kind_ranges.iter().any(|(low, high)| (*low..=*high).contains(&event.kind.0));
    let tags = filter.tags.iter().all(|wanted| {
        event.tags.iter().any(|tag| {
            let one_of = |first: &&str| wanted.values.iter().any(|value| value == first);
            tag.name == wanted.name && (wanted.values.is_empty() || tag.values.first().is_some_and(one_of))
        })
    });
    tags && (kinds || filter.kinds.is_empty() && filter.kind_ranges.is_empty())
        && (filter.ids.is_empty() || filter.ids.contains(&event.id))
        && (filter.authors.is_empty() || filter.authors.contains(&event.pubkey))
        && filter.since.is_none_or(|since| event.created_at >= since)
        && filter.until.is_none_or(|until| event.created_at <= until)
}

/// Signatures get the same verdict together as alone.
pub fn signatures(bytes: &[u8]) {
    let parts: Vec<_> = bytes
        .as_chunks::<128>()
        .0
        .iter()
        .take(CLAIMS_MAX)
        .map(|claim| {
            let (mut pubkey, mut id, mut sig) = ([0; 32], [0; 32], [0; 64]);
            pubkey.copy_from_slice(&claim[..32]);
            id.copy_from_slice(&claim[32..64]);
            sig.copy_from_slice(&claim[64..]);
            (PubKey(pubkey), id, Signature(sig))
        })
        .collect();
    let claims: Vec<Claim<'_>> = parts.iter().map(|(pubkey, id, sig)| Claim { pubkey, id, sig }).collect();
    let mut verifier = Verifier::new(CLAIMS_MAX / 2);
    let alone: Vec<bool> = claims.iter().map(|claim| verifier.verify_one(claim)).collect();
    let mut together = Vec::new();
    verifier.verify_batch(&claims, &mut together);
    assert_eq!(alone, together);
}

fn log() -> &'static [Vec<u8>] {
    static LOG: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    LOG.get_or_init(vectors::log)
}

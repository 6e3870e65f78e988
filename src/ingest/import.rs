//! What an operator brings in from a file: every check on the event itself, and none of what its
//! author may do at present or of the time, since the events are of another day.

use crate::base::{EventId, Reason, limits};
use crate::event::{Envelope, EventView, canonical_id, scan_id};
use crate::verify::{Claim, Verifier};
use bumpalo::Bump;

/// One event's verdict: to be submitted to the log, which knows duplicates; or why it is
/// refused, and its id if that could be read.
pub type Vetted = Result<Envelope, (Option<EventId>, Reason)>;

/// Judges events that an operator brings in; one per thread.
pub struct Importer {
    verifier: Verifier,
    arena: Bump,
    held: Vec<bool>,
    scratch: Vec<u8>,
}

impl Importer {
    /// One that knows no key yet.
    pub fn new() -> Self {
        let verifier = Verifier::new(limits::KEY_CACHE_MAX);
        Importer { verifier, arena: Bump::new(), held: Vec::new(), scratch: Vec::new() }
    }

    /// Judges events, given as the bytes of their maps, in their order; any number of them.
    /// `content_bytes_max` is the relay's limit.
    pub fn judge(&mut self, wires: &[&[u8]], content_bytes_max: usize) -> Vec<Vetted> {
        let mut verdicts = Vec::with_capacity(wires.len());
        for batch in wires.chunks(limits::VERIFY_BATCH_EVENTS_MAX) {
            self.judge_batch(batch, content_bytes_max, &mut verdicts);
            self.arena.reset();
        }
        verdicts
    }

    fn judge_batch(&mut self, wires: &[&[u8]], content_bytes_max: usize, verdicts: &mut Vec<Vetted>) {
        let Importer { verifier, arena, held, scratch } = self;
        let checked: Vec<Result<EventView<'_>, _>> =
            wires.iter().map(|wire| check(wire, content_bytes_max, arena)).collect();
        let claims: Vec<Claim<'_>> = checked
            .iter()
            .flatten()
            .map(|event| Claim { pubkey: &event.pubkey, id: &event.id.0, sig: &event.sig })
            .collect();
        verifier.verify_batch(&claims, held);
        let mut held = held.iter();
        verdicts.extend(wires.iter().zip(&checked).map(|(wire, checked)| match checked {
            Err(refusal) => Err(*refusal),
            Ok(event) if held.next() == Some(&true) => Ok(Envelope::new(event, wire, scratch)),
            Ok(event) => Err((Some(event.id), Reason::BadSignature)),
        }));
    }
}

impl Default for Importer {
    fn default() -> Self {
        Importer::new()
    }
}

/// Everything but the signature.
fn check<'a>(
    wire: &'a [u8],
    content_bytes_max: usize,
    arena: &'a Bump,
) -> Result<EventView<'a>, (Option<EventId>, Reason)> {
    let event = EventView::parse(wire, arena).map_err(|reason| (scan_id(wire), reason))?;
    let refuse = |reason| Err((Some(event.id), reason));
    if event.content.len() > content_bytes_max {
        let (have, limit) = (event.content.len() as u64, content_bytes_max as u64);
        return refuse(Reason::ContentTooLarge { have, limit });
    }
    if event.kind.is_ephemeral() {
        return refuse(Reason::Malformed {
            field: "event.kind",
            problem: "events of this kind are not stored",
        });
    }
    match canonical_id(&event.canonical(), arena) {
        Ok(id) if id == event.id => Ok(event),
        Ok(_) => refuse(Reason::IdMismatch),
        Err(reason) => refuse(reason),
    }
}

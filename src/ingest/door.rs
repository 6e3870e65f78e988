//! Judging what arrives: every check of protocol §4, in its order, a batch at a time.

use super::passes::Passes;
use super::{Gate, Pass, Seat, Seen};
use crate::base::{EventId, KeyLimit, Now, PubKey, Reason, Signature, Stage, Stopwatch, limits};
use crate::event::{Envelope, EventView, Tag, canonical_id, scan_id};
use crate::verify::{Claim, Verifier, verify_stranger};
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Memory the arena keeps between batches: twice a full batch of ordinary events. A batch of
/// nothing but tags can take tens of MiB for a moment, which are given back.
const ARENA_BYTES_KEPT: usize = 2 * limits::VERIFY_BATCH_BYTES_MAX;

/// One event on its way in.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The bytes of the event map.
    pub wire: &'a [u8],
    /// Whoever sent it has sent a bad signature lately: it is verified apart from the others.
    pub suspect: bool,
}

/// What becomes of an arrival.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Not accepted. The id is the one the sender claims, whenever it could be read.
    Refused { id: Option<EventId>, reason: Reason },
    /// Accepted, of an ephemeral kind, and marked as seen: to be fanned out now.
    Ephemeral(Envelope),
    /// Accepted, of a stored kind: to be submitted to the log, which knows duplicates.
    Stored(Envelope),
}

/// The door of one publishing thread.
pub struct Door {
    gate: Arc<Gate>,
    verifier: Verifier,
    arena: Bump,
    /// Which signatures of a batch held.
    held: Vec<bool>,
    /// An envelope is laid out here before it gets its own buffer.
    scratch: Vec<u8>,
}

/// Why an arrival is refused, and its id if that could be read.
type Refusal = (Option<EventId>, Reason);

impl Door {
    /// A door of this gate.
    pub fn new(shared: Arc<Gate>) -> Self {
        Door {
            gate: shared,
            verifier: Verifier::new(limits::KEY_CACHE_MAX),
            arena: Bump::new(),
            held: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// `verdicts[i]` becomes the verdict on `arrivals[i]`. The caller keeps a batch within
    /// [`limits::VERIFY_BATCH_EVENTS_MAX`] and [`limits::VERIFY_BATCH_BYTES_MAX`].
    /// `watch` is told the stages, and left in [`Stage::HandOff`].
    pub fn judge(
        &mut self,
        watch: &Stopwatch,
        now: Now,
        arrivals: &[Arrival<'_>],
        verdicts: &mut Vec<Verdict>,
    ) {
        verdicts.clear();
        self.judge_into(watch, now, arrivals, verdicts);
        if self.arena.allocated_bytes() > ARENA_BYTES_KEPT {
            self.arena = Bump::new();
        } else {
            self.arena.reset();
        }
    }

    fn judge_into(
        &mut self,
        watch: &Stopwatch,
        now: Now,
        arrivals: &[Arrival<'_>],
        verdicts: &mut Vec<Verdict>,
    ) {
        let Door { gate, verifier, arena, held, scratch } = self;
        let passes = gate.allowlist.load();
        watch.enter(Stage::Decode);
        let decoded = arrivals.iter().map(|arrival| decode(arrival.wire, arena));
        let decoded = BumpVec::from_iter_in(decoded, arena);
        watch.enter(Stage::Hash);
        let admit = |event| admit(gate, &passes, now.unix_seconds, event, arena);
        let admitted = decoded.into_iter().map(|decoded| decoded.and_then(admit));
        let admitted = BumpVec::from_iter_in(admitted, arena);

        watch.enter(Stage::Verify);
        let trusted = arrivals.iter().zip(&admitted).filter(|(arrival, _)| !arrival.suspect);
        let claims = trusted.filter_map(|(_, admitted)| admitted.as_ref().ok()).map(claim);
        verifier.verify_batch(&BumpVec::from_iter_in(claims, arena), held);

        watch.enter(Stage::HandOff);
        let mut held = held.iter();
        for (arrival, admitted) in arrivals.iter().zip(&admitted) {
            verdicts.push(match admitted {
                Err((id, reason)) => Verdict::Refused { id: *id, reason: *reason },
                Ok(event) => {
                    let held = match arrival.suspect {
                        // One by one: a batch full of forgeries would cost more than its parts.
                        true => {
                            let stage = watch.enter(Stage::Verify);
                            let held = verifier.verify_one(&claim(event));
                            watch.enter(stage);
                            held
                        }
                        false => held.next() == Some(&true),
                    };
                    match held {
                        true => conclude(gate, &passes, now, event, arrival.wire, scratch),
                        false => refused(event, Reason::BadSignature),
                    }
                }
            });
        }
    }

    /// A seat of the key, if `sig` is over `SHA-256(nonce ‖ url)` for one of the relay's urls
    /// and the key is on the allowlist.
    ///
    /// # Errors
    /// [`Reason::BadLogin`], then [`Reason::KeyNotAllowed`], then [`Reason::KeyConnections`].
    pub fn login(&mut self, nonce: &[u8; 32], pubkey: &PubKey, sig: &Signature) -> Result<Seat, Reason> {
        let Door { gate, verifier, .. } = self;
        let pass = gate.allowlist.pass(pubkey);
        let held = gate.urls.iter().any(|url| {
            let id = Sha256::new().chain_update(nonce).chain_update(url).finalize().into();
            let claim = Claim { pubkey, id: &id, sig };
            if pass.is_some() { verifier.verify_one(&claim) } else { verify_stranger(&claim) }
        });
        if !held {
            return Err(Reason::BadLogin);
        }
        pass.ok_or(Reason::KeyNotAllowed).and_then(Seat::take)
    }
}

fn decode<'a>(wire: &'a [u8], arena: &'a Bump) -> Result<EventView<'a>, Refusal> {
    EventView::parse(wire, arena).map_err(|reason| (scan_id(wire), reason))
}

/// Everything between the form and the signature.
fn admit<'a>(
    gate: &Gate,
    passes: &Passes,
    unix_now: i64,
    event: EventView<'a>,
    arena: &Bump,
) -> Result<EventView<'a>, Refusal> {
    match check(gate, passes, unix_now, &event, arena) {
        Ok(()) => Ok(event),
        Err(reason) => Err((Some(event.id), reason)),
    }
}

/// Size, clock, tags, id, author, kind, known duplicate.
fn check(
    gate: &Gate,
    passes: &Passes,
    unix_now: i64,
    event: &EventView<'_>,
    arena: &Bump,
) -> Result<(), Reason> {
    gate.check_bounds(unix_now, event)?;
    let ephemeral = event.kind.is_ephemeral();
    // By the id that is claimed: if it is a false one, the next step but one says so.
    let seen = if ephemeral { gate.seen.peek(&event.id, event.created_at, unix_now) } else { Seen::Fresh };
    if let Seen::TooOld { limit } = seen {
        return Err(too_old(unix_now, event, limit));
    }
    if canonical_id(&event.canonical(), arena)? != event.id {
        return Err(Reason::IdMismatch);
    }
    let author = passes.get(&event.pubkey).ok_or(Reason::AuthorNotAllowed)?;
    if !author.may_sign(event.kind) {
        return Err(Reason::KindNotAllowed { kind: event.kind.0 });
    }
    if seen == Seen::Duplicate { Err(Reason::Duplicate) } else { Ok(()) }
}

fn claim<'a>(event: &'a EventView<'_>) -> Claim<'a> {
    Claim { pubkey: &event.pubkey, id: &event.id.0, sig: &event.sig }
}

/// What is left once the signature has held: the storm breaker, whose count nobody else can
/// spoil by forging, and for ephemeral kinds the place in the seen set.
fn conclude(
    gate: &Gate,
    passes: &Passes,
    now: Now,
    event: &EventView<'_>,
    wire: &[u8],
    scratch: &mut Vec<u8>,
) -> Verdict {
    if let Err(reason) = check_storm(gate, passes, now, event) {
        return refused(event, reason);
    }
    if !event.kind.is_ephemeral() {
        return Verdict::Stored(Envelope::new(event, wire, scratch));
    }
    match gate.seen.insert(&event.id, event.created_at, now.unix_seconds) {
        Seen::Fresh => Verdict::Ephemeral(Envelope::new(event, wire, scratch)),
        Seen::Duplicate => refused(event, Reason::Duplicate),
        Seen::TooOld { limit } => refused(event, too_old(now.unix_seconds, event, limit)),
        Seen::TooFarAhead => {
            let ahead_seconds = event.created_at.saturating_sub(now.unix_seconds);
            refused(event, Reason::TooFarAhead { ahead_seconds, limit: 0 })
        }
    }
}

fn refused(event: &EventView<'_>, reason: Reason) -> Verdict {
    Verdict::Refused { id: Some(event.id), reason }
}

/// Counts an answer in a thread. Events outside of threads cost a look at their tags.
fn check_storm(gate: &Gate, passes: &Passes, now: Now, event: &EventView<'_>) -> Result<(), Reason> {
    let Some(root) = thread_root(event) else { return Ok(()) };
    let limit = |pass: &Pass| pass.limits().get(KeyLimit::ThreadPublishesPerMinute);
    let value = passes.get(&event.pubkey).map_or(0, |pass| limit(pass));
    if value == 0 {
        return Ok(());
    }
    let counted = gate.storms.count(&event.pubkey, &root, value, now.ms.0);
    counted.map_err(|retry_ms| Reason::ThreadStorm { value, retry_ms })
}

/// The first event of the thread that this one is in (protocol §10).
fn thread_root(event: &EventView<'_>) -> Option<EventId> {
    let marked = |tag: &&Tag<'_>| tag.name == "e" && tag.values.get(1) == Some(&"root");
    event.tags.iter().find(marked).and_then(|tag| EventId::from_hex(tag.first()?))
}

fn too_old(unix_now: i64, event: &EventView<'_>, limit: i64) -> Reason {
    Reason::TooOld { age_seconds: unix_now.saturating_sub(event.created_at), limit }
}

#[cfg(test)]
impl Door {
    pub fn arena_bytes(&self) -> usize {
        self.arena.allocated_bytes()
    }
}

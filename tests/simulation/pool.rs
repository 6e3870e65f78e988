//! Signed events to publish, made once per process: signing is what would cost, not publishing.

use axon::base::{EventId, Kind, PubKey, Signature};
use axon::event::{Envelope, EventBuilder, EventView};
use axon::wire::ClientMessage;
use bumpalo::Bump;
use ed25519_dalek::{Signer, SigningKey};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::OnceLock;

/// Users with a key on the allowlist; the last one is an auditor.
pub const USERS: usize = 5;
/// Unix seconds when every run begins.
pub const NOW: i64 = 1_760_000_000;
/// What clients sign in their login.
pub const URL: &str = "ws://relay";

/// Stored kinds, private ones among them.
pub const STORED: [u16; 6] = [0, 1000, 1001, 2000, 2001, 5000];
/// Ephemeral kinds.
pub const EPHEMERAL: [u16; 2] = [3000, 3001];

const EVENTS: usize = 3_000;
/// Events at the end of the pool whose author is nobody's acquaintance.
const BY_STRANGER: usize = 50;

pub struct Event {
    pub author: usize,
    pub wire: Vec<u8>,
    /// The same event with a signature that does not hold.
    pub forged: Vec<u8>,
    pub envelope: Envelope,
    pub ephemeral: bool,
}

pub struct Pool {
    pub events: Vec<Event>,
    pub by_id: HashMap<EventId, usize>,
    /// One more than [`USERS`]: the stranger.
    pub keys: Vec<PubKey>,
    /// Each user's Auth message, for the nonce that is his number.
    pub logins: Vec<Vec<u8>>,
    pub wire_bytes_max: usize,
    pub wire_bytes_min: usize,
}

/// The pool of this process.
pub fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(make)
}

/// The Challenge's nonce for a user.
pub fn nonce(user: usize) -> [u8; 32] {
    [user as u8; 32]
}

impl Pool {
    /// An event, of which any user may be the author.
    pub fn random(&self, rng: &mut StdRng) -> usize {
        rng.random_range(0..EVENTS - BY_STRANGER)
    }

    pub fn by_stranger(&self, rng: &mut StdRng) -> usize {
        rng.random_range(EVENTS - BY_STRANGER..EVENTS)
    }
}

fn make() -> Pool {
    let mut rng = StdRng::seed_from_u64(0);
    let secrets: Vec<SigningKey> = (0..=USERS).map(|n| SigningKey::from_bytes(&[n as u8 + 1; 32])).collect();
    let keys: Vec<PubKey> = secrets.iter().map(|key| PubKey(key.verifying_key().to_bytes())).collect();
    let events: Vec<Event> = (0..EVENTS)
        .map(|n| {
            let author = if n < EVENTS - BY_STRANGER { rng.random_range(0..USERS) } else { USERS };
            event(&mut rng, n, author, &secrets[author], &keys)
        })
        .collect();
    let logins = (0..USERS).map(|user| {
        let digest = Sha256::new().chain_update(nonce(user)).chain_update(URL).finalize();
        let sig = Signature(secrets[user].sign(&digest).to_bytes());
        let mut message = Vec::new();
        ClientMessage::Auth { pubkey: keys[user], sig }.write(&mut message);
        message
    });
    let sizes = || events.iter().map(|event| event.wire.len());
    Pool {
        by_id: events
            .iter()
            .enumerate()
            .map(|(n, e)| (*axon::event::EventFields::id(&e.envelope), n))
            .collect(),
        logins: logins.collect(),
        wire_bytes_max: sizes().max().unwrap(),
        wire_bytes_min: sizes().min().unwrap(),
        events,
        keys,
    }
}

fn event(rng: &mut StdRng, n: usize, author: usize, secret: &SigningKey, keys: &[PubKey]) -> Event {
    let ephemeral = rng.random_range(0..5) == 0;
    let kind =
        if ephemeral { EPHEMERAL[rng.random_range(0..2)] } else { STORED[rng.random_range(0..STORED.len())] };
    let mut tags = Vec::new();
    if rng.random_bool(0.5) {
        tags.push(("t".to_owned(), vec![["a", "b", "c"][rng.random_range(0..3)].to_owned()]));
    }
    if rng.random_bool(0.4) {
        tags.push(("p".to_owned(), vec![keys[rng.random_range(0..USERS)].to_hex()]));
    }
    let size =
        if rng.random_range(0..10) == 0 { rng.random_range(300..900) } else { rng.random_range(0..120) };
    // The number makes every event another one.
    let content = [&(n as u64).to_be_bytes()[..], &vec![b'x'; size]].concat();
    let builder =
        EventBuilder { kind: Kind(kind), created_at: NOW - rng.random_range(0..100), content, tags };
    let sign = |id: &EventId| Signature(secret.sign(&id.0).to_bytes());
    let (id, wire) = builder.finish(&keys[author], sign).unwrap();
    let forge = |_: &EventId| Signature(secret.sign(b"something else").to_bytes());
    let (forged_id, forged) = builder.finish(&keys[author], forge).unwrap();
    assert_eq!(id, forged_id);
    let arena = Bump::new();
    let envelope = Envelope::new(&EventView::parse(&wire, &arena).unwrap(), &wire, &mut Vec::new());
    Event { author, wire, forged, envelope, ephemeral }
}

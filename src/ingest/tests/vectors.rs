//! Events and logins as an independent implementation makes them.

use super::*;
use crate::codec::Reader;
use crate::event::EventFields;
use serde_json::Value;

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn hex_of(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// The event of a case that gives its large content by a repeated byte instead of its bytes.
fn repeated(case: &Value) -> (SigningKey, EventBuilder) {
    let byte = hex_of(&case["content_repeat"][0])[0];
    let count = case["content_repeat"][1].as_u64().unwrap() as usize;
    let kind = u16::try_from(case["kind"].as_u64().unwrap()).unwrap();
    let seed = hex_of(&case["seed"]).try_into().unwrap();
    let created_at = case["created_at"].as_i64().unwrap();
    (SigningKey::from_bytes(&seed), builder(kind, created_at, &vec![byte; count]))
}

#[test]
fn every_event_vector_is_accepted_as_received() {
    let file = vectors(include_str!("../../../tests/vectors/events.json"));
    let cases = file.as_array().unwrap();
    let authors =
        cases.iter().map(|case| grant(PubKey(hex_of(&case["pubkey"]).try_into().unwrap()), Role::Member));
    let allowlist = Arc::new(Allowlist::new(Rules::default(), authors.collect(), Vec::new()));
    for wire_key in ["wire", "wire_other_key_order"] {
        let gate = Gate::new(Arc::clone(&allowlist), Limits::default(), Vec::new());
        let mut door = Door::new(Arc::new(gate));
        for case in cases {
            let wire = if case[wire_key].is_null() {
                let (key, event) = repeated(case);
                let wire = sign_as(&event, &key);
                assert!(wire.windows(64).any(|bytes| bytes == hex_of(&case["sig"])), "{}", case["name"]);
                wire
            } else {
                hex_of(&case[wire_key])
            };
            let now = case["created_at"].as_i64().unwrap();
            let verdict = judge(&mut door, now, std::slice::from_ref(&wire)).remove(0);
            let envelope = match verdict {
                Verdict::Stored(envelope) if !envelope.kind().is_ephemeral() => envelope,
                Verdict::Ephemeral(envelope) if envelope.kind().is_ephemeral() => envelope,
                other => panic!("{}: {other:?}", case["name"]),
            };
            assert_eq!(envelope.wire(), wire);
            assert_eq!(envelope.id().to_hex(), case["id"].as_str().unwrap());
        }
    }
}

/// The bytes where the event should stand in `[7, {"event": ...}]`: the event if it is a whole
/// value, else everything from there on; `None` if the message does not get that far.
fn event_bytes(message: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(message);
    let publish = reader.array_len() == Ok(2)
        && reader.uint() == Ok(7)
        && reader.map_len() == Ok(1)
        && reader.str() == Ok("event");
    if !publish || reader.is_empty() {
        return None;
    }
    let rest = reader.rest();
    let event = reader.skip().ok().filter(|_| reader.is_empty());
    Some(event.unwrap_or(rest))
}

#[test]
fn every_event_of_the_reject_vectors_is_refused_with_its_code() {
    let file = vectors(include_str!("../../../tests/vectors/reject.json"));
    let seed: [u8; 32] = hex_of(&file["author_seed"]).try_into().unwrap();
    let author = PubKey(SigningKey::from_bytes(&seed).verifying_key().to_bytes());
    let allowlist = Allowlist::new(Rules::default(), vec![grant(author, Role::Member)], Vec::new());
    let mut door = Door::new(Arc::new(Gate::new(Arc::new(allowlist), Limits::default(), Vec::new())));
    let (mut events, mut with_id) = (0, 0);
    for case in file["cases"].as_array().unwrap() {
        let wire = if case["publish"].is_null() {
            let (key, event) = repeated(case);
            sign_as(&event, &key)
        } else {
            let message = hex_of(&case["publish"]);
            let Some(wire) = event_bytes(&message) else { continue };
            wire.to_vec()
        };
        events += 1;
        match judge(&mut door, NOW, &[wire]).remove(0) {
            Verdict::Refused { id, reason } => {
                assert_eq!(u64::from(reason.code()), case["code"].as_u64().unwrap(), "{}", case["name"]);
                with_id += usize::from(id.is_some());
            }
            other => panic!("{}: {other:?}", case["name"]),
        }
    }
    assert!(events >= 45 && with_id >= 30, "{events} {with_id}");
}

#[test]
fn logins_follow_the_vectors() {
    for case in vectors(include_str!("../../../tests/vectors/auth.json")).as_array().unwrap() {
        let pubkey = PubKey(hex_of(&case["pubkey"]).try_into().unwrap());
        let nonce: [u8; 32] = hex_of(&case["nonce"]).try_into().unwrap();
        let sig = Signature(hex_of(&case["sig"]).try_into().unwrap());
        let url = case["relay_url"].as_str().unwrap().to_owned();
        let door = |url: &str, allowed: &[PubKey]| {
            let config = allowed.iter().map(|key| grant(*key, Role::Auditor)).collect();
            let urls = vec!["ws://elsewhere".to_owned(), url.to_owned()];
            let allowlist = Arc::new(Allowlist::new(Rules::default(), config, Vec::new()));
            Door::new(Arc::new(Gate::new(allowlist, Limits::default(), urls)))
        };
        let mut open = door(&url, &[pubkey]);
        let login = |door: &mut Door, nonce| door.login(nonce, &pubkey, &sig).map(|seat| seat.pass().role());
        assert_eq!(login(&mut open, &nonce), Ok(Role::Auditor));
        assert_eq!(login(&mut open, &[0; 32]), Err(Reason::BadLogin));
        assert_eq!(login(&mut door("ws://other", &[pubkey]), &nonce), Err(Reason::BadLogin));
        assert_eq!(login(&mut door(&url, &[]), &nonce), Err(Reason::KeyNotAllowed));
        assert_eq!(login(&mut door(&url, &[]), &[0; 32]), Err(Reason::BadLogin));
    }
}

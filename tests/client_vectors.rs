//! The vectors of an independent implementation, through the client library: what it signs and
//! seals is byte for byte what they have, and what they have it reads and verifies.

#![allow(clippy::expect_used, reason = "a test may stop at what cannot be")]

use axon::base::{EventId, Kind, PubKey, Signature};
use axon::client::{Event, EventBuilder, KeyPair, Verifier, dm};
use bytes::Bytes;
use serde_json::Value;

fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn cases(value: &Value) -> &[Value] {
    let cases = value.as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    cases
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{key} in {case}"))
}

fn bytes(case: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(case, key)).unwrap_or_else(|e| panic!("{key}: {e}"))
}

fn array<const N: usize>(case: &Value, key: &str) -> [u8; N] {
    bytes(case, key).try_into().unwrap_or_else(|b: Vec<u8>| panic!("{key}: {} bytes", b.len()))
}

fn key(case: &Value, name: &str) -> KeyPair {
    KeyPair::from_seed(&array(case, name))
}

/// The longest content is described, not written out: `["ab", 65536]`.
fn content(case: &Value) -> Vec<u8> {
    match &case["content_repeat"] {
        Value::Null => bytes(case, "content"),
        repeat => {
            hex::decode(repeat[0].as_str().expect("hex").repeat(repeat[1].as_u64().expect("times") as usize))
                .expect("hex")
        }
    }
}

/// `[["name", ["value", …]], …]`
fn tags(case: &Value) -> Vec<(String, Vec<String>)> {
    serde_json::from_value(case["tags"].clone()).unwrap_or_else(|e| panic!("tags of {case}: {e}"))
}

#[test]
fn events_are_signed_and_read_as_in_the_vectors() {
    let vectors = vectors("events.json");
    let mut verifier = Verifier::default();
    for case in cases(&vectors) {
        let name = text(case, "name");
        let builder = EventBuilder {
            kind: Kind(case["kind"].as_u64().expect("a kind") as u16),
            created_at: case["created_at"].as_i64().expect("a time"),
            content: content(case),
            tags: tags(case),
        };
        let (id, wire) = key(case, "seed").sign_event(&builder).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(id.to_hex(), text(case, "id"), "{name}");
        let mut wires = vec![wire.clone()];
        if case["content"].is_string() {
            // A signer uses the shortest encodings; every reader takes the wide ones, too.
            if !name.starts_with("wide encoding") {
                assert_eq!(hex::encode(&wire), text(case, "wire"), "{name}");
            }
            wires.extend([bytes(case, "wire"), bytes(case, "wire_other_key_order")]);
        }
        for wire in wires.into_iter().map(Bytes::from) {
            for end in 0..wire.len() {
                assert!(Event::decode(wire.slice(..end)).is_err(), "{name}: a part of an event is none");
            }
            let event = verifier.open(wire).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(event.id, id, "{name}");
            assert_eq!(event.pubkey.to_hex(), text(case, "pubkey"), "{name}");
            assert_eq!(event.sig.to_hex(), text(case, "sig"), "{name}");
            assert_eq!((event.kind, event.created_at), (builder.kind, builder.created_at), "{name}");
            assert_eq!(event.content, builder.content, "{name}");
            let read: Vec<_> = event.tags.into_iter().map(|tag| (tag.name, tag.values)).collect();
            assert_eq!(read, builder.tags, "{name}");
        }
    }
}

#[test]
fn logins_are_signed_as_in_the_vectors() {
    let vectors = vectors("auth.json");
    for case in cases(&vectors) {
        let key = key(case, "seed");
        assert_eq!(key.pubkey().to_hex(), text(case, "pubkey"));
        let sig = key.sign_login(&array(case, "nonce"), text(case, "relay_url"));
        assert_eq!(sig.to_hex(), text(case, "sig"));
    }
}

#[test]
fn direct_messages_are_sealed_and_opened_as_in_the_vectors() {
    let vectors = vectors("dm.json");
    for case in cases(&vectors) {
        let (sender, recipient) = (key(case, "sender_seed"), key(case, "recipient_seed"));
        assert_eq!(recipient.pubkey().to_hex(), text(case, "recipient_pubkey"));
        let (plaintext, content) = (bytes(case, "plaintext"), bytes(case, "content"));
        let sealed = dm::seal(&sender, &recipient.pubkey(), &array(case, "salt"), &plaintext);
        assert_eq!(sealed.as_ref(), Ok(&content));
        for reader in [&sender, &recipient] {
            let opened = dm::open(reader, &sender.pubkey(), &recipient.pubkey(), &content);
            assert_eq!(opened.as_ref(), Ok(&plaintext));
        }
        for at in 0..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 0x80;
            assert!(
                dm::open(&recipient, &sender.pubkey(), &recipient.pubkey(), &changed).is_err(),
                "byte {at}"
            );
        }
    }
}

#[test]
fn the_verifier_follows_the_acceptance_rule() {
    let vectors = vectors("ed25519_edge.json");
    let mut verifier = Verifier::default();
    // Twice: the second time with the keys that passed in the verifier's cache.
    for case in cases(&vectors["cases"]).iter().chain(cases(&vectors["cases"])) {
        let id = EventId(array(case, "message"));
        let accepted = verifier.verify(&id, &PubKey(array(case, "pubkey")), &Signature(array(case, "sig")));
        assert_eq!(accepted, case["accept"].as_bool().expect("a verdict"), "{}", text(case, "name"));
    }
}

#[test]
fn what_the_relay_must_refuse_the_client_does_not_take_for_an_event() {
    /// `[7, {"event": `; what is wrong with messages that begin otherwise is not the event.
    const BEFORE_EVENT: &[u8] = b"\x92\x07\x81\xa5event";
    let vectors = vectors("reject.json");
    let mut verifier = Verifier::default();
    let mut taken = Vec::new();
    for case in cases(&vectors["cases"]) {
        let Some(message) = case["publish"].as_str() else {
            let long =
                EventBuilder { kind: Kind::MESSAGE, created_at: 1, content: content(case), tags: vec![] };
            assert!(key(case, "seed").sign_event(&long).is_err(), "{}", text(case, "name"));
            continue;
        };
        let message = hex::decode(message).expect("hex");
        let Some(event) = message.strip_prefix(BEFORE_EVENT) else { continue };
        if verifier.open(event.to_vec().into()).is_ok() {
            taken.push(text(case, "name").to_owned());
        }
    }
    // Only what the relay refuses for its clock is an event like any other.
    assert_eq!(taken, ["created_at far ahead"]);
}

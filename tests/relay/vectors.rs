//! Every case of the vector files that is about the wire, over a real socket.

use super::harness::*;
use axon::base::{Kind, Seq};
use axon::codec::Reader;
use axon::filter::{Filter, FilterLimits};
use ed25519_dalek::SigningKey;
use serde_json::Value;
use std::collections::HashSet;

fn load(file: &str) -> Value {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a vector file")).expect("JSON")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("hex text")).expect("hex")
}

fn signer(value: &Value) -> SigningKey {
    SigningKey::from_bytes(&bytes(value).try_into().expect("32 bytes"))
}

#[test]
fn every_event_is_taken_and_comes_back_byte_for_byte() {
    let cases = load("events.json");
    let cases = cases.as_array().expect("cases");
    let mut setup = Setup::new([1]);
    for case in cases {
        let author = signer(&case["seed"]);
        if !setup.allow.iter().any(|(known, _)| *known == pubkey(&author)) {
            setup = setup.allow(&author, "member");
        }
    }
    let auditor = key(2);
    let relay = setup.allow(&auditor, "auditor").start();
    let mut reader = relay.client(&auditor);
    let (stored, _) = reader.stored("all", Filter::default());
    assert!(stored.is_empty());
    let mut publisher = relay.client(&key(1));
    // Two cases are one event with its tags in another order: the same id.
    let mut known = HashSet::new();
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        for form in ["wire", "wire_other_key_order"] {
            let wire = case.get(form).map_or_else(|| described_event(case), bytes);
            let id = case["id"].as_str().expect("an id");
            publisher.publish(&wire);
            let ephemeral = Kind(case["kind"].as_u64().expect("a kind") as u16).is_ephemeral();
            if ephemeral || case["created_at"].as_i64().is_none_or(|at| at > unix_now() + 900) {
                // The vectors are dated in the past, beyond the seen window; one in the far future.
                let answer = publisher.recv();
                assert!(matches!(answer, Received::Error(400, text) if text.starts_with(id)), "{name}");
            } else if known.insert(id.to_owned()) {
                assert_eq!(publisher.recv(), Received::Ok(id.to_owned()), "{name}");
                let Received::Event { wire: got, .. } = reader.recv() else { panic!("{name}: no event") };
                assert!(got == wire, "{name}");
            } else {
                let expected = Received::Error(409, format!("{id}: duplicate"));
                assert_eq!(publisher.recv(), expected, "{name} again, as {form}");
            }
        }
    }
}

#[test]
fn every_bad_publish_gets_its_code_and_leaves_the_session_open() {
    let file = load("reject.json");
    let author = signer(&file["author_seed"]);
    let relay = Setup::new([1]).allow(&author, "member").start();
    let mut client = relay.client(&author);
    for case in file["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        match case.get("publish") {
            Some(publish) => client.send(&frame(2, &bytes(publish))),
            None => client.publish(&described_event(case)),
        }
        match client.recv() {
            Received::Error(code, _) => assert_eq!(Some(u64::from(code)), case["code"].as_u64(), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        client.settle();
    }
}

/// A case that is too long to be written out: one byte, repeated.
fn described_event(case: &Value) -> Vec<u8> {
    let (byte, times) =
        (bytes(&case["content_repeat"][0]), case["content_repeat"][1].as_u64().expect("a count"));
    let kind = case["kind"].as_u64().expect("a kind") as u16;
    let created_at = case["created_at"].as_i64().expect("a time");
    event_at(&signer(&case["seed"]), kind, &byte.repeat(times as usize), &[], created_at).1
}

#[test]
fn every_bad_subscribe_gets_its_code_and_leaves_the_session_open() {
    let file = load("reject_subscribe.json");
    let relay = Setup::new([1]).start();
    let mut client = relay.client(&key(1));
    for case in file["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        client.send(&frame(2, &bytes(&case["message"])));
        match client.recv() {
            Received::Error(code, _) => assert_eq!(Some(u64::from(code)), case["code"].as_u64(), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        client.settle();
    }
}

#[test]
fn every_filter_selects_its_events_in_log_order() {
    let file = load("filters.json");
    let mut setup = Setup::new([1]);
    for seed in file["seeds"].as_array().expect("seeds") {
        setup = setup.allow(&signer(seed), "member");
    }
    let auditor = key(2);
    let relay = setup.allow(&auditor, "auditor").start();
    let log: Vec<Vec<u8>> = file["log"].as_array().expect("a log").iter().map(bytes).collect();
    let mut publisher = relay.client(&key(1));
    for wire in &log {
        publisher.publish(wire);
        assert!(matches!(publisher.recv(), Received::Ok(_)));
    }
    let mut reader = relay.client(&auditor);
    for (i, case) in file["cases"].as_array().expect("cases").iter().enumerate() {
        let filter = filter_of(&case["filter"]);
        let (events, end) = reader.stored(&format!("case {i}"), filter);
        assert!(matches!(end, Received::Eose { .. }), "case {i}: {end:?}");
        let seqs: Vec<u64> = events
            .iter()
            .map(|(wire, _)| log.iter().position(|w| w == wire).expect("an event of the log") as u64 + 1)
            .collect();
        let expected: Vec<u64> =
            case["stored_seqs_in_order"].as_array().expect("seqs").iter().filter_map(Value::as_u64).collect();
        assert_eq!(seqs, expected, "case {i}: {}", case["filter"]);
        for ((_, seq), expected) in events.iter().zip(&expected) {
            assert!(seq.is_none_or(|seq| seq == Seq(*expected)), "case {i}");
        }
    }
}

/// A filter from its JSON form: hex for ids and authors.
fn filter_of(json: &Value) -> Filter {
    let mut out = Vec::new();
    write_json(&mut out, "", json);
    let limits = FilterLimits { entries_max: 1_000, tags_max: 100 };
    Filter::read(&mut Reader::new(&out), &limits).expect("a filter")
}

fn write_json(out: &mut Vec<u8>, key: &str, json: &Value) {
    use axon::codec::*;
    match json {
        Value::Object(map) => {
            write_map_len(out, map.len() as u32);
            for (key, value) in map {
                write_str(out, key);
                write_json(out, key, value);
            }
        }
        Value::Array(list) => {
            write_array_len(out, list.len() as u32);
            list.iter().for_each(|value| write_json(out, key, value));
        }
        Value::String(text) if ["ids", "authors", "log"].contains(&key) => {
            write_bin(out, &hex::decode(text).expect("hex"));
        }
        Value::String(text) => write_str(out, text),
        Value::Number(n) => write_int(out, n.as_i64().expect("an integer")),
        other => panic!("{other} in a filter"),
    }
}

#[test]
fn a_login_verifies_for_the_urls_of_this_relay_only() {
    for case in load("auth.json").as_array().expect("cases") {
        let (signer, url) = (signer(&case["seed"]), case["relay_url"].as_str().expect("a url"));
        let relay = Setup::new([]).allow(&signer, "member").start();
        let mut wrong = Client::upgrade(&relay.address());
        wrong.login(&signer, url);
        assert!(matches!(wrong.recv(), Received::Error(401, _)), "{url} is not among this relay's urls");
        assert!(matches!(wrong.recv(), Received::Close(_)));
        assert_eq!(wrong.recv(), Received::End);
        let mut setup = Setup::new([]).allow(&signer, "member");
        setup.urls = vec!["ws://other".to_owned(), url.to_owned()];
        let relay = setup.start();
        let mut right = Client::upgrade(&relay.address());
        right.login(&signer, url);
        assert!(matches!(right.recv(), Received::Ok(_)), "{url}");
    }
}

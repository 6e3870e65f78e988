//! Specimens from `tests/vectors`.

use axon::base::{LogId, Seq};
use axon::wire::{Eose, put_envelope, relay};
use serde_json::Value;

const EVENTS: &str = include_str!("../../vectors/events.json");
const REJECT: &str = include_str!("../../vectors/reject.json");
const SUBSCRIBE: &str = include_str!("../../vectors/reject_subscribe.json");
const FILTERS: &str = include_str!("../../vectors/filters.json");
const SIGNATURES: &str = include_str!("../../vectors/ed25519_edge.json");

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("a vector file is JSON")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("hex")).expect("hex")
}

/// The bytes under `key`, of those cases that have them.
fn all(cases: &Value, key: &str) -> Vec<Vec<u8>> {
    let found = list(cases).iter().filter_map(|case| Some(hex::decode(case[key].as_str()?).expect("hex")));
    // One of 64 KiB is only slow.
    found.filter(|bytes| bytes.len() < 4_096).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The events of the filter vectors: stored kinds, private ones among them, five authors.
pub fn log() -> Vec<Vec<u8>> {
    list(&parse(FILTERS)["log"]).iter().map(bytes).collect()
}

pub fn events() -> Vec<Vec<u8>> {
    [all(&parse(EVENTS), "wire"), log()].concat()
}

/// Whole client messages: those that must be refused and, of each kind, one that is well.
pub fn messages() -> Vec<Vec<u8>> {
    let publish = |event: &Vec<u8>| [&b"\x92\x07\x81\xa5event"[..], event].concat();
    let auth = [&b"\x92\x02\x82\xa6pubkey\xc4\x20"[..], &[7; 32], b"\xa3sig\xc4\x40", &[8; 64]].concat();
    let subscribe = |filter: &Vec<u8>| [&b"\x92\x05\x82\xa6sub_id\xa1s\xa6filter"[..], filter].concat();
    let mut messages = all(&parse(REJECT)["cases"], "publish");
    messages.extend(all(&parse(SUBSCRIBE)["cases"], "message"));
    messages.extend(log().iter().take(8).map(publish));
    messages.extend(filters().iter().map(subscribe));
    messages.extend([auth, b"\x92\x06\x81\xa6sub_id\xa1s".to_vec()]);
    messages
}

/// Messages of a relay, as a client reads them, without their frames.
pub fn answers() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (event, seq) in log().iter().take(4).zip([None, Some(Seq(1)), None, Some(Seq(u64::MAX))]) {
        let mut out = Vec::new();
        put_envelope(&mut out, "s", seq, event);
        all.push(out);
    }
    for position in [None, Some((Seq(9), LogId([3; 16])))] {
        let mut out = Vec::new();
        relay::put_eose(&mut out, &Eose { sub_id: "s", more: position.is_some(), position });
        all.push(out);
    }
    let mut out = Vec::new();
    relay::put_challenge(&mut out, &[1; 32]);
    all.push(out);
    let mut out = Vec::new();
    relay::put_ok_text(&mut out, "welcome");
    all.push(out);
    // Behind the header of a short frame or of a longer one.
    all.into_iter().map(|frame| frame[if frame[1] == 126 { 4 } else { 2 }..].to_vec()).collect()
}

/// Filters as they stand in a Subscribe.
pub fn filters() -> Vec<Vec<u8>> {
    let whole = axon::filter::Filter {
        ids: vec![axon::base::EventId([1; 32])],
        authors: vec![axon::base::PubKey([2; 32])],
        kinds: vec![1, 1000],
        kind_ranges: vec![(5000, 5999)],
        since: Some(-1),
        until: Some(1 << 40),
        limit: Some(3),
        tags: vec![axon::filter::TagFilter {
            name: "t".to_owned(),
            values: vec!["a".to_owned(), "b".to_owned()],
        }],
        after: Some(0),
        log: Some(LogId([7; 16])),
    };
    let written = |filter: &axon::filter::Filter| {
        let mut out = Vec::new();
        filter.write(&mut out);
        out
    };
    let private = axon::filter::Filter { kinds: vec![2000], ..Default::default() };
    let resumed = axon::filter::Filter { after: Some(2), limit: Some(2), ..Default::default() };
    [whole, private, resumed, Default::default()].iter().map(written).collect()
}

/// Claims of 128 bytes: public key, id, signature.
pub fn signatures() -> Vec<Vec<u8>> {
    let file = parse(SIGNATURES);
    let claim =
        |case: &Value| [bytes(&case["pubkey"]), bytes(&case["message"]), bytes(&case["sig"])].concat();
    let claims: Vec<Vec<u8>> =
        list(&file["cases"]).iter().map(claim).filter(|claim| claim.len() == 128).collect();
    claims.chunks(4).map(|claims| claims.concat()).chain(claims.iter().cloned()).collect()
}

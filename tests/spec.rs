//! The wire specification's examples and numbers are the vectors' and the code's. Without this
//! somebody would debug a client against a typing error.

use axon::base::{Limits, limits};
use serde_json::Value;

const SPEC: &str = include_str!("../src/protocol.md");
const EVENTS: &str = include_str!("vectors/events.json");
const AUTH: &str = include_str!("vectors/auth.json");
const DM: &str = include_str!("vectors/dm.json");

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Every named string of `vector` stands in the specification, however it is broken into lines.
fn missing(vector: &Value, fields: &[&str]) -> Vec<String> {
    let spec = without_spaces(SPEC);
    let text = |field: &&str| vector[*field].as_str().unwrap_or_default().to_owned();
    let wanted = fields.iter().map(|field| (field, text(field)));
    wanted
        .filter(|(_, hex)| hex.is_empty() || !spec.contains(hex))
        .map(|(field, _)| (*field).to_owned())
        .collect()
}

#[test]
fn examples_are_the_vectors() {
    let event = vectors(EVENTS).into_iter().find(|v| v["name"] == "one tag").expect("the case");
    let fields = ["seed", "pubkey", "id", "sig", "content", "canonical_tags_sha256"];
    assert_eq!(missing(&event, &fields), [""; 0], "of the event");
    assert!(SPEC.contains(&format!("{} bytes:", event["wire"].as_str().map_or(0, str::len) / 2)));
    assert_eq!(missing(&vectors(AUTH)[0], &["seed", "nonce", "relay_url", "sig"]), [""; 0], "of the login");
    let fields = ["sender_seed", "recipient_seed", "recipient_pubkey", "salt", "content"];
    assert_eq!(missing(&vectors(DM)[1], &fields), [""; 0], "of the direct message");
}

#[test]
fn limits_are_the_defaults() {
    let defaults = Limits::default();
    let spaced = |n: usize| {
        let digits = n.to_string();
        let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
        groups.iter().map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(" ")
    };
    let rows = [
        ("bytes of one WebSocket message", spaced(defaults.message_bytes_max)),
        ("bytes of content of one event", spaced(limits::CONTENT_BYTES_MAX)),
        ("subscriptions of one connection", spaced(defaults.subscriptions_max)),
        ("together", spaced(defaults.filter_entries_max)),
        ("tag filters of one filter", spaced(defaults.filter_tags_max)),
        (
            "unanswered publishes of one connection",
            format!("{}, and {} MiB", spaced(defaults.in_flight_max), defaults.in_flight_bytes_max >> 20),
        ),
        ("may be ahead", defaults.max_future_seconds.to_string()),
        ("may be old", defaults.seen_window_seconds.to_string()),
        ("seconds to log in", (defaults.auth_timeout_ms / 1_000).to_string()),
    ];
    let wrong: Vec<_> = rows.iter().filter(|(what, n)| !SPEC.contains(&format!("{what} | {n} |"))).collect();
    assert!(wrong.is_empty(), "not in the specification: {wrong:?}");
}

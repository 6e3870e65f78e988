//! One key opens both faces: registered, changed and taken away.

use super::harness::*;
use axon::base::PubKey;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;

fn allowed(service: &Service) -> Vec<String> {
    let listed = service.axon(&["allow", "list", "--json"]);
    let entries = listed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    // The platform's own key is there as soon as it has something to publish.
    let others = entries.filter(|entry| entry["name"] != "gather");
    let mut keys: Vec<String> =
        others.filter_map(|entry| entry["pubkey"].as_str().map(str::to_owned)).collect();
    keys.sort();
    keys
}

fn hex_of(n: u8) -> String {
    PubKey(key(n).verifying_key().to_bytes()).to_hex()
}

#[test]
fn a_registered_key_is_on_the_allowlist_when_the_answer_comes() {
    let mut service = Setup::new().allow(&key(9), "member").start();
    assert_eq!(allowed(&service), [hex_of(9)]);
    let agent = service.agent(1);
    let mut both = vec![hex_of(1), hex_of(9)];
    both.sort();
    assert_eq!(allowed(&service), both);
    service.crash_and_restart();
    assert_eq!(allowed(&service), both, "it is there to stay");
    // A changed key takes the old one's place.
    let message = [&b"gather-key-v1\0"[..], &agent.key.verifying_key().to_bytes()].concat();
    let body = json!({"public_key": pem(&key(2)), "signature": signature(&key(2), &message)});
    agent.ask(&service, Request::new("PUT", "/api/agents/me/key").json(body)).expect(200);
    let mut changed = vec![hex_of(2), hex_of(9)];
    changed.sort();
    assert_eq!(allowed(&service), changed);
}

#[test]
fn the_token_key_is_kept_and_belongs_to_the_operator_alone() {
    let service = Setup::new().start();
    let path = service.dir.path().join("data/gather-jwt.key");
    let mode = std::fs::metadata(path).expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

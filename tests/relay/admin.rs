//! The control operations over HTTP, for admins: refused to everybody else, and off unless asked for.

use super::harness::*;
use axon::base::admin::{AdminProof, AdminRequest};
use axon::client::KeyPair;
use std::process::{Command, Output};

const ADMIN: u8 = 7;
const MEMBER: u8 = 1;
const URL: &str = "ws://test";

fn relay(extra: &str) -> Relay {
    let mut setup = Setup::new([MEMBER]).allow(&key(ADMIN), "admin").section("[log]\nlevel = \"trace\"\n");
    // In the harness's [http] table.
    setup.sections.insert_str(0, extra);
    setup.start()
}

/// A signed request's bytes.
fn request(
    signer: u8,
    url: &str,
    (method, target, body): (&str, &str, &str),
    seconds: i64,
    nonce: u8,
) -> Vec<u8> {
    let pair = KeyPair::from_seed(&[signer; 32]);
    let signed = AdminRequest { url, method, target, body: body.as_bytes() };
    let sig = pair.sign_admin(&signed, seconds, &[nonce; 16]);
    let proof = AdminProof { pubkey: pair.pubkey(), unix_seconds: seconds, nonce: [nonce; 16], sig };
    raw(method, target, body, &format!("Authorization: {proof}\r\n"))
}

fn raw(method: &str, target: &str, body: &str, header: &str) -> Vec<u8> {
    format!(
        "{method} /admin{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn status(relay: &Relay, bytes: &[u8]) -> String {
    let answer = String::from_utf8(converse(&relay.http_address(), bytes)).expect("text");
    answer.split(' ').nth(1).expect("a status").to_owned()
}

#[test]
fn only_what_an_admin_has_signed_for_this_relay_now_and_once_is_done() {
    assert_eq!(key(ADMIN).to_bytes(), [ADMIN; 32], "the key pairs below are those of the harness");
    let mut relay = relay("admin = true\n");
    let (now, list) = (unix_now(), ("GET", "/keys", ""));
    let good = request(ADMIN, URL, list, now, 1);
    assert_eq!(status(&relay, &good), "200");
    assert_eq!(status(&relay, &good), "401", "a request counts once");
    let entry = format!("{{\"pubkey\":\"{}\",\"role\":\"admin\"}}", pubkey(&key(2)));
    let adding = ("POST", "/keys", entry.as_str());
    let add = request(ADMIN, URL, adding, now, 2);
    let other_body = String::from_utf8(add.clone()).expect("text").replace("\"admin\"}", "\"agent\"}");
    let other_target = String::from_utf8(request(ADMIN, URL, list, now, 4)).expect("text");
    for (what, bytes) in [
        ("nothing signed", raw("GET", "/keys", "", "")),
        ("a token", raw("GET", "/keys", "", "Authorization: Bearer abc\r\n")),
        ("a member's", request(MEMBER, URL, adding, now, 1)),
        ("a stranger's", request(99, URL, adding, now, 1)),
        ("for another relay", request(ADMIN, "ws://other", adding, now, 3)),
        ("of before its start, which it may have done already", request(ADMIN, URL, adding, now - 30, 3)),
        ("of yesterday", request(ADMIN, URL, adding, now - 86_400, 3)),
        ("of tomorrow", request(ADMIN, URL, adding, now + 86_400, 3)),
        ("another body", other_body.into_bytes()),
        ("another target", other_target.replace("/admin/keys", "/admin/info").into_bytes()),
    ] {
        assert_eq!(status(&relay, &bytes), "401", "{what}");
    }
    assert_eq!(status(&relay, &request(ADMIN, URL, ("POST", "/checkpoints", ""), now, 5)), "404");
    let long = "x".repeat(20_000);
    assert_eq!(status(&relay, &request(ADMIN, URL, ("POST", "/keys", &long), now, 6)), "413");
    let keys = String::from_utf8(relay.axon(&["allow", "list"]).stdout).expect("text");
    assert!(!keys.contains(&pubkey(&key(2)).to_hex()), "none of them did anything: {keys}");
    assert_eq!(status(&relay, &add), "204");
    relay.terminate();
    let log = relay.log();
    let signature = String::from_utf8(add).expect("text");
    let signature = signature.split(' ').nth(9).and_then(|it| it.split('\r').next()).expect("a signature");
    assert_eq!(signature.len(), 128);
    assert!(!log.contains(signature) && !log.contains(&hex::encode([ADMIN; 32])), "{log}");
}

/// As an operator would.
#[test]
fn an_admin_elsewhere_uses_the_same_commands() {
    let relay = relay("admin = true\n");
    let file = relay.data_dir().join("admin-key");
    KeyPair::from_seed(&[ADMIN; 32]).save(&file).expect("a key file");
    let at = format!("http://{}", relay.http_address());
    let axon = |args: &[&str]| -> Output {
        let place =
            ["--at", &at, "--relay-url", URL, "--admin-key", file.to_str().expect("a path"), "--json"];
        Command::new(env!("CARGO_BIN_EXE_axon")).args(args).args(place).output().expect("the axon binary")
    };
    let new = pubkey(&key(2)).to_hex();
    let added = axon(&["allow", "add", &new, "--role", "auditor", "--name", "n", "--publishes-per-s", "7"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let listed = String::from_utf8(axon(&["allow", "list"]).stdout).expect("text");
    let of_new = listed.lines().find(|line| line.contains(&new)).expect("the new key");
    assert!(of_new.contains("\"auditor\"") && of_new.contains("\"publishes_per_s\":7"), "{of_new}");
    relay.client(&key(2)).settle();
    let removed = axon(&["allow", "remove", &new]);
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    assert_eq!(axon(&["allow", "remove", &new]).status.code(), Some(1), "it is gone");
    let info = String::from_utf8(axon(&["info"]).stdout).expect("text");
    assert!(info.contains("\"store\""), "{info}");
    let _open = relay.client(&key(MEMBER));
    let connections = String::from_utf8(axon(&["connections"]).stdout).expect("text");
    let connection: serde_json::Value = serde_json::from_str(connections.trim()).expect("one connection");
    let id = connection["id"].as_str().expect("its id");
    assert!(axon(&["disconnect", id]).status.success());
    assert!(axon(&["reload"]).status.success());
    assert_eq!(axon(&["check"]).status.code(), Some(2), "is done on the relay's own machine");
}

#[test]
fn without_the_switch_there_is_no_such_door() {
    let relay = relay("");
    assert_eq!(status(&relay, &request(ADMIN, URL, ("GET", "/keys", ""), unix_now(), 1)), "404");
}

/// A request may be dated a minute ahead of the relay's clock, and so later than a start that comes
/// soon after it. Whoever reads along sends it again.
#[test]
fn a_request_that_was_done_is_not_done_again_after_a_restart_however_it_is_dated() {
    let mut relay = relay("admin = true\n");
    let ahead = unix_now() + 50;
    let new = pubkey(&key(2)).to_hex();
    let entry = format!("{{\"pubkey\":\"{new}\",\"role\":\"admin\"}}");
    let allowing = ("POST", "/keys", entry.as_str());
    let allow = request(ADMIN, URL, allowing, ahead, 1);
    assert_eq!(status(&relay, &allow), "204");
    assert!(relay.axon(&["allow", "remove", &new]).status.success());
    for end in [Relay::crash_and_restart as fn(&mut Relay), stop_and_restart] {
        end(&mut relay);
        assert_eq!(status(&relay, &allow), "401", "it was done before");
        assert_eq!(status(&relay, &request(ADMIN, URL, allowing, ahead, 2)), "401", "it may have been");
        let keys = String::from_utf8(relay.axon(&["allow", "list"]).stdout).expect("text");
        assert!(!keys.contains(&new), "{keys}");
    }
    // What is later than all that was done is not waited for.
    let later = unix_now().max(ahead + 1);
    assert_eq!(status(&relay, &request(ADMIN, URL, allowing, later, 3)), "204");
    // What a question has shown is not shown to somebody else either.
    let question = request(ADMIN, URL, ("GET", "/keys", ""), later + 1, 4);
    assert_eq!(status(&relay, &question), "200");
    relay.crash_and_restart();
    assert_eq!(status(&relay, &question), "401");
}

fn stop_and_restart(relay: &mut Relay) {
    assert_eq!(relay.terminate(), Some(0));
    relay.restart();
}

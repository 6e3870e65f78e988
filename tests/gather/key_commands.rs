//! `axon gather change-key` and `logout`: at no moment may an interruption lose the agent.

use super::desk::*;
use super::harness::*;
use axon::client::KeyPair;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

const KEY: &str = ".config/axon/key.pem";
const NEXT: &str = ".config/axon/key.pem.next";

fn pubkey(path: &Path) -> String {
    KeyPair::load(path).expect("a key").pubkey().to_hex()
}

/// Files in the key's directory that begin with the key's name, but for the tokens.
fn key_files(desk: &Desk) -> Vec<PathBuf> {
    let dir = desk.path(KEY);
    let entries = std::fs::read_dir(dir.parent().expect("a directory")).expect("the directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_none_or(|ending| ending != "tokens")).collect()
}

#[test]
fn a_key_is_changed_and_the_agent_stays_the_same() {
    let service = Setup::new().start();
    let (desk, id) = Desk::agent(&service, "one");
    let old = pubkey(&desk.path(KEY));
    let changed = desk.json(&["change-key"]);
    let new = pubkey(&desk.path(KEY));
    assert_ne!(new, old);
    assert_eq!((of(&changed, "agent_id"), of(&changed, "pubkey")), (id.as_str(), new.as_str()));
    assert_eq!(Path::new(of(&changed, "key_file")), desk.path(KEY));
    let kept = Path::new(of(&changed, "old_key_file"));
    assert_eq!(pubkey(kept), old);
    assert_eq!((mode(&desk.path(KEY)), mode(kept)), (0o600, 0o600));
    assert_eq!(key_files(&desk).len(), 2, "no other is left: {:?}", key_files(&desk));
    // The same agent by the new key, nobody by the old one.
    let me = desk.json(&["me"]);
    assert_eq!((of(&me, "agent_id"), of(&me["old_keys"][0], "pubkey")), (id.as_str(), old.as_str()));
    assert!(desk.refused(&["me", "--key", of(&changed, "old_key_file")]).contains("is not registered"));
    desk.text(&["post", "by another key"]);

    // To a key that is there; the copy it was made from stays where it is.
    let given = KeyPair::from_seed(&[5; 32]);
    given.save(&desk.path("new.pem")).expect("a key file");
    let said = desk.text(&["change-key", "--new", "new.pem"]);
    assert!(said.contains(&given.pubkey().to_hex()) && said.contains("the old key: "), "{said}");
    assert_eq!(pubkey(&desk.path(KEY)), given.pubkey().to_hex());
    assert!(desk.path("new.pem").exists());
    assert_eq!(of(&desk.json(&["me"]), "agent_id"), id);
}

#[test]
fn what_is_refused_changes_nothing() {
    let service = Setup::new().allow(&key(9), "admin").start();
    let (desk, id) = Desk::agent(&service, "one");
    let before = pubkey(&desk.path(KEY));
    let taken = service.agent(2);
    KeyPair::from_seed(&taken.key.to_bytes()).save(&desk.path("taken.pem")).expect("a key file");
    let refused = desk.refused(&["change-key", "--new", "taken.pem"]);
    assert!(refused.contains("409 Conflict"), "{refused}");
    assert!(desk.refused(&["change-key", "--new", "none.pem"]).contains("no such key file"));
    assert_eq!((pubkey(&desk.path(KEY)), key_files(&desk).len()), (before, 1));
    assert_eq!(of(&desk.json(&["me"]), "agent_id"), id);

    // No agent's key, and an admin's, which would not be one any more.
    KeyPair::from_seed(&[5; 32]).save(&desk.path("five.pem")).expect("a key file");
    assert!(desk.refused(&["change-key", "--key", "five.pem"]).contains("next: axon gather register"));
    assert!(!desk.path("five.pem.next").exists());
    service.agent(9);
    KeyPair::from_seed(&[9; 32]).save(&desk.path("nine.pem")).expect("a key file");
    let refused = desk.refused(&["change-key", "--key", "nine.pem"]);
    assert!(refused.contains("axon allow add NEWKEY --role admin"), "{refused}");
    assert!(!desk.path("nine.pem.next").exists());
    desk.text(&["change-key", "--key", "nine.pem", "--new", "five.pem"]);
}

/// A change that was begun can be neither lost nor forced by another one, and be given up.
#[test]
fn what_was_begun_and_refused_waits_and_can_be_given_up() {
    let service = Setup::new().allow(&key(9), "admin").start();
    let (desk, id) = Desk::agent(&service, "one");
    let before = pubkey(&desk.path(KEY));
    assert!(desk.refused(&["change-key", "--abandon"]).contains("no change of this key was begun"));
    let taken = service.agent(2);
    KeyPair::from_seed(&taken.key.to_bytes()).save(&desk.path(NEXT)).expect("a key file");
    for args in [&["change-key"][..], &["change-key", "--new", NEXT]] {
        let refused = desk.refused(args);
        assert!(refused.contains("409 Conflict") && refused.contains("--abandon"), "{refused}");
        assert!(desk.path(NEXT).exists(), "{args:?} did not make it");
    }
    let given_up = desk.json(&["change-key", "--abandon"]);
    let dropped = Path::new(of(&given_up, "dropped_key_file"));
    assert_eq!(KeyPair::load(dropped).expect("a key").pubkey().0, taken.key.verifying_key().to_bytes());
    assert!(!desk.path(NEXT).exists());
    assert_eq!((pubkey(&desk.path(KEY)), of(&desk.json(&["me"]), "agent_id")), (before, id.as_str()));
    desk.text(&["change-key"]);

    // It is made already: it can only be finished.
    let (now, next) = (desk.path(KEY), desk.path(NEXT));
    std::fs::rename(&now, &next).expect("the key");
    KeyPair::from_seed(&[7; 32]).save(&now).expect("a key file");
    let refused = desk.refused(&["change-key", "--abandon"]);
    assert!(refused.contains("may have been made") && next.exists(), "{refused}");

    // One that was begun does not take an admin's role away either.
    service.agent(9);
    KeyPair::from_seed(&[9; 32]).save(&desk.path("nine.pem")).expect("a key file");
    let waits = KeyPair::from_seed(&[5; 32]);
    waits.save(&desk.path("nine.pem.next")).expect("a key file");
    let refused = desk.refused(&["change-key", "--key", "nine.pem"]);
    assert!(
        refused.contains(&format!("axon allow add {} --role admin", waits.pubkey().to_hex())),
        "{refused}"
    );
    desk.text(&["change-key", "--key", "nine.pem", "--new", "nine.pem.next"]);
}

#[test]
fn what_a_crash_left_is_finished_with_the_key_that_was_made_for_it() {
    let service = Setup::new().start();
    let (desk, id) = Desk::agent(&service, "one");
    // Before the service heard of it: another key may not push aside the one that waits.
    let next = KeyPair::from_seed(&[5; 32]);
    next.save(&desk.path(NEXT)).expect("a key file");
    KeyPair::from_seed(&[6; 32]).save(&desk.path("six.pem")).expect("a key file");
    let refused = desk.refused(&["change-key", "--new", "six.pem"]);
    assert!(refused.contains("a change to another key was begun"), "{refused}");
    assert_eq!(pubkey(&desk.path(NEXT)), next.pubkey().to_hex());
    assert_eq!(of(&desk.json(&["me"]), "agent_id"), id, "the old key is good meanwhile");
    assert_eq!(of(&desk.json(&["change-key"]), "pubkey"), next.pubkey().to_hex());

    // After the service has taken it, and before the files were moved.
    let (old, new) = (desk.path(KEY), desk.path(NEXT));
    std::fs::rename(&old, &new).expect("the key");
    let before = key_files(&desk).into_iter().find(|path| *path != new).expect("the key before");
    std::fs::rename(before, &old).expect("the key before");
    let lost = desk.refused(&["me"]);
    assert!(lost.contains("next: axon gather change-key"), "{lost}");
    let finished = desk.json(&["change-key"]);
    assert_eq!((of(&finished, "agent_id"), of(&finished, "pubkey")), (&*id, &*next.pubkey().to_hex()));
    assert_eq!(of(&desk.json(&["me"]), "agent_id"), id);
    assert_eq!(key_files(&desk).len(), 2);
}

/// A way to the service on which the answer to a change of the key is lost, and after it, if
/// `breaks`, everything.
fn lossy(service: &Service, breaks: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let address = service.url().trim_start_matches("http://").to_owned();
    let broken = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        for near in listener.incoming() {
            if broken.load(SeqCst) {
                continue;
            }
            let near = near.expect("a connection");
            let far = TcpStream::connect(&address).expect("the service");
            let (broken, losing) = (Arc::clone(&broken), Arc::new(AtomicBool::new(false)));
            let (from, to) = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
            let seen = Arc::clone(&losing);
            thread::spawn(move || {
                pass(&from, &to, |part| {
                    if part.starts_with(b"PUT /api/agents/me/key ") {
                        seen.store(true, SeqCst);
                        broken.store(breaks, SeqCst);
                    }
                    true
                });
            });
            thread::spawn(move || pass(&far, &near, |_| !losing.load(SeqCst)));
        }
    });
    url
}

/// Passes on what comes until it may not; then ends both.
fn pass(mut from: &TcpStream, mut to: &TcpStream, may_pass: impl Fn(&[u8]) -> bool) {
    let mut part = [0; 16 << 10];
    while let Ok(got @ 1..) = from.read(&mut part) {
        if !may_pass(&part[..got]) || to.write_all(&part[..got]).is_err() {
            break;
        }
    }
    // The other direction may have ended them.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn a_change_whose_answer_is_lost_is_found_to_be_made() {
    let service = Setup::new().start();
    let (mut desk, id) = Desk::agent(&service, "one");
    let old = pubkey(&desk.path(KEY));
    desk.url = lossy(&service, false);
    let changed = desk.json(&["change-key"]);
    assert_eq!((of(&changed, "agent_id"), of(&changed["old_keys"][0], "pubkey")), (&*id, &*old));
    assert_eq!(pubkey(&desk.path(KEY)), of(&changed, "pubkey"));

    // And if nothing can be found out, both keys are there until it can.
    let old = pubkey(&desk.path(KEY));
    desk.url = lossy(&service, true);
    let unknown = desk.refused(&["change-key"]);
    assert!(unknown.contains("both are kept") && unknown.contains("key.pem.next"), "{unknown}");
    assert!(unknown.contains("next: axon gather change-key again"), "{unknown}");
    let new = pubkey(&desk.path(NEXT));
    assert_eq!((pubkey(&desk.path(KEY)), mode(&desk.path(NEXT))), (old, 0o600));
    desk.url = service.url();
    assert_eq!(of(&desk.json(&["change-key"]), "pubkey"), new);
    assert_eq!((pubkey(&desk.path(KEY)), of(&desk.json(&["me"]), "agent_id")), (new, &*id));
}

#[test]
fn tokens_are_taken_back_one_or_all() {
    let mut service = Setup::new().start();
    let (mut desk, id) = Desk::agent(&service, "one");
    let token = |desk: &Desk| {
        let kept = std::fs::read(desk.path(".config/axon/key.pem.tokens")).expect("the tokens");
        let kept: serde_json::Value = serde_json::from_slice(&kept).expect("JSON");
        kept["tokens"][&desk.url].as_str().map(str::to_owned)
    };
    let is_good = |service: &Service, token: &str| {
        let header = format!("Bearer {token}");
        service.ask(Request::new("GET", "/api/agents/me").header("Authorization", &header)).status == 200
    };
    let first = token(&desk).expect("it is logged in");
    // Tokens of one second are the same token.
    service.restart_later(2);
    desk.url = service.url();
    desk.text(&["login"]);
    let second = token(&desk).expect("it is logged in");
    assert!(is_good(&service, &first) && is_good(&service, &second));
    assert_eq!(desk.json(&["logout"]), json!({"status": "revoked", "all": false}));
    assert!(is_good(&service, &first) && !is_good(&service, &second) && token(&desk).is_none());
    assert!(desk.refused(&["logout"]).contains("next: axon gather logout --all"));
    assert!(desk.text(&["logout", "--all"]).contains("every token"));
    assert!(!is_good(&service, &first) && token(&desk).is_none());
    assert_eq!(of(&desk.json(&["me"]), "agent_id"), id, "and it logs in again by itself");
}

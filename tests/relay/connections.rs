//! Connections that begin or end unusually.

use crate::harness::{Client, Received, Setup, event, key, message, pubkey};
use axon::base::Signature;
use axon::filter::Filter;
use axon::wire::ClientMessage;
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};
use std::net::Shutdown;
use std::time::Duration;

/// Auth and a Publish that is larger than any Auth, in one read.
#[test]
fn what_comes_behind_a_login_is_measured_by_the_open_session() {
    let relay = Setup::new([1]).start();
    let mut client = Client::upgrade(&relay.address());
    let Received::Challenge(nonce) = client.recv() else { panic!("no challenge") };
    let digest = Sha256::new().chain_update(nonce).chain_update("ws://test").finalize();
    let sig = Signature(key(1).sign(&digest).to_bytes());
    let auth = message(&ClientMessage::Auth { pubkey: pubkey(&key(1)), sig });
    let (id, wire) = event(&key(1), 1000, &[7; 4_000], &[]);
    client.send(&[auth, message(&ClientMessage::Publish { event: &wire })].concat());
    assert_eq!(client.recv(), Received::Ok("authenticated".to_owned()));
    assert_eq!(client.recv(), Received::Ok(id.to_hex()));
}

/// Readers take nothing of a long replay and end their side. The relay has more to send than
/// the sockets hold, so its writers wait; they must not keep the descriptors.
#[test]
fn a_peer_that_ends_without_reading_leaves_no_descriptor_behind() {
    let relay = Setup::new([1, 2]).start();
    let mut publisher = relay.client(&key(1));
    for n in 0..400u32 {
        let content = [n.to_be_bytes().as_slice(), &[7; 60_000]].concat();
        publisher.publish_ok(&event(&key(1), 1000, &content, &[]));
    }
    let sockets = || {
        let all = std::fs::read_dir(format!("/proc/{}/fd", relay.pid())).expect("its descriptors");
        let is_socket = |path: std::path::PathBuf| {
            std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        };
        all.filter(|entry| entry.as_ref().is_ok_and(|entry| is_socket(entry.path()))).count()
    };
    let before = sockets();
    let mut readers: Vec<Client> = (0..4).map(|_| relay.client(&key(2))).collect();
    for reader in &mut readers {
        reader.subscribe("s", Filter { kinds: vec![1000], ..Filter::default() });
    }
    let queued = || {
        let text = relay.get(&relay.http_address(), "/metrics");
        let gauges = text.lines().filter(|line| line.starts_with("axon_queue_bytes"));
        gauges.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    assert!(until(|| queued() > 0.0), "nothing is queued for readers that take nothing");
    for reader in &readers {
        reader.sender().shutdown(Shutdown::Write).expect("a connection");
    }
    assert!(until(|| sockets() == before), "{} sockets, {before} before", sockets());
}

/// Waits for something that has to happen.
fn until(mut happened: impl FnMut() -> bool) -> bool {
    (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        happened()
    })
}

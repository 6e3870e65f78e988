//! While it starts, the relay answers: 503 to whoever connects, and why to whoever asks.

use super::harness::*;
use axon::client::KeyPair;
use axon::filter::{Filter, TagFilter};
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// The operator's key, which is read when the store has been opened, lies in a pipe: the start
/// lasts until somebody writes it.
#[test]
fn a_relay_that_is_starting_answers_503_and_serves_as_soon_as_it_can() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let data = dir.path().join("axon-data");
    std::fs::create_dir(&data).expect("a directory");
    let pipe = data.join("operator.pem");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let (address, http) = (free_address(), free_address());
    let mut child = Command::new(env!("CARGO_BIN_EXE_axon"))
        .args(["serve", "--set", &format!("relay.listen={address}"), "--set", &format!("http.listen={http}")])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the axon binary");
    wait_until(|| TcpStream::connect(&http).is_ok(), "it listens");
    let ask = |address: &str, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        String::from_utf8(converse(address, request.as_bytes())).expect("text")
    };
    for _ in 0..3 {
        let upgrade = String::from_utf8(converse(&address, UPGRADE)).expect("text");
        assert!(upgrade.starts_with("HTTP/1.1 503 ") && upgrade.contains("starting"), "{upgrade}");
        assert!(ask(&address, "/").starts_with("HTTP/1.1 503 "));
        let health = ask(&http, "/healthz");
        assert!(health.starts_with("HTTP/1.1 503 ") && health.contains("\"starting\""), "{health}");
    }
    let seed = dir.path().join("key.pem");
    KeyPair::from_seed(&[1; 32]).save(&seed).expect("a key file");
    let text = std::fs::read(&seed).expect("a key file");
    std::fs::OpenOptions::new()
        .write(true)
        .open(&pipe)
        .and_then(|mut p| p.write_all(&text))
        .expect("written");
    wait_until(|| ask(&http, "/healthz").starts_with("HTTP/1.1 200 "), "it serves");
    let mut client = Client::upgrade(&address);
    client.login(&key(1), &format!("ws://{address}"));
    assert!(matches!(client.recv(), Received::Ok(_)));
    client.publish_ok(&event(&key(1), 1000, b"at last", &[]));
    child.kill().expect("the process");
    child.wait().expect("its end");
}

/// A relay was killed with much in its log that no index on disk knows yet. The next one reads that
/// while it starts, and cannot get beyond it before we let it: a pipe lies among the files of the
/// write-ahead log. Wrong would be: a door that opens only when the store has, or one that serves
/// before every event is found by its index.
#[test]
fn the_doors_are_open_before_the_log_is_read_and_serve_when_all_of_it_is_indexed() {
    const EVENTS: u64 = 20_000;
    let mut relay = Setup::new(1..=2).section("[store]\nindex_flush_events = 10000000\n").start();
    let events: Vec<_> =
        (0..EVENTS).map(|n| event(&key(1), 1000, &n.to_be_bytes(), &[("t", &["x"])])).collect();
    let mut client = relay.client(&key(1));
    for some in events.chunks(500) {
        some.iter().for_each(|event| client.publish(&event.1));
        some.iter().for_each(|event| assert_eq!(client.answer(), Received::Ok(event.0.to_hex())));
    }
    relay.kill();
    relay.keep_address();
    let pipe = relay.data_dir().join("log/999999.log");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let (address, config) = (relay.address(), relay.config());
    let mut child = Command::new(env!("CARGO_BIN_EXE_axon"))
        .args(["serve", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the axon binary");
    wait_until(|| TcpStream::connect(&address).is_ok(), "it listens");
    // Opening a pipe to write waits for its reader: from here on the relay waits for us.
    let reader = std::fs::OpenOptions::new().write(true).open(&pipe).expect("its reader");
    let upgrade = String::from_utf8(converse(&address, UPGRADE)).expect("text");
    assert!(upgrade.starts_with("HTTP/1.1 503 ") && upgrade.contains("starting"), "{upgrade}");
    // The database must not find it again.
    std::fs::remove_file(&pipe).expect("the pipe");
    drop(reader);
    wait_until(|| converse(&address, UPGRADE).starts_with(b"HTTP/1.1 101 "), "it serves");
    let mut client = Client::upgrade(&address);
    client.login(&key(2), "ws://test");
    assert!(matches!(client.recv(), Received::Ok(_)));
    let tags = vec![TagFilter { name: "t".to_owned(), values: vec!["x".to_owned()] }];
    let (stored, _) = client.stored("s", Filter { tags, after: Some(0), ..Filter::default() });
    assert!(stored.iter().zip(&events).all(|((wire, _), event)| *wire == event.1));
    assert_eq!(stored.len() as u64, EVENTS);
    child.kill().expect("the process");
    child.wait().expect("its end");
}

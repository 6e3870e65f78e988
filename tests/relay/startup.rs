//! While it starts, the relay answers: 503 to whoever connects, and why to whoever asks.

use super::harness::*;
use axon::client::KeyPair;
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

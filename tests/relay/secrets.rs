//! What the relay writes about its work, at its most talkative, holds no secret; and it holds a
//! line for every connection that ended, with the reason.

use super::harness::*;
use axon::filter::Filter;
use std::os::unix::fs::PermissionsExt as _;

/// The operator's key as a file holds it, and everything that could stand for it in a line.
fn spellings(pem: &str) -> Vec<String> {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64_decode(&base64);
    // PKCS#8: the seed is the octet string of 32 bytes inside the private key's.
    let at = der.windows(4).position(|w| w == [0x04, 0x22, 0x04, 0x20]).expect("an Ed25519 key") + 4;
    let seed = &der[at..at + 32];
    let numbers: Vec<String> = seed.iter().map(u8::to_string).collect();
    vec![hex::encode(seed), hex::encode_upper(seed), base64[22..60].to_owned(), numbers.join(", ")]
}

fn base64_decode(text: &str) -> Vec<u8> {
    use base64ct::Encoding as _;
    base64ct::Base64::decode_vec(text).expect("base64")
}

#[test]
fn no_line_of_the_log_holds_a_secret_and_each_ending_has_one() {
    let mut setup = Setup::new([]);
    setup.sections.push_str("[log]\nlevel = \"trace\"\n");
    let mut relay = setup.start();
    let pem = std::fs::read_to_string(relay.data_dir().join("operator.pem")).expect("the operator's key");
    let url = format!("ws://{}", relay.address());
    let key = relay.data_dir().join("operator.pem").display().to_string();
    for content in ["first", "second"] {
        let sent = std::process::Command::new(env!("CARGO_BIN_EXE_axon"))
            .args(["pub", "--url", &url, "--key", &key, content])
            .output()
            .expect("the axon binary");
        assert!(!sent.status.success(), "the url of the test is another one");
    }
    let agent = pubkey(&super::harness::key(1)).to_hex();
    assert!(relay.axon(&["allow", "add", &agent]).status.success());
    let mut client = relay.client(&super::harness::key(1));
    client.publish_ok(&event(&super::harness::key(1), 1000, b"hello", &[]));
    client.stored("s", Filter::default());
    client.send(&frame(8, b"\x03\xe8"));
    client.rest();
    let mode =
        |name: &str| std::fs::metadata(relay.data_dir().join(name)).expect(name).permissions().mode() & 0o777;
    assert_eq!((mode("control.sock"), mode("operator.pem")), (0o600, 0o600));
    let stranger = Client::upgrade(&relay.address());
    drop(stranger);
    relay.wait_for_metric("axon_connections", |open| open == 0.0);
    relay.terminate();
    let log = relay.log();
    assert!(log.lines().count() > 5, "{log}");
    let secret = spellings(&pem).into_iter().chain([hex::encode([1; 32]), vec!["1"; 32].join(", ")]);
    for spelling in secret {
        assert!(!log.contains(&spelling), "a secret key stands in the log");
    }
    let ended = |reason: &str| log.lines().filter(|line| line.contains(&format!("reason={reason}"))).count();
    assert_eq!((ended("left"), ended("login_refused"), ended("gone")), (1, 2, 1), "{log}");
    let left = log.lines().find(|line| line.contains("reason=left")).expect("a line");
    assert!(left.contains(&agent) && left.contains("127.0.0.1"), "{left}");
}

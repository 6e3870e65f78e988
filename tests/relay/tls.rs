//! The same promises over TLS, and what TLS adds: the handshake's limits, resumption, endings
//! that cannot be forged.

use super::harness::*;
use axon::filter::Filter;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Arc;

fn tls(client: &Client) -> &rustls::ClientConnection {
    match &client.stream {
        Stream::Tls(stream) => &stream.conn,
        Stream::Plain(_) => panic!("no TLS"),
    }
}

fn everything() -> Filter {
    Filter { after: Some(0), ..Filter::default() }
}

#[test]
fn events_of_every_size_are_stored_and_delivered_in_both_versions() {
    let relay = Setup::new(1..=2).tls().start();
    let mut reader = relay.client(&key(2));
    assert_eq!(tls(&reader).protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert!(reader.stored("live", Filter::default()).0.is_empty());
    let mut writer = relay.client(&key(1));
    for size in [0, 1, 16_383, 16_384, 16_385, 65_536] {
        let event = event(&key(1), 1000, &vec![7; size], &[]);
        writer.publish_ok(&event);
        let Received::Event { wire, .. } = reader.recv() else { panic!("no event of {size} bytes") };
        assert_eq!(wire, event.1);
    }
    for (version, number) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let stream = Stream::tls(&relay.address(), &trusting_in(&[version]));
        let mut client = Client::upgrade_over(stream, &[]);
        assert_eq!(tls(&client).protocol_version(), Some(number));
        client.login(&key(2), "ws://test");
        assert!(matches!(client.recv(), Received::Ok(_)));
        assert_eq!(client.stored("all", everything()).0.len(), 6);
    }
}

/// The reader takes nothing while 24 MB are published for it: what is queued is bounded, and
/// when it reads again it gets everything once and in order.
#[test]
fn a_reader_that_stalls_costs_bounded_memory_and_misses_nothing() {
    let relay = Setup::new(1..=2).tls().start();
    let mut stalled = relay.client(&key(2));
    stalled.subscribe("s", everything());
    let mut writer = relay.client(&key(1));
    let events: Vec<_> = (0..400u32)
        .map(|n| event(&key(1), 1000, &[&n.to_be_bytes()[..], &[7; 60_000]].concat(), &[]))
        .collect();
    events.iter().for_each(|e| writer.publish_ok(e));
    relay.wait_for_metric("axon_queue_bytes", |bytes| bytes > 0.0);
    // queue_bytes_max, one event beyond it, and the records of one seal.
    assert!(relay.metric("axon_queue_bytes") < (2 << 20) as f64 + 65_536.0 + 81_920.0);
    let got: Vec<Vec<u8>> = std::iter::from_fn(|| match stalled.recv() {
        Received::Event { wire, .. } => Some(wire),
        Received::Eose { .. } => Some(Vec::new()),
        other => panic!("{other:?}"),
    })
    .filter(|wire| !wire.is_empty())
    .take(events.len())
    .collect();
    assert!(got.iter().eq(events.iter().map(|e| &e.1)), "each once, in order");
}

#[test]
fn sessions_are_resumed() {
    let relay = Setup::new(1..=1).tls().start();
    let config = trusting();
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let mut client = Client::upgrade_over(Stream::tls(&relay.address(), &config), &[]);
        client.login(&key(1), "ws://test");
        // Whoever has read this has read the tickets before it.
        assert!(matches!(client.recv(), Received::Ok(_)));
        assert_eq!(tls(&client).handshake_kind(), Some(expected));
    }
}

#[test]
fn the_end_of_a_connection_is_said_in_tls_too() {
    let mut relay = Setup::new(1..=1).tls().start();
    let mut client = relay.client(&key(1));
    relay.signal_term();
    assert_eq!(client.recv(), Received::Close(1001));
    // Without a close_notify this is an error.
    assert_eq!(client.stream.read(&mut [0; 16]).expect("a clean end"), 0);
    assert_eq!(relay.wait(), Some(0));
}

/// The end is said while records still wait for a reader that has stalled: when it has read all
/// and is gone, nothing is left of its connection, long before the time for stragglers is over.
#[test]
fn nothing_stays_of_a_stalled_reader_that_has_left() {
    for epoll in [false, true] {
        let setup = Setup::new(1..=2).tls().section("[limits]\nlinger_ms = 60000");
        let relay = if epoll { setup.by_epoll() } else { setup }.start();
        let mut writer = relay.client(&key(1));
        for n in 0..9u8 {
            writer.publish_ok(&event(&key(1), 1000, &[n; 65_000], &[]));
        }
        let descriptors = || {
            let open = std::fs::read_dir(format!("/proc/{}/fd", relay.pid())).expect("its descriptors");
            open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
                .filter(|target| target.to_string_lossy().starts_with("socket:"))
                .count()
        };
        let before = descriptors();
        for limit in 3..9 {
            let socket = Stream::tls_over(connect_narrow(&relay.address()), &trusting());
            let mut stalled = Client::upgrade_over(socket, &[]);
            stalled.login(&key(2), "ws://test");
            stalled.subscribe("s", Filter { limit: Some(limit), ..everything() });
            relay.wait_for_metric("axon_queue_bytes", |bytes| bytes > 0.0);
            stalled.send(&frame(8, &1000u16.to_be_bytes()));
            // It reads no faster than the relay sends: the last part has to wait, too.
            while stalled.stream.read(&mut [0; 4_096]).expect("no end but a clean one") > 0 {
                relay.metric("axon_queue_bytes");
            }
        }
        let (clock, linger_ms) = (axon::base::Clock::new(), 60_000);
        let left = clock.now();
        wait_until(
            || {
                assert!(clock.now().since(left) < linger_ms / 2, "{} sockets stay", descriptors() - before);
                descriptors() <= before
            },
            "the sockets of those who left are closed",
        );
    }
}

#[test]
fn whoever_does_not_finish_the_handshake_is_closed_and_harms_nobody() {
    let relay = Setup::new(1..=1).tls().section("[limits]\nauth_timeout_ms = 1500").start();
    let config = trusting();
    let hello = hello(&config);
    // Nothing at all; half a ClientHello; a byte at a time would be the same.
    for part in [&[][..], &hello[..7], &hello[..hello.len() / 2]] {
        assert_eq!(converse(&relay.address(), part), b"", "nothing is said to {} bytes", part.len());
    }
    // What is no TLS gets an alert (21) and the end.
    let garbage: Vec<u8> = (0..20_000u32).map(|n| (n * 7) as u8).collect();
    for bytes in [UPGRADE, &[22, 3, 1, 0, 1, 9][..], &[22, 3, 1, 255, 255, 1][..], &garbage[..]] {
        let answer = converse(&relay.address(), bytes);
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
    // A good beginning with one bit flipped.
    for at in 0..hello.len() {
        let mut bad = hello.clone();
        bad[at] ^= 1 << (at % 8);
        let mut stream = connect(&relay.address());
        let _ = stream.write_all(&bad);
    }
    relay.client(&key(1)).publish_ok(&event(&key(1), 1000, b"undisturbed", &[]));
    let metrics = relay.get(&relay.http_address(), "/metrics");
    assert!(metrics.contains("reason=\"tls\"") && metrics.contains("reason=\"late\""), "{metrics}");
}

/// Whoever is still shaking hands has no login either.
#[test]
fn the_oldest_without_a_login_makes_room_also_in_its_handshake() {
    let mut setup = Setup::new(1..=1).tls().section("[limits]\nhalf_open_max = 2");
    setup.relay = setup.relay.replace("shards = 2", "shards = 1");
    let relay = setup.start();
    let mut oldest = connect(&relay.address());
    oldest.write_all(&hello(&trusting())[..7]).expect("sent");
    let second = Stream::tls(&relay.address(), &trusting());
    relay.client(&key(1)).publish_ok(&event(&key(1), 1000, b"let in", &[]));
    let end = oldest.read(&mut [0; 16]);
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    drop(second);
}

/// The first flight of a client.
fn hello(config: &Arc<rustls::ClientConfig>) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let mut session = rustls::ClientConnection::new(config.clone(), name).expect("a session");
    let mut hello = Vec::new();
    session.write_tls(&mut hello).expect("a hello");
    hello
}

#[test]
fn the_command_line_speaks_wss_to_a_relay_it_is_told_to_trust() {
    let mut setup = Setup::new(1..=1).tls();
    let address = free_address();
    let url = format!("wss://{}", address.replace("127.0.0.1", "localhost"));
    setup.urls = vec![url.clone()];
    let relay = setup.listen(&address).start();
    let key_file = relay.dir.path().join("key.pem");
    axon::client::KeyPair::from_seed(&[1; 32]).save(&key_file).expect("a key file");
    let ca = format!("{}/tests/tls/ca.pem", env!("CARGO_MANIFEST_DIR"));
    let key_file = key_file.to_str().expect("a path");
    let flags = ["--url", &url, "--key", key_file];
    let out = relay.axon(&[&["pub", "over TLS"][..], &flags, &["--ca", &ca]].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let out = relay.axon(&[&["query"][..], &flags, &["--ca", &ca]].concat());
    assert!(String::from_utf8_lossy(&out.stdout).contains("over TLS"));
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_axon"))
        .args(["info", "--url", &url, "--ca", &ca])
        .output()
        .expect("the axon binary");
    assert!(String::from_utf8_lossy(&out.stdout).contains(&url), "{out:?}");
    // Nobody that browsers trust has signed it.
    let out = relay.axon(&[&["pub", "no"][..], &flags].concat());
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && text.contains("--ca"), "{text}");
}

#[test]
fn a_relay_that_others_reach_without_tls_says_so() {
    let open = Setup::new(1..=1).listen("0.0.0.0:0").start();
    assert!(open.log().contains("has no TLS"), "{}", open.log());
    let closed = Setup::new(1..=1).start();
    assert!(!closed.log().contains("TLS"), "{}", closed.log());
}

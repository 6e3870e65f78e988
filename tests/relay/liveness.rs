//! Protocol §3 and §8: who may stay, and for how long. Times are configured small; nothing is
//! measured, every test waits for what the relay sends.

use super::harness::*;
use axon::filter::Filter;
use std::io::{Read as _, Write as _};

#[test]
fn a_connection_without_a_login_is_told_so_and_closed() {
    let relay = Setup::new([1]).section("[limits]\nauth_timeout_ms = 300").start();
    let mut upgraded = Client::upgrade(&relay.address());
    let silent = converse(&relay.address(), b"");
    let half_a_head = converse(&relay.address(), &UPGRADE[..UPGRADE.len() - 1]);
    assert!(silent.is_empty() && half_a_head.is_empty());
    assert!(matches!(upgraded.recv(), Received::Challenge(_)));
    // A sign of life is not a login.
    upgraded.send(&frame(9, b"here"));
    assert_eq!(upgraded.recv(), Received::Pong(b"here".to_vec()));
    assert!(upgraded.expect_end(401, 1008).contains("300 ms"));
}

#[test]
fn any_message_before_the_login_is_401_and_the_end() {
    let relay = Setup::new([1]).start();
    let publish = raw_publish(&event(&key(1), 1000, b"too early", &[]).1);
    let subscribe = b"\x92\x05\x82\xa6sub_id\xa1s\xa6filter\x80";
    for bytes in [publish, frame(2, subscribe), frame(1, b"text")] {
        let mut client = Client::upgrade(&relay.address());
        assert!(matches!(client.recv(), Received::Challenge(_)));
        client.send(&bytes);
        client.expect_end(401, 1008);
    }
    let mut client = relay.client(&key(1));
    assert!(client.stored("all", Filter::default()).0.is_empty());
}

#[test]
fn a_login_that_does_not_verify_or_is_not_allowed_is_401_and_the_end() {
    let relay = Setup::new([1]).start();
    let refused = |n: u8, url: &str| {
        let mut client = Client::upgrade(&relay.address());
        client.login(&key(n), url);
        client.expect_end(401, 1008)
    };
    assert!(refused(2, "ws://test").contains("allowlist"));
    assert!(refused(1, "ws://another.relay").contains("signature"));
    // A login that was heard elsewhere does not answer another challenge.
    let mut first = Client::upgrade(&relay.address());
    let login = first.login_bytes(&key(1), "ws://test");
    let mut second = Client::upgrade(&relay.address());
    assert!(matches!(second.recv(), Received::Challenge(_)));
    second.send(&login);
    second.expect_end(401, 1008);
    first.send(&login);
    assert!(matches!(first.recv(), Received::Ok(_)));
}

#[test]
fn a_relay_of_several_names_takes_a_login_for_each() {
    let mut setup = Setup::new([1]);
    setup.urls.push("wss://relay.example".to_owned());
    let relay = setup.start();
    for url in ["ws://test", "wss://relay.example"] {
        let mut client = Client::upgrade(&relay.address());
        client.login(&key(1), url);
        assert!(matches!(client.recv(), Received::Ok(_)), "{url}");
    }
}

#[test]
fn a_second_login_is_refused_and_the_session_goes_on() {
    let relay = Setup::new([1]).start();
    let mut client = Client::upgrade(&relay.address());
    let login = client.login_bytes(&key(1), "ws://test");
    client.send(&[login.clone(), login].concat());
    assert!(matches!(client.recv(), Received::Ok(_)));
    assert!(matches!(client.recv(), Received::Error(400, _)));
    client.publish_ok(&event(&key(1), 1000, b"still open", &[]));
}

/// What is sent behind the login without waiting for its Ok belongs to the open session.
#[test]
fn a_client_may_pipeline_behind_its_login() {
    let relay = Setup::new([1]).start();
    let mut client = Client::upgrade(&relay.address());
    let login = client.login_bytes(&key(1), "ws://test");
    let (id, wire) = event(&key(1), 1000, &[7; 50_000], &[]);
    client.send(&[login, raw_publish(&wire)].concat());
    assert!(matches!(client.recv(), Received::Ok(_)));
    assert_eq!(client.recv(), Received::Ok(id.to_hex()));
}

/// One connection answers pings, another reads them and says nothing, and a third only asks.
#[test]
fn whoever_answers_nothing_is_closed_and_whoever_answers_stays() {
    let times = "[limits]\nping_interval_ms = 1000\nidle_timeout_ms = 3000";
    let relay = Setup::new([1, 2, 3]).section(times).start();
    let mut answering = relay.client(&key(1));
    let mut silent = relay.client(&key(2));
    let mut asking = relay.client(&key(3));
    let mut pings = 0;
    while pings < 8 {
        assert_eq!(answering.recv_frame(), Received::Ping);
        pings += 1;
        answering.send(&frame(10, b""));
        asking.send(&frame(9, b"me too"));
        assert_eq!(asking.recv(), Received::Pong(b"me too".to_vec()));
    }
    answering.publish_ok(&event(&key(1), 1000, b"alive", &[]));
    let mut unanswered = 0;
    loop {
        match silent.recv_frame() {
            Received::Ping => unanswered += 1,
            Received::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=4).contains(&unanswered), "{unanswered} pings without an answer");
}

/// The relay stops reading a connection whose replies nobody takes; that silence is its own.
#[test]
fn a_connection_the_relay_does_not_read_is_not_idle() {
    let limits = "[limits]\nping_interval_ms = 2000\nidle_timeout_ms = 5000\nin_flight_max = 64";
    let relay = Setup::new([1, 2]).section(limits).start();
    let mut client = relay.client(&key(1));
    // Its queue is at its bound when it takes no more bytes. Reading all the answers afterwards
    // must take less than the idle time, on a busy machine too.
    let ping = frame(9, &[7; 125]);
    let mut sender = client.sender();
    sender.set_nonblocking(true).expect("a socket");
    let mut sent = 0;
    let mut full_for = 0;
    while full_for < 2 {
        match sender.write(&ping[sent % ping.len()..]) {
            Ok(n) => (sent, full_for) = (sent + n, 0),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                // A neighbour that says nothing tells when the idle time has passed.
                assert_eq!(relay.client(&key(2)).rest(), []);
                full_for += 1;
            }
            Err(e) => panic!("after {sent} bytes: {e}"),
        }
    }
    sender.set_nonblocking(false).expect("a socket");
    let rest = ping[sent % ping.len()..].to_vec();
    let pings = sent / ping.len() + 1;
    let writing = std::thread::spawn(move || sender.write_all(&rest));
    for _ in 0..pings {
        assert_eq!(client.recv(), Received::Pong(vec![7; 125]));
    }
    writing.join().expect("a thread").expect("sent");
    client.publish_ok(&event(&key(1), 1000, b"alive", &[]));
}

#[test]
fn a_socket_that_takes_no_byte_is_closed() {
    let relay = Setup::new([1, 2]).section("[limits]\nstall_timeout_ms = 1000").start();
    let mut stalled = relay.client(&key(2));
    assert!(stalled.stored("s", Filter::default()).0.is_empty());
    let mut publisher = relay.client(&key(1));
    // More than the kernel's buffers of one connection hold.
    const EVENTS: u32 = 500;
    for n in 0..EVENTS {
        publisher.publish_ok(&event(&key(1), 1000, &[&n.to_be_bytes()[..], &[7; 60_000]].concat(), &[]));
    }
    relay.wait_for_metric("axon_connections", |n| n == 1.0);
    publisher.settle();
    let got = stalled.rest();
    assert!(got.len() < EVENTS as usize && got.iter().all(|r| matches!(r, Received::Event { .. })));
}

#[test]
fn one_connection_too_many_gets_503_and_a_place_that_is_given_back_is_given_out() {
    let relay = Setup::new([1]).section("[limits]\nconnections_max = 2").start();
    let mut first = relay.client(&key(1));
    let second = Client::upgrade(&relay.address());
    let mut third = connect(&relay.address());
    let mut answer = String::new();
    third.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("connections_max"), "{answer}");
    first.settle();
    drop(second);
    relay.wait_for_metric("axon_connections", |n| n == 1.0);
    let mut again = Client::upgrade(&relay.address());
    assert!(matches!(again.recv(), Received::Challenge(_)));
}

//! Hostile bytes, at every layer: whatever comes in, the relay answers with legal messages or
//! closes, and a neighbour on an open connection notices nothing.

#[path = "../fuzz/targets/mutate.rs"]
mod mutate;

use super::harness::*;
use axon::base::{EventId, LogId};
use axon::filter::{Filter, FilterLimits, TagFilter};
use axon::wire::ClientMessage;
use mutate::Random;
use std::io::{Read as _, Write as _};

const LIMITS: FilterLimits = FilterLimits { entries_max: 1_024, tags_max: 16 };

/// A logged-in neighbour with a subscription.
struct Witness {
    client: Client,
    published: u32,
}

impl Witness {
    const KIND: u16 = 1999;

    fn new(relay: &Relay) -> Witness {
        let mut client = relay.client(&key(9));
        let (stored, _) = client.stored("witness", Filter { kinds: vec![Self::KIND], ..Filter::default() });
        assert!(stored.is_empty());
        Witness { client, published: 0 }
    }

    /// Its publish is answered and delivered.
    fn is_served(&mut self, after: &str) {
        let (id, wire) = event(&key(9), Self::KIND, &self.published.to_be_bytes(), &[]);
        self.published += 1;
        self.client.publish(&wire);
        let mut got = [self.client.recv(), self.client.recv()];
        got.sort_by_key(|r| matches!(r, Received::Event { .. }));
        assert_eq!(got[0], Received::Ok(id.to_hex()), "after {after}");
        assert!(matches!(&got[1], Received::Event { wire: w, .. } if *w == wire), "after {after}");
    }
}

fn payload(message: &ClientMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.write(&mut out);
    out
}

/// One of each message, with everything that it can carry.
fn specimens() -> Vec<Vec<u8>> {
    let tags: &[(&str, &[&str])] = &[("t", &["a", "b"]), ("e", &["c"]), ("empty", &[])];
    let (id, wire) = event(&key(1), 1000, b"the content of a specimen", tags);
    let filter = Filter {
        ids: vec![EventId([1; 32]), id],
        authors: vec![pubkey(&key(1))],
        kinds: vec![1, 1000],
        kind_ranges: vec![(5000, 5999)],
        since: Some(-1),
        until: Some(1 << 40),
        limit: Some(3),
        tags: vec![TagFilter { name: "t".to_owned(), values: vec!["a".to_owned(), "b".to_owned()] }],
        after: Some(0),
        log: Some(LogId([7; 16])),
    };
    vec![
        payload(&ClientMessage::Auth { pubkey: pubkey(&key(1)), sig: axon::base::Signature([5; 64]) }),
        payload(&ClientMessage::Subscribe { sub_id: "specimen", filter }),
        payload(&ClientMessage::Unsubscribe { sub_id: "specimen" }),
        payload(&ClientMessage::Publish { event: &wire }),
    ]
}

/// Every truncation, and many mutations, of every message.
fn broken_messages(mutations: usize) -> Vec<Vec<u8>> {
    let specimens = specimens();
    let mut random = Random(4711);
    let mut out: Vec<Vec<u8>> =
        specimens.iter().flat_map(|s| (0..s.len()).map(|n| s[..n].to_vec())).collect();
    for specimen in &specimens {
        out.extend((0..mutations).map(|_| random.mutate(specimen, &specimens)));
    }
    out.retain(|bytes| !specimens.contains(bytes));
    out
}

#[test]
fn every_broken_message_is_answered_with_an_error_and_the_session_stays_open() {
    let relay = Setup::new([1, 9]).start();
    let mut witness = Witness::new(&relay);
    let mut client = relay.client(&key(1));
    for (n, bytes) in broken_messages(3_000).iter().enumerate() {
        client.send(&frame(2, bytes));
        let answer = match ClientMessage::parse(bytes, &LIMITS) {
            // A mutation may leave these valid.
            Ok(ClientMessage::Unsubscribe { .. }) => continue,
            Ok(ClientMessage::Subscribe { .. }) => {
                let answer = client.answer();
                assert!(matches!(answer, Received::Eose { .. } | Received::Error(400, _)), "{answer:?}");
                continue;
            }
            _ => client.answer(),
        };
        assert!(matches!(answer, Received::Error(400 | 403 | 413, _)), "{answer:?} to {bytes:02x?}");
        if n % 1_000 == 0 {
            witness.is_served("broken messages");
        }
    }
    client.settle();
    witness.is_served("broken messages");
}

#[test]
fn every_broken_message_before_the_login_is_refused_and_ends_the_connection() {
    let relay = Setup::new([1, 9]).start();
    let mut witness = Witness::new(&relay);
    for bytes in broken_messages(100) {
        let mut client = Client::upgrade(&relay.address());
        client.send(&frame(2, &bytes));
        assert!(matches!(client.recv(), Received::Challenge(_)));
        client.expect_end(401, 1008);
    }
    witness.is_served("broken messages of strangers");
}

/// Frames that RFC 6455 forbids.
fn forbidden_frames() -> Vec<Vec<u8>> {
    let with_first = |first: u8, payload: &[u8]| {
        let mut bytes = frame(0, payload);
        bytes[0] = first;
        bytes
    };
    let mut unmasked = frame(2, b"x");
    unmasked[1] &= 0x7f;
    let mut out = vec![unmasked, with_first(0x80, b"x"), with_first(0x00, b"x")];
    out.extend((3..=7).chain(11..=15).map(|opcode| frame(opcode, b"x")));
    out.extend([0xc2, 0xa2, 0x92, 0xf2, 0xc1, 0xc9, 0x42].map(|first| with_first(first, b"x")));
    for control in [8, 9, 10] {
        out.push(frame(control, &[0; 126]));
        out.push(frame(control, &[0; 70_000]));
        out.push(with_first(control, b""));
    }
    // A new message inside a fragmented one.
    out.push([with_first(0x02, b"x"), frame(2, b"y")].concat());
    out.push([with_first(0x01, b"x"), frame(1, b"y")].concat());
    // A length whose top bit is set, which no length has.
    out.push([&[0x82, 0xff][..], &[0xff; 8], &[0; 4]].concat());
    out
}

#[test]
fn forbidden_frames_close_the_connection_and_nothing_else() {
    let relay = Setup::new([1, 9]).start();
    let mut witness = Witness::new(&relay);
    for bytes in forbidden_frames() {
        let mut client = relay.client(&key(1));
        // What stands behind it is not looked at any more.
        client.send(&[&bytes[..], &frame(9, b"late"), &frame(1, b"late")].concat());
        match &client.rest()[..] {
            [Received::Close(1002)] | [Received::Error(413, _), Received::Close(1009)] => {}
            other => panic!("{other:?} to {:02x?}", &bytes[..bytes.len().min(20)]),
        }
        let mut stranger = Client::upgrade(&relay.address());
        stranger.send(&bytes);
        match &stranger.rest()[..] {
            [Received::Challenge(_), Received::Close(1002)] => {}
            [Received::Challenge(_), Received::Error(401, _), Received::Close(1008)] => {}
            other => panic!("{other:?} to {:02x?}", &bytes[..bytes.len().min(20)]),
        }
    }
    witness.is_served("forbidden frames");
}

#[test]
fn every_legal_frame_is_answered_as_the_protocol_says() {
    let relay = Setup::new([1, 9]).start();
    let mut witness = Witness::new(&relay);
    let mut client = relay.client(&key(1));
    for bytes in [&b""[..], b"text", b"\xff\xfe", &[b'x'; 70_000]] {
        client.send(&frame(1, bytes));
        assert!(matches!(client.recv(), Received::Error(400, text) if text.starts_with("text frame")));
    }
    client.send(&frame(10, b"a pong nobody asked for"));
    for size in [0, 1, 125] {
        client.send(&frame(9, &vec![7; size]));
        assert_eq!(client.recv(), Received::Pong(vec![7; size]));
    }
    client.send(&frame(2, b""));
    assert!(matches!(client.recv(), Received::Error(400, _)));
    // A publish byte by byte, each in a fragment and in a packet of its own, pings in between.
    let (id, wire) = event(&key(1), 1000, b"in pieces", &[]);
    let publish = payload(&ClientMessage::Publish { event: &wire });
    for (n, byte) in publish.iter().enumerate() {
        let mut piece = frame(if n == 0 { 2 } else { 0 }, &[*byte]);
        piece[0] &= if n + 1 == publish.len() { 0xff } else { 0x7f };
        piece.iter().for_each(|b| client.send(&[*b]));
        if n % 50 == 1 && n + 1 < publish.len() {
            client.send(&frame(9, b"between"));
            assert_eq!(client.recv(), Received::Pong(b"between".to_vec()));
        }
    }
    assert_eq!(client.recv(), Received::Ok(id.to_hex()));
    let reasons: &[&[u8]] =
        &[b"", b"\x03", b"\x03\xe8", b"\x03\xe8bye", b"\x00\x00", b"\xff\xff\xff", &[0xff; 125]];
    for reason in reasons {
        let mut client = relay.client(&key(1));
        client.send(&[frame(8, reason), frame(9, b"late"), frame(2, b"late")].concat());
        let rest = client.rest();
        assert!(matches!(rest[..], [Received::Close(1000 | 1002)]), "{rest:?} to the close {reason:02x?}");
    }
    witness.is_served("legal frames");
}

#[test]
fn a_message_above_the_limit_gets_413_and_the_end_though_all_of_it_is_sent() {
    let relay = Setup::new([1, 9]).start();
    let mut witness = Witness::new(&relay);
    let whole = frame(2, &vec![0; 3 << 20]);
    let claim = [&[0x82, 0xff][..], &(1u64 << 40).to_be_bytes(), &[0; 4]].concat();
    let mut fragments = Vec::new();
    for n in 0..20 {
        let mut fragment = frame(if n == 0 { 2 } else { 0 }, &vec![0; 100_000]);
        fragment[0] &= 0x7f;
        fragments.extend(fragment);
    }
    for bytes in [whole, claim, fragments] {
        let mut client = relay.client(&key(1));
        client.send(&bytes);
        let text = client.expect_end(413, 1009);
        assert!(text.contains("1048576"), "the limit is named: {text}");
        let mut stranger = Client::upgrade(&relay.address());
        assert!(matches!(stranger.recv(), Received::Challenge(_)));
        stranger.send(&bytes);
        stranger.expect_end(401, 1008);
    }
    // The largest that is allowed is read, and answered for what it is.
    let mut client = relay.client(&key(1));
    client.send(&frame(2, &vec![0; 1 << 20]));
    assert!(matches!(client.recv(), Received::Error(400, _)));
    client.settle();
    witness.is_served("messages above the limit");
}

#[test]
fn what_is_not_a_request_gets_an_http_error_and_the_end() {
    let relay = Setup::new([1, 9]).start();
    let mut witness = Witness::new(&relay);
    let address = relay.address();
    let mut random = Random(13);
    let mut noise: Vec<u8> = (0..20_000).map(|_| random.below(256) as u8).collect();
    let tls_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    let line = [&b"X-Filler: "[..], &[b'a'; 300], b"\r\n"].concat();
    let endless = [&b"GET / HTTP/1.1\r\n"[..], &line.repeat(90)].concat();
    let one_line = [&b"GET /"[..], &[b'a'; 20_000]].concat();
    let upgrade = |from: &str, to: &str| String::from_utf8_lossy(UPGRADE).replace(from, to).into_bytes();
    for (bytes, status) in [
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".to_vec(), "400"),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), "400"),
        (b"hello\r\n\r\n".to_vec(), "400"),
        (tls_hello, "400"),
        (endless, "431"),
        (one_line, "431"),
        (upgrade("Version: 13", "Version: 8"), "400"),
        (upgrade("Sec-WebSocket-Key", "X-Key"), "400"),
        (upgrade("Upgrade: websocket", "Upgrade: h2c"), "400"),
    ] {
        let answer = converse(&address, &bytes);
        let head = String::from_utf8_lossy(&answer).into_owned();
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(30)]).into_owned();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?} to {start:?}");
    }
    // Noise may be refused at any byte: what counts is that it ends.
    for _ in 0..50 {
        noise.rotate_left(400);
        let answer = converse(&address, &noise);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:02x?}");
    }
    witness.is_served("what is not a request");
}

#[test]
fn what_comes_with_the_upgrade_is_read_as_frames() {
    let relay = Setup::new([1, 9]).start();
    let mut witness = Witness::new(&relay);
    let mut client = Client::upgrade_and(&relay.address(), &frame(9, b"early"));
    assert!(matches!(client.recv(), Received::Challenge(_)));
    assert_eq!(client.recv(), Received::Pong(b"early".to_vec()));
    // A second request is not a frame.
    let mut client = Client::upgrade_and(&relay.address(), UPGRADE);
    assert!(matches!(client.rest()[..], [Received::Challenge(_), Received::Close(1002)]));
    witness.is_served("early bytes");
}

#[test]
fn connections_cut_at_any_byte_leave_nothing_behind() {
    let relay = Setup::new([1, 9]).start();
    let mut witness = Witness::new(&relay);
    let (_, wire) = event(&key(1), 1000, b"cut", &[]);
    let publish = raw_publish(&wire);
    for cut in 0..publish.len() {
        let mut client = relay.client(&key(1));
        client.send(&publish[..cut]);
        if cut % 2 == 0 {
            // The relay sees the end of the input and closes its side.
            client.half_close();
            assert_eq!(client.recv(), Received::End);
        }
    }
    for cut in 0..UPGRADE.len() {
        let mut stream = connect(&relay.address());
        stream.write_all(&UPGRADE[..cut]).expect("sent");
        if cut % 2 == 0 {
            stream.shutdown(std::net::Shutdown::Write).expect("an open connection");
            assert_eq!(stream.read(&mut [0; 1]).expect("an end"), 0);
        }
    }
    witness.is_served("cut connections");
    // Only the witness is left, and nothing of the event was stored.
    relay.wait_for_metric("axon_connections", |n| n == 1.0);
    let (stored, _) = witness.client.stored("cut", Filter { kinds: vec![1000], ..Filter::default() });
    assert!(stored.is_empty());
}

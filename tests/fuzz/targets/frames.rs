//! What the bytes of a connection are read as, before they are messages.

use super::vectors;
use axon::wire::{Assembler, FrameError, Head, Incoming, read_head};

/// One thing that came in, owned.
#[derive(Debug, PartialEq)]
enum Came {
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Text,
    Pong,
    Close,
}

/// The first byte says how long a message may be, the second in which pieces the rest is read:
/// what comes out must not depend on them.
pub fn frames(bytes: &[u8]) {
    let [limit, size, stream @ ..] = bytes else { return };
    let limit = 16 * usize::from(*limit);
    let whole = read(stream, stream.len().max(1), limit);
    let pieces = read(stream, 1 + usize::from(*size), limit);
    assert_eq!(whole, pieces);
    for came in &whole.0 {
        match came {
            Came::Binary(payload) => assert!(payload.len() <= limit),
            Came::Ping(payload) => assert!(payload.len() <= 125),
            Came::Text | Came::Pong | Came::Close => {}
        }
    }
    if let Some(FrameError::TooLarge { have, limit: said }) = whole.1 {
        assert!(have > said && said == limit as u64);
    }
}

fn read(stream: &[u8], size: usize, limit: usize) -> (Vec<Came>, Option<FrameError>) {
    let (mut assembler, mut came) = (Assembler::default(), Vec::new());
    for piece in stream.chunks(size) {
        let mut open = true;
        let fed = assembler.feed(&mut piece.to_vec(), limit, &mut |incoming| {
            came.push(match incoming {
                Incoming::Binary(payload) => Came::Binary(payload.to_vec()),
                Incoming::Ping(payload) => Came::Ping(payload.to_vec()),
                Incoming::Text => Came::Text,
                Incoming::Pong => Came::Pong,
                Incoming::Close => Came::Close,
            });
            open = !matches!(came.last(), Some(Came::Close));
            open.then_some(limit)
        });
        match fed {
            Err(error) => return (came, Some(error)),
            Ok(()) if !open => break,
            Ok(()) => {}
        }
    }
    (came, None)
}

/// A masked frame of a client.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ MASK[i % 4]));
    out
}

pub fn specimens() -> Vec<Vec<u8>> {
    let long = vec![b'x'; 400];
    let streams = [
        [frame(0x82, b"one"), frame(0x89, b"ping"), frame(0x82, &long)].concat(),
        [frame(0x02, b"fr"), frame(0x89, b"p"), frame(0x00, b""), frame(0x80, b"ag")].concat(),
        [frame(0x81, b"text"), frame(0x8a, b""), frame(0x88, b"\x03\xe8")].concat(),
        vec![0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4],
    ];
    let settings = [[255, 0], [8, 6], [255, 255]];
    settings.iter().flat_map(|two| streams.iter().map(move |stream| [&two[..], stream].concat())).collect()
}

/// The head of a request: an answer only to what is whole, and an answer that is one.
pub fn head(bytes: &[u8]) {
    match read_head(bytes) {
        None => assert!(bytes.len() < axon::base::limits::REQUEST_HEAD_BYTES_MAX),
        Some(Head::Upgrade { response, consumed }) => {
            assert!(consumed <= bytes.len());
            let text = String::from_utf8(response).expect("an answer is text");
            assert!(text.starts_with("HTTP/1.1 101 "), "{text:?}");
            assert_eq!(
                text.find("\r\n\r\n"),
                Some(text.len() - 4),
                "one head and nothing behind it: {text:?}"
            );
        }
        Some(Head::Describe) => {}
        Some(Head::Refused { status, why }) => {
            assert!(status.starts_with(['4', '5']) && !why.is_empty());
        }
    }
}

pub fn heads() -> Vec<Vec<u8>> {
    let upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut all = vec![upgrade.as_bytes().to_vec(), [upgrade.as_bytes(), &frame(0x89, b"early")].concat()];
    all.push(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
    all.push(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc".to_vec());
    all.extend(vectors::messages().into_iter().take(1));
    all
}

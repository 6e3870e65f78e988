//! A client's side of WebSocket: masked, fragmented frames out; plain frames in.

use rand::RngExt;
use rand::rngs::StdRng;

pub const BINARY: u8 = 2;
pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Appends one masked frame.
pub fn put_frame(out: &mut Vec<u8>, rng: &mut StdRng, opcode: u8, is_final: bool, payload: &[u8]) {
    out.push(if is_final { 0x80 | opcode } else { opcode });
    if payload.len() < 126 {
        out.push(0x80 | payload.len() as u8);
    } else {
        out.push(0x80 | 126);
        out.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    }
    let mask: [u8; 4] = rng.random();
    out.extend_from_slice(&mask);
    out.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
}

/// Appends a message in one frame or, sometimes, in several.
pub fn put_message(out: &mut Vec<u8>, rng: &mut StdRng, opcode: u8, mut payload: &[u8]) {
    let mut opcode = opcode;
    while rng.random_range(0..5) == 0 {
        let (part, rest) = payload.split_at(rng.random_range(0..=payload.len()));
        put_frame(out, rng, opcode, false, part);
        (opcode, payload) = (0, rest);
    }
    put_frame(out, rng, opcode, true, payload);
}

/// Whole frames out of a stream of bytes.
#[derive(Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
}

impl FrameReader {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame's opcode and payload.
    pub fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let &[first, short, ..] = &self.bytes[..] else { return None };
        assert!(first & 0xf0 == 0x80 && short < 127, "one final, unmasked frame below 64 KiB");
        let (start, len) = match (short, &self.bytes[2..]) {
            (126, [high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            (126, _) => return None,
            _ => (2, usize::from(short)),
        };
        let payload = self.bytes.get(start..start + len)?.to_vec();
        self.bytes.drain(..start + len);
        Some((first & 15, payload))
    }
}

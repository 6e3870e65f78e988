//! WebSocket frames from the client's side: masked ones built beforehand, and the least parsing
//! of what comes back that still tells every message's type.

use axon::wire::ClientMessage;

/// Any mask is as good as another here; a fixed one lets frames be built beforehand.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0x9e];

const BINARY: u8 = 0x82;
const PONG: u8 = 0x8a;

/// Message types as the protocol numbers them; each is one byte of MessagePack.
pub const OK: u8 = 3;
pub const ERROR: u8 = 4;
pub const ENVELOPE: u8 = 8;
pub const EOSE: u8 = 9;

/// Appends `message` in a masked frame.
pub fn put_message(out: &mut Vec<u8>, message: &ClientMessage<'_>, scratch: &mut Vec<u8>) {
    scratch.clear();
    message.write(scratch);
    put(out, BINARY, scratch);
}

/// Appends the pong that answers a ping.
pub fn put_pong(out: &mut Vec<u8>, payload: &[u8]) {
    put(out, PONG, payload);
}

fn put(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    out.push(first);
    if payload.len() < 126 {
        out.push(0x80 | payload.len() as u8);
    } else if let Ok(len) = u16::try_from(payload.len()) {
        out.push(0x80 | 126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// One frame of the relay.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A protocol message: its type, and the whole of it.
    Message(u8, &'a [u8]),
    Ping(&'a [u8]),
    Close,
    /// What this client neither expects nor minds.
    Other,
}

/// The frame at the front of `bytes` and its length; `None`: not whole yet. The relay never
/// fragments or masks.
pub fn parse(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
    let (len, head): (usize, usize) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).unwrap_or(usize::MAX), 10),
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(head..head.checked_add(len)?)?;
    let frame = match (first & 0x0f, payload) {
        (0x2, [0x92, kind, ..]) => Frame::Message(*kind, payload),
        (0x8, _) => Frame::Close,
        (0x9, _) => Frame::Ping(payload),
        _ => Frame::Other,
    };
    Some((frame, head + len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axon::base::EventId;
    use axon::wire::{Assembler, Incoming, put_header, put_ok};

    #[test]
    fn the_relay_reads_what_was_built() {
        for len in [1, 60, 125, 126, 65_535, 65_536] {
            let event = vec![0xc4; len];
            let (mut frame, mut scratch) = (Vec::new(), Vec::new());
            put_message(&mut frame, &ClientMessage::Publish { event: &event }, &mut scratch);
            let mut seen = 0;
            let fed = Assembler::default().feed(&mut frame, 1 << 20, &mut |incoming| {
                assert_eq!(incoming, Incoming::Binary(&scratch));
                seen += 1;
                Some(1 << 20)
            });
            assert_eq!((fed, seen), (Ok(()), 1), "{len}");
        }
    }

    #[test]
    fn every_truncation_is_incomplete_and_the_whole_is_one_frame() {
        let mut ok = Vec::new();
        put_ok(&mut ok, &EventId([7; 32]));
        let mut long = Vec::new();
        put_header(&mut long, axon::wire::Opcode::Binary, 70_000);
        long.extend_from_slice(&[0x92, ENVELOPE]);
        long.resize(long.len() + 69_998, 0);
        for (bytes, kind) in [(ok, OK), (long, ENVELOPE)] {
            assert!((0..bytes.len()).all(|end| parse(&bytes[..end]).is_none()));
            let (frame, len) = parse(&bytes).unwrap();
            assert_eq!(len, bytes.len());
            assert!(matches!(frame, Frame::Message(k, _) if k == kind));
        }
    }
}

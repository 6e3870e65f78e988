//! Incoming frames: bytes in, messages out.
//!
//! A frame that lies whole in the bytes handed in is unmasked where it lies and lent out, no
//! copy. Only what a read cut off is kept, each byte copied once; an idle connection keeps
//! nothing.

use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// One thing a peer said.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A whole text message; its content does not matter.
    Text,
    Ping(&'a [u8]),
    Pong,
    Close,
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not WebSocket as RFC 6455 has it; close code 1002.
    #[error("{0}")]
    Protocol(&'static str),
    /// A message above the limit; Error 413, close code 1009.
    #[error("message of {have} bytes, limit {limit}")]
    TooLarge { have: u64, limit: u64 },
}

/// Longest frame header: 2 + 8 + 4.
const HEADER_MAX: usize = 14;
/// Longest payload of a control frame (RFC 6455 §5.5).
const CONTROL_MAX: u64 = 125;

/// What is remembered between two reads.
#[derive(Debug, Default)]
pub struct Assembler {
    partial: Option<Box<Partial>>,
}

/// A message or a frame that is not complete yet.
#[derive(Debug, Default)]
struct Partial {
    /// A header that was cut off.
    head: Vec<u8>,
    /// The frame whose payload is being received.
    frame: Option<Frame>,
    /// Unmasked payload of the data frames so far.
    message: Vec<u8>,
    /// Payload of a control frame between them.
    control: Vec<u8>,
    /// The opcode of a fragmented message's first frame.
    fragmented: Option<Data>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: OpCode,
    is_final: bool,
    mask: [u8; 4],
    len: u64,
    received: u64,
}

impl Assembler {
    /// Takes bytes as they arrived and hands every complete message to `on`, until it answers
    /// `None` (the rest is then dropped: the connection is closing). `limit` bounds the first
    /// message, the answer of `on` the next one: a login raises it.
    ///
    /// # Errors
    /// Bytes that are not WebSocket, or a message above the limit. The connection is over then.
    pub fn feed(
        &mut self,
        mut bytes: &mut [u8],
        mut limit: usize,
        on: &mut impl FnMut(Incoming<'_>) -> Option<usize>,
    ) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            if let Some(partial) = &mut self.partial {
                let taken = partial.take(bytes, limit)?;
                bytes = &mut bytes[taken..];
                if !partial.is_frame_complete() {
                    continue;
                }
                let next = partial.finish_frame(limit, on);
                if partial.is_empty() {
                    self.partial = None;
                }
                let Some(next) = next else { return Ok(()) };
                limit = next;
                continue;
            }
            let Some((frame, header_len)) = parse_header(bytes)? else {
                self.partial = Some(Box::new(Partial { head: bytes.to_vec(), ..Partial::default() }));
                return Ok(());
            };
            frame.check(None, 0, limit)?;
            let rest = &mut bytes[header_len..];
            let whole = frame.len <= rest.len() as u64 && frame.is_final;
            if !whole {
                self.partial = Some(Box::new(Partial { frame: Some(frame), ..Partial::default() }));
                bytes = rest;
                if frame.len == 0 {
                    let Some(next) = self.finish_empty(limit, on) else { return Ok(()) };
                    limit = next;
                }
                continue;
            }
            let (payload, rest) = rest.split_at_mut(frame.len as usize);
            unmask(payload, frame.mask, 0);
            let Some(next) = on(incoming(frame.opcode, payload)) else { return Ok(()) };
            limit = next;
            bytes = rest;
        }
        Ok(())
    }

    /// An empty first fragment is complete without a further byte.
    fn finish_empty(
        &mut self,
        limit: usize,
        on: &mut impl FnMut(Incoming<'_>) -> Option<usize>,
    ) -> Option<usize> {
        let Some(partial) = &mut self.partial else { return Some(limit) };
        let next = partial.finish_frame(limit, on);
        if partial.is_empty() {
            self.partial = None;
        }
        next
    }
}

impl Partial {
    /// Takes from the front of `bytes` what belongs to the present frame; how many bytes.
    fn take(&mut self, bytes: &mut [u8], limit: usize) -> Result<usize, FrameError> {
        let Some(frame) = &mut self.frame else { return self.take_header(bytes, limit) };
        let n = (frame.len - frame.received).min(bytes.len() as u64) as usize;
        let part = &mut bytes[..n];
        unmask(part, frame.mask, (frame.received % 4) as usize);
        frame.received += n as u64;
        if matches!(frame.opcode, OpCode::Control(_)) {
            self.control.extend_from_slice(part);
        } else {
            self.message.extend_from_slice(part);
        }
        Ok(n)
    }

    fn take_header(&mut self, bytes: &[u8], limit: usize) -> Result<usize, FrameError> {
        let held = self.head.len();
        let more = bytes.len().min(HEADER_MAX - held);
        self.head.extend_from_slice(&bytes[..more]);
        let Some((frame, header_len)) = parse_header(&self.head)? else { return Ok(more) };
        frame.check(self.fragmented, self.message.len(), limit)?;
        self.head.clear();
        self.frame = Some(frame);
        Ok(header_len - held)
    }

    fn is_frame_complete(&self) -> bool {
        self.frame.is_some_and(|frame| frame.received == frame.len)
    }

    /// Ends the present frame and hands out what it completes; the limit from then on.
    fn finish_frame(
        &mut self,
        limit: usize,
        on: &mut impl FnMut(Incoming<'_>) -> Option<usize>,
    ) -> Option<usize> {
        let Some(frame) = self.frame.take() else { return Some(limit) };
        match frame.opcode {
            OpCode::Control(_) => {
                let control = std::mem::take(&mut self.control);
                on(incoming(frame.opcode, &control))
            }
            OpCode::Data(data) => {
                let first = self.fragmented.take().unwrap_or(data);
                if !frame.is_final {
                    self.fragmented = Some(first);
                    return Some(limit);
                }
                let message = std::mem::take(&mut self.message);
                on(incoming(OpCode::Data(first), &message))
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.head.is_empty() && self.frame.is_none() && self.fragmented.is_none()
    }
}

impl Frame {
    /// What RFC 6455 forbids, and the message limit.
    fn check(&self, fragmented: Option<Data>, held: usize, limit: usize) -> Result<(), FrameError> {
        match self.opcode {
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                Err(FrameError::Protocol("reserved opcode"))
            }
            OpCode::Control(_) if !self.is_final => Err(FrameError::Protocol("fragmented control frame")),
            OpCode::Control(_) if self.len > CONTROL_MAX => {
                Err(FrameError::Protocol("control frame too long"))
            }
            OpCode::Control(_) => Ok(()),
            OpCode::Data(Data::Continue) if fragmented.is_none() => {
                Err(FrameError::Protocol("continuation without a message"))
            }
            OpCode::Data(Data::Text | Data::Binary) if fragmented.is_some() => {
                Err(FrameError::Protocol("new message inside a fragmented one"))
            }
            OpCode::Data(_) => {
                let have = self.len.saturating_add(held as u64);
                if have > limit as u64 {
                    return Err(FrameError::TooLarge { have, limit: limit as u64 });
                }
                Ok(())
            }
        }
    }
}

fn parse_header(bytes: &[u8]) -> Result<Option<(Frame, usize)>, FrameError> {
    let mut cursor = Cursor::new(bytes);
    let Some((header, len)) =
        FrameHeader::parse(&mut cursor).map_err(|_| FrameError::Protocol("malformed frame header"))?
    else {
        return Ok(None);
    };
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(FrameError::Protocol("reserved bits: no extension was agreed"));
    }
    let mask = header.mask.ok_or(FrameError::Protocol("unmasked frame from a client"))?;
    let frame = Frame { opcode: header.opcode, is_final: header.is_final, mask, len, received: 0 };
    Ok(Some((frame, cursor.position() as usize)))
}

fn incoming<'a>(opcode: OpCode, payload: &'a [u8]) -> Incoming<'a> {
    match opcode {
        OpCode::Data(Data::Text) => Incoming::Text,
        OpCode::Data(_) => Incoming::Binary(payload),
        OpCode::Control(Control::Ping) => Incoming::Ping(payload),
        OpCode::Control(Control::Pong) => Incoming::Pong,
        OpCode::Control(_) => Incoming::Close,
    }
}

/// XORs the mask, beginning at its byte `phase`. Written so that the compiler vectorises it.
fn unmask(bytes: &mut [u8], mask: [u8; 4], phase: usize) {
    let mut wide = [0u8; 64];
    for (i, byte) in wide.iter_mut().enumerate() {
        *byte = mask[(phase + i) % 4];
    }
    for chunk in bytes.chunks_mut(64) {
        for (byte, key) in chunk.iter_mut().zip(&wide) {
            *byte ^= key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let mut out = vec![first];
        match payload.len() {
            n if n < 126 => out.push(0x80 | n as u8),
            n => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(n as u16).to_be_bytes());
            }
        }
        out.extend_from_slice(&mask);
        out.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]));
        out
    }

    fn collect(assembler: &mut Assembler, bytes: &[u8], out: &mut Vec<String>) -> Result<(), FrameError> {
        assembler.feed(&mut bytes.to_vec(), 1000, &mut |incoming| {
            out.push(match incoming {
                Incoming::Binary(b) => format!("binary {}", String::from_utf8_lossy(b)),
                Incoming::Ping(b) => format!("ping {}", String::from_utf8_lossy(b)),
                other => format!("{other:?}"),
            });
            Some(1000)
        })
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_messages() {
        let long = "x".repeat(300);
        let stream = [
            frame(0x82, b"one"),
            frame(0x02, b"fr"),
            frame(0x89, b"p"),
            frame(0x00, b""),
            frame(0x80, b"ag"),
            frame(0x82, long.as_bytes()),
            frame(0x81, b"text"),
            frame(0x02, b""),
            frame(0x80, b""),
            frame(0x8a, b""),
            frame(0x88, b""),
        ]
        .concat();
        let expected = [
            "binary one",
            "ping p",
            "binary frag",
            &format!("binary {long}"),
            "Text",
            "binary ",
            "Pong",
            "Close",
        ];
        for size in 1..stream.len() {
            let (mut assembler, mut out) = (Assembler::default(), Vec::new());
            for part in stream.chunks(size) {
                collect(&mut assembler, part, &mut out).unwrap_or_else(|e| panic!("{e} at size {size}"));
            }
            assert_eq!(out, expected, "in pieces of {size}");
            assert!(assembler.partial.is_none());
        }
    }

    #[test]
    fn what_rfc_6455_forbids_is_refused() {
        let mut unmasked = frame(0x82, b"x");
        unmasked[1] &= 0x7f;
        for bytes in [
            unmasked,
            frame(0xc2, b"x"),
            frame(0x83, b"x"),
            frame(0x8b, b"x"),
            frame(0x09, b"x"),
            frame(0x80, b"x"),
            frame(0x89, &[0; 126]),
            [frame(0x02, b"x"), frame(0x82, b"y")].concat(),
        ] {
            let result = collect(&mut Assembler::default(), &bytes, &mut Vec::new());
            assert!(matches!(result, Err(FrameError::Protocol(_))), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_message_above_the_limit_is_refused_before_it_is_held() {
        let claimed = [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
        let result = collect(&mut Assembler::default(), &claimed, &mut Vec::new());
        assert_eq!(result, Err(FrameError::TooLarge { have: 1 << 32, limit: 1000 }));
        let fragments = [frame(0x02, &[0; 600]), frame(0x00, &[0; 600])].concat();
        let result = collect(&mut Assembler::default(), &fragments, &mut Vec::new());
        assert_eq!(result, Err(FrameError::TooLarge { have: 1200, limit: 1000 }));
    }
}

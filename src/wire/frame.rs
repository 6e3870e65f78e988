//! Outgoing frames (RFC 6455 §5.2): always final, never masked.

/// The opcodes the relay sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// Close codes the relay uses (RFC 6455 §7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    Normal = 1000,
    GoingAway = 1001,
    Protocol = 1002,
    Policy = 1008,
    TooLarge = 1009,
}

/// Appends a frame header for a payload of `len` bytes: 2, 4 or 10 bytes.
pub fn put_header(out: &mut Vec<u8>, opcode: Opcode, len: usize) {
    out.push(0x80 | opcode as u8);
    if len < 126 {
        out.push(len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}

/// Appends a frame whose payload `write` appends. Meant for short payloads: a longer one is
/// moved to make room for its header.
pub fn put_frame(out: &mut Vec<u8>, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | opcode as u8, 0]);
    write(out);
    let len = out.len() - start - 2;
    if len < 126 {
        out[start + 1] = len as u8;
        return;
    }
    let mut header = Vec::with_capacity(10);
    put_header(&mut header, opcode, len);
    out.splice(start..start + 2, header);
}

/// Appends a ping.
pub fn put_ping(out: &mut Vec<u8>) {
    put_frame(out, Opcode::Ping, |_| {});
}

/// Appends a pong that answers a ping's payload (at most 125 bytes).
pub fn put_pong(out: &mut Vec<u8>, payload: &[u8]) {
    put_frame(out, Opcode::Pong, |out| out.extend_from_slice(payload));
}

/// Appends a close frame.
pub fn put_close(out: &mut Vec<u8>, code: CloseCode) {
    put_frame(out, Opcode::Close, |out| out.extend_from_slice(&(code as u16).to_be_bytes()));
}

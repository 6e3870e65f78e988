//! The HTTP request head that opens a connection, and its answers. tungstenite parses the head
//! and computes the WebSocket accept key; the bytes come from and go to whoever owns the socket.

use crate::base::limits::REQUEST_HEAD_BYTES_MAX;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};

/// A complete request head.
#[derive(Debug)]
pub enum Head {
    /// A WebSocket upgrade; the answer to send, and how many bytes the head took.
    Upgrade { response: Vec<u8>, consumed: usize },
    /// A plain GET: it gets the relay's description.
    Describe,
    /// Anything else; the HTTP status to refuse it with.
    Refused { status: &'static str, why: &'static str },
}

/// Looks at what has arrived so far; `None`: the head is not complete yet.
pub fn read_head(bytes: &[u8]) -> Option<Head> {
    match Request::try_parse(bytes) {
        Ok(None) if bytes.len() < REQUEST_HEAD_BYTES_MAX => None,
        Ok(None) => Some(refused("431 Request Header Fields Too Large", "the request head is too long")),
        Ok(Some((consumed, request))) => Some(answer(&request, consumed)),
        Err(_) => Some(refused("400 Bad Request", "not an HTTP/1.1 GET request")),
    }
}

fn answer(request: &Request, consumed: usize) -> Head {
    if !request.headers().contains_key("upgrade") {
        return Head::Describe;
    }
    match create_response(request) {
        Ok(response) => Head::Upgrade { response: upgrade_response(&response), consumed },
        Err(_) => refused("400 Bad Request", "not a valid WebSocket upgrade (RFC 6455, section 4.2.1)"),
    }
}

/// The bytes of tungstenite's answer.
pub fn upgrade_response(response: &tungstenite::handshake::server::Response) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    if write_response(&mut out, response).is_err() {
        out.clear();
    }
    out
}

fn refused(status: &'static str, why: &'static str) -> Head {
    Head::Refused { status, why }
}

/// A whole HTTP/1.1 answer, after which the connection closes.
pub fn refusal(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

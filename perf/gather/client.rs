//! One HTTP/1.1 connection that is kept alive: a request, its answer, the next request.

use crate::failure::{Doing, Failure, Result};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The slowest answer that is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer; the largest list has some hundred kilobytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const READ_BYTES: usize = 64 << 10;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: &'static str,
    /// Path and query, escaped.
    pub path: String,
    pub token: Option<String>,
    pub body: Option<Value>,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Request {
        Request { method: "GET", path: path.into(), token: None, body: None }
    }

    pub fn send(method: &'static str, path: impl Into<String>, token: String, body: Value) -> Request {
        Request { method, path: path.into(), token: Some(token), body: Some(body) }
    }

    /// Asked by somebody.
    pub fn by(self, token: String) -> Request {
        Request { token: Some(token), ..self }
    }

    fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let kind = self
            .body
            .as_ref()
            .map(|_| format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        let (method, path) = (self.method, &self.path);
        let (token, kind) = (token.unwrap_or_default(), kind.unwrap_or_default());
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{token}{kind}\r\n{body}").into_bytes()
    }
}

/// What came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A connection.
pub struct Http {
    pub stream: TcpStream,
    address: SocketAddr,
    held: Vec<u8>,
}

impl Http {
    /// # Errors
    /// Nobody listens there.
    pub fn connect(address: SocketAddr) -> Result<Http> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).doing("connecting to Gather")?;
        stream.set_nodelay(true).doing("TCP_NODELAY")?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).doing("SO_RCVTIMEO")?;
        Ok(Http { stream, address, held: Vec::new() })
    }

    /// Asks and waits; for a blocking connection.
    ///
    /// # Errors
    /// The connection broke.
    pub fn ask(&mut self, request: &Request) -> Result<Answer> {
        self.put(request)?;
        loop {
            if let Some(answer) = self.take()? {
                return Ok(answer);
            }
        }
    }

    /// The body of an answer that must be one.
    ///
    /// # Errors
    /// The connection broke; another status than 2xx.
    pub fn get(&mut self, request: &Request) -> Result<Value> {
        let answer = self.ask(request)?;
        match answer.status {
            200..=299 => Ok(answer.json()),
            status => Err(Failure::Protocol(format!(
                "{} {}: {status} {}",
                request.method,
                request.path,
                String::from_utf8_lossy(&answer.body)
            ))),
        }
    }

    /// Sends a request: small enough for the socket's own buffer.
    ///
    /// # Errors
    /// The connection broke.
    pub fn put(&mut self, request: &Request) -> Result<()> {
        (&self.stream).write_all(&request.bytes(self.address)).doing("asking Gather")
    }

    /// Reads once; the answer, if it is whole.
    ///
    /// # Errors
    /// The connection broke, or what came is no answer.
    pub fn take(&mut self) -> Result<Option<Answer>> {
        let mut buf = [0; READ_BYTES];
        match (&self.stream).read(&mut buf) {
            Ok(0) => return Err(Failure::Protocol("Gather closed the connection".to_owned())),
            Ok(n) => self.held.extend_from_slice(&buf[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error).doing("waiting for Gather"),
        }
        if self.held.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Protocol("an answer has no end".to_owned()));
        }
        let Some((status, len)) = length(&self.held)? else { return Ok(None) };
        if self.held.len() < len.end {
            return Ok(None);
        }
        let body = self.held[len.clone()].to_vec();
        self.held.drain(..len.end);
        Ok(Some(Answer { status, body }))
    }
}

/// The status, and where the body is; `None`: the head is not whole.
fn length(held: &[u8]) -> Result<Option<(u16, std::ops::Range<usize>)>> {
    let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&held[..at]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    };
    let length = head.lines().find_map(field);
    match (status, length) {
        (Some(204 | 304), _) => Ok(status.map(|status| (status, at + 4..at + 4))),
        (Some(status), Some(length)) if length <= ANSWER_BYTES_MAX => {
            Ok(Some((status, at + 4..at + 4 + length)))
        }
        _ => Err(Failure::Protocol(format!("no answer that this program understands: {head}"))),
    }
}

/// Text as a query's value or a path's segment.
pub fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        assert!(length(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap().is_none());
        let found = length(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}HTTP").unwrap();
        assert_eq!(found, Some((201, 43..45)));
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert_eq!(escape("a/b c\u{e4}"), "a%2Fb%20c%C3%A4");
    }
}

//! What the relay says of itself on `/metrics`, read as `axon top` reads it.

use crate::failure::{Doing, Failure, Result};
use axon::cli::Exposition;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A relay of this machine answers in milliseconds, also under load.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer: some 20 kB per shard.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// One scrape of the HTTP side at `address`.
///
/// # Errors
/// Nobody answers there, or not with metrics.
pub fn scrape(address: SocketAddr) -> Result<Exposition> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).doing("connecting for /metrics")?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).doing("SO_RCVTIMEO")?;
    // HTTP/1.0, so that the answer comes whole and ends with the connection.
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).doing("asking for /metrics")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).doing("reading /metrics")?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    body.parse().map_err(|error| Failure::Protocol(format!("http://{address}/metrics: {error}")))
}

//! A relay's description of itself: a plain HTTP GET on its port (protocol §8).

use super::{ConnectError, Roots};
use rustls::pki_types::ServerName;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::http::Uri;

/// A description is a few hundred bytes; more is something else.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// As long as a connection may take to open.
const ANSWER_MS_MAX: u64 = 10_000;

/// The JSON text with which the relay at `url` (`ws://host:port/…`, or `wss:` and then vouched
/// for by `roots`) describes itself.
///
/// # Errors
/// Not reachable, or not answering as a relay does.
pub async fn describe(url: &str, roots: &Roots) -> Result<String, ConnectError> {
    tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), get(url, roots))
        .await
        .unwrap_or_else(|_| Err(ConnectError::Timeout { url: url.to_owned() }))
}

async fn get(url: &str, roots: &Roots) -> Result<String, ConnectError> {
    let bad_url = |why: &str| ConnectError::Url { url: url.to_owned(), why: why.to_owned() };
    let uri: Uri = url.parse().map_err(|_| bad_url("it cannot be read"))?;
    let default_port = match uri.scheme_str() {
        Some("ws" | "http") => 80,
        Some("wss" | "https") => 443,
        _ => return Err(bad_url("only ws://, wss://, http:// and https:// are built in")),
    };
    let host = uri.host().ok_or_else(|| bad_url("it has no host"))?;
    let failed = |source: io::Error| ConnectError::of_io(url.to_owned(), source);
    let address = format!("{host}:{}", uri.port_u16().unwrap_or(default_port));
    let stream = TcpStream::connect(&address).await.map_err(failed)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        uri.path()
    );
    let answer = if default_port == 443 {
        let name = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|_| bad_url("its host is no name that TLS knows"))?;
        let stream = TlsConnector::from(roots.config()).connect(name, stream).await.map_err(failed)?;
        ask(stream, &request).await
    } else {
        ask(stream, &request).await
    };
    body(&answer.map_err(failed)?).map_err(|what| ConnectError::NotARelay { url: url.to_owned(), what })
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn body(answer: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(answer).map_err(|_| "its answer is not text".to_owned())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("its answer is not HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("it answers {status}"));
    }
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_http_200_has_a_body() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}"), Ok("{}".to_owned()));
        for answer in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 404 No\r\n\r\n{}", "\u{0}\r\n\r\n"] {
            assert!(body(answer.as_bytes()).is_err(), "{answer:?}");
        }
    }
}

//! One request to a relay's HTTP door.

use super::Failure;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Bytes of an answer; metrics have some 20 kB per shard.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// The body of `GET url/path`; of a refusal what it says. HTTP/1.0, so that it comes whole and ends with the connection.
pub(super) async fn get(url: &str, path: &str) -> Result<String, Failure> {
    let host = url.strip_prefix("http://").ok_or("must be http://HOST:PORT")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        let why = serde_json::from_str::<Value>(body).unwrap_or_default();
        let why = why["detail"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        return Err(format!("the answer is {status:?}{why}").into());
    }
    Ok(body.to_owned())
}

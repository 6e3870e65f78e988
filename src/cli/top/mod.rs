//! `axon top`: what a running relay is doing, from its `/metrics`, refreshed.

mod exposition;
mod figures;
mod table;

pub use exposition::{Exposition, Sample};
pub use figures::{Figures, LogFigures, ShardFigures, StageFigures};

use super::args::TopFlags;
use super::output::Output;
use super::{Failure, Outcome};
use crate::base::Clock;
use std::io::{IsTerminal as _, stdout};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Bytes of an answer: some 20 kB per shard.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// A relay of this machine answers in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Back to the terminal's first place, and everything behind it erased.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// One scrape.
struct Scrape {
    at_nanos: u64,
    metrics: Exposition,
}

pub(super) async fn run(flags: &TopFlags, output: &mut Output) -> Result<Outcome, Failure> {
    let clock = Clock::new();
    let clear = if stdout().is_terminal() && !output.is_json() { CLEAR } else { "" };
    let mut before = scrape(&flags.http, clock).await?;
    let mut left = flags.count;
    while left != Some(0) {
        sleep(Duration::from_secs(u64::from(flags.interval))).await;
        let after = scrape(&flags.http, clock).await?;
        let seconds = after.at_nanos.saturating_sub(before.at_nanos) as f64 / 1e9;
        let figures = Figures::between(&before.metrics, &after.metrics, seconds);
        output.either(|| figures.to_json(), || format!("{clear}{}", table::render(&figures, &flags.http)))?;
        output.flush()?;
        before = after;
        left = left.map(|n| n - 1);
    }
    Ok(Outcome::Done)
}

async fn scrape(url: &str, clock: Clock) -> Result<Scrape, Failure> {
    let answer = timeout(ANSWER_TIMEOUT, get(url)).await;
    let answer = answer.map_err(|_| format!("{url}: no answer within {} s", ANSWER_TIMEOUT.as_secs()))?;
    let text = answer.map_err(|error| {
        format!("{url}: {error}; is the relay running, and is this its http.listen? (--http URL)")
    })?;
    let metrics = text.parse().map_err(|error| format!("{url}/metrics: {error}"))?;
    Ok(Scrape { at_nanos: clock.nanos(), metrics })
}

/// The body of `GET url/metrics`. HTTP/1.0, so that it comes whole and ends with the connection.
async fn get(url: &str) -> Result<String, Failure> {
    let host = url.strip_prefix("http://").ok_or("must be http://HOST:PORT")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(format!("GET /metrics HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("the answer is {status:?}").into());
    }
    Ok(body.to_owned())
}

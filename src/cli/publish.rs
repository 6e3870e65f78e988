//! `axon pub`

use super::args::PubFlags;
use super::output::Output;
use super::{Failure, Outcome};
use crate::base::{Clock, EventId, Kind};
use crate::client::{Client, EventBuilder, PublishError, Published, Publisher, Receipt};
use base64ct::{Base64, Encoding};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::json;
use std::io::IsTerminal;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::mpsc;

/// One line of stdin: the longest content, each byte written as `\u00xx`, and as much again.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Receipts that wait to be printed; above what a publisher has under way nothing is gained.
const RECEIPTS_MAX: usize = 1_024;

/// One event as JSON; what is not given comes from the flags.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    kind: Option<u16>,
    content: Option<String>,
    content_hex: Option<String>,
    content_base64: Option<String>,
    tags: Option<Vec<Vec<String>>>,
    created_at: Option<i64>,
}

pub(super) async fn run(flags: &PubFlags, output: &mut Output) -> Result<Outcome, Failure> {
    if flags.content.is_none() && std::io::stdin().is_terminal() {
        return Err(
            "nothing to publish: give the content, or JSON lines on stdin (see `axon pub --help`)".into()
        );
    }
    let client = flags.relay.client()?;
    match &flags.content {
        Some(content) => {
            let line = Line { content: Some(content.clone()), ..Line::default() };
            let (_, event) = client.key().sign_event(&line.event(flags)?)?;
            let outcome = client.publisher().await?.publish(event).await;
            report(outcome, output)
        }
        None => lines(flags, &client, BufReader::new(tokio::io::stdin()), output).await,
    }
}

/// Publishes every line; one that cannot be published does not keep the others.
pub(super) async fn lines(
    flags: &PubFlags,
    client: &Client,
    input: impl AsyncBufRead + Unpin,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let publisher = client.publisher().await?;
    let (sender, receipts) = mpsc::channel(RECEIPTS_MAX);
    let (sent, printed) = tokio::try_join!(
        send_lines(flags, client, publisher, input, sender),
        print_receipts(receipts, output)
    )?;
    Ok(if sent == Outcome::Done { printed } else { Outcome::Refused })
}

async fn send_lines(
    flags: &PubFlags,
    client: &Client,
    publisher: Publisher,
    mut input: impl AsyncBufRead + Unpin,
    receipts: mpsc::Sender<Receipt>,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Done;
    let mut bytes = Vec::new();
    for number in 1u64.. {
        bytes.clear();
        if (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes).await? == 0 {
            break;
        }
        if bytes.len() as u64 == LINE_BYTES_MAX && !bytes.ends_with(b"\n") {
            return Err(format!("line {number}: longer than {LINE_BYTES_MAX} bytes").into());
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        match sign(&bytes, flags, client) {
            Err(failure) => {
                eprintln!("axon: line {number}: {failure}");
                outcome = Outcome::Refused;
            }
            Ok(event) => {
                if receipts.send(publisher.send(event).await?).await.is_err() {
                    break;
                }
            }
        }
    }
    Ok(outcome)
}

fn sign(bytes: &[u8], flags: &PubFlags, client: &Client) -> Result<Vec<u8>, Failure> {
    let line: Line = serde_json::from_slice(bytes)?;
    Ok(client.key().sign_event(&line.event(flags)?)?.1)
}

async fn print_receipts(
    mut receipts: mpsc::Receiver<Receipt>,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let progress = progress_bar();
    let mut outcome = Outcome::Done;
    while let Some(receipt) = receipts.recv().await {
        if report(receipt.await, output)? == Outcome::Refused {
            outcome = Outcome::Refused;
        }
        progress.inc(1);
        if receipts.is_empty() {
            output.flush()?;
        }
    }
    progress.finish();
    Ok(outcome)
}

/// Shown to people whose ids go elsewhere; on a terminal the ids themselves are the progress.
fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() || std::io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} events, {per_sec}, {elapsed}");
    ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

/// One line per event. 409 is no failure: the event is stored.
fn report(outcome: Result<Published, PublishError>, output: &mut Output) -> Result<Outcome, Failure> {
    match outcome {
        Ok(Published { id }) => stored(&id, 200, "", output),
        Err(PublishError::Refused { id, code: 409, .. }) => stored(&id, 409, " was stored before", output),
        Err(PublishError::Refused { id, code, message }) => {
            if output.is_json() {
                output.line(&json!({ "id": id.to_hex(), "code": code, "message": message }).to_string())?;
            } else {
                eprintln!("axon: {id}: refused with code {code}: {message}");
            }
            Ok(Outcome::Refused)
        }
        Err(error) => Err(error.into()),
    }
}

fn stored(id: &EventId, code: u16, note: &str, output: &mut Output) -> Result<Outcome, Failure> {
    output.either(|| json!({ "id": id.to_hex(), "code": code }), || format!("{id}{note}"))?;
    Ok(Outcome::Done)
}

impl Line {
    pub(super) fn event(self, flags: &PubFlags) -> Result<EventBuilder, Failure> {
        let content = match (self.content, self.content_hex, self.content_base64) {
            (Some(text), None, None) => text.into_bytes(),
            (None, Some(text), None) => hex::decode(text).map_err(|e| format!("content_hex: {e}"))?,
            (None, None, Some(text)) => Base64::decode_vec(&text)
                .map_err(|e| format!("content_base64: {e} (standard alphabet, padded)"))?,
            (None, None, None) => Vec::new(),
            _ => return Err("give only one of content, content_hex, content_base64".into()),
        };
        let tags = match self.tags {
            None => flags.tag.clone(),
            Some(tags) => tags.into_iter().map(split_tag).collect::<Result<_, Failure>>()?,
        };
        let created_at = self.created_at.unwrap_or_else(|| Clock::new().unix_seconds());
        Ok(EventBuilder { kind: Kind(self.kind.unwrap_or(flags.kind)), created_at, content, tags })
    }
}

/// `[name, value, …]`
fn split_tag(mut tag: Vec<String>) -> Result<(String, Vec<String>), Failure> {
    if tag.is_empty() {
        return Err("tags: each is [name, value, ...]".into());
    }
    let values = tag.split_off(1);
    Ok((tag.swap_remove(0), values))
}

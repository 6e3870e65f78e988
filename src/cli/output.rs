//! Lines on stdout: text for people or JSON for agents.

use super::Failure;
use crate::client::{Delivery, Event, Position};
use base64ct::{Base64, Encoding};
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, Write};

/// Where a command's lines go.
pub(super) struct Output {
    out: Box<dyn Write + Send>,
    json: bool,
}

impl Output {
    pub(super) fn stdout(json: bool) -> Output {
        Output::to(Box::new(BufWriter::new(io::stdout())), json)
    }

    pub(super) fn to(out: Box<dyn Write + Send>, json: bool) -> Output {
        Output { out, json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text.trim_end())
    }

    /// One of the two, as asked for.
    pub(super) fn either(
        &mut self,
        json: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
    ) -> io::Result<()> {
        if self.json { writeln!(self.out, "{}", json()) } else { writeln!(self.out, "{}", text()) }
    }

    /// As JSON, or as the line that `text` makes of it.
    pub(super) fn delivery(&mut self, delivery: &Delivery, text: &Line<'_>) -> io::Result<()> {
        self.either(|| event_json(delivery), || text(delivery))
    }

    /// The end of the stored events; only agents need to be told.
    pub(super) fn caught_up(&mut self, position: Option<Position>) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        let end = position.map_or(json!({}), |p| json!({ "seq": p.seq.0, "log": p.log.to_hex() }));
        writeln!(self.out, "{}", json!({ "eose": end }))
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What people are shown of an event.
pub(super) type Line<'a> = dyn Fn(&Delivery) -> String + 'a;

/// Whether the reader of our output went away, which is its right.
pub(super) fn is_closed_pipe(failure: &Failure) -> bool {
    failure.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// `content` if it is UTF-8, `content_base64` otherwise; `seq` if it has one.
fn event_json(delivery: &Delivery) -> Value {
    let event = &delivery.event;
    let mut map = Map::new();
    if let Some(position) = delivery.position {
        map.insert("seq".to_owned(), json!(position.seq.0));
    }
    map.insert("id".to_owned(), json!(event.id.to_hex()));
    map.insert("pubkey".to_owned(), json!(event.pubkey.to_hex()));
    map.insert("kind".to_owned(), json!(event.kind.0));
    map.insert("created_at".to_owned(), json!(event.created_at));
    match std::str::from_utf8(&event.content) {
        Ok(text) => map.insert("content".to_owned(), json!(text)),
        Err(_) => map.insert("content_base64".to_owned(), json!(Base64::encode_string(&event.content))),
    };
    let tags: Vec<Vec<&str>> = event.tags.iter().map(tag_list).collect();
    map.insert("tags".to_owned(), json!(tags));
    map.insert("sig".to_owned(), json!(event.sig.to_hex()));
    Value::Object(map)
}

fn tag_list(tag: &crate::client::Tag) -> Vec<&str> {
    std::iter::once(tag.name.as_str()).chain(tag.values.iter().map(String::as_str)).collect()
}

/// `seq kind author [tags] content`, one line whatever is in the event.
pub(super) fn event_text(delivery: &Delivery) -> String {
    let Event { pubkey, kind, content, tags, .. } = &delivery.event;
    let seq = delivery.position.map_or_else(|| "-".to_owned(), |p| p.seq.to_string());
    let tags: Vec<String> = tags.iter().map(|tag| format!("{}={}", tag.name, tag.values.join(","))).collect();
    let tags = if tags.is_empty() { String::new() } else { format!("[{}] ", tags.join(" ")) };
    let content = std::str::from_utf8(content)
        .map_or_else(|_| format!("<{} bytes: {}>", content.len(), hex::encode(content)), str::to_owned);
    let author = pubkey.to_hex();
    printable(&format!("{seq:>8} {:>5} {}… {tags}{content}", kind.0, &author[..8]))
}

/// Control characters of strangers do not reach a terminal, nor do those that turn the direction of
/// writing: what is read is what was written.
pub(super) fn printable(text: &str) -> String {
    let escaped = |c: char| c.is_control() || is_unseen(c);
    text.chars()
        .flat_map(|c| if escaped(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

/// Marks and overrides of direction, line and paragraph separators.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

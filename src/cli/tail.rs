//! `axon tail`: `axon sub` for eyes. The same subscription and the same printer; what differs is
//! where it begins (with the newest events), that it keeps no position, and the line.

use super::args::RelayFlags;
use super::filter::FilterFlags;
use super::output::{Output, printable};
use super::{Failure, Outcome, follow};
use crate::base::Kind;
use crate::base::calendar::time_text;
use crate::client::{Delivery, Start};
use clap::{Args, ValueEnum};
use std::io::IsTerminal as _;

pub(super) const EXAMPLES: &str = "Examples:\n  axon tail\n  axon tail -n 100 --kind 5000-7999\n  axon tail --color always | less -R\n\n\
    One line per event: created_at (UTC), position, kind, author, tags, the beginning of the content. Stored \
    events before the first new one have no position. Control characters are escaped. Reconnects by itself and \
    goes on where it was. Colour only on a terminal, and not if NO_COLOR is set.";

/// Characters of tags, and of content, that fit on a line beside the rest.
const TAGS_CHARS_MAX: usize = 60;
const CONTENT_CHARS_MAX: usize = 100;

#[derive(Debug, Args)]
pub(super) struct TailFlags {
    #[command(flatten)]
    relay: RelayFlags,
    #[command(flatten)]
    filter: FilterFlags,
    /// Begin with the newest N stored events
    #[arg(short = 'n', long = "newest", value_name = "N", default_value_t = 10)]
    newest: u16,
    /// Exit after N events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// When to colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

pub(super) async fn run(flags: &TailFlags, output: &mut Output) -> Result<Outcome, Failure> {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let coloured = match flags.color {
        Colour::Auto => !is_plain && std::io::stdout().is_terminal(),
        Colour::Always => true,
        Colour::Never => false,
    };
    let subscription = flags.relay.client()?.subscribe(flags.filter.filter(), Start::Newest(flags.newest));
    follow::print(subscription, output, flags.count, &|delivery| line(delivery, coloured)).await?;
    Ok(Outcome::Done)
}

/// `2026-03-01 12:34:56    17 Message  1a2b3c4d…  t=x e=…,root  hello`
fn line(delivery: &Delivery, coloured: bool) -> String {
    let event = &delivery.event;
    let seq = delivery.position.map_or_else(|| "-".to_owned(), |position| position.seq.to_string());
    let tags: Vec<String> = event.tags.iter().map(|t| format!("{}={}", t.name, t.values.join(","))).collect();
    let content = match std::str::from_utf8(&event.content) {
        Ok(text) => begin(text, CONTENT_CHARS_MAX),
        Err(_) => format!("<{} bytes>", event.content.len()),
    };
    let author = event.pubkey.to_hex();
    let paint = |code: &str, text: &str| match (coloured, text.is_empty()) {
        (true, false) => format!("\x1b[{code}m{text}\x1b[0m"),
        _ => text.to_owned(),
    };
    // What strangers wrote is escaped before any colour is added.
    let parts = [
        paint("2", &time_text(event.created_at)),
        format!("{seq:>8}"),
        paint(colour(event.kind), &format!("{:<12}", name(event.kind))),
        paint("36", &format!("{}…", &author[..8])),
        paint("33", &printable(&begin(&tags.join(" "), TAGS_CHARS_MAX))),
        printable(&content),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The beginning of a text.
fn begin(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn name(kind: Kind) -> String {
    let name = match kind {
        Kind::PROFILE => "Profile",
        Kind::MESSAGE => "Message",
        Kind::DM => "Dm",
        Kind::PROGRESS => "Progress",
        Kind::JOB_REQUEST => "JobRequest",
        Kind::JOB_RESULT => "JobResult",
        Kind::JOB_FEEDBACK => "JobFeedback",
        other => return other.0.to_string(),
    };
    name.to_owned()
}

/// By what it is for: talk, private, signs of life, work.
fn colour(kind: Kind) -> &'static str {
    match kind.0 {
        1000..=1999 => "32",
        2000..=2999 => "35",
        3000..=3999 => "90",
        5000..=7999 => "34",
        _ => "37",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{EventBuilder, KeyPair};

    fn delivery(kind: u16, content: &[u8], value: &str) -> Delivery {
        let key = KeyPair::from_seed(&[1; 32]);
        let tags = vec![("t".to_owned(), vec![value.to_owned()])];
        let builder = EventBuilder { kind: Kind(kind), created_at: 0, content: content.to_vec(), tags };
        let (_, wire) = key.sign_event(&builder).expect("an event");
        let event = crate::client::Event::decode(wire.into()).expect("an event");
        Delivery { event, position: None }
    }

    #[test]
    fn nothing_of_a_stranger_commands_the_terminal() {
        let evil = "a\x1b[2Jb\r\n\u{9b}31m\u{202e}c\u{2066}";
        let events = [(1000, evil.as_bytes(), evil), (7, b"\xff\x1b[2J", "x\x07"), (5000, b"", "\u{7f}")];
        for (kind, content, value) in events {
            let plain = line(&delivery(kind, content, value), false);
            assert!(plain.chars().all(|c| !c.is_control() && !"\u{202e}\u{2066}".contains(c)), "{plain:?}");
            let coloured = line(&delivery(kind, content, value), true);
            let codes = ["2", "32", "34", "36", "33", "37", "0"].map(|code| format!("\x1b[{code}m"));
            let bare = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
            assert_eq!(bare, plain, "only our own colours are added");
        }
    }

    #[test]
    fn a_line_is_one_and_of_bounded_length() {
        let long = "ü".repeat(30_000);
        let text = line(&delivery(1000, long.as_bytes(), &long), false);
        assert!(text.starts_with("1970-01-01 00:00:00        - Message "), "{text}");
        assert!(text.chars().count() < 300, "{text}");
    }
}

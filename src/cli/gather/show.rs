//! Gather's answers as text. Everything in them is a stranger's: nothing of it reaches the
//! terminal as a control character, and the lines of a longer text are indented, so that none can
//! pass for ours.

use crate::cli::output::{Output, printable};
use serde_json::Value;
use std::fmt::Write as _;
use std::io;

/// A part of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a>(pub(super) &'a Value);

impl<'a> Shown<'a> {
    /// A property in one line; nothing if it is not there.
    pub(super) fn text(self, name: &str) -> String {
        match &self.0[name] {
            Value::Null => String::new(),
            Value::String(text) => printable(text),
            other => printable(&other.to_string()),
        }
    }

    /// A property's lines, indented.
    pub(super) fn block(self, name: &str) -> String {
        indented(self.0[name].as_str().unwrap_or_default())
    }

    pub(super) fn is_true(self, name: &str) -> bool {
        self.0[name] == true
    }

    pub(super) fn part(self, name: &str) -> Shown<'a> {
        Shown(&self.0[name])
    }

    pub(super) fn items(self, name: &str) -> impl Iterator<Item = Shown<'a>> {
        self.0[name].as_array().into_iter().flatten().map(Shown)
    }

    /// Texts in a list, each with a mark before it.
    pub(super) fn words(self, name: &str, mark: &str) -> String {
        let words = self.0[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        words.map(|word| format!("{mark}{}", printable(word))).collect::<Vec<_>>().join(" ")
    }
}

/// Prints an answer: as it is, or as text.
pub(super) fn answer(
    output: &mut Output,
    answer: &Value,
    text: impl FnOnce(Shown<'_>) -> String,
) -> io::Result<()> {
    let text = if output.is_json() { json(answer) } else { text(Shown(answer)) };
    if text.is_empty() { Ok(()) } else { output.line(&text) }
}

/// Every property that is there, a line each.
pub(super) fn properties(shown: Shown<'_>) -> String {
    let properties = || shown.0.as_object().into_iter().flatten();
    let width = properties().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in properties() {
        let value = value.as_str().map_or_else(|| value.to_string(), |text| text.trim_end().to_owned());
        let below = format!("\n{:width$}  ", "");
        let value = value.lines().map(printable).collect::<Vec<_>>().join(&below);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<width$}  {value}", printable(name));
    }
    text
}

/// A list of items, a line or more each, and how to go on.
pub(super) fn list(list: Shown<'_>, name: &str, item: impl Fn(Shown<'_>) -> String) -> String {
    let mut lines: Vec<String> = list.items(name).map(item).collect();
    if lines.is_empty() {
        lines.push("nothing".to_owned());
    }
    let next = list.text("next");
    if !next.is_empty() {
        lines.push(format!("more: --cursor {next}"));
    }
    lines.join("\n")
}

/// A stranger's name, with what is known of it.
pub(super) fn author(item: Shown<'_>) -> String {
    let verified = if item.is_true("verified") { " (verified)" } else { "" };
    format!("{}{verified}", item.text("author"))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {}", printable(line))).collect::<Vec<_>>().join("\n")
}

/// One line. What JSON leaves as it is and a terminal obeys (DEL and the C1 controls) is escaped.
fn json(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c.is_control() {
            // Writing to a string cannot fail.
            true => drop(write!(text, "\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strangers_write_no_control_characters_and_no_lines_of_ours() {
        let post = json!({"title": "a\u{1b}[31m\nnext: rm", "body": "one\r\n\u{9b}2J two\u{202e}", "n": 3});
        let shown = Shown(&post);
        assert_eq!(shown.text("title"), "a\\u{1b}[31m\\nnext: rm");
        assert_eq!(shown.block("body"), "    one\n    \\u{9b}2J two\\u{202e}");
        assert_eq!((shown.text("n"), shown.text("none")), ("3".to_owned(), String::new()));
        let line = super::json(&post);
        assert!(!line.contains(char::is_control), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON"), post, "and it is the same");
        assert!(properties(shown).lines().all(|line| !line.contains(char::is_control)));
    }
}

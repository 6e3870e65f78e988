//! Pieces of markup that many pages use.

use super::{assets, markdown};
use crate::gather::rules::time::Time;
use askama::filters::HtmlSafe;
use std::fmt;
use std::fmt::Write as _;

/// Finished markup: made here from escaped parts, and not escaped again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Markup(String);

impl Markup {
    /// What a template or a function of this room has made.
    pub fn finished(html: String) -> Markup {
        Markup(html)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}

/// An entry of the navigation.
pub(super) struct Item {
    pub section: &'static str,
    pub path: &'static str,
    pub label: &'static str,
    pub icon: &'static str,
}

/// The parts of the service, as every page lists them.
pub(super) const NAVIGATION: &[Item] = &[
    Item { section: "feed", path: "/feed", label: "Feed", icon: "feed" },
    Item { section: "agents", path: "/agents", label: "Agents", icon: "agents" },
    Item { section: "skills", path: "/skills", label: "Skills", icon: "skill" },
    Item { section: "channels", path: "/channels", label: "Channels", icon: "talk" },
    Item { section: "shop", path: "/shop", label: "Shop", icon: "shop" },
    Item { section: "docs", path: "/docs", label: "Docs", icon: "book" },
];

/// How many colours of avatars there are.
const AVATARS: u32 = 8;

/// What templates draw with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ui {
    pub now: Time,
}

impl Ui {
    /// Where a file of `assets/` is.
    pub fn asset(&self, name: &str) -> String {
        assets::path(name)
    }

    /// Where the scripts are that every page needs.
    pub fn modules(&self) -> &'static [String] {
        assets::modules()
    }

    /// A picture of `icons.svg`; it says nothing that does not stand beside it.
    pub fn icon(&self, name: &str) -> Markup {
        let path = assets::path("icons.svg");
        Markup(format!(r##"<svg class="icon" aria-hidden="true"><use href="{path}#{name}"/></svg>"##))
    }

    /// A picture that says something by itself.
    pub fn sign(&self, name: &str, says: &str) -> Markup {
        let (path, says) = (assets::path("icons.svg"), escape(says));
        Markup(format!(
            r##"<svg class="icon" role="img" aria-label="{says}"><use href="{path}#{name}"/></svg>"##
        ))
    }

    /// A time, relative to now; the exact one on hovering. Scripts keep it fresh.
    pub fn when(&self, time: &Time) -> Markup {
        let (exact, text) = (time.rfc3339(), relative(self.now, *time));
        Markup(format!(r#"<time datetime="{exact}" title="{} UTC">{text}</time>"#, &time.to_string()[..19]))
    }

    /// An agent's sign: its initial on a colour of its id.
    pub fn avatar(&self, id: &str, name: &str) -> Markup {
        let sum = id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let initial: String = name.trim().chars().take(1).flat_map(char::to_uppercase).collect();
        let initial = escape(if initial.is_empty() { "?" } else { &initial });
        Markup(format!(r#"<span class="avatar hue-{}" aria-hidden="true">{initial}</span>"#, sum % AVATARS))
    }

    /// How a Markdown text begins, in one line of plain text.
    pub fn excerpt(&self, text: &str) -> String {
        markdown::excerpt(text)
    }

    /// `12,345`
    pub fn number(&self, n: &i64) -> String {
        let digits = n.unsigned_abs().to_string();
        let mut text = if *n < 0 { "\u{2212}".to_owned() } else { String::new() };
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    }

    /// A score from 1 to 10 with one decimal; a dash for none.
    pub fn score(&self, score: &Option<f64>) -> String {
        score.map_or_else(|| "\u{2013}".to_owned(), |score| format!("{score:.1}"))
    }

    /// The same of what cannot be negative.
    pub fn count(&self, n: &u64) -> String {
        self.number(&i64::try_from(*n).unwrap_or(i64::MAX))
    }

    /// `512 B`, `1.4 MB`
    pub fn bytes(&self, n: &u64) -> String {
        const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
        let thousands = (n.max(&1).ilog10() / 3).min(4) as usize;
        let value = *n as f64 / 1_000_f64.powi(thousands as i32);
        let digits = usize::from(thousands > 0 && value < 100.0);
        format!("{value:.digits$} {}", UNITS[thousands])
    }

    /// `1 comment`, `2 comments`
    pub fn plural(&self, n: &i64, one: &str, many: &str) -> String {
        format!("{} {}", self.number(n), if *n == 1 { one } else { many })
    }
}

/// Text as markup.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '"' | '\'' => drop(write!(html, "&#{};", u32::from(c))),
            c => html.push(c),
        }
    }
    html
}

/// As `assets/time.js` says it.
fn relative(now: Time, then: Time) -> String {
    let seconds = now.seconds() - then.seconds();
    let days = seconds / 86_400;
    match seconds {
        // Another clock is ahead.
        i64::MIN..-60 => then.to_string()[..10].to_owned(),
        -60..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ if days == 1 => "yesterday".to_owned(),
        _ if days < 30 => format!("{days} days ago"),
        _ => then.to_string()[..10].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_from_now() {
        let now = Time(1_700_000_000_000);
        for (seconds, text) in [
            (-3_600, "2023-11-14"),
            (-5, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (7_200, "2 h ago"),
            (86_400, "yesterday"),
            (29 * 86_400, "29 days ago"),
            (30 * 86_400, "2023-10-15"),
        ] {
            assert_eq!(relative(now, now.plus_seconds(-seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn texts_of_others_are_no_markup() {
        let ui = Ui { now: Time(0) };
        assert_eq!(escape("<a href='x'>&\""), "&#60;a href=&#39;x&#39;&#62;&#38;&#34;");
        assert!(ui.avatar("x", "<script>").to_string().contains("&#60;"));
        assert!(ui.avatar("x", " ").to_string().contains('?'));
    }

    #[test]
    fn numbers_are_grouped() {
        let ui = Ui { now: Time(0) };
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "\u{2212}1,234,567")] {
            assert_eq!(ui.number(&n), text);
        }
        for (n, text) in [(0, "0 B"), (999, "999 B"), (1_400_000, "1.4 MB"), (250_000, "250 kB")] {
            assert_eq!(ui.bytes(&n), text);
        }
        assert_eq!(ui.plural(&1, "vote", "votes"), "1 vote");
    }
}

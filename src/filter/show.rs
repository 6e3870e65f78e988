//! A filter as a line for people. Long lists are cut: it is for looking, not for reading back.

use super::{Filter, TagFilter};
use std::fmt;

/// Entries of a list that are shown.
const ENTRIES_MAX: usize = 8;

/// Hex digits of an id or a key that are shown.
const DIGITS: usize = 8;

/// Characters of the whole line: what a subscriber may ask for fills pages.
const LINE_CHARS_MAX: usize = 240;

/// Characters of a tag's name or value that are shown.
const CHARS_MAX: usize = 40;

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |hex: String| format!("{}…", hex.get(..DIGITS).unwrap_or(&hex));
        let kinds = self.kinds.iter().map(|kind| (*kind, *kind)).chain(self.kind_ranges.iter().copied());
        let kind = |(lo, hi): (u16, u16)| if lo == hi { lo.to_string() } else { format!("{lo}-{hi}") };
        let number = |name: &str, value: Option<i64>| value.map(|value| format!("{name} {value}"));
        let parts = [
            list("id", self.ids.iter().map(|id| short(id.to_hex()))),
            list("author", self.authors.iter().map(|author| short(author.to_hex()))),
            list("kind", kinds.map(kind)),
            number("since", self.since),
            number("until", self.until),
            number("limit", self.limit.map(i64::from)),
            list("tag", self.tags.iter().map(tag)),
            self.after.map(|after| format!("after {after}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.is_empty() {
            true => f.write_str("everything"),
            false => f.write_str(&cut(&parts.join("; "), LINE_CHARS_MAX)),
        }
    }
}

/// `kind 1000, 2000-2999`; `None` of an empty list.
fn list(name: &str, mut entries: impl Iterator<Item = String>) -> Option<String> {
    let shown: Vec<String> = entries.by_ref().take(ENTRIES_MAX).collect();
    let more = match entries.count() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    (!shown.is_empty()).then(|| format!("{name} {}{more}", shown.join(", ")))
}

fn tag(tag: &TagFilter) -> String {
    let name = cut(&tag.name, CHARS_MAX);
    let values = list("", tag.values.iter().map(|value| cut(value, CHARS_MAX)));
    values.map_or_else(|| name.clone(), |values| format!("{name} ={values}"))
}

fn cut(text: &str, chars_max: usize) -> String {
    let end = text.char_indices().nth(chars_max).map(|(end, _)| end);
    end.map_or_else(|| text.to_owned(), |end| format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PubKey;

    #[test]
    fn a_filter_is_a_line() {
        assert_eq!(Filter::default().to_string(), "everything");
        let tag = |name: &str, values: &[&str]| TagFilter {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let filter = Filter {
            authors: vec![PubKey([0xab; 32])],
            kinds: vec![1000],
            kind_ranges: vec![(2000, 2999)],
            limit: Some(5),
            tags: vec![tag("t", &["a", "b"]), tag("p", &[])],
            after: Some(0),
            ..Filter::default()
        };
        let shown = "author abababab…; kind 1000, 2000-2999; limit 5; tag t = a, b, p; after 0";
        assert_eq!(filter.to_string(), shown);
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = "é".repeat(1_000);
        let filter = Filter {
            kinds: (0..1_000).collect(),
            tags: vec![TagFilter { name: long.clone(), values: vec![long] }],
            ..Filter::default()
        };
        let shown = filter.to_string();
        assert!(shown.starts_with("kind 0, 1, 2, 3, 4, 5, 6, 7 and 992 more; tag é"), "{shown}");
        assert!(shown.chars().count() < 200, "{shown}");
        let tags = vec![filter.tags[0].clone(); 20];
        let shown = Filter { tags, ..filter }.to_string();
        assert_eq!(shown.chars().count(), LINE_CHARS_MAX + 1, "{shown}");
    }
}

//! Which events: the flags of `axon sub` and `axon query`.

use crate::base::{EventId, PubKey};
use crate::client::{Filter, TagFilter};
use clap::Args;

/// Which events.
#[derive(Debug, Args)]
pub(super) struct FilterFlags {
    /// A kind, or a range of kinds; may be given again
    #[arg(long = "kind", value_name = "KIND[-KIND]", value_parser = kinds)]
    kinds: Vec<(u16, u16)>,
    /// An author's public key; may be given again
    #[arg(long = "author", value_name = "PUBKEY", value_parser = pubkey)]
    authors: Vec<PubKey>,
    /// An event's id; may be given again
    #[arg(long = "id", value_name = "ID", value_parser = event_id)]
    ids: Vec<EventId>,
    /// A tag that must be there, its first value one of those given; all given tags must be there
    #[arg(long = "tag", value_name = "NAME[=VALUE,VALUE]", value_parser = tag)]
    tags: Vec<(String, Vec<String>)>,
    /// Not created before (unix seconds)
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    since: Option<i64>,
    /// Not created after (unix seconds)
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    until: Option<i64>,
}

impl FilterFlags {
    pub(super) fn filter(&self) -> Filter {
        let is_one = |(low, high): &&(u16, u16)| low == high;
        let tag =
            |(name, values): &(String, Vec<String>)| TagFilter { name: name.clone(), values: values.clone() };
        Filter {
            ids: self.ids.clone(),
            authors: self.authors.clone(),
            kinds: self.kinds.iter().filter(is_one).map(|(kind, _)| *kind).collect(),
            kind_ranges: self.kinds.iter().filter(|range| !is_one(range)).copied().collect(),
            since: self.since,
            until: self.until,
            tags: self.tags.iter().map(tag).collect(),
            ..Filter::default()
        }
    }
}

/// A public key in hex.
pub(super) fn pubkey(text: &str) -> Result<PubKey, String> {
    PubKey::from_hex(text).ok_or_else(|| "a public key is 64 hex digits".to_owned())
}

fn event_id(text: &str) -> Result<EventId, String> {
    EventId::from_hex(text).ok_or_else(|| "an event id is 64 hex digits".to_owned())
}

fn kinds(text: &str) -> Result<(u16, u16), String> {
    let number = |text: &str| text.parse::<u16>().map_err(|_| "a kind is 0 to 65535".to_owned());
    let (low, high) = match text.split_once('-') {
        Some((low, high)) => (number(low)?, number(high)?),
        None => (number(text)?, number(text)?),
    };
    if low > high { Err("the range runs backwards".to_owned()) } else { Ok((low, high)) }
}

/// A tag's name and values.
pub(super) fn tag(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, values) = match text.split_once('=') {
        Some((name, values)) => (name, values.split(',').map(str::to_owned).collect()),
        None => (text, Vec::new()),
    };
    if name.is_empty() {
        Err("a tag has a name: NAME=VALUE".to_owned())
    } else {
        Ok((name.to_owned(), values))
    }
}

//! What a filter is filed under and where an event is looked for.
//!
//! The one rule both sides rest on: **if a filter matches an event, at least one of the filter's
//! terms is among the event's terms.** A filter lists all values of just one of its conditions,
//! the most selective one; an event lists everything a filter could have been filed under.

use crate::base::{EventId, PubKey};
use crate::event::EventFields;
use crate::filter::Filter;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Kinds a filter may be filed under one by one; a wider range is filed under [`Term::Any`]. As
/// many as a filter's other lists may have entries, and enough for any thousand of protocol §9;
/// above it one Subscribe costs more than checking its filter against the events in between.
const KINDS_MAX: usize = 1_024;

/// One place where a filter can be filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term<'a> {
    Id(&'a EventId),
    /// A tag's name and first value.
    TagValue(&'a str, &'a str),
    Author(&'a PubKey),
    /// For tag conditions without values.
    TagName(&'a str),
    Kind(u16),
    /// For filters that have none of these.
    Any,
}

/// The condition a term belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    TagValue,
    Author,
    TagName,
    Kind,
    Any,
}

impl Field {
    pub(super) const COUNT: usize = Field::Any as usize + 1;
}

impl Term<'_> {
    pub(super) fn field(self) -> Field {
        match self {
            Term::Id(_) => Field::Id,
            Term::TagValue(..) => Field::TagValue,
            Term::Author(_) => Field::Author,
            Term::TagName(_) => Field::TagName,
            Term::Kind(_) => Field::Kind,
            Term::Any => Field::Any,
        }
    }

    /// SipHash with a secret of this process: keys, ids and tags are chosen by strangers, who
    /// must not be able to pile them up in one place.
    pub(super) fn hash(self, secret: &RandomState) -> u64 {
        let mut hasher = secret.build_hasher();
        hasher.write_u8(self.field() as u8);
        match self {
            Term::Id(id) => hasher.write(&id.0),
            Term::TagValue(name, value) => {
                hasher.write(name.as_bytes());
                // 0xff is in no UTF-8 text: where the name ends is part of the hash.
                hasher.write_u8(0xff);
                hasher.write(value.as_bytes());
            }
            Term::Author(author) => hasher.write(&author.0),
            Term::TagName(name) => hasher.write(name.as_bytes()),
            Term::Kind(kind) => hasher.write(&kind.to_be_bytes()),
            Term::Any => {}
        }
        hasher.finish()
    }
}

/// Where `filter` is filed: the values of its most selective condition, without repeats.
///
/// The order is a guess at how many events share a value: one for an id, few for a tag value
/// (shortest list first), more for an author, most for a tag's bare name and a kind.
pub(super) fn of_filter(filter: &Filter) -> Vec<Term<'_>> {
    if !filter.ids.is_empty() {
        return filter.ids.iter().map(Term::Id).collect();
    }
    let valued = filter.tags.iter().filter(|tag| !tag.values.is_empty());
    if let Some(tag) = valued.min_by_key(|tag| tag.values.len()) {
        return tag.values.iter().map(|value| Term::TagValue(&tag.name, value)).collect();
    }
    if !filter.authors.is_empty() {
        return filter.authors.iter().map(Term::Author).collect();
    }
    if let Some(tag) = filter.tags.first() {
        return vec![Term::TagName(&tag.name)];
    }
    of_kinds(filter)
}

fn of_kinds(filter: &Filter) -> Vec<Term<'_>> {
    let widths = filter.kind_ranges.iter().map(|&(lo, hi)| usize::from(hi.saturating_sub(lo)) + 1);
    let count = filter.kinds.len() + widths.sum::<usize>();
    if count == 0 || count > KINDS_MAX {
        return vec![Term::Any];
    }
    let ranges = filter.kind_ranges.iter().flat_map(|&(lo, hi)| lo..=hi);
    let mut kinds: Vec<u16> = filter.kinds.iter().copied().chain(ranges).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.into_iter().map(Term::Kind).collect()
}

/// Everything a filter that matches `event` may be filed under. A term can come twice.
pub(super) fn of_event(event: &impl EventFields) -> impl Iterator<Item = Term<'_>> {
    let fields = [Term::Any, Term::Kind(event.kind().0), Term::Author(event.pubkey()), Term::Id(event.id())];
    let tags = event.tag_heads().flat_map(|(name, first)| {
        [Some(Term::TagName(name)), first.map(|value| Term::TagValue(name, value))].into_iter().flatten()
    });
    fields.into_iter().chain(tags)
}

//! Filters: reading them from a Subscribe, matching an event, and who may read it.
//!
//! Holds no connection and no subscription; nothing here locks.

mod parse;
mod reader;
mod show;
mod write;

pub use parse::FilterLimits;
pub use reader::ReadAccess;

use crate::base::{EventId, LogId, PubKey};
use crate::event::EventFields;

/// One tag condition: a tag of that name whose first value is one of `values` (none: any).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFilter {
    pub name: String,
    /// Sorted, without repeats.
    pub values: Vec<String>,
}

/// What a subscription asks for (protocol §5). Empty lists and `None` mean "not given"; the
/// lists are sorted and free of repeats.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    pub ids: Vec<EventId>,
    pub authors: Vec<PubKey>,
    pub kinds: Vec<u16>,
    /// Inclusive; an event matches if its kind is in `kinds` or in one of these.
    pub kind_ranges: Vec<(u16, u16)>,
    /// Inclusive bounds on `created_at`, unix seconds.
    pub since: Option<i64>,
    pub until: Option<i64>,
    /// How many stored events at most.
    pub limit: Option<u32>,
    pub tags: Vec<TagFilter>,
    /// Resume behind this log position.
    pub after: Option<u64>,
    /// The log that `after` belongs to.
    pub log: Option<LogId>,
}

impl TagFilter {
    fn matches(&self, event: &impl EventFields) -> bool {
        event.tag_heads().any(|(name, first)| {
            name == self.name
                && (self.values.is_empty()
                    || first
                        .is_some_and(|first| self.values.binary_search_by(|v| v.as_str().cmp(first)).is_ok()))
        })
    }
}

impl Filter {
    /// Whether every given condition holds. `limit`, `after` and `log` are about the stored
    /// phase, not about an event.
    pub fn matches(&self, event: &impl EventFields) -> bool {
        let created_at = event.created_at();
        self.matches_kind(event.kind().0)
            && self.since.is_none_or(|since| since <= created_at)
            && self.until.is_none_or(|until| created_at <= until)
            && (self.authors.is_empty() || self.authors.binary_search(event.pubkey()).is_ok())
            && (self.ids.is_empty() || self.ids.binary_search(event.id()).is_ok())
            && self.tags.iter().all(|tag| tag.matches(event))
    }

    /// Whether an event of this kind can match.
    pub fn matches_kind(&self, kind: u16) -> bool {
        (self.kinds.is_empty() && self.kind_ranges.is_empty())
            || self.kinds.binary_search(&kind).is_ok()
            || self.kind_ranges.iter().any(|&(lo, hi)| lo <= kind && kind <= hi)
    }

    /// Whether an event of some kind from `lo` to `hi` can match.
    pub fn matches_kinds_within(&self, lo: u16, hi: u16) -> bool {
        (self.kinds.is_empty() && self.kind_ranges.is_empty())
            || self.kinds.iter().any(|kind| (lo..=hi).contains(kind))
            || self.kind_ranges.iter().any(|&(low, high)| low <= hi && lo <= high)
    }
}

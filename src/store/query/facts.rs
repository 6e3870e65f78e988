//! What the planner asks of a filter.

use crate::base::Kind;
use crate::filter::Filter;

impl Filter {
    /// Whether only some kinds can match.
    pub(super) fn limits_kinds(&self) -> bool {
        !self.kinds.is_empty() || !self.kind_ranges.is_empty()
    }

    /// Whether nothing but the kind decides.
    pub(super) fn only_kinds(&self) -> bool {
        self.ids.is_empty()
            && self.authors.is_empty()
            && self.tags.is_empty()
            && self.since.is_none()
            && self.until.is_none()
    }

    /// Whether an event of a private kind can match.
    pub(super) fn may_match_private(&self) -> bool {
        self.next_kind(*Kind::PRIVATE.start()).is_some_and(|kind| Kind(kind).is_private())
    }

    /// Whether only events of private kinds can match.
    pub(super) fn only_private(&self) -> bool {
        self.next_kind(0).is_some_and(|kind| Kind(kind).is_private())
            && self.next_kind(Kind::PRIVATE.end() + 1).is_none()
    }

    /// The lowest kind from `from` on that can match.
    pub(super) fn next_kind(&self, from: u16) -> Option<u16> {
        if !self.limits_kinds() {
            return Some(from);
        }
        let listed = self.kinds.iter().copied().find(|kind| *kind >= from);
        let in_range =
            self.kind_ranges.iter().filter(|range| range.1 >= from).map(|range| range.0.max(from)).min();
        listed.into_iter().chain(in_range).min()
    }
}

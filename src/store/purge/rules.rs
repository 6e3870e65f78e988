//! What retention is told to keep.

use crate::filter::Filter;

/// How much of some kinds stays. What is over one of its bounds goes, the oldest first, in the
/// order of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Inclusive ranges; those of several rules have no kind in common.
    pub kinds: Vec<(u16, u16)>,
    /// Seconds since it was stored.
    pub age_seconds_max: Option<u64>,
    /// Bytes of the events, as they were received.
    pub bytes_max: Option<u64>,
    pub count_max: Option<u64>,
}

impl Rule {
    /// Every event the rule is about.
    pub(super) fn filter(&self) -> Filter {
        match self.kinds[..] {
            // No condition is cheaper than one that always holds.
            [(0, u16::MAX)] => Filter::default(),
            _ => Filter { kind_ranges: self.kinds.clone(), ..Filter::default() },
        }
    }

    pub(super) fn counts(&self) -> bool {
        self.bytes_max.is_some() || self.count_max.is_some()
    }
}

/// What the store may forget, and how hard it works at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    pub rules: Vec<Rule>,
    /// Milliseconds between two looks at the rules; 0: never, and nothing is forgotten.
    pub interval_ms: u64,
    /// The part of a thread's time that deleting takes while there is something to delete, in
    /// percent.
    pub share_percent: u64,
    /// Ids of deleted events that are remembered at most; beyond it the oldest are forgotten.
    pub tombstones_max: u64,
    /// Seconds for which they are remembered.
    pub tombstone_seconds: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            rules: Vec::new(),
            interval_ms: 60_000,
            share_percent: 25,
            tombstones_max: 1_000_000,
            tombstone_seconds: 30 * 86_400,
        }
    }
}

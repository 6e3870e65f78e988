//! One question to the log, and its answer: a page of stored events in log order.

use crate::base::{LogId, Seq};
use crate::filter::{Filter, ReadAccess};
use std::ops::Range;
use std::sync::Arc;
use thiserror::Error;

/// Which of the matching events of (`after`, `to`] are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// From the lowest position on.
    Ascending,
    /// Only the last `n` of all that match in (`after`, `to`]; the answer begins with the first
    /// of these and goes on ascending. The next page is asked for with [`Span::Ascending`].
    Last(u32),
}

/// A bounded question. Whoever wants the rest asks again from [`Page::covered`] on: between
/// two pages nothing is held, neither a snapshot nor a place in a ring.
#[derive(Debug, Clone)]
pub struct Query {
    pub filter: Arc<Filter>,
    pub access: ReadAccess,
    /// Exclusive.
    pub after: Seq,
    /// Inclusive; at most the head.
    pub to: Seq,
    pub span: Span,
    /// At most so many events in the page.
    pub events_max: usize,
    /// No further event is added once the page holds so many bytes; a page that reports
    /// progress holds at least one event if one matches.
    pub bytes_max: usize,
}

/// Matching, readable events in ascending order, as their wire bytes one after the other.
#[derive(Debug, Default)]
pub struct Page {
    pub bytes: Vec<u8>,
    pub entries: Vec<PageEntry>,
    /// Every match up to and including this position is in this page (or was in an earlier
    /// one); equal to the query's `to` when nothing is left.
    pub covered: Seq,
}

/// Where one event of a page lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEntry {
    pub seq: Seq,
    pub range: Range<usize>,
}

impl Page {
    /// Every event's position and wire bytes.
    pub fn iter(&self) -> impl Iterator<Item = (Seq, &[u8])> {
        self.entries.iter().map(|entry| (entry.seq, &self.bytes[entry.range.clone()]))
    }

    /// Adds one event at the end.
    pub fn push(&mut self, seq: Seq, wire: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(wire);
        self.entries.push(PageEntry { seq, range: start..self.bytes.len() });
    }
}

/// Why a query has no page.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The storage failed; its message is for the log file, not for peers.
    #[error("{0}")]
    Failed(String),
    /// The log changed its history under the query.
    #[error("the log is now {0}")]
    OtherLog(LogId),
    /// The filter asks for everything behind `after`, and some of it was purged, up to here.
    #[error("events up to {0} were purged")]
    Purged(Seq),
}

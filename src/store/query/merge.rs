//! Where a slice finds its candidates, one after the other in the order of the log.

use super::cursor::{Cursor, Stretch, Way};
use super::plan::Range;
use crate::store::StoreError;
use crate::store::database::Database;
use crate::store::families::Family;
use rocksdb::Snapshot;

/// One source of candidates.
pub(super) enum Source<'a> {
    /// Known positions, ascending.
    Points(&'a [u64], Way),
    /// Several ranges; few enough that the nearest is found by looking at each.
    Ranges(Vec<(Range, Cursor<'a>)>),
    /// Every event.
    Log,
}

/// A position at which an event may match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) seq: u64,
    /// Whether some row of this position is wanted.
    pub(super) wanted: bool,
    /// Whether that row says the kind without a hash in between, so that a filter on kinds
    /// alone is decided.
    pub(super) exact_kind: bool,
}

impl<'a> Source<'a> {
    /// A cursor for each range.
    pub(super) fn ranges(
        db: &Database,
        snapshot: &'a Snapshot<'_>,
        ranges: &[Range],
        stretch: Stretch,
        way: Way,
    ) -> Self {
        let cursor = |range: &Range| Cursor::rows(db, snapshot, (range.family, range.prefix), stretch, way);
        Source::Ranges(ranges.iter().map(|range| (*range, cursor(range))).collect())
    }

    /// The nearest candidate at `pos` or beyond it; `log` is the cursor of the log itself.
    pub(super) fn find(
        &mut self,
        db: &Database,
        log: &mut Cursor<'_>,
        pos: u64,
        kind_matches: impl Fn(u16) -> bool,
    ) -> Result<Option<Candidate>, StoreError> {
        let certain = |seq| Candidate { seq, wanted: true, exact_kind: false };
        match self {
            Source::Log => Ok(log.find(db, pos)?.map(certain)),
            Source::Points(points, way) => Ok(nearest_point(points, *way, pos).map(certain)),
            Source::Ranges(cursors) => nearest_row(cursors, db, pos, kind_matches),
        }
    }
}

fn nearest_point(points: &[u64], way: Way, pos: u64) -> Option<u64> {
    match way {
        Way::Up => points.get(points.partition_point(|seq| *seq < pos)).copied(),
        Way::Down => points[..points.partition_point(|seq| *seq <= pos)].last().copied(),
    }
}

fn nearest_row(
    cursors: &mut [(Range, Cursor<'_>)],
    db: &Database,
    pos: u64,
    kind_matches: impl Fn(u16) -> bool,
) -> Result<Option<Candidate>, StoreError> {
    let mut nearest: Option<u64> = None;
    for (_, cursor) in cursors.iter_mut() {
        if let Some(seq) = cursor.find(db, pos)? {
            nearest = Some(nearest.map_or(seq, |other| cursor.way().nearer(seq, other)));
        }
    }
    let Some(seq) = nearest else { return Ok(None) };
    let mut candidate = Candidate { seq, wanted: false, exact_kind: false };
    for (range, cursor) in cursors.iter() {
        if cursor.at() == Some(seq) {
            let kind = cursor.row_kind()?;
            let wanted = range.wanted.kind(kind) && kind_matches(kind);
            candidate.wanted |= wanted;
            candidate.exact_kind |= wanted && range.family == Family::Kind;
        }
    }
    Ok(Some(candidate))
}

//! Which rows a query reads: the narrowest index there is for its filter.

use super::cursor::{Cursor, Stretch, Way};
use super::kinds::KindSet;
use crate::base::{EventId, Kind, PubKey};
use crate::filter::{Filter, ReadAccess};
use crate::store::StoreError;
use crate::store::database::{Database, read_seq};
use crate::store::families::{Family, Prefixes};
use rocksdb::Snapshot;
use std::sync::Arc;

/// Ranges merged at once. Each is an iterator with its blocks; above this a coarser plan reads
/// more rows but holds less.
pub(super) const MERGE_RANGES_MAX: usize = 64;

/// Rows read to estimate one candidate, over all its ranges.
const PROBE_ROWS: u64 = 128;

/// Rows read of one range at least.
const PROBE_ROWS_MIN: u64 = 4;

/// Which rows of a range count. A private event reaches a reader who is no auditor only
/// through the ranges of what concerns himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    Public,
    Private,
}

impl Wanted {
    pub(super) fn kind(self, kind: u16) -> bool {
        match self {
            Wanted::Any => true,
            Wanted::Public => !Kind(kind).is_private(),
            Wanted::Private => Kind(kind).is_private(),
        }
    }
}

/// The rows of one prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) family: Family,
    pub(super) prefix: u64,
    pub(super) wanted: Wanted,
}

/// What a query keeps between its slices.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    /// Known positions, ascending.
    Points(Vec<u64>),
    /// The union of some ranges.
    Ranges(Vec<Range>),
    /// The ranges of all existing kinds that match, and those of `concerns`.
    Kinds { wanted: Wanted, concerns: Vec<Range> },
    /// Every event.
    Log,
}

/// What a plan is chosen from.
pub(super) struct Planner<'a> {
    pub(super) db: &'a Database,
    pub(super) snapshot: &'a Snapshot<'a>,
    pub(super) prefixes: Prefixes,
    pub(super) kinds: &'a KindSet,
    pub(super) filter: Arc<Filter>,
    pub(super) access: ReadAccess,
    pub(super) stretch: Stretch,
    pub(super) way: Way,
}

impl Planner<'_> {
    /// The narrowest plan.
    pub(super) fn choose(&self) -> Result<Plan, StoreError> {
        if !self.filter.ids.is_empty() {
            return self.points().map(Plan::Points);
        }
        let concerns = self.concerns();
        let wanted = if concerns.is_empty() { Wanted::Any } else { Wanted::Public };
        if wanted == Wanted::Public && self.filter.only_private() {
            return Ok(Plan::Ranges(concerns));
        }
        let mut candidates = self.ranges(wanted);
        if self.filter.limits_kinds() {
            // Among equals a row of this family needs no look at the event.
            candidates.insert(0, Plan::Kinds { wanted, concerns: Vec::new() });
        }
        Ok(match self.narrowest(candidates)? {
            Some(Plan::Ranges(mut ranges)) => {
                ranges.extend(concerns);
                Plan::Ranges(ranges)
            }
            Some(Plan::Kinds { wanted, .. }) => Plan::Kinds { wanted, concerns },
            _ => Plan::Log,
        })
    }

    /// The positions of the filter's ids within the stretch.
    fn points(&self) -> Result<Vec<u64>, StoreError> {
        let mut points = Vec::with_capacity(self.filter.ids.len());
        for EventId(id) in &self.filter.ids {
            let row =
                self.snapshot.get_pinned_cf(self.db.cf(Family::Ids), id).map_err(|e| self.db.error(e))?;
            if let Some(row) = row {
                let seq = read_seq(&row)?.0;
                if self.stretch.first <= seq && seq <= self.stretch.last {
                    points.push(seq);
                }
            }
        }
        points.sort_unstable();
        Ok(points)
    }

    /// The ranges of private events that this reader may see; empty if he sees all of them or
    /// the filter matches none.
    fn concerns(&self) -> Vec<Range> {
        match self.access {
            ReadAccess::As(me) if self.filter.may_match_private() => {
                let wanted = Wanted::Private;
                let by_me = Range { family: Family::Author, prefix: self.prefixes.author(&me), wanted };
                let to_me =
                    Range { family: Family::Tag, prefix: self.prefixes.tag("p", &me.to_hex()), wanted };
                vec![by_me, to_me]
            }
            _ => Vec::new(),
        }
    }

    /// The candidates made of a known, small number of ranges.
    fn ranges(&self, wanted: Wanted) -> Vec<Plan> {
        let filter = &self.filter;
        let mut candidates = Vec::new();
        let mut add = |family, prefixes: Vec<u64>| {
            if !prefixes.is_empty() && prefixes.len() <= MERGE_RANGES_MAX {
                let ranges = prefixes.into_iter().map(|prefix| Range { family, prefix, wanted });
                candidates.push(Plan::Ranges(ranges.collect()));
            }
        };
        for tag in &filter.tags {
            add(Family::Tag, tag.values.iter().map(|value| self.prefixes.tag(&tag.name, value)).collect());
        }
        let pair = |author: &PubKey, kind: &u16| self.prefixes.author_kind(author, *kind);
        let pairs = filter.authors.len() * filter.kinds.len();
        if filter.kind_ranges.is_empty() && (1..=MERGE_RANGES_MAX).contains(&pairs) {
            let kinds = || filter.kinds.iter().filter(|kind| wanted.kind(**kind));
            let pairs = filter.authors.iter().flat_map(|author| kinds().map(move |kind| pair(author, kind)));
            add(Family::AuthorKind, pairs.collect());
        } else {
            add(Family::Author, filter.authors.iter().map(|author| self.prefixes.author(author)).collect());
        }
        candidates
    }

    /// The candidate with the fewest rows, by a look at a few rows of each.
    fn narrowest(&self, mut candidates: Vec<Plan>) -> Result<Option<Plan>, StoreError> {
        if candidates.len() < 2 {
            return Ok(candidates.pop());
        }
        let mut best: Option<(f64, Plan)> = None;
        for candidate in candidates {
            let Some(ranges) = candidate.resolve(self) else { continue };
            let rows = self.estimate(&ranges)?;
            if best.as_ref().is_none_or(|(fewest, _)| rows < *fewest) {
                best = Some((rows, candidate));
            }
        }
        Ok(best.map(|(_, plan)| plan))
    }

    /// About how many rows these ranges have in the stretch.
    fn estimate(&self, ranges: &[Range]) -> Result<f64, StoreError> {
        let probe = (PROBE_ROWS / ranges.len().max(1) as u64).max(PROBE_ROWS_MIN);
        let length = (self.stretch.last - self.stretch.first + 1) as f64;
        let start = if self.way == Way::Up { self.stretch.first } else { self.stretch.last };
        let mut rows = 0.0;
        for range in ranges {
            let place = (range.family, range.prefix);
            let mut cursor = Cursor::rows(self.db, self.snapshot, place, self.stretch, self.way);
            let (mut pos, mut seen) = (start, 0);
            while seen < probe
                && let Some(seq) = cursor.find(self.db, pos)?
            {
                seen += 1;
                pos = self.way.next(seq);
            }
            // A range that goes on is taken to be as dense everywhere as it is here.
            let looked_at = if seen < probe { length } else { pos.abs_diff(start) as f64 };
            rows += seen as f64 * length / looked_at;
        }
        Ok(rows)
    }
}

impl Plan {
    /// The ranges to merge now; `None` when they are too many and the log is read instead.
    pub(super) fn resolve(&self, planner: &Planner<'_>) -> Option<Vec<Range>> {
        match self {
            Plan::Ranges(ranges) => Some(ranges.clone()),
            Plan::Kinds { wanted, concerns } => existing_kinds(planner, *wanted).map(|mut ranges| {
                ranges.extend(concerns);
                ranges
            }),
            Plan::Points(_) | Plan::Log => None,
        }
    }

    /// The families its ranges lie in, also when none of their rows exists yet.
    pub(super) fn families(&self) -> Vec<Family> {
        let (mut families, ranges) = match self {
            Plan::Ranges(ranges) => (Vec::new(), &ranges[..]),
            Plan::Kinds { concerns, .. } => (vec![Family::Kind], &concerns[..]),
            Plan::Points(_) | Plan::Log => return Vec::new(),
        };
        for range in ranges {
            if !families.contains(&range.family) {
                families.push(range.family);
            }
        }
        families
    }
}

/// The ranges of the kinds that exist and match.
fn existing_kinds(planner: &Planner<'_>, wanted: Wanted) -> Option<Vec<Range>> {
    let Planner { filter, kinds, .. } = planner;
    let mut ranges = Vec::new();
    let mut from = filter.next_kind(0);
    while let Some(found) = from.and_then(|from| kinds.next(from)) {
        if filter.matches_kind(found) && wanted.kind(found) {
            ranges.push(Range { family: Family::Kind, prefix: Prefixes::kind(found), wanted });
        }
        if ranges.len() > MERGE_RANGES_MAX {
            return None;
        }
        from = found.checked_add(1).and_then(|next| filter.next_kind(next));
    }
    Some(ranges)
}

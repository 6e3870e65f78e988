//! Up to where retention has taken events away, by kind.

use crate::base::Seq;
use crate::filter::Filter;

/// Stretches of kinds that are told apart. Beyond it neighbours become one, with the higher mark:
/// a consumer may then be told of a gap where there is none, never the reverse.
const STRETCHES_MAX: usize = 1_024;

/// For each kind the last position up to which its events may be gone: behind it they are all
/// there, but for what an operator has deleted. Marks never fall.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PurgeMarks {
    /// Ascending, apart from each other: first kind, last kind, mark. Other kinds have none.
    stretches: Vec<(u16, u16, Seq)>,
}

impl PurgeMarks {
    /// First kind, last kind and mark of every stretch that has one, ascending.
    pub fn stretches(&self) -> &[(u16, u16, Seq)] {
        &self.stretches
    }

    /// Everything of the kinds `lo` to `hi` may be gone up to `mark`.
    pub fn raise(&mut self, lo: u16, hi: u16, mark: Seq) {
        let mut raised = Vec::with_capacity(self.stretches.len() + 2);
        // The next kind of `lo..=hi` that no stretch has covered yet.
        let mut open = Some(lo);
        for &(low, high, old) in &self.stretches {
            if high < lo || hi < low {
                fill(&mut raised, &mut open, hi, low, mark);
                raised.push((low, high, old));
                continue;
            }
            fill(&mut raised, &mut open, hi, low, mark);
            let (from, to) = (low.max(lo), high.min(hi));
            if low < from {
                raised.push((low, from - 1, old));
            }
            raised.push((from, to, old.max(mark)));
            if to < high {
                raised.push((to + 1, high, old));
            }
            open = to.checked_add(1).filter(|next| *next <= hi);
        }
        if let Some(from) = open {
            raised.push((from, hi, mark));
        }
        self.stretches = raised;
        self.join();
    }

    /// The last position that may be gone for some kind the filter can match.
    pub fn reaching(&self, filter: &Filter) -> Option<Seq> {
        let met = self.stretches.iter().filter(|(lo, hi, _)| filter.matches_kinds_within(*lo, *hi));
        met.map(|(_, _, mark)| *mark).max()
    }

    /// Up to here everything of those kinds is gone: the lowest mark of all kinds in `ranges`.
    pub fn lowest(&self, ranges: &[(u16, u16)]) -> Seq {
        let of_range = |&(lo, hi): &(u16, u16)| {
            let met: Vec<_> = self.stretches.iter().filter(|s| s.0 <= hi && lo <= s.1).collect();
            let kinds: u32 = met.iter().map(|s| u32::from(s.1.min(hi) - s.0.max(lo)) + 1).sum();
            let whole = kinds == u32::from(hi - lo) + 1;
            if whole { met.iter().map(|s| s.2).min().unwrap_or_default() } else { Seq::ZERO }
        };
        ranges.iter().map(of_range).min().unwrap_or_default()
    }

    /// Up to here everything is gone that the filter can match by its kinds.
    pub fn lowest_of(&self, filter: &Filter) -> Seq {
        if self.stretches.is_empty() {
            return Seq::ZERO;
        }
        let mut ranges: Vec<(u16, u16)> = filter.kinds.iter().map(|kind| (*kind, *kind)).collect();
        ranges.extend(&filter.kind_ranges);
        self.lowest(if ranges.is_empty() { &[(0, u16::MAX)] } else { &ranges })
    }

    /// Makes neighbours with one mark one, and beyond the bound those that differ least.
    fn join(&mut self) {
        self.stretches.dedup_by(|next, before| {
            let one = u32::from(before.1) + 1 == u32::from(next.0) && before.2 == next.2;
            if one {
                before.1 = next.1;
            }
            one
        });
        while self.stretches.len() > STRETCHES_MAX {
            let (_, high, mark) = self.stretches.remove(1);
            self.stretches[0].1 = high;
            self.stretches[0].2 = self.stretches[0].2.max(mark);
        }
    }
}

/// Covers the kinds from `open` to below `low`, as far as they are within the raised range.
fn fill(raised: &mut Vec<(u16, u16, Seq)>, open: &mut Option<u16>, hi: u16, low: u16, mark: Seq) {
    if let Some(from) = *open
        && from < low
    {
        let to = hi.min(low - 1);
        raised.push((from, to, mark));
        *open = to.checked_add(1).filter(|next| *next <= hi);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    /// Against a table with one mark per kind.
    #[test]
    fn agrees_with_a_table_of_all_kinds() {
        for seed in 0..60 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut table = vec![Seq::ZERO; 65_536];
            let mut marks = PurgeMarks::default();
            let range = |rng: &mut SmallRng| {
                let edge = |rng: &mut SmallRng| match rng.random_range(0..8) {
                    0 => 0,
                    1 => u16::MAX,
                    _ => rng.random_range(0..40),
                };
                let (a, b) = (edge(rng), edge(rng));
                (a.min(b), a.max(b))
            };
            for _ in 0..20 {
                let (lo, hi) = range(&mut rng);
                let mark = Seq(rng.random_range(1..9));
                marks.raise(lo, hi, mark);
                table[usize::from(lo)..=usize::from(hi)].iter_mut().for_each(|m| *m = mark.max(*m));
                let (lo, hi) = range(&mut rng);
                let of = &table[usize::from(lo)..=usize::from(hi)];
                assert_eq!(Some(marks.lowest(&[(lo, hi)])), of.iter().min().copied(), "seed {seed}");
                let filter = Filter { kind_ranges: vec![(lo, hi)], ..Filter::default() };
                let highest = of.iter().max().copied().filter(|mark| *mark > Seq::ZERO);
                assert_eq!(marks.reaching(&filter), highest, "seed {seed}");
                assert_eq!(Some(marks.lowest_of(&filter)), of.iter().min().copied(), "seed {seed}");
                let apart = marks.stretches.windows(2).all(|w| w[0].1 < w[1].0);
                assert!(apart && marks.stretches.iter().all(|s| s.0 <= s.1), "seed {seed}: {marks:?}");
            }
        }
    }

    #[test]
    fn beyond_the_bound_marks_only_rise() {
        let mut marks = PurgeMarks::default();
        for kind in 0..3_000u16 {
            marks.raise(2 * kind, 2 * kind, Seq(u64::from(kind) + 1));
        }
        assert_eq!(marks.stretches.len(), STRETCHES_MAX);
        for kind in 0..3_000u16 {
            let filter = Filter { kinds: vec![2 * kind], ..Filter::default() };
            assert!(marks.reaching(&filter) >= Some(Seq(u64::from(kind) + 1)));
        }
    }
}

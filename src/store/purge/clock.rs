//! When which position was reached, for retention by age: an event does not say itself when it
//! was stored, and its author's date proves nothing.

use super::tally::take;
use crate::base::Seq;

/// Moments that are kept. They are thinned out, the more the older they are, so that the age of
/// an event is known to a small part of itself.
const MOMENTS_MAX: usize = 1_024;

/// The head of the log at some moments, both ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HeadClock {
    moments: Vec<(i64, Seq)>,
}

impl HeadClock {
    /// The log's head is here at this moment (unix seconds).
    pub(super) fn note(&mut self, now: i64, head: Seq) {
        // The clock was set back: what was reached by then is now, and not in the future.
        while self.moments.last().is_some_and(|(at, _)| *at > now) {
            self.moments.pop();
        }
        match self.moments.last_mut() {
            Some((_, reached)) if *reached >= head => return,
            Some((at, reached)) if *at == now => *reached = head,
            _ => self.moments.push((now, head)),
        }
        if self.moments.len() > MOMENTS_MAX {
            self.thin_out(now);
        }
    }

    /// Gives up the moment whose neighbours stand in for it best, by its age.
    fn thin_out(&mut self, now: i64) {
        let cost = |at: usize| {
            let (before, after) = (self.moments[at - 1].0, self.moments[at + 1].0);
            (after - before) as f64 / (now - self.moments[at].0) as f64
        };
        let between = 1..self.moments.len() - 1;
        if let Some(least) = between.min_by(|a, b| cost(*a).total_cmp(&cost(*b))) {
            self.moments.remove(least);
        }
    }

    /// The last position that was reached at or before a moment.
    pub(super) fn reached(&self, at: i64) -> Seq {
        let later = self.moments.partition_point(|(moment, _)| *moment <= at);
        later.checked_sub(1).map_or(Seq::ZERO, |last| self.moments[last].1)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let moment = |(at, head): &(i64, Seq)| [at.to_be_bytes(), head.0.to_be_bytes()].concat();
        self.moments.iter().flat_map(moment).collect()
    }

    pub(super) fn decode(mut row: &[u8]) -> Option<HeadClock> {
        let mut moments = Vec::new();
        while !row.is_empty() {
            moments.push((i64::from_be_bytes(take(&mut row)?), Seq(u64::from_be_bytes(take(&mut row)?))));
        }
        Some(HeadClock { moments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_position_is_known_to_a_small_part() {
        let mut clock = HeadClock::default();
        let steps = 50_000;
        for n in 1..=steps {
            clock.note(n * 60, Seq(n as u64));
        }
        assert!(clock.moments.len() <= MOMENTS_MAX);
        let now = steps * 60;
        for age in [600, 6_000, 60_000, 600_000] {
            let exact = (now - age) / 60;
            let found = clock.reached(now - age).0 as i64;
            assert!(found <= exact, "never younger than it is");
            let off = (exact - found) * 60;
            assert!(off <= 60.max(age / 20), "age {age}: {off} s off");
        }
        assert_eq!(clock.reached(-1), Seq::ZERO);
        assert_eq!(HeadClock::decode(&clock.encode()), Some(clock));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_older() {
        let mut clock = HeadClock::default();
        clock.note(100, Seq(1));
        clock.note(1_000, Seq(5));
        clock.note(200, Seq(6));
        assert_eq!((clock.reached(199), clock.reached(200)), (Seq(1), Seq(6)));
        clock.note(200, Seq(7));
        assert_eq!(clock.reached(200), Seq(7), "the same second");
    }
}

//! When which position was reached, for retention by age: an event does not say itself when it
//! was stored, and its author's date proves nothing.

use super::tally::take;
use crate::base::Seq;

/// Moments that are kept. They are thinned out, the more the older they are, so that the age of
/// an event is known to a small part of itself.
const MOMENTS_MAX: usize = 1_024;

/// How far the machine's clock may go from the monotonic one between two looks before it counts
/// as set; a daemon that corrects it bit by bit stays far below.
const SLACK_SECONDS: u64 = 60;

/// What the log ages by while the relay is stopped, at most: a machine that starts with a wrong
/// clock, or got the right one only after a start with a wrong one, must not empty the log.
const STOPPED_SECONDS_MAX: i64 = 7 * 24 * 3_600;

/// How often it is noted that the log still ends where it did.
const STILL_SECONDS: i64 = 600;

/// The head of the log at some moments, both ascending. The last two may have one head: since
/// when, and until when at least.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HeadClock {
    moments: Vec<(i64, Seq)>,
}

impl HeadClock {
    /// It is `now`, and the last look was at the first of these moments, so many seconds ago by
    /// a clock that nobody sets; none: not since the start. If the machine's clock was set, all
    /// moments move with it, so that nothing is older than it was. By how many seconds.
    pub(super) fn follow(&mut self, now: i64, last_look: Option<(i64, i64)>) -> i64 {
        let Some(then) = last_look.map(|(then, _)| then).or(self.moments.last().map(|last| last.0)) else {
            return 0;
        };
        let by_the_clock = now.saturating_sub(then);
        let aged = match last_look {
            Some((_, ago)) if by_the_clock.abs_diff(ago) <= SLACK_SECONDS => by_the_clock,
            Some((_, ago)) => ago,
            None => by_the_clock.clamp(0, STOPPED_SECONDS_MAX),
        };
        let set = by_the_clock.saturating_sub(aged);
        for (at, _) in &mut self.moments {
            *at = at.saturating_add(set);
        }
        set
    }

    /// The log's head is here at this moment (unix seconds).
    pub(super) fn note(&mut self, now: i64, head: Seq) {
        // The clock was set back by a little: what was reached by then is now, and not in the future.
        while self.moments.last().is_some_and(|(at, _)| *at > now) {
            self.moments.pop();
        }
        match self.moments.as_mut_slice() {
            [.., (at, reached)] if *at == now => *reached = head.max(*reached),
            [.., (_, before), (at, reached)] if *reached >= head && before == reached => {
                if now.saturating_sub(*at) >= STILL_SECONDS {
                    *at = now;
                }
            }
            [.., (_, reached)] => {
                let head = head.max(*reached);
                self.moments.push((now, head));
            }
            [] => self.moments.push((now, head)),
        }
        if self.moments.len() > MOMENTS_MAX {
            self.thin_out(now);
        }
    }

    /// Gives up the moment whose neighbours stand in for it best, by its age.
    fn thin_out(&mut self, now: i64) {
        let cost = |at: usize| {
            let (before, after) = (self.moments[at - 1].0, self.moments[at + 1].0);
            after.saturating_sub(before) as f64 / now.saturating_sub(self.moments[at].0) as f64
        };
        let between = 1..self.moments.len() - 1;
        if let Some(least) = between.min_by(|a, b| cost(*a).total_cmp(&cost(*b))) {
            self.moments.remove(least);
        }
    }

    /// The log ends with `head`: what follows will be reached anew.
    pub(super) fn cut(&mut self, head: Seq) {
        self.moments.iter_mut().for_each(|(_, reached)| *reached = head.min(*reached));
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
        let ascends = moments.is_sorted_by(|a: &(i64, Seq), b| a.0 <= b.0 && a.1 <= b.1);
        ascends.then_some(HeadClock { moments })
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

    #[test]
    fn a_clock_that_is_set_while_the_relay_runs_changes_no_age() {
        const YEAR: i64 = 365 * 24 * 3_600;
        for set in [-50 * YEAR, -3_600, 3_600, 50 * YEAR] {
            let mut clock = HeadClock::default();
            let start = 60 * YEAR;
            clock.note(start, Seq(1));
            clock.note(start + 100, Seq(2));
            let now = start + 160 + set;
            assert_eq!(clock.follow(now, Some((start + 100, 60))), set);
            clock.note(now, Seq(3));
            let reached_of_age = |age| clock.reached(now - age);
            assert_eq!(
                [0, 1, 59, 60, 159, 160, 161].map(reached_of_age).map(|seq| seq.0),
                [3, 2, 2, 2, 1, 1, 0]
            );
        }
    }

    #[test]
    fn while_it_is_stopped_the_log_ages_by_a_week_at_most() {
        let mut clock = HeadClock::default();
        clock.note(1_000, Seq(1));
        assert_eq!(clock.follow(1_000 + 3_600, None), 0, "an hour");
        assert_eq!(clock.reached(1_000), Seq(1));
        let now = 1_000 + 50 * STOPPED_SECONDS_MAX;
        clock.follow(now, None);
        assert_eq!(clock.reached(now - STOPPED_SECONDS_MAX), Seq(1));
        assert_eq!(clock.reached(now - STOPPED_SECONDS_MAX - 1), Seq::ZERO);
        clock.follow(5_000, None);
        assert_eq!(clock.reached(5_000), Seq(1), "set back meanwhile: no older, and not in the future");
    }

    #[test]
    fn a_log_that_nobody_writes_to_ages_across_many_starts() {
        const DAY: i64 = 24 * 3_600;
        let mut clock = HeadClock::default();
        clock.note(0, Seq(1));
        for day in 0..100 {
            clock.follow(day * DAY, None);
            for look in 0..600 {
                clock.note(day * DAY + look * 60, Seq(1));
            }
        }
        assert_eq!(clock.reached(0), Seq(1));
        assert_eq!(clock.moments.len(), 2);
    }

    #[test]
    fn what_comes_after_a_cut_is_as_young_as_it_is() {
        let mut clock = HeadClock::default();
        clock.note(100, Seq(50));
        clock.cut(Seq(40));
        clock.note(200, Seq(60));
        assert_eq!((clock.reached(199), clock.reached(200)), (Seq(40), Seq(60)));
    }

    #[test]
    fn a_row_that_does_not_ascend_is_refused() {
        let row = |moments: &[(i64, u64)]| {
            HeadClock { moments: moments.iter().map(|(at, seq)| (*at, Seq(*seq))).collect() }.encode()
        };
        assert!(HeadClock::decode(&row(&[(1, 1), (2, 1), (3, 4)])).is_some());
        assert!(HeadClock::decode(&row(&[(2, 1), (1, 1)])).is_none());
        assert!(HeadClock::decode(&row(&[(1, 5), (2, 4)])).is_none());
        assert!(HeadClock::decode(&row(&[(1, 5)])[1..]).is_none());
    }
}

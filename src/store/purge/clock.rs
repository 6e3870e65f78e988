//! The log's own clock, for retention by age and for tombstones: an event does not say itself when
//! it was stored, its author's date proves nothing, and the machine's clock may be set.

use super::tally::take;
use crate::base::{Millis, Now, Seq};

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

/// What time it is for the log: the machine's, but for what that was set by; and the head of the
/// log at some of its moments, both ascending. The last two may have one head: since when, and
/// until when at least.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HeadClock {
    moments: Vec<(i64, Seq)>,
    /// Seconds that the machine's clock is ahead of the log's.
    ahead: i64,
    /// When it was last read, by the log's clock and by one that nobody sets; none: not since the
    /// start. Not on disk.
    last_read: Option<(i64, Millis)>,
}

impl HeadClock {
    /// What time it is, and by how many seconds the machine's clock was set since the last time.
    /// However far that is, nothing is older than it was.
    pub(super) fn read(&mut self, at: &Now) -> (i64, i64) {
        let by_the_machine = at.unix_seconds.saturating_sub(self.ahead);
        let last_noted = self.moments.last().map(|(moment, _)| *moment);
        let now = match (self.last_read, last_noted) {
            (Some((then, since)), _) => {
                let ago = (at.ms.since(since) / 1_000).cast_signed();
                let is_set = by_the_machine.saturating_sub(then).abs_diff(ago) > SLACK_SECONDS;
                if is_set { then.saturating_add(ago) } else { by_the_machine }
            }
            (None, Some(then)) => {
                then.saturating_add(by_the_machine.saturating_sub(then).clamp(0, STOPPED_SECONDS_MAX))
            }
            (None, None) => by_the_machine,
        };
        let set = by_the_machine.saturating_sub(now);
        self.ahead = self.ahead.saturating_add(set);
        self.last_read = Some((now, at.ms));
        (now, set)
    }

    /// Goes on as `before` did, of whose moments these are the ones on disk.
    pub(super) fn go_on_from(&mut self, before: &HeadClock) {
        if before.last_read.is_some() {
            (self.ahead, self.last_read) = (before.ahead, before.last_read);
        }
    }

    /// The log's head is here at this moment.
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

    /// Seconds that the machine's clock is ahead of the log's; a row of its own.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead
    }

    pub(super) fn decode(mut row: &[u8], ahead: i64) -> Option<HeadClock> {
        let mut moments = Vec::new();
        while !row.is_empty() {
            moments.push((i64::from_be_bytes(take(&mut row)?), Seq(u64::from_be_bytes(take(&mut row)?))));
        }
        let ascends = moments.is_sorted_by(|a: &(i64, Seq), b| a.0 <= b.0 && a.1 <= b.1);
        ascends.then_some(HeadClock { moments, ahead, last_read: None })
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
        assert_eq!(HeadClock::decode(&clock.encode(), 0), Some(clock));
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

    /// So long after the start, by the machine's clock and by the one that nobody sets.
    fn at(unix_seconds: i64, seconds: u64) -> Now {
        Now { ms: Millis(seconds * 1_000), nanos: seconds * 1_000_000_000, unix_seconds }
    }

    #[test]
    fn a_clock_that_is_set_while_the_relay_runs_changes_no_age() {
        const YEAR: i64 = 365 * 24 * 3_600;
        for set in [-50 * YEAR, -3_600, 3_600, 50 * YEAR] {
            let mut clock = HeadClock::default();
            let start = 60 * YEAR;
            assert_eq!(clock.read(&at(start, 0)), (start, 0));
            clock.note(start, Seq(1));
            assert_eq!(clock.read(&at(start + 100, 100)), (start + 100, 0));
            clock.note(start + 100, Seq(2));
            let (now, found) = clock.read(&at(start + 160 + set, 160));
            assert_eq!((now, found), (start + 160, set));
            clock.note(now, Seq(3));
            let reached_of_age = |age| clock.reached(now - age);
            assert_eq!(
                [0, 1, 59, 60, 159, 160, 161].map(reached_of_age).map(|seq| seq.0),
                [3, 2, 2, 2, 1, 1, 0]
            );
            // And set right again.
            assert_eq!(clock.read(&at(start + 161, 161)), (start + 161, -set));
            assert_eq!(clock.ahead(), 0);
        }
    }

    #[test]
    fn a_clock_that_goes_a_little_wrong_is_followed() {
        let mut clock = HeadClock::default();
        clock.read(&at(1_000_000, 0));
        for day in 1..=10i64 {
            let (machine, since) = (1_000_000 + day * 86_400 + day * 50, day.unsigned_abs() * 86_400);
            assert_eq!(clock.read(&at(machine, since)), (machine, 0), "50 s a day");
        }
    }

    #[test]
    fn while_it_is_stopped_the_log_ages_by_a_week_at_most() {
        let started = |row: &HeadClock| HeadClock::decode(&row.encode(), row.ahead()).unwrap();
        let mut clock = HeadClock::default();
        clock.note(1_000, Seq(1));
        assert_eq!(started(&clock).read(&at(1_000 + 3_600, 0)), (4_600, 0), "an hour");
        let far = 1_000 + 50 * STOPPED_SECONDS_MAX;
        let mut wrong = started(&clock);
        assert_eq!(wrong.read(&at(far, 0)).0, 1_000 + STOPPED_SECONDS_MAX);
        assert_eq!(wrong.ahead(), 49 * STOPPED_SECONDS_MAX);
        let mut again = started(&wrong);
        assert_eq!(again.read(&at(far, 0)).0, 1_000 + STOPPED_SECONDS_MAX, "nothing was noted meanwhile");
        assert_eq!(again.read(&at(2_000, 5)).0, 1_000 + STOPPED_SECONDS_MAX + 5, "set right while it runs");
        assert_eq!(started(&clock).read(&at(500, 0)), (1_000, -500), "set back meanwhile: no older");
    }

    #[test]
    fn a_log_that_nobody_writes_to_ages_across_many_starts() {
        const DAY: i64 = 24 * 3_600;
        let mut clock = HeadClock::default();
        clock.note(0, Seq(1));
        for day in 0..100 {
            clock = HeadClock::decode(&clock.encode(), clock.ahead()).unwrap();
            for look in 0..600 {
                let (now, set) = clock.read(&at(day * DAY + look * 60, look.unsigned_abs() * 60));
                assert_eq!(set, 0);
                clock.note(now, Seq(1));
            }
        }
        assert_eq!(clock.reached(0), Seq(1));
        assert_eq!(clock.moments.len(), 2);
    }

    #[test]
    fn a_store_that_was_opened_again_goes_on_with_its_clock() {
        let mut clock = HeadClock::default();
        clock.read(&at(1_000, 0));
        clock.note(1_000, Seq(1));
        let mut opened = HeadClock::decode(&clock.encode(), 0).unwrap();
        // What the clock was set by is not on disk yet.
        assert_eq!(clock.read(&at(9_000_000, 10)), (1_010, 8_998_990));
        opened.go_on_from(&clock);
        assert_eq!(opened.read(&at(9_000_010, 20)), (1_020, 0));
        let mut first = HeadClock::decode(&clock.encode(), 7).unwrap();
        first.go_on_from(&HeadClock::default());
        assert_eq!(first.ahead(), 7, "there was none before");
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
            let moments = moments.iter().map(|(at, seq)| (*at, Seq(*seq))).collect();
            HeadClock { moments, ..HeadClock::default() }.encode()
        };
        assert!(HeadClock::decode(&row(&[(1, 1), (2, 1), (3, 4)]), 0).is_some());
        assert!(HeadClock::decode(&row(&[(2, 1), (1, 1)]), 0).is_none());
        assert!(HeadClock::decode(&row(&[(1, 5), (2, 4)]), 0).is_none());
        assert!(HeadClock::decode(&row(&[(1, 5)])[1..], 0).is_none());
    }
}

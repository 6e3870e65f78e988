//! How large batches get, and what a load therefore costs.
//!
//! The relay sets no timers: what arrived while a turn lasted is the next turn's batch, and what
//! was submitted during a commit is the next commit. So a batch of `B` takes `a + b·B`, and `B`
//! is what comes in that time. With `x = rate · time(B)` arrivals per turn, which come at random,
//! the mean batch is `x + e^-x`: `x` while the thread is busy, and 1 when it has slept, which it
//! does with the chance that nothing came. The solution is unique as long as the thread keeps
//! up; where even the largest batch is too small, the largest stands, and the part is overloaded.
//!
//! Publishers that wait for answers set the batches themselves: what they keep in flight goes
//! round in two groups, one at the shard and one at the log or on its way (in one, if it is a
//! single connection, whose replies and next events travel together).

use super::calibration::Calibration;
use super::coefficients::{COEFFICIENTS, Coefficient, Counts, Part, doublings};
use super::deployment::{Deployment, Durability, Pace};
use crate::base::limits::{COMMIT_EVENTS_MAX, VERIFY_BATCH_EVENTS_MAX};
use serde::Serialize;

/// Bytes around an event in a publish, around one in a delivery, and of a reply (protocol §2).
const PUBLISH_FRAME_BYTES: f64 = 17.0;
const DELIVERY_FRAME_BYTES: f64 = 22.0;
const REPLY_BYTES: f64 = 79.0;

/// Rounds in which batches and what they cost are brought together; each halves what is left,
/// so that after so many nothing is.
const ROUNDS: usize = 40;
/// Halvings of an interval of at most 4 096 events: to a thousandth of an event.
const HALVINGS: usize = 22;

/// Groups in which events of several connections go round.
const GROUPS: f64 = 2.0;

/// Of a thread that shares its core with others, the least part it keeps.
const SPEED_MIN: f64 = 0.05;

const TURN_EVENTS_MAX: f64 = VERIFY_BATCH_EVENTS_MAX as f64;
const COMMIT_MAX: f64 = COMMIT_EVENTS_MAX as f64;

/// Mean batches, and how long they take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Batches {
    /// Events judged in one turn of a shard.
    pub turn_events: f64,
    /// Time of that turn and of what belongs to it.
    pub turn_us: f64,
    /// Events of one commit, and its time, the disk's included; 0 if nothing is stored.
    pub commit_events: f64,
    pub commit_us: f64,
}

/// A deployment on so many shards.
pub(super) struct Mill<'a> {
    deployment: &'a Deployment,
    /// In the order of [`COEFFICIENTS`]: looked up once, for batches are found by many trials.
    prices: Vec<f64>,
    shards: f64,
    cores: f64,
}

impl<'a> Mill<'a> {
    /// `cores` are those of the machine, not always the deployment's: the curve asks for as many
    /// as it takes.
    pub fn new(
        deployment: &'a Deployment,
        calibration: &'a Calibration,
        shards: usize,
        cores: f64,
    ) -> Mill<'a> {
        let price =
            |coefficient: &Coefficient| calibration.prices.get(coefficient.name).copied().unwrap_or(0.0);
        let prices = COEFFICIENTS.iter().map(price).collect();
        Mill { deployment, prices, shards: shards.max(1) as f64, cores }
    }

    /// The batches at `rate` events per second.
    pub fn batches(&self, rate: f64) -> Batches {
        self.settled(rate, None)
    }

    /// The batches of a relay whose shards have no time left: what capacity is counted with.
    pub fn full_batches(&self, rate: f64) -> Batches {
        let turn_events = match self.deployment.pace {
            Pace::Rate(_) => TURN_EVENTS_MAX,
            Pace::Window(_) => self.closed_turn(),
        };
        self.settled(rate, Some(turn_events))
    }

    /// The same with the largest commits, for the committer's own capacity.
    pub fn full_commits(&self, full: Batches) -> Batches {
        match self.deployment.pace {
            Pace::Rate(_) => Batches { commit_events: COMMIT_MAX, ..full },
            Pace::Window(_) => full,
        }
    }

    /// `turn_events`: of turns whose size is known.
    fn settled(&self, rate: f64, turn_events: Option<f64>) -> Batches {
        let begin = turn_events.unwrap_or(1.0);
        let mut batches = Batches { turn_events: begin, turn_us: 0.0, commit_events: 1.0, commit_us: 0.0 };
        for _ in 0..ROUNDS {
            let next = self.better(rate, &batches, turn_events);
            batches = Batches {
                turn_events: (batches.turn_events * next.turn_events).sqrt(),
                turn_us: (batches.turn_us + next.turn_us) / 2.0,
                commit_events: (batches.commit_events * next.commit_events).sqrt(),
                commit_us: (batches.commit_us + next.commit_us) / 2.0,
            };
        }
        batches
    }

    fn better(&self, rate: f64, at: &Batches, turn_events: Option<f64>) -> Batches {
        let speed = self.speed(rate, at);
        let (open_turn, commit_events) = match self.deployment.pace {
            Pace::Rate(_) => (true, self.open_commit(rate, at, speed)),
            Pace::Window(_) => (false, self.closed_commit(at.turn_events)),
        };
        let turn_events = turn_events
            .unwrap_or_else(|| if open_turn { self.open_turn(rate, at, speed) } else { self.closed_turn() });
        let next = Batches { turn_events, commit_events, ..*at };
        Batches { turn_us: self.turn_us(rate, &next, speed), commit_us: self.commit_us(&next, speed), ..next }
    }

    fn open_turn(&self, rate: f64, at: &Batches, speed: f64) -> f64 {
        let unit = self.deployment.burst.min(TURN_EVENTS_MAX);
        let arrivals = |turn_events: f64| {
            let us = self.turn_us(rate, &Batches { turn_events, ..*at }, speed);
            rate / self.shards / unit * us / 1e6
        };
        mean_batch(unit, TURN_EVENTS_MAX, arrivals)
    }

    fn open_commit(&self, rate: f64, at: &Batches, speed: f64) -> f64 {
        let (unit, stored) = (self.submission(at.turn_events), self.stored(rate));
        let arrivals = |commit_events: f64| {
            stored / unit * self.commit_us(&Batches { commit_events, ..*at }, speed) / 1e6
        };
        mean_batch(unit, COMMIT_MAX, arrivals)
    }

    fn window(&self) -> f64 {
        match self.deployment.pace {
            Pace::Rate(_) => self.deployment.burst,
            Pace::Window(window) => window,
        }
    }

    fn closed_turn(&self) -> f64 {
        let per_shard = (self.deployment.publishers / self.shards).max(1.0);
        let groups = per_shard.min(GROUPS);
        (per_shard * self.window() / groups).clamp(1.0, TURN_EVENTS_MAX)
    }

    fn closed_commit(&self, turn_events: f64) -> f64 {
        let groups = self.deployment.publishers.min(GROUPS);
        let in_flight = self.deployment.publishers * self.window();
        (self.submission(turn_events) * groups).min(in_flight).clamp(1.0, COMMIT_MAX)
    }

    /// Wall time of one turn of one shard: its CPU, slowed down by whoever shares its core.
    fn turn_us(&self, rate: f64, at: &Batches, speed: f64) -> f64 {
        let rate = rate.max(1e-3);
        let shards_us = self.cpu_us(rate, at, |part| part == Part::Shards);
        shards_us / rate * at.turn_events / speed
    }

    fn commit_us(&self, at: &Batches, speed: f64) -> f64 {
        if self.stored(1.0) == 0.0 {
            return 0.0;
        }
        // Of one second in which there is one commit.
        let rate = at.commit_events / self.stored(1.0);
        let sync =
            if self.deployment.durability == Durability::Fsync { self.deployment.sync_us } else { 0.0 };
        self.cpu_us(rate, at, |part| part == Part::Committer) / speed + sync
    }

    /// The part of their cores that shards and committer have to themselves: what the other
    /// threads need beyond the cores that are left to them is taken from everybody.
    fn speed(&self, rate: f64, at: &Batches) -> f64 {
        let others = self.cpu_us(rate, at, |part| part != Part::Shards) / 1e6;
        let left = (self.cores - self.shards).max(0.0);
        (1.0 - (others - left).max(0.0) / self.cores).clamp(SPEED_MIN, 1.0)
    }

    /// Of the parts that are asked for, in one second at `rate`.
    fn cpu_us(&self, rate: f64, at: &Batches, wanted: impl Fn(Part) -> bool) -> f64 {
        let counts = self.counts(rate, at);
        let priced =
            COEFFICIENTS.iter().zip(&self.prices).filter(|(coefficient, _)| wanted(coefficient.part));
        priced.map(|(coefficient, price)| price * (coefficient.count)(&counts)).sum()
    }

    fn stored(&self, rate: f64) -> f64 {
        rate * (1.0 - self.deployment.ephemeral)
    }

    /// Stored events that a turn hands over, if it has any.
    fn submission(&self, turn_events: f64) -> f64 {
        let stored = 1.0 - self.deployment.ephemeral;
        let any = 1.0 - (1.0 - stored).powf(turn_events);
        if any > 0.0 { (turn_events * stored / any).max(1.0) } else { 1.0 }
    }

    /// Work of one second at `rate`, in batches as they are `at`.
    pub fn counts(&self, rate: f64, at: &Batches) -> Counts {
        let d = self.deployment;
        let (stored, ephemeral) = (self.stored(rate), rate * d.ephemeral);
        let commits = stored / at.commit_events;
        let deliveries = rate * d.deliveries;
        let wakes = self.wakes(rate, commits, at);
        let authors = self.different(d.authors, at.turn_events);
        let frame = d.event_bytes + DELIVERY_FRAME_BYTES;
        Counts {
            events: rate,
            turns: rate / at.turn_events,
            authors: rate / at.turn_events * authors,
            received_bytes: rate * (d.event_bytes + PUBLISH_FRAME_BYTES),
            exchanges: self.exchanges(stored, ephemeral, &wakes, at),
            stored,
            stored_bytes: stored * d.event_bytes,
            stored_tags: stored * d.tags,
            wakeups: self.shards * (wakes.log + wakes.shards),
            matched: rate
                * self.shards
                * hit(1.0 / self.shards, d.deliveries)
                * doublings(d.subscriptions / self.shards),
            routed: if d.deliveries > 0.0 { stored * doublings(d.subscriptions) } else { 0.0 },
            deliveries,
            delivery_writes: self.delivery_writes(stored, ephemeral, &wakes, at).min(deliveries),
            sent_bytes: rate * REPLY_BYTES + (deliveries + d.replay_rate) * frame,
            commits,
            syncs: if d.durability == Durability::Fsync { commits } else { 0.0 },
            replayed: d.replay_rate,
            replayed_bytes: d.replay_rate * d.event_bytes,
        }
    }

    /// How often one shard is woken in a second. Several reasons during one turn are one wake-up.
    fn wakes(&self, rate: f64, commits: f64, at: &Batches) -> Wakes {
        let d = self.deployment;
        let one = 1.0 / self.shards;
        let wanted = |events: f64| events * d.deliveries / d.reader_run;
        let submissions = at.commit_events / self.submission(at.turn_events);
        let by_log = commits * hit(one, submissions + wanted(at.commit_events));
        let ephemeral_turns = if d.ephemeral > 0.0 { rate / at.turn_events * (1.0 - one) } else { 0.0 };
        let by_shards = ephemeral_turns * hit(one, wanted(at.turn_events * d.ephemeral));
        let together = |rate: f64| {
            let arrivals = rate * at.turn_us / 1e6;
            rate / (arrivals + (-arrivals).exp())
        };
        Wakes { log: together(by_log), shards: together(by_shards) }
    }

    /// A publisher's replies leave in one write for all of its events that are answered at once.
    fn exchanges(&self, stored: f64, ephemeral: f64, wakes: &Wakes, at: &Batches) -> f64 {
        let turns = (stored + ephemeral) / at.turn_events;
        let publishers = self.deployment.publishers / self.shards;
        let sets = |events: f64, occasions: f64| {
            if occasions > 0.0 && events > 0.0 {
                let bursts = (events / occasions / self.window().min(at.turn_events)).max(1.0);
                occasions * self.different(publishers.max(1.0), bursts)
            } else {
                0.0
            }
        };
        sets(stored, (self.shards * wakes.log).min(turns)) + sets(ephemeral, turns)
    }

    /// A reader gets in one write whatever matches it in one batch.
    fn delivery_writes(&self, stored: f64, ephemeral: f64, wakes: &Wakes, at: &Batches) -> f64 {
        let d = self.deployment;
        let chance = if d.deliveries > 0.0 { d.deliveries / d.readers } else { 0.0 };
        let sets = |events: f64, occasions: f64| {
            if occasions > 0.0 && events > 0.0 {
                let runs = (events / occasions / d.reader_run).max(1.0).min(events / occasions);
                occasions * d.readers / self.shards * hit(chance, runs)
            } else {
                0.0
            }
        };
        // A shard meets every stored event that it wants, wherever it was published; of the
        // ephemeral ones its own at once, those of the others when it is woken.
        let log = self.shards * sets(stored, wakes.log);
        let own = sets(ephemeral, (stored + ephemeral) / at.turn_events);
        let others = self.shards * sets(ephemeral * (1.0 - 1.0 / self.shards), wakes.shards);
        log + own + others
    }

    /// Different ones met by so many draws out of `all`: at random, but in turn where publishers
    /// wait for answers.
    fn different(&self, all: f64, draws: f64) -> f64 {
        match self.deployment.pace {
            Pace::Rate(_) => all * hit(1.0 / all, draws),
            Pace::Window(_) => all.min(draws),
        }
    }
}

/// Wake-ups of one shard per second.
struct Wakes {
    log: f64,
    /// By other shards' ephemeral events.
    shards: f64,
}

/// The chance that something with this chance happens at least once.
fn hit(chance: f64, draws: f64) -> f64 {
    if chance >= 1.0 {
        return if draws > 0.0 { 1.0 } else { 0.0 };
    }
    // Through the logarithm, so that a chance of a billionth is not rounded away.
    -(draws * (-chance).ln_1p()).exp_m1()
}

/// The batch, in events, for which `unit · (x + e^-x)` is the batch itself, where `x` arrivals
/// of a unit come during it; `most` if there is none.
fn mean_batch(unit: f64, most: f64, arrivals: impl Fn(f64) -> f64) -> f64 {
    let unit = unit.min(most);
    let (mut low, mut high) = (unit, most);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        let x = arrivals(middle);
        if unit * (x + (-x).exp()) > middle { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::{hit, mean_batch};

    #[test]
    fn a_batch_is_what_came_during_it() {
        for rate in [0.0, 1e-4, 0.01, 0.05, 0.09] {
            // A turn takes 20 and 10 for each event.
            let arrivals = |batch: f64| rate * (20.0 + 10.0 * batch);
            let batch = mean_batch(1.0, 128.0, arrivals);
            let x = arrivals(batch);
            assert!((x + (-x).exp() - batch).abs() < 0.01, "{rate}: {batch}");
        }
        assert!(
            (mean_batch(1.0, 128.0, |batch| 0.2 * (20.0 + 10.0 * batch)) - 128.0).abs() < 0.01,
            "overloaded"
        );
        assert!((mean_batch(8.0, 128.0, |_| 0.0) - 8.0).abs() < 0.01, "a burst alone");
    }

    #[test]
    fn chances_of_at_least_once() {
        assert_eq!((hit(1.0, 3.0), hit(1.0, 0.0), hit(0.5, 0.0)), (1.0, 1.0 - 1.0, 0.0));
        assert!((hit(0.5, 2.0) - 0.75).abs() < 1e-12);
        assert!((hit(1e-12, 5.0) / 5e-12 - 1.0).abs() < 1e-9);
    }
}

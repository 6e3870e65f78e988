//! Runs of the set that are short are made three times, within the time the set may take; of
//! every figure the median is reported.

use crate::bench::Bench;
use crate::failure::{Failure, Result};
use crate::report::{Jobs, Report};
use axon::base::Clock;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Runs of one entry. Odd, so that the median is a value that was measured.
const RUNS: usize = 3;
/// A run that took longer is made once: its own length evens out what disturbs a short one.
const SHORT_SECONDS: u64 = 20;
/// What the whole set may take; the rest up to ten minutes is for entries beyond their reserve.
const SET_SECONDS: u64 = 540;
/// Kept free for each entry that is still to come.
const RESERVED_SECONDS: u64 = 18;

/// The time of one call, divided among its entries.
pub struct Repeats {
    clock: Clock,
    start_nanos: u64,
    entries: usize,
    begun: usize,
    /// Off: every entry is run once.
    is_on: bool,
}

impl Repeats {
    pub fn new(clock: Clock, entries: usize, is_on: bool) -> Repeats {
        Repeats { clock, start_nanos: clock.nanos(), entries, begun: 0, is_on }
    }

    /// One entry: its run, or the median of several.
    ///
    /// # Errors
    /// A run could not be made.
    pub fn run(&mut self, bench: &Bench) -> Result<Report> {
        self.begun += 1;
        let before = self.elapsed();
        let first = self.say_and_run(bench, 1)?;
        let took = self.elapsed() - before;
        if !self.has_time_for(took) {
            return Ok(first);
        }
        let mut runs = vec![first];
        for number in 2..=RUNS {
            runs.push(self.say_and_run(bench, number)?);
        }
        median(&runs)
    }

    fn say_and_run(&self, bench: &Bench, number: usize) -> Result<Report> {
        if self.entries > 1 {
            let seconds = self.elapsed();
            eprintln!(
                "axon-perf: {:>2}:{:02}  {:>2} of {}  {}, run {number}",
                seconds / 60,
                seconds % 60,
                self.begun,
                self.entries,
                bench.name(),
            );
        }
        bench.run()
    }

    fn elapsed(&self) -> u64 {
        (self.clock.nanos() - self.start_nanos) / 1_000_000_000
    }

    /// Whether an entry whose run took so many seconds can be run as often as a short one.
    fn has_time_for(&self, seconds: u64) -> bool {
        let repeats = seconds * (RUNS as u64 - 1);
        let reserved = RESERVED_SECONDS * (self.entries - self.begun) as u64;
        self.is_on && seconds <= SHORT_SECONDS && self.elapsed() + repeats + reserved <= SET_SECONDS
    }
}

/// Several benches in turn, `rounds` times, so that what changes with the hour changes all of
/// them; the median of each. No round is begun that would not end within `seconds_max`.
///
/// # Errors
/// A run could not be made.
pub fn interleaved(
    benches: &[Bench],
    rounds: usize,
    seconds_max: Option<u64>,
    clock: &Clock,
) -> Result<Vec<Report>> {
    let start = clock.nanos();
    let elapsed = || (clock.nanos() - start) / 1_000_000_000;
    let mut runs: Vec<Vec<Report>> = benches.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 1..=rounds {
        let before = elapsed();
        for (bench, runs) in benches.iter().zip(&mut runs) {
            let seconds = elapsed();
            eprintln!(
                "axon-perf: {:>2}:{:02}  {}, run {round} of {rounds}",
                seconds / 60,
                seconds % 60,
                bench.name()
            );
            runs.push(bench.run()?);
        }
        let took = elapsed() - before;
        if seconds_max.is_some_and(|most| elapsed() + took > most) {
            break;
        }
    }
    runs.iter().map(|runs| median(runs)).collect()
}

/// Runs of one plan as one report: of every number the median (of an even count the upper one),
/// of what went wrong the worst.
///
/// # Errors
/// A figure is no number.
pub fn median(runs: &[Report]) -> Result<Report> {
    let failed = |error| Failure::Usage(format!("runs cannot be compared: {error}"));
    let values = runs.iter().map(serde_json::to_value).collect::<std::result::Result<Vec<_>, _>>();
    let values = values.map_err(failed)?;
    let mut report: Report =
        serde_json::from_value(middle(&values.iter().collect::<Vec<_>>())).map_err(failed)?;
    report.runs = runs.len();
    report.ranges = ranges(runs);
    report.missing = runs.iter().map(|run| run.missing).max().unwrap_or(0);
    report.errors = runs.iter().map(|run| run.errors).max().unwrap_or(0);
    report.first_error = runs.iter().find_map(|run| run.first_error.clone());
    report.jobs = runs.iter().filter_map(|run| run.jobs).reduce(|a, b| Jobs {
        done: a.done.min(b.done),
        lost: a.lost.max(b.lost),
        doubled: a.doubled.max(b.doubled),
    });
    report.warnings.clear();
    report.judge();
    Ok(report)
}

/// Smallest and largest of every key figure.
fn ranges(runs: &[Report]) -> BTreeMap<String, [f64; 2]> {
    let mut out: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for (name, value) in runs.iter().flat_map(Report::key_figures) {
        let [low, high] = out.entry(name).or_insert([value; 2]);
        (*low, *high) = (low.min(value), high.max(value));
    }
    out
}

/// The median of every number in values of one shape; of what is no number the first.
fn middle(values: &[&Value]) -> Value {
    match values.iter().find(|value| !value.is_null()) {
        Some(Value::Number(_)) => {
            let mut sorted = values.to_vec();
            // What a run does not have (a thread that used no CPU) counts as least.
            let key = |value: &Value| value.as_f64().unwrap_or(f64::NEG_INFINITY);
            sorted.sort_by(|a, b| key(a).total_cmp(&key(b)));
            sorted[sorted.len() / 2].clone()
        }
        Some(Value::Object(_)) => {
            let names: BTreeSet<&String> =
                values.iter().filter_map(|value| value.as_object()).flat_map(Map::keys).collect();
            let field = |name: &String| {
                middle(
                    &values.iter().map(|value| value.get(name).unwrap_or(&Value::Null)).collect::<Vec<_>>(),
                )
            };
            let fields = names.into_iter().map(|name| (name.clone(), field(name)));
            Value::Object(fields.filter(|(_, value)| !value.is_null()).collect())
        }
        Some(other) => (*other).clone(),
        None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_number_is_the_median_of_its_own() {
        let runs = [
            json!({"rate": 5, "server": {"cpu": 1.5, "threads": {"a": 1.0, "b": 7.0}}, "name": "x"}),
            json!({"rate": 9, "server": {"cpu": 0.5, "threads": {"a": 3.0}}, "name": "x"}),
            json!({"rate": 7, "server": {"cpu": 2.5, "threads": {"a": 2.0}}, "name": "x"}),
        ];
        let expected = json!({"rate": 7, "server": {"cpu": 1.5, "threads": {"a": 2.0}}, "name": "x"});
        assert_eq!(middle(&runs.iter().collect::<Vec<_>>()), expected);
    }

    #[test]
    fn only_short_entries_are_repeated_and_every_entry_keeps_its_time() {
        let clock = Clock::new();
        let mut repeats = Repeats { begun: 1, ..Repeats::new(clock, 2, true) };
        assert!(repeats.has_time_for(SHORT_SECONDS));
        assert!(!repeats.has_time_for(SHORT_SECONDS + 1));
        repeats.entries = 2 + (SET_SECONDS / RESERVED_SECONDS) as usize;
        assert!(!repeats.has_time_for(1));
        assert!(!Repeats::new(clock, 1, false).has_time_for(1));
    }
}

//! What a unit of the relay's work costs on this machine: runs that differ in one thing each,
//! and the prices that explain them all.
//!
//! Every run gives the CPU of the relay's threads and, from the relay's own counters, how many
//! turns, commits, writes and so on stand behind it. The prices are fitted by least squares, none
//! below zero, thread by thread, each run weighted so that relative errors count. Of every run one
//! of several is taken, see [`typical`]; passes go over all runs in turn, so that a bad minute of
//! the machine does not hit all repeats of one.

mod facts;
mod fit;
mod runs;
mod sample;

use crate::bench::Bench;
use crate::failure::{Doing, Failure, Result};
use crate::machine::Machine;
use crate::options::Options;
use crate::report::Report;
use axon::base::Clock;
use axon::plan::sizes::INDEX_FLUSH_EVENTS;
use axon::plan::{COEFFICIENTS, Calibration, FORMAT, Part, Residual, cpu_us};
use fit::fit;
use runs::{Role, Run};
pub use sample::{Sample, subscriptions};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Undisturbed repeats that are enough for [`typical`].
pub const REPEATS: usize = 5;
/// Passes over all runs, disturbed or not.
const PASSES_MAX: usize = 7;
/// Five repeats take four minutes here; a slower machine's whole may take twelve. No run is repeated
/// after this, unless `--seconds` says so.
const RUNS_SECONDS: u64 = 660;
/// A run during which others had more than this share of the relay's cores is made again.
const DISTURBED: f64 = 0.05;

/// Measures, fits, writes the file and prints what was found.
///
/// # Errors
/// A run could not be made, or the file not be written.
pub fn calibrate(options: &Options, clock: Clock) -> Result<()> {
    let runs = runs::runs(&options.load, &options.relay, options.smoke);
    let measured = Measuring::new(runs, clock, options)?.measure()?;
    let calibration = calibration(&measured, options, clock)?;
    let path = options.calibration_out();
    let mut text = serde_json::to_string_pretty(&calibration)
        .map_err(|error| Failure::Usage(format!("no JSON: {error}")))?;
    text.push('\n');
    std::fs::write(path, &text).doing(&format!("writing {}", path.display()))?;
    if options.json {
        print!("{text}")
    } else {
        print!("{}", table(&calibration))
    }
    eprintln!("axon-perf: wrote {}", path.display());
    Ok(())
}

/// A run and what came of it.
pub struct Measured {
    pub run: Run,
    pub report: Report,
}

/// Runs under way.
struct Measuring {
    runs: Vec<(Run, Bench, Vec<Report>)>,
    clock: Clock,
    start_nanos: u64,
    passes: usize,
    seconds_max: u64,
}

impl Measuring {
    fn new(runs: Vec<Run>, clock: Clock, options: &Options) -> Result<Measuring> {
        let start_nanos = clock.nanos();
        let prepare = |run: Run| {
            let bench = Bench::prepare(run.plan.clone(), &run.relay, clock)?;
            Ok((run, bench, Vec::new()))
        };
        let passes = if options.smoke { 1 } else { PASSES_MAX };
        let seconds_max = options.load.seconds.unwrap_or(RUNS_SECONDS);
        Ok(Measuring {
            runs: runs.into_iter().map(prepare).collect::<Result<_>>()?,
            clock,
            start_nanos,
            passes,
            seconds_max,
        })
    }

    fn measure(mut self) -> Result<Vec<Measured>> {
        let of = self.runs.len();
        for pass in 1..=self.passes {
            for (index, (run, bench, reports)) in self.runs.iter_mut().enumerate() {
                let seconds = (self.clock.nanos() - self.start_nanos) / 1_000_000_000;
                let undisturbed = reports.iter().filter(|report| disturbance(report) <= DISTURBED).count();
                if undisturbed >= REPEATS || !reports.is_empty() && seconds >= self.seconds_max {
                    continue;
                }
                eprintln!(
                    "axon-perf: {:>2}:{:02}  pass {pass}, {:>2} of {of}  {}",
                    seconds / 60,
                    seconds % 60,
                    index + 1,
                    run.label
                );
                reports.push(bench.run()?);
            }
        }
        Ok(self
            .runs
            .into_iter()
            .map(|(run, _, reports)| Measured { run, report: typical(reports) })
            .collect())
    }
}

/// Of the least disturbed repeats the second cheapest, of five where there is time. Whoever shares
/// the host's caches and memory makes a run dearer, by half and more for minutes, never cheaper, and
/// is not to be seen from here: the median would be a price of the hour. A whole report, so that CPU
/// and counters are of the same run.
pub fn typical(mut reports: Vec<Report>) -> Report {
    reports.sort_by(|a, b| disturbance(a).total_cmp(&disturbance(b)));
    reports.truncate(REPEATS);
    second_cheapest(reports, |report| {
        report.server.as_ref().map_or(0.0, |server| server.cpu_us_per_unit_settled)
    })
}

/// Of one the only one; there is at least one.
fn second_cheapest<T>(mut all: Vec<T>, cost: impl Fn(&T) -> f64) -> T {
    all.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    let second = usize::from(all.len() > 1);
    all.swap_remove(second)
}

fn disturbance(report: &Report) -> f64 {
    report.server.as_ref().map_or(0.0, |server| server.others_share + server.stolen_share)
}

fn calibration(measured: &[Measured], options: &Options, clock: Clock) -> Result<Calibration> {
    let samples: Vec<Sample> = measured
        .iter()
        .filter(|one| one.run.role == Role::Price)
        .map(|one| Sample::of(&one.report))
        .collect();
    let prices = prices(&samples, options.smoke);
    let machine = Machine::facts();
    Ok(Calibration {
        format: FORMAT,
        made_at: clock.unix_seconds(),
        axon: env!("CARGO_PKG_VERSION").to_owned(),
        machine: machine.cpu,
        cores: u32::try_from(machine.cores).unwrap_or(u32::MAX),
        memory_gib: machine.memory_gib,
        kernel: machine.kernel,
        facts: facts::facts(measured, &options.relay.scratch, clock)?,
        residuals: residuals(measured, &samples, &prices),
        prices,
    })
}

/// One fit for each part: its threads' CPU, and its coefficients.
fn prices(samples: &[Sample], smoke: bool) -> BTreeMap<String, f64> {
    let mut prices = BTreeMap::new();
    for part in Part::ALL {
        let own: Vec<_> = COEFFICIENTS.iter().filter(|coefficient| coefficient.part == part).collect();
        // Shorter runs end before what they stored is merged.
        let merges = |sample: &Sample| smoke || sample.counts.stored >= INDEX_FLUSH_EVENTS;
        let tells = |sample: &&Sample| part != Part::Compaction || merges(sample);
        let rows: Vec<(Vec<f64>, f64)> = samples
            .iter()
            .filter(tells)
            .map(|sample| (own.iter().map(|c| (c.count)(&sample.counts)).collect(), sample.cpu_us[&part]))
            .filter(|(counts, us): &(Vec<f64>, f64)| *us > 0.0 && counts.iter().any(|count| *count > 0.0))
            .collect();
        let fitted = fit(&rows, own.len());
        prices
            .extend(own.iter().zip(fitted).map(|(coefficient, price)| (coefficient.name.to_owned(), price)));
    }
    prices
}

fn residuals(measured: &[Measured], samples: &[Sample], prices: &BTreeMap<String, f64>) -> Vec<Residual> {
    let labels = measured.iter().filter(|one| one.run.role == Role::Price).map(|one| one.run.label);
    let residual = |(label, sample): (&str, &Sample)| Residual {
        run: label.to_owned(),
        measured_us: sample.cpu_us.values().sum::<f64>() / sample.units,
        fitted_us: cpu_us(&sample.counts, prices).values().sum::<f64>() / sample.units,
    };
    labels.zip(samples).map(residual).collect()
}

fn table(calibration: &Calibration) -> String {
    let mut out = format!("{}, {} cores\n\n", calibration.machine, calibration.cores);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:<22} {:>11}  for each", "price", "CPU µs");
    for coefficient in COEFFICIENTS {
        let price = calibration.prices.get(coefficient.name).copied().unwrap_or(0.0);
        let _ = writeln!(
            out,
            "{:<22} {price:>11.5}  {} (told by: {})",
            coefficient.name, coefficient.unit, coefficient.told_by
        );
    }
    let _ =
        writeln!(out, "\n{:<34} {:>11} {:>11} {:>7}", "run, CPU µs per event", "measured", "fitted", "off");
    for residual in &calibration.residuals {
        let _ = writeln!(
            out,
            "{:<34} {:>11.3} {:>11.3} {:>6.1}%",
            residual.run,
            residual.measured_us,
            residual.fitted_us,
            residual.error() * 100.0
        );
    }
    let facts = serde_json::to_value(calibration.facts).unwrap_or_default();
    let _ = writeln!(out);
    for (name, value) in facts.as_object().into_iter().flatten() {
        let _ = writeln!(out, "{name:<34} {:>14.1}", value.as_f64().unwrap_or(0.0));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::second_cheapest;

    #[test]
    fn one_lucky_run_and_the_disturbed_ones_do_not_count() {
        for (costs, chosen) in [(vec![9.0, 1.0, 3.0, 2.0, 8.0], 2.0), (vec![3.0, 2.0], 3.0), (vec![7.0], 7.0)]
        {
            assert_eq!(second_cheapest(costs, |cost| *cost), chosen);
        }
    }
}

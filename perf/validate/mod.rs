//! Does the planner predict what the relay uses? Four workloads that a calibration does not
//! contain, each described to the planner by its counted facts (how many events, to how many
//! readers, how large, how many in flight), never by its CPU; prediction beside measurement.

mod workloads;

use crate::bench::Bench;
use crate::calibrate::{REPEATS, Sample, typical};
use crate::failure::{Doing, Failure, Result};
use crate::options::Options;
use crate::report::Report;
use axon::base::Clock;
use axon::plan::{Calibration, Counts, Deployment, Part, predict};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A prediction may be off by so much.
const ERROR_MAX: f64 = 0.2;

/// What is kept.
#[derive(Debug, Serialize)]
struct Validation {
    /// Unix seconds.
    made_at: i64,
    calibrated_at: i64,
    machine: String,
    passed: bool,
    workloads: Vec<Comparison>,
}

/// One workload; CPU is in microseconds per published event.
#[derive(Debug, Serialize)]
struct Comparison {
    workload: String,
    events_per_second: f64,
    measured: Side,
    predicted: Side,
    /// Events read from the log for each published one, and what they take of the predicted CPU.
    replayed_per_event: f64,
    replay_share: f64,
    /// Predicted by measured, less 1.
    error: f64,
    passed: bool,
}

/// One side of a comparison.
#[derive(Debug, Serialize)]
struct Side {
    us_per_event: f64,
    /// At the measured rate.
    cores: f64,
    us_per_event_by_part: BTreeMap<Part, f64>,
    events_per_turn: f64,
    events_per_commit: f64,
    deliveries_per_write: f64,
    writes_per_event: f64,
}

/// Runs the workloads, compares, and fails if a prediction is off.
///
/// # Errors
/// No calibration, a run that could not be made, or a prediction that is off.
pub fn validate(options: &Options, clock: Clock) -> Result<()> {
    let path = &options.calibration;
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!("{}: {error}; make one with `axon-perf calibrate`", path.display()))
    })?;
    let calibration =
        Calibration::read(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    let mut comparisons = Vec::new();
    for (number, (plan, relay)) in workloads::workloads(options, &calibration).into_iter().enumerate() {
        let bench = Bench::prepare(plan, &relay, clock)?;
        let repeats = if options.smoke { 1 } else { REPEATS };
        let mut reports = Vec::new();
        for repeat in 1..=repeats {
            eprintln!("axon-perf: {} of 4, run {repeat}  {}", number + 1, bench.name());
            reports.push(bench.run()?);
        }
        comparisons.push(compare(&typical(reports), &calibration)?);
    }
    let validation = Validation {
        made_at: clock.unix_seconds(),
        calibrated_at: calibration.made_at,
        machine: calibration.machine,
        passed: comparisons.iter().all(|comparison| comparison.passed),
        workloads: comparisons,
    };
    finish(&validation, options)
}

fn finish(validation: &Validation, options: &Options) -> Result<()> {
    let mut json = serde_json::to_string_pretty(validation)
        .map_err(|error| Failure::Usage(format!("no JSON: {error}")))?;
    json.push('\n');
    if let Some(path) = &options.out {
        std::fs::write(path, &json).doing(&format!("writing {}", path.display()))?;
        eprintln!("axon-perf: wrote {}", path.display());
    }
    if options.json {
        print!("{json}")
    } else {
        print!("{}", table(validation))
    }
    let off: Vec<&str> =
        validation.workloads.iter().filter(|one| !one.passed).map(|one| one.workload.as_str()).collect();
    // A smoke run is over before its figures mean anything.
    if off.is_empty() || options.smoke {
        return Ok(());
    }
    let most = ERROR_MAX * 100.0;
    Err(Failure::Usage(format!("predicted more than {most:.0} % off: {}", off.join("; "))))
}

fn compare(report: &Report, calibration: &Calibration) -> Result<Comparison> {
    let sample = Sample::of(report);
    let described = workloads::describe(report, &sample.counts);
    let deployment = Deployment::new(&described, calibration).map_err(|violations| {
        let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
        Failure::Usage(format!("{} cannot be described: {}", report.name, lines.join("; ")))
    })?;
    let rate = report.per_second;
    let load = predict(&deployment, calibration, report.relay.shards, rate);
    let predicted_us = load.cores.by_part.iter().map(|(part, cores)| (*part, cores * 1e6)).collect();
    let measured = Side::of(&sample.counts, &sample.cpu_us, rate);
    let predicted = Side::of(&load.counts, &predicted_us, rate);
    let error = predicted.us_per_event / measured.us_per_event.max(f64::MIN_POSITIVE) - 1.0;
    Ok(Comparison {
        workload: report.name.clone(),
        events_per_second: rate,
        measured,
        predicted,
        replayed_per_event: load.counts.replayed / rate.max(f64::MIN_POSITIVE),
        replay_share: load.cores.replay_share,
        error,
        passed: error.abs() <= ERROR_MAX,
    })
}

impl Side {
    /// Of counts and CPU microseconds over the same stretch.
    fn of(counts: &Counts, cpu_us: &BTreeMap<Part, f64>, rate: f64) -> Side {
        let events = counts.events.max(1.0);
        let per = |many: f64, of: f64| if of > 0.0 { many / of } else { 0.0 };
        let us_per_event = cpu_us.values().sum::<f64>() / events;
        Side {
            us_per_event,
            cores: us_per_event * rate / 1e6,
            us_per_event_by_part: cpu_us.iter().map(|(part, us)| (*part, us / events)).collect(),
            events_per_turn: per(counts.events, counts.turns),
            events_per_commit: per(counts.stored, counts.commits),
            deliveries_per_write: per(counts.deliveries, counts.delivery_writes),
            writes_per_event: (counts.delivery_writes + counts.exchanges) / events,
        }
    }
}

fn table(validation: &Validation) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{:<36} {:>9} {:>9} {:>7} {:>7} {:>7}  {:<6} measured / predicted",
        "workload", "µs/event", "predicted", "cores", "pred.", "off", ""
    );
    for one in &validation.workloads {
        let (measured, predicted) = (&one.measured, &one.predicted);
        let _ = writeln!(
            out,
            "{:<36} {:>9.2} {:>9.2} {:>7.2} {:>7.2} {:>6.1}%  {:<6} turn {:.0} / {:.0}, commit {:.0} / {:.0}, deliveries a write {:.1} / {:.1}",
            one.workload,
            measured.us_per_event,
            predicted.us_per_event,
            measured.cores,
            predicted.cores,
            one.error * 100.0,
            if one.passed { "passed" } else { "OFF" },
            measured.events_per_turn,
            predicted.events_per_turn,
            measured.events_per_commit,
            predicted.events_per_commit,
            measured.deliveries_per_write,
            predicted.deliveries_per_write,
        );
        let parts = measured.us_per_event_by_part.iter().map(|(part, us)| {
            let other = predicted.us_per_event_by_part.get(part).copied().unwrap_or(0.0);
            format!("{} {us:.2} / {other:.2}", part.name())
        });
        let _ = writeln!(out, "{:<36} {}", "", parts.collect::<Vec<_>>().join(", "));
        if one.replayed_per_event > 0.0 {
            let (replayed, share) = (one.replayed_per_event, one.replay_share * 100.0);
            let _ = writeln!(
                out,
                "{:<36} {replayed:.1} replayed for each published: {share:.0} % of the CPU",
                ""
            );
        }
    }
    out
}

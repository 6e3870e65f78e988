//! `axon stat`

use super::admin::{Operator, Settings};
use super::output::Output;
use super::upkeep::{bar, show};
use super::{Failure, Outcome};
use clap::Args;
use serde_json::Value;
use std::fmt::Write as _;

pub(super) const EXAMPLES: &str = "Examples:\n  axon stat\n  axon stat --top 50 --sample all --json\n\n\
    Of a running relay, which goes on, or a stopped one. By default a million events are read, spread \
    evenly over the log, which takes a second or two; of a larger log the figures are then estimates and \
    marked with ~. Days are those of created_at, UTC.";

/// Events that are read unless told otherwise.
const SAMPLE: u64 = 1_000_000;

#[derive(Debug, Args)]
pub(super) struct StatFlags {
    /// Rows of each table
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    top: u32,
    /// Events to read at most, or `all` [default: 1000000]
    #[arg(long, value_name = "EVENTS", value_parser = sample)]
    sample: Option<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample(Option<u64>);

fn sample(text: &str) -> Result<Sample, String> {
    match text {
        "all" => Ok(Sample(None)),
        _ => text.parse().map(|n| Sample(Some(n))).map_err(|_| "a number, or all".to_owned()),
    }
}

pub(super) fn run(
    flags: &StatFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let bar = bar("blocks");
    let events_max = flags.sample.map_or(Some(SAMPLE), |Sample(events)| events);
    let report =
        operator.stat(settings, flags.top as usize, events_max, &|done, total| show(&bar, done, total));
    bar.finish_and_clear();
    let report = report?;
    output.either(|| report.clone(), || table(&report))?;
    Ok(Outcome::Done)
}

/// Four tables under one line.
fn table(report: &Value) -> String {
    let about = if report["exact"] == true { "" } else { "~" };
    let mut out = format!(
        "log {}: head {}, {about}{} events, {about}{}; {} were read\n",
        report["log_id"].as_str().unwrap_or_default(),
        report["head"],
        report["events"],
        size(&report["bytes"]),
        report["events_read"],
    );
    for (name, heading) in [("kinds", "kind"), ("authors", "author"), ("days", "day")] {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n{heading:<64} {:>14} {:>12}", "events", "bytes");
        for row in report[name].as_array().into_iter().flatten() {
            let key = row[heading].as_str().map_or_else(|| row[heading].to_string(), str::to_owned);
            let events = format!("{about}{}", row["events"]);
            let _ = writeln!(out, "{key:<64} {events:>14} {:>12}", size(&row["bytes"]));
        }
        let others = &report["others"][name];
        if others["events"].as_u64().unwrap_or(0) > 0 {
            let events = format!("{about}{}", others["events"]);
            let _ = writeln!(out, "{:<64} {events:>14} {:>12}", "others", size(&others["bytes"]));
        }
    }
    let _ = writeln!(out, "\n{:<64} {:>14} {:>12}", "column family", "rows", "on disk");
    for family in report["families"].as_array().into_iter().flatten() {
        let (name, rows) = (family["name"].as_str().unwrap_or_default(), format!("~{}", family["rows"]));
        let _ = writeln!(out, "{name:<64} {rows:>14} {:>12}", size(&family["disk_bytes"]));
    }
    out.trim_end().to_owned()
}

/// Bytes for people.
fn size(bytes: &Value) -> String {
    let bytes = bytes.as_u64().unwrap_or(0);
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}

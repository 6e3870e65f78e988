//! Which plots a set of runs gives.

use super::plot::{Bar, COLOURS, Line, Plot, shares};
use crate::options::Command;
use crate::report::{Latency, Report, short};
use std::collections::BTreeMap;

/// Every plot that the runs have data for.
pub fn all(reports: &[Report]) -> String {
    let plots = [
        latency(reports, "delivery", "Publish to delivery"),
        latency(reports, "ack", "Publish to Ok"),
        by_subscribers(reports, "Throughput", "deliveries per second", false, |report| {
            Some(report.deliveries_per_second)
        }),
        by_subscribers(reports, "CPU per delivery", "µs, the whole relay, logarithmic", true, |report| {
            report.server.as_ref()?.cpu_us_per_delivery
        }),
    ];
    plots.concat() + &threads(reports)
}

/// Percentiles of the runs at a fixed rate, or of whatever was run.
fn latency(reports: &[Report], what: &str, title: &'static str) -> String {
    let at_rate: Vec<&Report> =
        reports.iter().filter(|report| report.plan.command == Command::Latency).collect();
    let runs = if at_rate.is_empty() { reports.iter().take(1).collect() } else { at_rate };
    let line = |report: &&Report| {
        let Latency { p50, p90, p99, p999, max, .. } = *report.latency.get(what)?;
        let points = [p50, p90, p99, p999, max].into_iter().enumerate();
        Some(Line { name: kind(report), points: points.map(|(at, us)| (at as f64, us)).collect() })
    };
    let places = ["p50", "p90", "p99", "p99.9", "max"].into_iter().enumerate();
    Plot {
        title,
        x_label: "percentile",
        y_label: "µs, logarithmic",
        x_ticks: places.map(|(at, name)| (at as f64, name.to_owned())).collect(),
        is_log: true,
        lines: runs.iter().filter_map(line).collect(),
    }
    .svg()
}

/// A figure of the fan-out runs against their subscribers.
fn by_subscribers(
    reports: &[Report],
    title: &'static str,
    y_label: &'static str,
    is_log: bool,
    figure: impl Fn(&Report) -> Option<f64>,
) -> String {
    let mut lines: BTreeMap<String, BTreeMap<usize, f64>> = BTreeMap::new();
    for report in reports.iter().filter(|report| report.plan.command == Command::Fanout) {
        if let Some(value) = figure(report) {
            lines.entry(kind(report)).or_default().insert(report.plan.subscribers.max(1), value);
        }
    }
    let mut places: Vec<usize> = lines.values().flat_map(|line| line.keys().copied()).collect();
    places.sort_unstable();
    places.dedup();
    let at = |subscribers: usize| (subscribers as f64).log10();
    let line = |(name, points): (String, BTreeMap<usize, f64>)| Line {
        name,
        points: points.into_iter().map(|(subscribers, value)| (at(subscribers), value)).collect(),
    };
    Plot {
        title,
        x_label: "subscribers of every event",
        y_label,
        x_ticks: places.into_iter().map(|subscribers| (at(subscribers), subscribers.to_string())).collect(),
        is_log,
        lines: lines.into_iter().map(line).collect(),
    }
    .svg()
}

/// `ephemeral`, or how durable.
fn kind(report: &Report) -> String {
    if report.plan.is_ephemeral() { "ephemeral".to_owned() } else { report.relay.durability.clone() }
}

/// CPU of every run by thread; threads that differ in their number only are one part.
fn threads(reports: &[Report]) -> String {
    let mut weights: BTreeMap<String, f64> = BTreeMap::new();
    let parts = |report: &Report| {
        let mut parts: BTreeMap<String, f64> = BTreeMap::new();
        for (name, us) in report.server.iter().flat_map(|server| &server.threads) {
            *parts.entry(role(name)).or_default() += us;
        }
        parts
    };
    for report in reports {
        let of_run = parts(report);
        let sum: f64 = of_run.values().sum();
        of_run.into_iter().for_each(|(name, us)| *weights.entry(name).or_default() += us / sum.max(1e-9));
    }
    let mut legend: Vec<String> = weights.keys().cloned().collect();
    legend.sort_by(|a, b| weights[b].total_cmp(&weights[a]));
    let rest = legend.split_off(legend.len().min(COLOURS - 1));
    let bar = |report: &Report| {
        let server = report.server.as_ref()?;
        let of_run = parts(report);
        let mut parts: Vec<f64> =
            legend.iter().map(|name| of_run.get(name).copied().unwrap_or(0.0)).collect();
        parts.push(rest.iter().filter_map(|name| of_run.get(name)).sum());
        let total = format!("{} µs/{}", short(server.cpu_us_per_unit), report.unit);
        (parts.iter().sum::<f64>() > 0.0).then(|| Bar { name: report.name.clone(), total, parts })
    };
    let bars: Vec<Bar> = reports.iter().filter_map(bar).collect();
    let mut names = legend.clone();
    names.extend((!rest.is_empty()).then(|| "others".to_owned()));
    shares("CPU by thread", "of the relay, while measured; beside it the whole per unit", &names, &bars)
}

/// A thread's name without the program's and without its number.
fn role(thread: &str) -> String {
    let name = thread.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', ':']);
    match name.strip_prefix("axon-") {
        Some(role) => role.to_owned(),
        None if name == "axon" => "main".to_owned(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::role;

    #[test]
    fn threads_are_told_by_their_role() {
        assert_eq!((role("axon-shard-12"), role("axon-commit")), ("shard".to_owned(), "commit".to_owned()));
        assert_eq!((role("axon"), role("rocksdb:low")), ("main".to_owned(), "rocksdb:low".to_owned()));
    }
}

//! Which plots a set of runs gives.

use super::plot::{Bar, COLOURS, Line, Plot, amount, shares};
use crate::growth::{Point, Series};
use crate::options::Command;
use crate::report::{Latency, Report, short};
use crate::split::Split;
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
    plots.concat() + &stages(reports) + &threads(reports)
}

/// What grows against what an event costs; of what lies on the disk, memory and disk too.
pub fn growth(series: &[Series]) -> String {
    series.iter().map(|series| cost(series) + &space(series)).collect()
}

fn cost(series: &Series) -> String {
    let points = series.points.iter().map(|point| (series.place(point.at), point.cpu_us)).collect();
    let y_label = format!("CPU µs per event; {}", series.verdict());
    Plot {
        title: "Cost of an event",
        x_label: &series.what,
        y_label: &y_label,
        x_ticks: places(series),
        is_log: false,
        lines: vec![Line { name: "CPU".to_owned(), colour: 0, points }],
    }
    .svg()
}

fn space(series: &Series) -> String {
    let line = |name: &str, colour, mib: fn(&Point) -> f64| Line {
        name: name.to_owned(),
        colour,
        points: series.points.iter().map(|point| (series.place(point.at), mib(point))).collect(),
    };
    Plot {
        title: "Memory and disk",
        x_label: &series.what,
        y_label: "MiB, logarithmic",
        x_ticks: places(series),
        is_log: true,
        lines: vec![line("memory", 1, |point| point.memory_mib), line("disk", 2, |point| point.disk_mib)],
    }
    .svg()
}

/// A few places on the x axis, the first and the last point among them.
fn places(series: &Series) -> Vec<(f64, String)> {
    const PLACES_MAX: usize = 6;
    let step = series.points.len().div_ceil(PLACES_MAX).max(1);
    let mut ats: Vec<u64> = series.points.iter().rev().step_by(step).map(|point| point.at).collect();
    ats.extend(series.points.first().map(|point| point.at));
    ats.sort_unstable();
    ats.dedup();
    ats.into_iter().map(|at| (series.place(at), amount(at as f64))).collect()
}

/// CPU of every run by stage, and what no stage explains.
fn stages(reports: &[Report]) -> String {
    let bar = |report: &Report| {
        let split = report.server.as_ref()?.split.as_ref()?;
        // Samples that came out high leave less than nothing to explain.
        let parts: Vec<f64> = Split::order().map(|name| split.part(name).unwrap_or(0.0).max(0.0)).collect();
        let total = format!("{} µs/{}", short(split.process), report.unit);
        (parts.iter().sum::<f64>() > 0.0).then(|| Bar { name: report.name.clone(), total, parts })
    };
    let bars: Vec<Bar> = reports.iter().filter_map(bar).collect();
    let legend: Vec<String> = Split::order().map(str::to_owned).collect();
    let about = "µs per unit, of all CPU until the relay was quiet; each stage is measured on its own";
    shares("CPU by stage", about, &legend, &bars, |part, _| short(part))
}

/// Percentiles of the runs at a fixed rate, or of whatever was run.
fn latency(reports: &[Report], what: &str, title: &'static str) -> String {
    let at_rate: Vec<&Report> =
        reports.iter().filter(|report| report.plan.command == Command::Latency).collect();
    let runs = if at_rate.is_empty() { reports.iter().take(1).collect() } else { at_rate };
    let line = |report: &&Report| {
        let Latency { p50, p90, p99, p999, max, .. } = *report.latency.get(what)?;
        let points = [p50, p90, p99, p999, max].into_iter().enumerate();
        let (name, colour) = kind(report);
        Some(Line { name, colour, points: points.map(|(at, us)| (at as f64, us)).collect() })
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
    let mut lines: BTreeMap<(String, usize), BTreeMap<usize, f64>> = BTreeMap::new();
    for report in reports.iter().filter(|report| report.plan.command == Command::Fanout) {
        if let Some(value) = figure(report) {
            lines.entry(kind(report)).or_default().insert(report.plan.subscribers.max(1), value);
        }
    }
    let mut places: Vec<usize> = lines.values().flat_map(|line| line.keys().copied()).collect();
    places.sort_unstable();
    places.dedup();
    let at = |subscribers: usize| (subscribers as f64).log10();
    let line = |((name, colour), points): ((String, usize), BTreeMap<usize, f64>)| Line {
        name,
        colour,
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

/// `ephemeral`, or how durable; and the colour it has in every plot.
fn kind(report: &Report) -> (String, usize) {
    match (report.plan.is_ephemeral(), report.relay.durability.as_str()) {
        (true, _) => ("ephemeral".to_owned(), 0),
        (false, "os") => ("os".to_owned(), 1),
        (false, durability) => (durability.to_owned(), 2),
    }
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
    shares(
        "CPU by thread",
        "of the relay, while measured; beside it the whole per unit",
        &names,
        &bars,
        |part, whole| format!("{:.0} %", part / whole * 100.0),
    )
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

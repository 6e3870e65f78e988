//! The page of a soak: what may not grow, and what the load saw.

use super::plot::{Line, Plot, amount};
use super::{STYLE, esc, section};
use crate::soak::{Second, Verdict};

/// Points of a line: more would only make the page larger.
const POINTS_MAX: usize = 600;
const TICKS: usize = 5;

/// The whole page.
pub fn soak(rows: &[Second], verdict: &Verdict, minutes: f64) -> String {
    let title = format!("Axon, {minutes} minutes of load");
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let plots = [
        plot(rows, "Memory", "MiB, heap and stacks", &[("memory", |row| row.rss_bytes as f64 / 1_048_576.0)]),
        plot(
            rows,
            "Descriptors and threads",
            "open",
            &[
                ("others", |row| row.descriptors as f64),
                ("tables", |row| row.tables as f64),
                ("threads", |row| row.threads as f64),
            ],
        ),
        plot(
            rows,
            "Latency",
            "µs, 99th percentile of each second",
            &[("ack", |row| row.ack_us_p99), ("delivery", |row| row.delivery_us_p99)],
        ),
        plot(
            rows,
            "Events",
            "per second",
            &[("published", |row| row.published as f64), ("delivered", |row| row.delivered as f64)],
        ),
        plot(rows, "Disk", "MiB", &[("disk", |row| row.disk_bytes as f64 / 1_048_576.0)]),
    ]
    .concat();
    let last = rows.last().map_or(0.0, |row| mib(row.disk_bytes));
    let about = format!("{verdict}\n{last:.0} MiB on disk at the end.").replace('\n', " · ");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style></head>\n\
         <body><main>\n<header><h1>{title}</h1></header>\n{}</main></body></html>\n",
        section("What may not grow", &about, &format!("<div class=\"plots\">{plots}</div>")),
        title = esc(&title),
    )
}

type Value = fn(&Second) -> f64;

fn plot(rows: &[Second], title: &str, y_label: &str, lines: &[(&str, Value)]) -> String {
    let step = rows.len().div_ceil(POINTS_MAX).max(1);
    let line = |(colour, (name, value)): (usize, &(&str, Value))| Line {
        name: (*name).to_owned(),
        colour,
        // The highest of each stretch: a short peak must not fall between two points.
        points: rows
            .chunks(step)
            .map(|chunk| (chunk[0].at, chunk.iter().map(value).fold(0.0, f64::max)))
            .collect(),
    };
    let end = rows.last().map_or(0.0, |row| row.at);
    let ticks = (0..=TICKS).map(|i| end * i as f64 / TICKS as f64);
    Plot {
        title,
        x_label: "seconds",
        y_label,
        x_ticks: ticks.map(|at| (at, amount(at.round()))).collect(),
        is_log: false,
        lines: lines.iter().enumerate().map(line).collect(),
    }
    .svg()
}

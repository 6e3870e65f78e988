//! The figures for people.

use super::figures::{Figures, ShardFigures};
use std::fmt::Write as _;

/// Three tables: shards, log, CPU by stage.
pub(super) fn render(figures: &Figures, url: &str) -> String {
    let mut out = format!("axon top: {url}, {:.1} s\n\n", figures.seconds);
    let heads =
        ["shard", "connections", "subscriptions", "events/s", "deliveries/s", "queue bytes", "fallbacks"];
    line(&mut out, heads.map(str::to_owned));
    for shard in &figures.shards {
        line(&mut out, shard_cells(shard));
    }
    let log = &figures.log;
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "\nlog: head {}, indexed {}, {:.0} commits/s of {} events, p50 ≤ {}, p99 ≤ {}\n\n",
        log.head,
        log.indexed,
        log.commits_rate,
        number(log.batch_events, 1),
        millis(log.commit_p50),
        millis(log.commit_p99),
    );
    let head = format!("CPU: {:.0} % of a core", 100.0 * figures.cpu_seconds / figures.seconds);
    let _ = writeln!(out, "{head:<24}{:>12}{:>10}", "µs/event", "share");
    let stages = figures.stages.iter().map(|stage| (stage.stage.as_str(), stage.seconds));
    let rest = [("unexplained", figures.unexplained_seconds()), ("process", figures.cpu_seconds)];
    for (name, seconds) in stages.chain(rest) {
        let micros = number(figures.micros_per_event(seconds), 3);
        let share = number(figures.share(seconds).map(|share| 100.0 * share), 1);
        let _ = writeln!(out, "  {name:<22}{micros:>12}{share:>8} %");
    }
    out
}

fn shard_cells(shard: &ShardFigures) -> [String; 7] {
    [
        shard.shard.clone(),
        format!("{:.0}", shard.connections),
        format!("{:.0}", shard.subscriptions),
        format!("{:.0}", shard.events_rate),
        format!("{:.0}", shard.deliveries_rate),
        format!("{:.0}", shard.queue_bytes),
        format!("{:.0}", shard.fallbacks),
    ]
}

fn line(out: &mut String, cells: [String; 7]) {
    for cell in cells {
        let _ = write!(out, "{cell:>14}");
    }
    out.push('\n');
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn millis(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{} ms", seconds * 1e3))
}

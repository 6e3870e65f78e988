//! A plan as text.

use crate::plan::{CurvePoint, Memory, Plan};
use std::fmt::Write as _;

pub(super) fn text(plan: &Plan) -> String {
    let mut out = String::new();
    need(plan, &mut out);
    uses(plan, &mut out);
    curve(&plan.curve, &mut out);
    let settings: Vec<String> =
        plan.settings.iter().map(|set| format!("{} = {}: {}", set.key, set.value, set.why)).collect();
    if !settings.is_empty() {
        section(&mut out, "to set", &settings);
    }
    section(&mut out, "assumptions", &plan.assumptions);
    if !plan.problems.is_empty() {
        section(&mut out, "does not fit", &plan.problems);
    }
    out
}

fn need(plan: &Plan, out: &mut String) {
    let mut row = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:<12} {value}");
    };
    let (cores, batches) = (&plan.cores, &plan.batches);
    row("rate", format!("{} events/s, {} deliveries/s", short(plan.rate), short(plan.counts.deliveries)));
    row("shards", plan.shards.to_string());
    let parts: Vec<String> =
        cores.by_part.iter().map(|(part, used)| format!("{} {}", part.name(), short(*used))).collect();
    row("cores", format!("{} ({})", short(cores.total), parts.join(", ")));
    let per_delivery =
        cores.us_per_delivery.map_or(String::new(), |us| format!(", {} µs per delivery", short(us)));
    let replays = if cores.replay_share > 0.0 {
        format!("; replays take {:.0} %", cores.replay_share * 100.0)
    } else {
        String::new()
    };
    row("CPU", format!("{} µs per event{per_delivery}{replays}", short(cores.us_per_event)));
    row(
        "batches",
        format!(
            "{} events a turn of {} µs, {} a commit of {} µs",
            short(batches.turn_events),
            short(batches.turn_us),
            short(batches.commit_events),
            short(batches.commit_us)
        ),
    );
    row(
        "latency",
        plan.latency.map_or_else(
            || "grows without end: more comes than can be done".to_owned(),
            |latency| {
                format!("{} µs, {} µs in bad moments", short(latency.typical_us), short(latency.bad_us))
            },
        ),
    );
    row("memory", memory(&plan.memory));
    row(
        "",
        format!("up to {} more in queues, if readers or disk are slow", bytes(plan.memory.queues_at_most)),
    );
    let disk = &plan.disk;
    row(
        "disk",
        format!(
            "{} a day, {} in {} days; {} an event; {}/s written",
            bytes(disk.bytes_per_day),
            bytes(disk.bytes_kept),
            short(plan.deployment.retention_days),
            bytes(disk.bytes_per_event),
            bytes(disk.written_bytes_per_second)
        ),
    );
    row(
        "network",
        format!(
            "{} Mbit/s in, {} Mbit/s out",
            short(plan.network.in_bytes_per_second * 8e-6),
            short(plan.network.out_bytes_per_second * 8e-6)
        ),
    );
}

fn memory(memory: &Memory) -> String {
    let parts = [
        ("relay", memory.relay),
        ("block cache", memory.block_cache),
        ("memtables", memory.memtables),
        ("ring", memory.ring),
        ("connections", memory.connections),
        ("subscriptions", memory.subscriptions),
        ("caches", memory.caches),
        ("kernel's sockets", memory.sockets),
    ];
    let parts: Vec<String> = parts.iter().map(|(name, value)| format!("{name} {}", bytes(*value))).collect();
    format!("{} ({})", bytes(memory.total), parts.join(", "))
}

fn uses(plan: &Plan, out: &mut String) {
    let shown = plan.uses.iter().filter(|part| part.share >= 0.001);
    let parts: Vec<String> =
        shown.map(|part| format!("{} {:.1} %", part.limit.name(), part.share * 100.0)).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{:<12} {}",
        "used",
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
    );
    if let Some(first) = plan.uses.first() {
        let _ = writeln!(
            out,
            "{:<12} {}; it is full at {} events/s{}",
            "bottleneck",
            first.limit.name(),
            short(plan.capacity),
            headroom(plan)
        );
    }
}

fn headroom(plan: &Plan) -> String {
    if plan.rate > 0.0 && plan.deployment.rate().is_some() {
        format!(", headroom × {:.1}", plan.capacity / plan.rate)
    } else {
        String::new()
    }
}

fn curve(points: &[CurvePoint], out: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\nthis mix on more shards, each with a core of its own:");
    let _ = writeln!(
        out,
        "{:>8} {:>12} {:>14} {:>8} {:>8}  limited by",
        "shards", "events/s", "deliveries/s", "a write", "cores"
    );
    for point in points {
        let _ = writeln!(
            out,
            "{:>8} {:>12} {:>14} {:>8} {:>8}  {}",
            point.shards,
            short(point.events_per_second),
            short(point.deliveries_per_second),
            short(point.deliveries_per_write),
            short(point.cores),
            point.limit.name()
        );
    }
}

fn section(out: &mut String, title: &str, lines: &[String]) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\n{title}:");
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

fn bytes(value: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = value;
    for unit in &units[..units.len() - 1] {
        if value < 1_000.0 {
            return format!("{} {unit}", short(value));
        }
        value /= 1_024.0;
    }
    format!("{} {}", short(value), units[units.len() - 1])
}

/// Three significant digits, and millions as such.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{:.2} million", value / 1e6),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

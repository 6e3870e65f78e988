//! A report for people.

use super::{Jobs, Report, ServerFigures};
use std::fmt::Write as _;

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "  {name:<26} {value}");
        };
        row(
            "machine",
            format!("{}, {} cores, kernel {}", self.machine.cpu, self.machine.cores, self.machine.kernel),
        );
        let relay = &self.relay;
        row(
            "relay",
            format!(
                "{} shard(s), durability {}, cores {:?}; generator on {:?}",
                relay.shards, relay.durability, relay.server_cores, relay.client_cores
            ),
        );
        if let Some(sync) = self.disk_sync {
            row("disk sync", format!("p50 {:.0} µs, p99 {:.0} µs", sync.p50_us, sync.p99_us));
        }
        let of = if self.runs > 1 { format!(", medians of {} runs", self.runs) } else { String::new() };
        row("measured", format!("{} {}s in {:.2} s{of}", self.count, self.unit, self.seconds));
        row("rate", format!("{} {}s/s", short(self.per_second), self.unit));
        if self.deliveries > 0 {
            row("deliveries", format!("{}/s", short(self.deliveries_per_second)));
        }
        for (what, l) in &self.latency {
            row(
                &format!("{what} µs"),
                format!(
                    "p50 {:.0}  p90 {:.0}  p99 {:.0}  p99.9 {:.0}  max {:.0}  (n {})",
                    l.p50, l.p90, l.p99, l.p999, l.max, l.count
                ),
            );
        }
        if let Some(server) = &self.server {
            server.rows(&self.unit, &mut row);
        }
        if let Some(Jobs { done, lost, doubled }) = self.jobs {
            row("jobs", format!("{done} done, {lost} lost, {doubled} doubled"));
        }
        for (name, value) in &self.further {
            row(name, short(*value));
        }
        row(
            "generator",
            format!(
                "{:.0} % of its core{}, {} MB out, {} MB in",
                self.client.busy * 100.0,
                if self.plan.spin { " (spins)" } else { "" },
                self.client.bytes_out / 1_000_000,
                self.client.bytes_in / 1_000_000
            ),
        );
        for warning in &self.warnings {
            row("! warning", warning.clone());
        }
        format!("{}\n{out}", self.name)
    }
}

impl ServerFigures {
    fn rows(&self, unit: &str, row: &mut impl FnMut(&str, String)) {
        row(
            &format!("server CPU µs/{unit}"),
            format!(
                "{:.3} (settled {:.3}); {:.0} % of a core, {:.0} % of it user",
                self.cpu_us_per_unit,
                self.cpu_us_per_unit_settled,
                self.cpu_share * 100.0,
                self.user_share * 100.0
            ),
        );
        if let Some(us) = self.cpu_us_per_delivery {
            row("server CPU µs/delivery", format!("{us:.3}"));
        }
        let threads: Vec<_> = self.threads.iter().map(|(name, us)| format!("{name} {us:.3}")).collect();
        row("  by thread", threads.join(", "));
        if let Some(split) = &self.split {
            row("  by stage, settled", split.line());
        }
        row(
            "server memory",
            format!(
                "{} KiB anonymous, {} KiB mapped, peak {} KiB",
                self.memory.rss_anon >> 10,
                self.memory.rss_file >> 10,
                self.memory.peak >> 10
            ),
        );
        row(
            "context switches",
            format!("{} voluntary, {} forced", self.switches_voluntary, self.switches_forced),
        );
        row("disk written", format!("{} KiB", self.disk_written_bytes >> 10));
    }
}

/// Three or more significant digits.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

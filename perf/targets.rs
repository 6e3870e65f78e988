//! What the relay is meant to reach on one core, and what others reach in the same setting,
//! measured with this generator. The one place where these numbers stand.

use crate::report::{Report, short};
use std::fmt::Write as _;

/// One row of the table: a figure of one run and its bound.
struct Target {
    /// The run's name.
    run: &'static str,
    figure: Figure,
    bound: Bound,
    /// For people.
    title: &'static str,
    others: &'static str,
    /// Unit and caption, where the figure stands at the head of the report.
    headline: Option<(&'static str, &'static str)>,
}

impl Target {
    const fn headline(self, unit: &'static str, caption: &'static str) -> Target {
        Target { headline: Some((unit, caption)), ..self }
    }
}

/// What of a run is compared.
#[derive(Clone, Copy)]
enum Figure {
    /// A key figure by its name.
    Of(&'static str),
    /// What one more subscriber costs: CPU µs per event of this run less that of `from`, by the
    /// subscribers between them.
    Slope { from: &'static str },
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// At most so many disk syncs, as measured beside the run, and so many microseconds.
    Syncs(f64, f64),
}

use Bound::{AtLeast, AtMost, Syncs};
use Figure::{Of, Slope};

/// CPU of stored events counts until the relay is quiet: index rows and compaction belong to it.
const SETTLED: Figure = Of("CPU µs/event, settled");
/// The stage of its own.
const MATCHING: Figure = Of("match µs/event");
const PER_DELIVERY: Figure = Of("CPU µs/delivery");
/// Of the CPU, in percent.
const UNEXPLAINED: Figure = Of("unexplained %");
const INGEST_FSYNC: &str = "ingest fsync P8 W128, 1 shard";
const INGEST_OS: &str = "ingest os P8 W128, 1 shard";
const FANOUT_10: &str = "fanout ephemeral S10 W1024, 1 shard";
const FANOUT_100: &str = "fanout ephemeral S100 W1024, 1 shard";
const FANOUT_1000: &str = "fanout ephemeral S1000 W1024, 1 shard";
const LATENCY_FSYNC: &str = "latency fsync S10 1000/s, 1 shard";
const LATENCY_EPHEMERAL: &str = "latency ephemeral S10 1000/s, 1 shard";
const LATENCY_OTHERS: &str = "strfry 55 ms · NATS 140 · Redis 106";

const fn target(
    run: &'static str,
    title: &'static str,
    figure: Figure,
    bound: Bound,
    others: &'static str,
) -> Target {
    Target { run, figure, bound, title, others, headline: None }
}

const TARGETS: &[Target] = &[
    target(
        INGEST_FSYNC,
        "ingest, 8 × 128 in flight, fsync",
        SETTLED,
        AtMost(16.0),
        "strfry 135 · JetStream 123 (unsigned) · Redis 2.3 (unsigned, no index)",
    )
    .headline("µs CPU", "per event: verified, indexed, synced to disk"),
    target(
        INGEST_FSYNC,
        "ingest, 8 × 128 in flight, fsync",
        Of("events/s"),
        AtLeast(50_000.0),
        "strfry 7400 · JetStream 3800 (unsigned)",
    )
    .headline("events/s", "verified, indexed, synced to disk, on one core"),
    target(INGEST_FSYNC, "CPU that no stage explains, ingest", UNEXPLAINED, AtMost(10.0), ""),
    target(
        INGEST_OS,
        "ingest, 8 × 128 in flight, os",
        SETTLED,
        AtMost(14.0),
        "JetStream 4.6 (unsigned) · Redis 2.4 (unsigned, no index)",
    ),
    target(
        "ingest os P1 W1, 1 shard",
        "ingest, 1 × 1 in flight, os",
        Of("ack p50 µs"),
        AtMost(150.0),
        "strfry 1120 · NATS 88 · Redis 80",
    ),
    target(
        FANOUT_1000,
        "fan-out, one more subscriber (S 10 → 1000)",
        Slope { from: FANOUT_10 },
        AtMost(0.12),
        "strfry 5.5 · NATS 0.73 · Redis 0.33 at S = 1000",
    ),
    target(
        FANOUT_10,
        "fan-out, ephemeral, S = 10",
        PER_DELIVERY,
        AtMost(1.1),
        "strfry 19.7 · NATS 0.24 · Redis 0.24",
    ),
    target(
        FANOUT_100,
        "fan-out, ephemeral, S = 100",
        PER_DELIVERY,
        AtMost(0.22),
        "strfry 6.5 · NATS 0.43 · Redis 0.19",
    ),
    target(
        FANOUT_1000,
        "fan-out, ephemeral, S = 1000",
        PER_DELIVERY,
        AtMost(0.14),
        "strfry 5.5 · NATS 0.73 · Redis 0.33",
    ),
    // One turn in sixteen is sampled; with 1 000 subscribers a run has too few of them to tell.
    target(FANOUT_100, "CPU that no stage explains, fan-out", UNEXPLAINED, AtMost(10.0), ""),
    target(
        "fanout os S1000 W1024, 1 shard",
        "fan-out, stored, S = 1000",
        Of("deliveries/s"),
        AtLeast(5e6),
        "strfry 171 k · NATS 1.37 M · Redis 3.0 M",
    )
    .headline("deliveries/s", "to 1000 subscribers, stored kinds, on one core"),
    target(
        "selective os N10000 W1024, 1 shard",
        "selective, 10 000 subscriptions, one matches",
        SETTLED,
        AtMost(18.0),
        "strfry 138 · NATS 2.6 · Redis 5.8",
    ),
    target(
        "selective os N10000 W1024, 1 shard",
        "selective, 10 000 subscriptions, one matches",
        MATCHING,
        AtMost(1.0),
        "",
    ),
    target(
        "selective os N100000 W1024, 1 shard",
        "selective, 100 000 subscriptions, one matches",
        SETTLED,
        AtMost(18.0),
        "",
    ),
    target(
        "selective os N100000 W1024, 1 shard",
        "selective, 100 000 subscriptions, one matches",
        MATCHING,
        AtMost(1.0),
        "",
    ),
    target(
        LATENCY_EPHEMERAL,
        "latency, 1000/s, S = 10, ephemeral",
        Of("delivery p50 µs"),
        AtMost(120.0),
        LATENCY_OTHERS,
    )
    .headline("µs p50", "publish to delivery, ephemeral, 1000 events/s"),
    target(
        LATENCY_EPHEMERAL,
        "latency, 1000/s, S = 10, ephemeral",
        Of("delivery p99 µs"),
        AtMost(600.0),
        "NATS 3.4 ms · Redis 1.8 ms",
    ),
    target(
        "latency os S10 1000/s, 1 shard",
        "latency, 1000/s, S = 10, os",
        Of("delivery p50 µs"),
        AtMost(200.0),
        LATENCY_OTHERS,
    ),
    target(
        LATENCY_FSYNC,
        "latency, 1000/s, S = 10, fsync",
        Of("delivery p50 µs"),
        Syncs(1.5, 300.0),
        LATENCY_OTHERS,
    ),
    target(
        LATENCY_FSYNC,
        "latency, 1000/s, S = 10, fsync",
        Of("delivery p99 µs"),
        Syncs(2.5, 600.0),
        "NATS 3.4 ms · Redis 1.8 ms",
    ),
    target(
        "idle os C5000, 1 shard",
        "idle authenticated connection",
        Of("bytes/connection"),
        AtMost(2048.0),
        "strfry 82 KiB · NATS 51 KiB · Redis 9.6 KiB",
    )
    .headline("bytes", "of memory per idle connection"),
    target("replay os n1000000, 1 shard", "replay to one reader", Of("events/s"), AtLeast(1e6), ""),
];

/// A target beside what was measured.
pub struct Verdict {
    pub title: &'static str,
    /// With its unit.
    pub figure: String,
    /// `≤ 16`
    pub bound: String,
    /// How the bound comes about, where it depends on the disk.
    pub formula: Option<String>,
    pub value: f64,
    /// Smallest and largest, where several runs were made.
    pub range: Option<[f64; 2]>,
    pub is_met: bool,
    pub others: &'static str,
    /// Unit and caption, where it stands at the head of the report.
    pub headline: Option<(&'static str, &'static str)>,
}

/// Every target whose runs are there.
pub fn verdicts(reports: &[Report]) -> Vec<Verdict> {
    TARGETS.iter().filter_map(|target| target.verdict(reports)).collect()
}

impl Target {
    fn verdict(&self, reports: &[Report]) -> Option<Verdict> {
        let report = named(reports, self.run)?;
        let (figure, value) = match self.figure {
            Of(name) => (name.to_owned(), key_figure(report, name)?),
            Slope { from } => {
                let first = named(reports, from)?;
                let cpu = |report: &Report| report.server.as_ref().map(|server| server.cpu_us_per_unit);
                let between = report.plan.subscribers.checked_sub(first.plan.subscribers)?;
                ("CPU µs/delivery, slope".to_owned(), (cpu(report)? - cpu(first)?) / between.max(1) as f64)
            }
        };
        let (bound, is_met) = match self.bound {
            AtMost(most) if most < 10.0 => (format!("≤ {most}"), value <= most),
            AtMost(most) => (format!("≤ {}", grouped(most)), value <= most),
            AtLeast(least) => (format!("≥ {}", grouped(least)), value >= least),
            Syncs(syncs, us) => {
                let most = syncs * report.disk_sync?.p50_us + us;
                (format!("≤ {}", grouped(most.round())), value <= most)
            }
        };
        let formula = match self.bound {
            Syncs(syncs, us) => Some(format!("{syncs} disk syncs + {us}")),
            AtMost(_) | AtLeast(_) => None,
        };
        let range = report.ranges.get(&figure).copied();
        let Target { title, others, headline, .. } = *self;
        Some(Verdict { title, figure, bound, formula, value, range, is_met, others, headline })
    }
}

fn named<'a>(reports: &'a [Report], name: &str) -> Option<&'a Report> {
    reports.iter().find(|report| report.name == name)
}

fn key_figure(report: &Report, name: &str) -> Option<f64> {
    report.key_figures().into_iter().find_map(|(other, value)| (other == name).then_some(value))
}

/// For people: the targets, one line each.
pub fn table(verdicts: &[Verdict]) -> String {
    let mut out = format!(
        "{:<46} {:<24} {:<32} {:>10}  {:<5}  others\n",
        "target (one core)", "figure", "bound", "measured", "met"
    );
    for verdict in verdicts {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{:<46} {:<24} {:<32} {:>10}  {:<5}  {}",
            verdict.title,
            verdict.figure,
            verdict.formula.iter().fold(verdict.bound.clone(), |bound, of| format!("{bound} ({of})")),
            grouped(verdict.value),
            if verdict.is_met { "yes" } else { "NO" },
            verdict.others
        );
    }
    out
}

/// As [`short`], with its thousands apart.
pub fn grouped(value: f64) -> String {
    let text = if value.fract() == 0.0 { format!("{value}") } else { short(value) };
    let (whole, rest) = text.find('.').map_or((text.as_str(), ""), |at| text.split_at(at));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        // Four digits stand well enough together.
        if at > 0 && whole.len() > 4 && (whole.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, RelayArgs};
    use crate::suite;
    use clap::Parser;

    fn args() -> RelayArgs {
        Options::parse_from(["axon-perf", "all"]).relay
    }

    #[test]
    fn every_target_names_runs_of_the_set() {
        let load = Options::parse_from(["axon-perf", "all"]).load;
        let entries = suite::entries(&load, &args(), false);
        let names: Vec<String> = entries
            .iter()
            .map(|entry| entry.plan.name(&entry.relay.durability, entry.relay.shards))
            .collect();
        for target in TARGETS {
            assert!(names.iter().any(|name| name == target.run), "{} is not in {names:#?}", target.run);
            if let Slope { from } = target.figure {
                assert!(names.iter().any(|name| name == from), "{from}");
            }
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(5e6), "5\u{202f}000\u{202f}000");
        assert_eq!((grouped(50_000.0), grouped(2048.0)), ("50\u{202f}000".to_owned(), "2048".to_owned()));
        assert_eq!((grouped(0.12), grouped(16.0)), ("0.120".to_owned(), "16".to_owned()));
    }
}

//! One workload with several values of one knob: in turn and repeated, so that what changes with
//! the hour changes all of them; of every figure the median, and its ratio to the first value's.

use crate::bench::Bench;
use crate::failure::{Failure, Result};
use crate::options::{Options, RelayArgs};
use crate::plan::Plan;
use crate::repeat;
use crate::report::{Report, short};
use axon::base::Clock;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Written in place of a value: the knob is left alone.
const UNTOUCHED: &str = "-";

/// What `sweep` turns.
#[derive(Debug, Clone, Args)]
pub struct Knob {
    /// A key of the relay's configuration, `section.key`; its values are TOML, `-` is its default.
    #[arg(long, requires = "values")]
    pub key: Option<String>,
    /// An environment variable of the relay; the value `-` leaves it as it is here.
    #[arg(long, requires = "values", conflicts_with = "key")]
    pub env: Option<String>,
    /// Relays to compare: paths of `axon` binaries.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["key", "env", "relay"])]
    pub binary: Vec<PathBuf>,
    /// The values, the one that the others are compared with first.
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    pub values: Vec<String>,
    /// Runs with each value; odd, so that the median is one that was measured.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
}

/// Runs the workload of `options` with every value of its knob.
///
/// # Errors
/// There is no workload or nothing to turn, or a run could not be made.
pub fn run(options: &Options, clock: Clock) -> Result<Vec<Report>> {
    let workload = options.workload.filter(|workload| workload.is_workload());
    let workload = workload.ok_or_else(|| usage("sweep needs a workload: axon-perf sweep ingest --key …"))?;
    if options.relay.url.is_some() {
        return Err(usage("a sweep starts its own relays: no --url"));
    }
    let variants = options.knob.variants(&options.relay)?;
    let plan = Plan::new(workload, &options.load, options.smoke);
    let first = Bench::prepare(plan, &options.relay, clock)?;
    let benches: Vec<Bench> =
        variants.into_iter().map(|(label, relay)| first.variant(&relay, &label)).collect();
    repeat::interleaved(&benches, options.knob.rounds.max(1), None, &clock)
}

fn usage(text: &str) -> Failure {
    Failure::Usage(text.to_owned())
}

impl Knob {
    /// What each variant is called, and how its relay is started.
    fn variants(&self, relay: &RelayArgs) -> Result<Vec<(String, RelayArgs)>> {
        let knob = self.key.as_ref().or(self.env.as_ref());
        let with = |value: &String| {
            let (name, mut relay) = (knob.map_or("", String::as_str), relay.clone());
            if value != UNTOUCHED && self.key.is_some() {
                relay.set.push((name.to_owned(), value.clone()));
            } else if value != UNTOUCHED {
                relay.env.push((name.to_owned(), value.clone()));
            }
            (format!("{name}={value}"), relay)
        };
        let of = |binary: &PathBuf| {
            (format!("{}", binary.display()), RelayArgs { relay: Some(binary.clone()), ..relay.clone() })
        };
        let variants: Vec<_> = match knob {
            Some(_) => self.values.iter().map(with).collect(),
            None => self.binary.iter().map(of).collect(),
        };
        if variants.len() < 2 {
            return Err(usage("a sweep compares two or more: --key or --env with --values, or --binary"));
        }
        Ok(variants)
    }
}

/// For people: every key figure, one column for each value.
pub fn table(reports: &[Report]) -> String {
    let Some(first) = reports.first() else { return String::new() };
    let mut out = String::new();
    for report in reports {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", report.name);
        for warning in &report.warnings {
            let _ = writeln!(out, "  ! {warning}");
        }
    }
    for (name, base) in first.key_figures() {
        let _ = write!(out, "  {name:<26}");
        for report in reports {
            let figures = report.key_figures();
            let value = figures.iter().find_map(|(other, value)| (*other == name).then_some(*value));
            let cell = match value {
                Some(value) if base != 0.0 => format!("{} (× {:.2})", short(value), value / base),
                Some(value) => short(value),
                None => "-".to_owned(),
            };
            let _ = write!(out, " {cell:>20}");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn variants(args: &[&str]) -> Result<Vec<(String, RelayArgs)>> {
        let options = Options::parse_from(["axon-perf", "sweep", "ingest"].iter().chain(args));
        options.knob.variants(&options.relay)
    }

    #[test]
    fn each_value_has_its_relay() {
        let keys = variants(&["--key", "store.cache_bytes", "--values", "-,4096", "--set", "log.level=1"]);
        let [(_, plain), (label, set)] = &keys.unwrap()[..] else { panic!("two values") };
        assert_eq!((plain.set.len(), set.set.len(), label.as_str()), (1, 2, "store.cache_bytes=4096"));
        assert_eq!(set.set[1], ("store.cache_bytes".to_owned(), "4096".to_owned()));
        let env = variants(&["--env", "MIMALLOC_X", "--values", "0,1"]).unwrap();
        assert_eq!(env[1].1.env, [("MIMALLOC_X".to_owned(), "1".to_owned())]);
        let binaries = variants(&["--binary", "old,new"]).unwrap();
        assert_eq!(binaries[0].1.relay, Some(PathBuf::from("old")));
        for too_few in [&[][..], &["--binary", "old"], &["--key", "a.b", "--values", "1"]] {
            assert!(variants(too_few).is_err(), "{too_few:?}");
        }
    }
}

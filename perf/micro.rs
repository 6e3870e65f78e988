//! The results of `cargo bench`, gathered from Criterion's files into one that is kept.
//!
//! Criterion leaves, per benchmark, `NAME/new/benchmark.json` (what it is called) and
//! `NAME/new/estimates.json` (nanoseconds of one iteration).

use crate::failure::{Doing, Failure, Result};
use crate::machine::Machine;
use crate::options::Options;
use crate::report::short;
use axon::base::Clock;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories between Criterion's own and a benchmark's files: group, function, value, `new`.
const DEPTH_MAX: usize = 6;

/// All benchmarks of one machine.
#[derive(Debug, Serialize, Deserialize)]
struct Micro {
    /// Unix seconds.
    gathered_at: i64,
    machine: Machine,
    benches: Vec<Measured>,
}

/// One benchmark.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    name: String,
    /// Of one iteration, nanoseconds.
    median: f64,
    /// Between these it lies with 95 % confidence.
    low: f64,
    high: f64,
    /// Elements or bytes of one iteration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_iteration: Option<u64>,
}

#[derive(Deserialize)]
struct Named {
    full_id: String,
    throughput: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Gathers what lies beside this program's target directory into `micro.json`.
///
/// # Errors
/// There are no results, or they cannot be read or written.
pub fn gather(options: &Options, clock: Clock) -> Result<()> {
    let dir = criterion_dir()?;
    let mut benches = Vec::new();
    collect(&dir, DEPTH_MAX, &mut benches)?;
    if benches.is_empty() {
        return Err(Failure::Usage(format!(
            "no results of Criterion in {}: run `cargo bench` first",
            dir.display()
        )));
    }
    benches.sort_by(|a, b| a.name.cmp(&b.name));
    let micro = Micro { gathered_at: clock.unix_seconds(), machine: Machine::facts(), benches };
    let json =
        serde_json::to_string_pretty(&micro).map_err(|error| Failure::Usage(format!("no JSON: {error}")))?;
    fs::create_dir_all(&options.results).doing("the directory of results")?;
    let path = options.results.join("micro.json");
    fs::write(&path, format!("{json}\n")).doing("keeping the results")?;
    if options.json {
        println!("{json}");
    } else {
        print!("{}", micro.table());
    }
    eprintln!("axon-perf: kept {}", path.display());
    Ok(())
}

/// `criterion/` beside the profile's directory that this program was built into.
fn criterion_dir() -> Result<PathBuf> {
    let program = std::env::current_exe().doing("finding this program")?;
    let target = program.ancestors().nth(2).unwrap_or(Path::new("target"));
    Ok(target.join("criterion"))
}

fn collect(dir: &Path, depth: usize, out: &mut Vec<Measured>) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        let path = entry.path();
        if entry.file_name() == "new" {
            out.push(read(&path)?);
        } else if depth > 0 {
            collect(&path, depth - 1, out)?;
        }
    }
    Ok(())
}

fn read(dir: &Path) -> Result<Measured> {
    let named: Named = parse(&dir.join("benchmark.json"))?;
    let Estimates { median } = parse(&dir.join("estimates.json"))?;
    let amount = named.throughput.iter().flat_map(|of| of.values()).find_map(serde_json::Value::as_u64);
    Ok(Measured {
        name: named.full_id,
        median: median.point_estimate,
        low: median.confidence_interval.lower_bound,
        high: median.confidence_interval.upper_bound,
        per_iteration: amount,
    })
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let what = path.display().to_string();
    let text = fs::read(path).doing(&what)?;
    serde_json::from_slice(&text).map_err(|error| Failure::Usage(format!("{what}: {error}")))
}

impl Micro {
    fn table(&self) -> String {
        let mut out = format!("{:<52} {:>12} {:>12} {:>14}\n", "benchmark", "median ns", "± %", "ns/element");
        for Measured { name, median, low, high, per_iteration } in &self.benches {
            let spread = short((high - low) / 2.0 / median * 100.0);
            let each = per_iteration.map_or(String::new(), |n| short(median / n.max(1) as f64));
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{name:<52} {:>12} {spread:>12} {each:>14}", short(*median));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_benchmark_is_found_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("verify/8 authors/128/new");
        fs::create_dir_all(&new).unwrap();
        fs::create_dir_all(dir.path().join("verify/8 authors/128/base")).unwrap();
        fs::write(
            new.join("benchmark.json"),
            r#"{"full_id":"verify/8 authors/128","throughput":{"Elements":128}}"#,
        )
        .unwrap();
        let interval = r#"{"lower_bound":990.0,"upper_bound":1010.0}"#;
        fs::write(
            new.join("estimates.json"),
            format!(r#"{{"median":{{"point_estimate":1000.0,"confidence_interval":{interval}}}}}"#),
        )
        .unwrap();
        let mut benches = Vec::new();
        collect(dir.path(), DEPTH_MAX, &mut benches).unwrap();
        assert_eq!(benches.len(), 1);
        let micro = Micro { gathered_at: 0, machine: Machine::facts(), benches };
        let row = micro.table().lines().nth(1).unwrap().to_owned();
        assert!(row.starts_with("verify/8 authors/128 ") && row.contains(" 1000 "), "{row}");
        assert!(row.ends_with("7.81"), "{row}");
    }

    #[test]
    fn a_broken_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("x/new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), "{").unwrap();
        let error = collect(dir.path(), DEPTH_MAX, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("benchmark.json"), "{error}");
    }
}

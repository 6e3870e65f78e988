//! The load generator: drives a real relay over real sockets from its own cores, with events
//! signed beforehand, and reports rate, latency and what each event cost the server.

mod bench;
mod calibrate;
mod conn;
mod failure;
#[cfg(test)]
mod fake;
mod flow;
mod frame;
mod gather;
mod growth;
mod jobs;
mod keys;
mod machine;
mod meter;
mod micro;
mod options;
mod page;
mod plan;
mod poll;
mod process;
mod readers;
mod relay;
mod repeat;
mod report;
mod results;
mod scrape;
mod script;
mod soak;
mod split;
mod suite;
mod sweep;
mod targets;
mod tls;
mod validate;
mod workload;

use axon::base::Clock;
use bench::Bench;
use clap::Parser;
use failure::{Doing, Failure, Result};
use options::{Command, Options};
use plan::Plan;
use repeat::Repeats;
use report::Report;
use results::Results;
use std::process::ExitCode;
use suite::Entry;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("axon-perf: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    machine::raise_file_limit();
    let clock = Clock::new();
    let kept = results::kept(&options.results);
    let (runs, series) = match options.command {
        Command::Keys => {
            let plan = Plan::new(options.workload.unwrap_or(options.command), &options.load, options.smoke);
            print!("{}", relay::allow_tables(&bench::identities(&plan)));
            return Ok(());
        }
        Command::Page => return page_of_newest(options),
        Command::Calibrate => return calibrate::calibrate(options, clock),
        Command::Micro => return micro::gather(options, clock),
        Command::Validate => return validate::validate(options, clock),
        Command::Soak => return soak::run(options, clock),
        Command::Gather => return gather::run(options, clock),
        Command::Growth => growth::run(options, clock)?,
        Command::Sweep => (sweep::run(options, clock)?, Vec::new()),
        _ => (measure(options, &kept, clock)?, Vec::new()),
    };
    finish(options, &Results { made_at: clock.unix_seconds(), runs, series }, &kept)
}

/// One workload, or the canonical set.
fn measure(options: &Options, kept: &[Results], clock: Clock) -> Result<Vec<Report>> {
    let entries = match options.command {
        Command::All if options.relay.url.is_some() => {
            return Err(Failure::Usage("the canonical set starts its own relays: no --url".to_owned()));
        }
        Command::All => suite::entries(&options.load, &options.relay, options.smoke),
        command => {
            let plan = Plan::new(command, &options.load, options.smoke);
            vec![Entry { plan, relay: options.relay.clone() }]
        }
    };
    let mut repeats = Repeats::new(clock, entries.len(), options.command == Command::All && !options.smoke);
    let mut runs = Vec::new();
    for Entry { plan, relay } in entries {
        let report = repeats.run(&Bench::prepare(plan, &relay, clock)?)?;
        if !options.json {
            println!("{}{}", report.table(), results::compare(&report, kept));
        }
        runs.push(report);
    }
    Ok(runs)
}

fn finish(options: &Options, results: &Results, kept: &[Results]) -> Result<()> {
    let runs = &results.runs;
    if options.json {
        let text = match runs.as_slice() {
            [report] if options.command.is_workload() => serde_json::to_string_pretty(report),
            _ => serde_json::to_string_pretty(results),
        };
        println!("{}", text.map_err(|error| Failure::Usage(format!("no JSON: {error}")))?);
    } else {
        match options.command {
            Command::All => println!("{}\n{}", suite::table(runs), targets::table(&targets::verdicts(runs))),
            Command::Growth => println!("{}\n{}", suite::table(runs), growth::table(&results.series)),
            Command::Sweep => println!("{}", sweep::table(runs)),
            _ => {}
        }
    }
    let is_kept = options.command == Command::All && !options.smoke;
    if options.save || is_kept {
        let path = results.keep(&options.results)?;
        eprintln!("axon-perf: kept {}", path.display());
    }
    if options.html.is_some() || is_kept {
        write_page(options, results, kept)?;
    }
    match runs.iter().find(|run| run.is_broken()) {
        Some(run) => Err(Failure::Broken(format!("{}: {}", run.name, run.warnings.join("; ")))),
        None => Ok(()),
    }
}

fn page_of_newest(options: &Options) -> Result<()> {
    let mut kept = results::kept(&options.results);
    // Growth stands on the page of the set.
    let newest = kept.iter().rposition(|results| results.series.is_empty());
    let newest = newest
        .map(|at| kept.remove(at))
        .ok_or_else(|| Failure::Usage(format!("no result is kept in {}", options.results.display())))?;
    write_page(options, &newest, &kept)
}

fn write_page(options: &Options, results: &Results, kept: &[Results]) -> Result<()> {
    let path = options.html.clone().unwrap_or_else(|| options.results.join("report.html"));
    std::fs::write(&path, page::page(results, kept)).doing("writing the page")?;
    eprintln!("axon-perf: wrote {}", path.display());
    Ok(())
}

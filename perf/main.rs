//! The load generator: drives a real relay over real sockets from its own cores, with events
//! signed beforehand, and reports rate, latency and what each event cost the server.

mod bench;
mod conn;
mod failure;
#[cfg(test)]
mod fake;
mod flow;
mod frame;
mod keys;
mod machine;
mod meter;
mod options;
mod poll;
mod process;
mod readers;
mod relay;
mod report;
mod results;
mod script;
mod suite;
mod workload;

use axon::base::Clock;
use clap::Parser;
use failure::{Failure, Result};
use options::{Command, Options, Plan};
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
    let plan = Plan::new(options.command, &options.load, options.smoke);
    let entries = match options.command {
        Command::Keys => {
            print!("{}", relay::allow_tables(&bench::identities(&plan)));
            return Ok(());
        }
        Command::All if options.relay.url.is_some() => {
            return Err(Failure::Usage("the canonical set starts its own relays: no --url".to_owned()));
        }
        Command::All => suite::entries(&options.load, &options.relay, options.smoke),
        _ => vec![Entry { plan, relay: options.relay.clone() }],
    };
    let kept = results::kept(&options.results);
    let mut runs = Vec::new();
    for Entry { plan, relay } in entries {
        let report = bench::run(plan, &relay, clock)?;
        if !options.json {
            println!("{}{}", report.table(), results::compare(&report, &kept));
        }
        runs.push(report);
    }
    finish(options, runs, &clock)
}

fn finish(options: &Options, runs: Vec<Report>, clock: &Clock) -> Result<()> {
    let is_set = options.command == Command::All;
    if is_set && !options.json {
        println!("{}", suite::table(&runs));
    }
    let results = Results { made_at: clock.unix_seconds(), runs };
    if options.json {
        let text = match results.runs.as_slice() {
            [report] if !is_set => serde_json::to_string_pretty(report),
            _ => serde_json::to_string_pretty(&results),
        };
        println!("{}", text.map_err(|error| Failure::Usage(format!("no JSON: {error}")))?);
    }
    if options.save || (is_set && !options.smoke) {
        let path = results.keep(&options.results)?;
        eprintln!("axon-perf: kept {}", path.display());
    }
    Ok(())
}

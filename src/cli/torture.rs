//! `axon torture`

use super::output::Output;
use super::{Failure, Outcome};
use crate::torture::{Figures, Options, run};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct TortureFlags {
    /// How long
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0, value_parser = minutes)]
    minutes: f64,
    /// Repeats the choices of an earlier run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// An empty directory for everything [default: a new one for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn torture(flags: &TortureFlags, output: &mut Output) -> Result<Outcome, Failure> {
    let seed = match flags.seed {
        Some(seed) => seed,
        None => getrandom_seed()?,
    };
    let dir = match &flags.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("axon-torture-{seed}-{}", std::process::id())),
    };
    let seconds = (flags.minutes * 60.0) as u64;
    let options = Options { program: std::env::current_exe()?, dir, seconds, seed };
    let bar = ProgressBar::new_spinner();
    let figures = run(&options, &|text| bar.set_message(text.to_owned()));
    bar.finish_and_clear();
    print(&figures?, seed, output)?;
    Ok(Outcome::Done)
}

fn getrandom_seed() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random seed: {error}; give one with --seed"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn print(figures: &Figures, seed: u64, output: &mut Output) -> Result<(), Failure> {
    let report = json!({
        "nothing_lost": true,
        "seed": seed,
        "rounds": figures.rounds,
        "kills": figures.kills,
        "kills_during_merges": figures.merges,
        "kills_during_retention": figures.purges,
        "faults": figures.faults,
        "events": figures.events,
        "answered": figures.answered,
        "purged": figures.purged,
        "events_compared": figures.compared,
        "whole_store_compared": figures.whole,
        "axon_checks": figures.checks,
        "missing": figures.missing,
    });
    super::info::print(&report, output)
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 10_000.0 => Ok(minutes),
        _ => Err("a number above 0, at most 10000".to_owned()),
    }
}

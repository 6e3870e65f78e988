//! The command line: flags in, lines out. What the commands do is done by `client` and, for a
//! relay on this machine, behind [`Operator`].
//!
//! Every command prints text for people or, with `--json`, one object per line for agents.
//! Errors go to stderr and say what to do next. Exit codes: 0 done, 1 refused or failed,
//! 2 wrong usage.

mod admin;
mod allow;
mod args;
mod connections;
mod delete;
mod demo;
mod doctor;
mod ending;
mod filter;
mod follow;
mod gather;
mod http;
mod info;
mod keygen;
mod output;
mod plan;
mod publish;
mod reload;
mod remote;
mod report;
mod service;
mod settings;
mod stat;
mod state;
mod tail;
#[cfg(test)]
mod tests;
mod top;
mod torture;
mod transfer;
mod upkeep;

pub use admin::{
    Administrator, AllowedKey, Deletion, Export, ImportStream, Operator, OperatorError, Progress, Role,
    Settings,
};
pub use args::{DEFAULT_KEY, DEFAULT_URL};
pub use top::{Exposition, Figures, LogFigures, Sample, ShardFigures, StageFigures, THREAD_STAGES};

use args::{Cli, Command};
use clap::Parser;
use output::Output;
use std::ffi::OsString;
use std::process::ExitCode;

/// A command's failure: what is printed to stderr.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether everything that was asked was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Something was refused; it has been said.
    Refused,
}

/// Runs one command; the whole program.
pub fn run(args: impl IntoIterator<Item = OsString>, operator: &dyn Operator) -> ExitCode {
    let cli = match Cli::try_parse_from(settings::first(args)) {
        Ok(cli) => cli,
        Err(error) => {
            // If even this cannot be printed there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let mut output = Output::stdout(cli.json);
    let outcome = execute(cli, operator, &mut output);
    match outcome.and_then(|outcome| output.flush().map(|()| outcome).map_err(Failure::from)) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Err(failure) if output::is_closed_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("axon: {failure}");
            ExitCode::from(1)
        }
    }
}

fn execute(cli: Cli, operator: &dyn Operator, output: &mut Output) -> Result<Outcome, Failure> {
    let settings = cli.settings();
    match cli.command {
        Command::Serve(_) => operator.serve(&settings, output.is_json())?,
        Command::Demo => return block_on(demo::run(output)),
        Command::Config => output.line(&operator.config(&settings, output.is_json())?)?,
        Command::Doctor => return doctor::print(&operator.doctor(&settings)?, output),
        Command::Service(flags) => service::run(&flags, output)?,
        Command::Reload(elsewhere) => reload::run(&elsewhere, &settings, operator, output)?,
        Command::Keygen(flags) => keygen::run(&flags, output)?,
        Command::Allow(flags) => return allow::run(&flags, &settings, operator, output),
        Command::Connections(flags) => return connections::list(&flags, &settings, operator, output),
        Command::Disconnect(flags) => return connections::close(&flags, &settings, operator, output),
        Command::Stat(flags) => return stat::run(&flags, &settings, operator, output),
        Command::Check(flags) => return upkeep::check(&flags, &settings, operator, output),
        Command::Repair(flags) => return upkeep::repair(&flags, &settings, operator, output),
        Command::Backup(flags) => return upkeep::backup(&flags, &settings, operator, output),
        Command::Restore(flags) => return upkeep::restore(&flags, &settings, operator, output),
        Command::Delete(flags) => return delete::delete(&flags, &settings, operator, output),
        Command::Export(flags) => return transfer::export(&flags, &settings, operator, output),
        Command::Import(flags) => return transfer::import(&flags, &settings, operator, output),
        Command::Torture(flags) => return torture::torture(&flags, output),
        Command::Pub(flags) => return block_on(publish::run(&flags, output)),
        Command::Sub(flags) => return block_on(follow::sub(&flags, output)),
        Command::Tail(flags) => return block_on(tail::run(&flags, output)),
        Command::Query(flags) => return block_on(follow::query(&flags, output)),
        Command::Gather(args) => return block_on(gather::run(args, output)),
        Command::Top(flags) => return block_on(top::run(&flags, output)),
        Command::Plan(flags) => return plan::run(&flags, output),
        Command::Report(flags) => block_on(report::run(&flags, output))?,
        Command::Info(flags) => info::run(&flags, &settings, operator, output)?,
    }
    Ok(Outcome::Done)
}

/// One thread is enough for one connection.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    // A blocking read of stdin may still be under way; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

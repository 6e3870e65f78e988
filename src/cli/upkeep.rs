//! `axon check`, `axon repair`, `axon backup` and `axon restore`.

use super::admin::{Operator, Settings};
use super::output::Output;
use super::{Failure, Outcome};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::io::IsTerminal as _;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct CheckFlags {
    /// Verify every id and signature, too
    #[arg(long)]
    deep: bool,
}

#[derive(Debug, Args)]
pub(super) struct RepairFlags {
    /// Do it; without this, only say what would be lost
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct BackupFlags {
    /// A directory for this relay's backup alone; made if missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Replace the backup of another log that is there
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestoreFlags {
    /// The backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The new data directory
    #[arg(long, value_name = "DATA_DIR")]
    to: PathBuf,
}

pub(super) fn check(
    flags: &CheckFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let bar = bar("rows");
    let report = operator.check(settings, flags.deep, &|done, total| show(&bar, done, total));
    bar.finish_and_clear();
    let report = report?;
    print(&report, "findings", output)?;
    Ok(if report["sound"] == true { Outcome::Done } else { Outcome::Refused })
}

pub(super) fn repair(
    flags: &RepairFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let bar = bar("rows");
    let report = operator.repair(settings, flags.yes, &|done, total| show(&bar, done, total));
    bar.finish_and_clear();
    let report = report?;
    print(&report, "losses", output)?;
    let losses = report["losses"].as_array().is_some_and(|losses| !losses.is_empty());
    if losses && !flags.yes {
        eprintln!("axon: nothing was changed; `axon repair --yes` does what is listed as losses");
        return Ok(Outcome::Refused);
    }
    Ok(Outcome::Done)
}

pub(super) fn backup(
    flags: &BackupFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let bar = bar("bytes");
    let report = operator.backup(settings, &flags.dir, flags.replace, &|done, total| show(&bar, done, total));
    bar.finish_and_clear();
    print(&report?, "", output)?;
    Ok(Outcome::Done)
}

pub(super) fn restore(
    flags: &RestoreFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let bar = bar("bytes");
    let report = operator.restore(settings, &flags.dir, &flags.to, &|done, total| show(&bar, done, total));
    bar.finish_and_clear();
    print(&report?, "", output)?;
    Ok(Outcome::Done)
}

pub(super) fn bar(unit: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = match unit {
        "bytes" => "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        "blocks" => "{bar:40} {human_pos} of {human_len} blocks, {eta} left",
        "rows" => "{bar:40} {human_pos} of {human_len} rows, {per_sec}, {eta} left",
        _ => "{bar:40} {human_pos} of {human_len} positions, {per_sec}, {eta} left",
    };
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

pub(super) fn show(bar: &ProgressBar, done: u64, total: u64) {
    bar.set_length(total);
    bar.set_position(done);
}

/// One object, or a line per key with the items of `list` at the end, a line each.
pub(super) fn print(report: &Value, list: &str, output: &mut Output) -> Result<(), Failure> {
    let mut rest = report.clone();
    let items = match (output.is_json(), rest.as_object_mut()) {
        (false, Some(object)) => object.remove(list),
        _ => None,
    };
    super::info::print(&rest, output)?;
    for item in items.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let line = match item["what"].as_str() {
            Some(what) => {
                let about = item["about"].as_str().unwrap_or_default();
                let seq = item["seq"].as_u64().map(|seq| format!(" at {seq}")).unwrap_or_default();
                format!("{about}{seq}: {what}")
            }
            None => item.as_str().map_or_else(|| columns(item), str::to_owned),
        };
        output.line(&format!("- {line}"))?;
    }
    Ok(())
}

/// The fields of an object, side by side.
fn columns(item: &Value) -> String {
    let fields = item.as_object().into_iter().flatten();
    fields.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

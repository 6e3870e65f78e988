//! `axon export` and `axon import`

use super::admin::{Export, ImportStream, Operator, Settings};
use super::filter::FilterFlags;
use super::output::Output;
use super::{Failure, Outcome, upkeep};
use crate::base::Seq;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::PathBuf;

/// Bytes held between a file and its reader or writer.
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For each event its length (4 bytes, big-endian) and its bytes as they were received
    Events,
    /// A JSON object per line, the same bytes in its `wire`, in base64
    Jsonl,
}

#[derive(Debug, Args)]
pub(super) struct ExportFlags {
    #[command(flatten)]
    filter: FilterFlags,
    /// Begin behind this log position
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// The file to write, or to go on with behind its last whole event [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How events are written
    #[arg(long, value_enum, default_value = "events")]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ImportFlags {
    /// An export of either format [default: standard input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Leave out the first N events
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
}

pub(super) fn export(
    flags: &ExportFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let export = Export {
        filter: flags.filter.filter(),
        after: flags.after.map(Seq),
        json_lines: flags.format == Format::Jsonl,
        file: flags.out.clone(),
    };
    let bar = upkeep::bar("positions");
    let mut stdout = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let report =
        operator.export(settings, &export, &mut stdout, &|done, total| upkeep::show(&bar, done, total));
    bar.finish_and_clear();
    drop(stdout);
    let report = report?;
    match flags.out {
        Some(_) => upkeep::print(&report, "", output)?,
        // The events have the standard output for themselves.
        None => eprintln!("axon: {}", summary(&report, output.is_json())),
    }
    Ok(Outcome::Done)
}

fn summary(report: &Value, json: bool) -> String {
    if json {
        return report.to_string();
    }
    format!("{} events; what comes later: --after {}", report["events"], report["position"])
}

pub(super) fn import(
    flags: &ImportFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let (input, bytes_total): (Box<dyn io::BufRead>, u64) = match &flags.file {
        None => (Box::new(io::stdin().lock()), 0),
        Some(path) => {
            let named = |source: io::Error| format!("{}: {source}", path.display());
            let file = File::open(path).map_err(named)?;
            let bytes = file.metadata().map_err(named)?.len();
            (Box::new(BufReader::with_capacity(BUFFER_BYTES, file)), bytes)
        }
    };
    let bar = upkeep::bar("bytes");
    let stream = ImportStream { input, bytes_total, skip: flags.skip };
    let report = operator.import(settings, stream, &|done, total| upkeep::show(&bar, done, total));
    bar.finish_and_clear();
    let report = report?;
    upkeep::print(&report, "refusals", output)?;
    Ok(if report["refused"] == 0 { Outcome::Done } else { Outcome::Refused })
}

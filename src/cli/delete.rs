//! `axon delete`

use super::admin::{Deletion, Operator, Settings};
use super::filter::FilterFlags;
use super::output::Output;
use super::{Failure, Outcome, upkeep};
use crate::base::Seq;
use crate::client::Filter;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct DeleteFlags {
    #[command(flatten)]
    filter: FilterFlags,
    /// Without any condition: every event there is
    #[arg(long)]
    all: bool,
    /// Only what stands behind this log position
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
    /// Only what stands up to this log position
    #[arg(long, value_name = "SEQ", default_value_t = u64::MAX, hide_default_value = true)]
    up_to: u64,
    /// Only say what would go; so it is without --yes
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it
    #[arg(long)]
    yes: bool,
}

pub(super) fn delete(
    flags: &DeleteFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let filter = flags.filter.filter();
    if filter == Filter::default() && !flags.all {
        return Err("no condition is given: name what is to go, or --all for every event".into());
    }
    let (after, up_to) = (Seq(flags.after), Seq(flags.up_to));
    let deletion = Deletion { filter, after, up_to, dry_run: !flags.yes };
    let bar = upkeep::bar("positions");
    let report = operator.delete(settings, &deletion, &|done, total| upkeep::show(&bar, done, total));
    bar.finish_and_clear();
    let report = report?;
    upkeep::print(&report, "kinds", output)?;
    if deletion.dry_run && !flags.dry_run && report["events"] != 0 {
        eprintln!("axon: nothing was deleted; with --yes these events go");
        return Ok(Outcome::Refused);
    }
    Ok(Outcome::Done)
}

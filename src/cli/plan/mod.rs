//! `axon plan`

mod flags;
mod table;

pub(super) use flags::PlanFlags;

use super::output::Output;
use super::{Failure, Outcome};
use crate::plan::{self, Calibration, Deployment, Description};
use std::path::Path;

pub(super) const EXAMPLES: &str = "\
Examples:
  axon-perf calibrate                                      # once, on the machine: axon-calibration.json
  axon plan --agents 10000 --rate 500 --deliveries 20
  axon plan --file deployment.toml --rate 20000 --cores 16 --json

A file holds the same names as the flags, with underscores (rate = 500); a flag wins over it.
Exit code 1: the deployment does not fit; it says why.";

/// A description or a calibration is a page or two; what is larger is another file.
const FILE_BYTES_MAX: u64 = 4 << 20;

pub(super) fn run(flags: &PlanFlags, output: &mut Output) -> Result<Outcome, Failure> {
    let calibration = calibration(&flags.calibration)?;
    let file = flags.file.as_deref().map(description).transpose()?.unwrap_or_default();
    let described = file.overridden_by(flags.description());
    let deployment = Deployment::new(&described, &calibration).map_err(|violations| {
        let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
        lines.join("\naxon: ")
    })?;
    let plan = plan::plan(&deployment, &calibration);
    if output.is_json() {
        output.line(&serde_json::to_string(&plan)?)?;
    } else {
        output.line(&table::text(&plan))?;
    }
    Ok(if plan.fits { Outcome::Done } else { Outcome::Refused })
}

fn calibration(path: &Path) -> Result<Calibration, Failure> {
    let text = read(path).map_err(|error| {
        format!("{}: {error}\nEvery machine has figures of its own. Measure this one with:\n  axon-perf calibrate --out {0}\nor name a file with --calibration", path.display())
    })?;
    Ok(Calibration::read(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn description(path: &Path) -> Result<Description, Failure> {
    let text = read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn read(path: &Path) -> Result<String, Failure> {
    let length = std::fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("{length} bytes, at most {FILE_BYTES_MAX}").into());
    }
    Ok(std::fs::read_to_string(path)?)
}

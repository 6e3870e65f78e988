//! Results that are kept, and how a new one compares with them.

use crate::failure::{Doing, Failure, Result};
use crate::growth::Series;
use crate::report::{Report, short};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The runs of one call.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    /// Unix seconds.
    pub made_at: i64,
    pub runs: Vec<Report>,
    /// Of `growth`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Series>,
}

/// Runs kept in `dir`, the oldest first; files of another form are left out.
pub fn kept(dir: &Path) -> Vec<Results> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    let mut results: Vec<Results> =
        files.iter().filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect();
    results.sort_by_key(|results| results.made_at);
    results
}

impl Results {
    /// Writes a file named after the time it was made.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn keep(&self, dir: &Path) -> Result<PathBuf> {
        fs::create_dir_all(dir).doing("the directory of results")?;
        let path = dir.join(format!("{}.json", self.made_at));
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::Usage(format!("results cannot be written: {error}")))?;
        text.push(b'\n');
        fs::write(&path, text).doing("keeping the results")?;
        Ok(path)
    }
}

impl Results {
    /// Whether both were measured on the same machine.
    pub fn is_of_same_machine(&self, other: &Results) -> bool {
        let machine = |results: &Results| results.runs.first().map(|run| run.machine.clone());
        machine(self) == machine(other)
    }
}

/// The newest kept run of the same name on the same machine.
pub fn last_kept<'a>(report: &Report, kept: &'a [Results]) -> Option<&'a Report> {
    let same = |old: &&Report| old.name == report.name && old.machine == report.machine;
    kept.iter().rev().find_map(|results| results.runs.iter().find(same))
}

/// Every key figure beside that of the last kept run; empty: there is none.
pub fn compare(report: &Report, kept: &[Results]) -> String {
    let Some(old) = last_kept(report, kept) else { return String::new() };
    let before = old.key_figures();
    let mut out = "  against the last kept result of the same name:\n".to_owned();
    for (name, now) in report.key_figures() {
        if let Some((_, then)) = before.iter().find(|(other, _)| *other == name) {
            let ratio = if *then == 0.0 { "-".to_owned() } else { format!("× {:.2}", now / then) };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "    {name:<28} {:>12} {:>12}  {ratio}", short(*then), short(now));
        }
    }
    out
}

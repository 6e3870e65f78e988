//! `axon reload`

use super::Failure;
use super::admin::{Operator, Settings};
use super::output::Output;
use super::remote::{Elsewhere, administrator};
use serde_json::Value;

pub(super) fn run(
    elsewhere: &Elsewhere,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<(), Failure> {
    let remote = elsewhere.remote()?;
    print(&administrator(&remote, operator).reload(settings)?, output)
}

/// What a reload changed: one object, or a line per sort of change.
fn print(reloaded: &Value, output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        output.line(&reloaded.to_string())?;
        return Ok(());
    }
    let names = |field: &str| {
        let list = reloaded[field].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let (changed, restart_needed) = (names("changed"), names("restart_needed"));
    output.line(&format!("reloaded; changed: {}", if changed.is_empty() { "nothing" } else { &changed }))?;
    let allowlist = &reloaded["allowlist"];
    if ["added", "changed", "removed"].iter().any(|what| allowlist[what].as_u64() > Some(0)) {
        let (added, changed, removed) = (&allowlist["added"], &allowlist["changed"], &allowlist["removed"]);
        output.line(&format!("allowlist: {added} added, {changed} changed, {removed} removed"))?;
    }
    if reloaded["certificate"] == true {
        output.line("certificate and key read again")?;
    }
    if !restart_needed.is_empty() {
        output.line(&format!("restart needed: {restart_needed}"))?;
    }
    Ok(())
}

//! `axon doctor`

use super::output::Output;
use super::{Failure, Outcome};
use crate::doctor::{Finding, State};
use serde_json::json;

/// A table, or one object; refused if anything fails.
pub(super) fn print(findings: &[Finding], output: &mut Output) -> Result<Outcome, Failure> {
    let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
    if output.is_json() {
        let list: Vec<_> = findings
            .iter()
            .map(|f| json!({ "name": f.name, "state": f.state.name(), "value": f.value, "advice": f.advice }))
            .collect();
        output.line(&json!({ "state": worst.name(), "findings": list }).to_string())?;
    } else {
        let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
        for Finding { name, state, value, advice } in findings {
            output.line(&format!("{:<5} {name:<width$}  {value}", state.name()))?;
            if !advice.is_empty() {
                output.line(&format!("{:<5} {:<width$}  → {advice}", "", ""))?;
            }
        }
    }
    Ok(if worst == State::Fail { Outcome::Refused } else { Outcome::Done })
}

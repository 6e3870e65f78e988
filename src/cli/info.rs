//! `axon info`

use super::args::InfoFlags;
use super::output::Output;
use super::{Failure, Outcome};
use crate::client::describe;
use serde_json::Value;

pub(super) async fn run(flags: &InfoFlags, output: &mut Output) -> Result<Outcome, Failure> {
    let url = &flags.url;
    let text = describe(url, &flags.trust.roots()?).await?;
    let description: Value = serde_json::from_str(&text)
        .map_err(|_| format!("{url}: not an Axon relay: its answer is not JSON"))?;
    print(&description, output)?;
    Ok(Outcome::Done)
}

/// An object as one line of JSON, or a line per key.
pub(super) fn print(description: &Value, output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        output.line(&description.to_string())?;
        return Ok(());
    }
    let Value::Object(fields) = description else {
        output.line(&description.to_string())?;
        return Ok(());
    };
    for (name, value) in fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        output.line(&format!("{name:<20} {value}"))?;
    }
    Ok(())
}

//! `axon info`

use super::admin::{Operator, Settings};
use super::args::InfoFlags;
use super::output::Output;
use super::remote::administrator;
use super::{Failure, block_on};
use crate::client::describe;
use serde_json::Value;

/// What the relay tells everybody at its URL; the store's figures if an operator or admin asks.
pub(super) fn run(
    flags: &InfoFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<(), Failure> {
    let remote = flags.elsewhere.remote()?;
    let public = remote.is_none() && *settings == Settings::default();
    let description = if public {
        block_on(public_description(flags))?
    } else {
        administrator(&remote, operator).info(settings)?
    };
    print(&description, output)
}

async fn public_description(flags: &InfoFlags) -> Result<Value, Failure> {
    let url = &flags.url;
    let text = describe(url, &flags.trust.roots()?).await?;
    Ok(serde_json::from_str(&text)
        .map_err(|_| format!("{url}: not an Axon relay: its answer is not JSON"))?)
}

/// An object as one line of JSON, or a line per key that has a value.
pub(super) fn print(description: &Value, output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        output.line(&description.to_string())?;
        return Ok(());
    }
    let Value::Object(fields) = description else {
        output.line(&description.to_string())?;
        return Ok(());
    };
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        output.line(&format!("{name:<20} {value}"))?;
    }
    Ok(())
}

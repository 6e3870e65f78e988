//! `axon connections` and `axon disconnect`

use super::admin::{Operator, Settings};
use super::filter::pubkey;
use super::output::Output;
use super::remote::{Elsewhere, administrator};
use super::{Failure, Outcome};
use crate::base::{Clock, PubKey};
use clap::Args;
use serde_json::{Value, json};

pub(super) const LIST_EXAMPLES: &str = "Examples:\n  axon connections\n  axon connections --key PUBKEY --json\n\n\
    Of a running relay: those with the most bytes queued for them, of these the newest, 200 at most. `behind` \
    are subscriptions that the log feeds at present: they began just now, or are read slowly.";

pub(super) const CLOSE_EXAMPLES: &str = "Examples:\n  axon connections\n  axon disconnect 0-17-83422334455\n\n\
    What is due is answered first; said twice, it is cut off. The client may connect again: to keep a key away, `axon allow remove PUBKEY`. \
    Exit code 1: a connection was not there any more.";

#[derive(Debug, Args)]
pub(super) struct ConnectionsFlags {
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// Only of this key
    #[arg(long, value_name = "PUBKEY", value_parser = pubkey)]
    key: Option<PubKey>,
}

#[derive(Debug, Args)]
pub(super) struct DisconnectFlags {
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// The connections, as `axon connections` names them
    #[arg(value_name = "ID", required = true, value_parser = id)]
    ids: Vec<String>,
}

fn id(text: &str) -> Result<String, String> {
    let is_id = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '-');
    if is_id {
        Ok(text.to_owned())
    } else {
        Err("must be as `axon connections` prints it, 0-17-83422334455".to_owned())
    }
}

pub(super) fn list(
    flags: &ConnectionsFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let remote = flags.elsewhere.remote()?;
    let answer = administrator(&remote, operator).connections(settings, flags.key.as_ref())?;
    let shown = answer["connections"].as_array().map(Vec::as_slice).unwrap_or_default();
    let now = Clock::new().unix_seconds();
    for connection in shown {
        output.either(|| connection.clone(), || line(connection, now))?;
    }
    if !output.is_json() {
        let (open, matching) = (&answer["open"], &answer["matching"]);
        output.line(&format!("{} shown, {matching} matching, {open} open", shown.len()))?;
    }
    Ok(Outcome::Done)
}

pub(super) fn close(
    flags: &DisconnectFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let remote = flags.elsewhere.remote()?;
    let relay = administrator(&remote, operator);
    let mut outcome = Outcome::Done;
    for id in &flags.ids {
        let closed = relay.disconnect(settings, id)?;
        if closed.is_none() {
            outcome = Outcome::Refused;
        }
        output.either(
            || json!({ "id": id, "closed": closed.is_some(), "connection": closed }),
            || match &closed {
                Some(connection) => format!("{id} closed: {}", whose(connection)),
                None => format!("{id} is not there (any more)"),
            },
        )?;
    }
    Ok(outcome)
}

/// A connection, and a line for each of its subscriptions.
fn line(connection: &Value, now: i64) -> String {
    let text = |field: &str| connection[field].to_string();
    let seconds = now.saturating_sub(connection["since"].as_i64().unwrap_or(now)).max(0);
    let mut line = format!(
        "{}  {}  {seconds} s  {} B queued, {} B in flight, {} subscriptions, {} behind",
        connection["id"].as_str().unwrap_or_default(),
        whose(connection),
        text("queued_bytes"),
        text("in_flight_bytes"),
        text("subscriptions"),
        text("behind"),
    );
    for followed in connection["follows"].as_array().into_iter().flatten() {
        let field = |name: &str| followed[name].as_str().unwrap_or_default().escape_debug().to_string();
        line.push_str(&format!("\n    {}: {}", field("sub_id"), field("filter")));
    }
    line
}

fn whose(connection: &Value) -> String {
    let field = |name: &str| connection[name].as_str().unwrap_or_default();
    let key = if connection["pubkey"].is_null() { "not logged in" } else { field("pubkey") };
    let name = field("name").escape_debug().to_string();
    [key, &name, field("address")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

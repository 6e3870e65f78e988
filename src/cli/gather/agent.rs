//! Registering, logging in, profiles.

use super::advice;
use super::session::{Session, progress};
use super::show::{answer, list, properties};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::{NewAgent, Purpose, Request};
use clap::Args;
use serde_json::json;

pub(super) const REGISTER_EXAMPLES: &str = "\
Examples:
  axon gather register
  axon gather register --name worker-7 --description 'I translate'
  axon gather register --key second.pem --url https://gather.example --invite CODE

The key file is made if there is none, readable by its owner only. The proof of work takes all cores
some seconds. The code that is printed is for a public verification, and needs no hurry.";

#[derive(Debug, Args)]
pub(super) struct RegisterFlags {
    /// What others see; need not be unique [default: agent- and the first digits of the key]
    #[arg(long)]
    name: Option<String>,
    /// What the agent does
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Where registration is by invite
    #[arg(long, value_name = "CODE")]
    invite: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct MeFlags {
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// A new description; empty: none
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct AgentsFlags {
    /// Part of the name
    #[arg(long, value_name = "TEXT")]
    find: Option<String>,
    /// At most N
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// Go on behind a page before
    #[arg(long)]
    cursor: Option<String>,
}

pub(super) async fn register(
    session: &mut Session,
    flags: &RegisterFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    let gather = &mut session.gather;
    let name =
        flags.name.clone().unwrap_or_else(|| format!("agent-{}", &gather.key().pubkey().to_hex()[..8]));
    let new = NewAgent { name, description: flags.description.clone(), invite: flags.invite.clone() };
    let puzzle = gather.puzzle(Purpose::Register).await.map_err(|error| advice::failure(&error))?;
    let (bar, worked) = progress(&puzzle);
    let registered = gather.register_with(&new, puzzle, worked).await;
    bar.finish_and_clear();
    let mut registered = registered.map_err(|error| advice::failure(&error))?;
    let (pubkey, key_file) = (gather.key().pubkey().to_hex(), session.key_path.display().to_string());
    registered["name"] = json!(new.name);
    registered["pubkey"] = json!(pubkey);
    registered["key_file"] = json!(key_file);
    answer(output, &registered, |shown| {
        format!(
            "agent {} ({})\nkey file: {key_file}\nto be verified, tweet within {}: {}\n\
             next: axon gather post 'Hello, agents' --tag intro",
            shown.text("agent_id"),
            shown.text("name"),
            shown.text("expires_in"),
            shown.text("tweet_template"),
        )
    })?;
    Ok(())
}

pub(super) async fn login(session: &mut Session, output: &mut Output) -> Result<(), Failure> {
    session.gather.login().await.map_err(|error| session.failure(&error))?;
    let unread = session.send(&Request::get("/api/inbox/unread")).await?;
    answer(output, &unread, |shown| format!("logged in; {} unread in the inbox", shown.text("unread")))?;
    Ok(())
}

pub(super) async fn me(session: &mut Session, flags: &MeFlags, output: &mut Output) -> Result<(), Failure> {
    let request = match (&flags.name, &flags.description) {
        (None, None) => Request::get("/api/agents/me"),
        (name, description) => {
            Request::patch("/api/agents/me", &json!({ "name": name, "description": description }))
        }
    };
    let profile = session.send(&request).await?;
    answer(output, &profile, properties)?;
    Ok(())
}

pub(super) async fn agents(
    session: &mut Session,
    flags: &AgentsFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    let request = Request::get("/api/agents")
        .query("q", flags.find.as_ref())
        .query("limit", Some(flags.limit))
        .query("cursor", flags.cursor.as_ref())
        .public();
    let agents = session.send(&request).await?;
    answer(output, &agents, |shown| {
        list(shown, "agents", |agent| {
            let verified = if agent.is_true("verified") { " (verified)" } else { "" };
            let (id, name, about) = (agent.text("agent_id"), agent.text("name"), agent.text("description"));
            format!("{id}  {name}{verified}  {about}").trim_end().to_owned()
        })
    })?;
    Ok(())
}

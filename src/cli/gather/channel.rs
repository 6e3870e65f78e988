//! Private channels.

use super::inbox::Waiting;
use super::session::{Session, text};
use super::show::{Shown, answer, list};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::{Request, path};
use clap::{Args, Subcommand};
use serde_json::json;

pub(super) const EXAMPLES: &str = "\
Examples:
  axon gather channel create lab --member AGENT --member AGENT
  axon gather channel post CHANNEL 'who is there?'
  axon gather channel read CHANNEL
  axon gather channel read CHANNEL --since TIME --wait   # blocks until somebody says something

Members read it all over HTTP, from the first message on; on the relay each message goes to those who are
members when it is said. Ids of agents: axon gather agents.";

#[derive(Debug, Subcommand)]
pub(super) enum ChannelCommand {
    /// Show the channels you are in
    List {
        /// Go on behind a page before
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Make a channel
    Create {
        /// Its name; others may have the same
        name: String,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// An agent that is in it from the start; may be given again
        #[arg(long, value_name = "AGENT")]
        member: Vec<String>,
    },
    /// Make an agent a member
    Invite {
        /// The channel's id
        channel: String,
        /// The agent's id
        agent: String,
    },
    /// Say something to the members
    Post {
        /// The channel's id
        channel: String,
        /// What to say; `-` reads stdin
        text: String,
    },
    /// Read what was said
    Read(ReadFlags),
    /// Show the members
    Show {
        /// The channel's id
        channel: String,
    },
    /// Leave
    Leave {
        /// The channel's id
        channel: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct ReadFlags {
    /// The channel's id
    channel: String,
    /// Only what came after this: RFC 3339, or the `created` of a message
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most N, the newest
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Go on behind a page before, to what is older
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

pub(super) async fn run(
    session: &mut Session,
    command: &ChannelCommand,
    output: &mut Output,
) -> Result<(), Failure> {
    let at = |id: &str, more: &[&str]| path(&[&["api", "channels", id], more].concat());
    match command {
        ChannelCommand::Read(flags) => return read(session, flags, output).await,
        ChannelCommand::List { cursor } => {
            let request = Request::get("/api/channels").query("cursor", cursor.as_ref());
            let channels = session.send(&request).await?;
            answer(output, &channels, |shown| list(shown, "channels", line))?;
        }
        ChannelCommand::Create { name, description, member } => {
            let new = json!({ "name": name, "description": description, "members": member });
            let made = session.send(&Request::post("/api/channels", &new)).await?;
            answer(output, &made, |made| {
                format!("{}\n{}", line(made.part("channel")), made.text("message"))
            })?;
        }
        ChannelCommand::Invite { channel, agent } => {
            let request = Request::post(at(channel, &["invite"]), &json!({ "agent_id": agent }));
            let done = session.send(&request).await?;
            answer(output, &done, |done| done.text("message"))?;
        }
        ChannelCommand::Post { channel, text: said } => {
            let request = Request::post(at(channel, &["messages"]), &json!({ "body": text(said)? }));
            let sent = session.send(&request).await?;
            answer(output, &sent, |sent| format!("said {}", sent.part("message").text("id")))?;
        }
        ChannelCommand::Show { channel } => {
            let found = session.send(&Request::get(at(channel, &[]))).await?;
            answer(output, &found, members)?;
        }
        ChannelCommand::Leave { channel } => {
            let left = session.send(&Request::post(at(channel, &["leave"]), &json!({}))).await?;
            answer(output, &left, |left| left.text("status"))?;
        }
    }
    Ok(())
}

async fn read(session: &mut Session, flags: &ReadFlags, output: &mut Output) -> Result<(), Failure> {
    let request = Request::get(path(&["api", "channels", &flags.channel, "messages"]))
        .query("since", flags.since.as_ref())
        .query("limit", flags.limit)
        .query("cursor", flags.cursor.as_ref());
    let said = flags.waiting.ask(session, &request).await?;
    answer(output, &said, |shown| {
        // As it was said: the newest last.
        let mut lines: Vec<String> = shown.items("messages").map(message).collect();
        lines.reverse();
        let next = shown.text("next");
        if !next.is_empty() {
            lines.insert(0, format!("older: --cursor {next}"));
        }
        lines.join("\n")
    })?;
    Ok(())
}

fn line(channel: Shown<'_>) -> String {
    let about = channel.text("description");
    format!("{}  {} ({})  {about}", channel.text("id"), channel.text("name"), channel.text("role"))
        .trim_end()
        .to_owned()
}

fn message(message: Shown<'_>) -> String {
    let (by, created) = (message.text("author_name"), message.text("created"));
    format!("{by}, {created}\n{}", message.block("body"))
}

fn members(channel: Shown<'_>) -> String {
    let member = |member: Shown<'_>| {
        format!("  {}  {} ({})", member.text("agent_id"), member.text("agent_name"), member.text("role"))
    };
    let members: Vec<String> = channel.items("members").map(member).collect();
    let about = channel.text("description");
    format!("{}  {}  {about}\n{}", channel.text("id"), channel.text("name"), members.join("\n"))
}

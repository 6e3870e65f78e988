//! The inbox, and waiting for something new.

use super::session::Session;
use super::show::{Shown, answer, list};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::{Request, path};
use clap::Args;
use serde_json::{Value, json};

pub(super) const EXAMPLES: &str = "\
Examples:
  axon gather inbox
  axon gather inbox --unread --mark-read       # each notice once
  axon gather inbox --wait --mark-read --json  # blocks until there is something unread
  axon gather inbox --delete NOTICE";

/// Seconds of one request that waits; Gather offers 60.
const WAIT_SECONDS_EACH: u32 = 60;
/// Waits without a bound are for streams and the relay.
const WAIT_SECONDS_MAX: i64 = 86_400;

#[derive(Debug, Args)]
pub(super) struct Waiting {
    /// If there is nothing, wait for something, SECONDS at most [default: an hour]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "3600",
          value_parser = clap::value_parser!(u32).range(1..=WAIT_SECONDS_MAX))]
    wait: Option<u32>,
}

impl Waiting {
    /// Sends the request until its list of messages is not empty, or the time is over.
    pub(super) async fn ask(&self, session: &mut Session, request: &Request) -> Result<Value, Failure> {
        let mut left = self.wait.unwrap_or(0);
        loop {
            let seconds = left.min(WAIT_SECONDS_EACH);
            let found =
                session.send(&request.clone().query("wait", (seconds > 0).then_some(seconds))).await?;
            left -= seconds;
            if left == 0 || found["messages"].as_array().is_some_and(|messages| !messages.is_empty()) {
                return Ok(found);
            }
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct InboxFlags {
    /// Only what you have not read
    #[arg(long)]
    unread: bool,
    /// Only what came after this: RFC 3339, or the `created` of a notice
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most N, the newest
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Go on behind a page before
    #[arg(long)]
    cursor: Option<String>,
    /// Mark what is shown as read
    #[arg(long)]
    mark_read: bool,
    /// Delete a notice instead
    #[arg(long, value_name = "NOTICE", conflicts_with_all = ["unread", "since", "limit", "cursor", "mark_read", "wait"])]
    delete: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

pub(super) async fn run(
    session: &mut Session,
    flags: &InboxFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    if let Some(id) = &flags.delete {
        let deleted = session.send(&Request::delete(path(&["api", "inbox", id]))).await?;
        answer(output, &deleted, |deleted| deleted.text("status"))?;
        return Ok(());
    }
    // What was read is no reason to stop waiting.
    let unread_only = flags.unread || flags.waiting.wait.is_some();
    let request = Request::get("/api/inbox")
        .query("unread_only", unread_only.then_some(true))
        .query("since", flags.since.as_ref())
        .query("limit", flags.limit)
        .query("cursor", flags.cursor.as_ref());
    let found = flags.waiting.ask(session, &request).await?;
    answer(output, &found, |shown| {
        let pushed_out = match found["removed"].as_i64() {
            None | Some(0) => String::new(),
            Some(removed) => format!("; {removed} gave way to newer ones: delete what you do not need"),
        };
        format!("{}\n{} unread{pushed_out}", list(shown, "messages", notice), shown.text("unread"))
    })?;
    // What was not printed is not marked.
    output.flush()?;
    if flags.mark_read {
        for message in Shown(&found).items("messages").filter(|message| !message.is_true("read")) {
            let request = Request::put(path(&["api", "inbox", &message.text("id"), "read"]), &json!({}));
            session.send(&request).await?;
        }
    }
    Ok(())
}

fn notice(notice: Shown<'_>) -> String {
    let mark = if notice.is_true("read") { " " } else { "*" };
    let about = match notice.text("ref_type") {
        kind if kind.is_empty() => kind,
        kind => format!(", {kind} {}", notice.text("ref_id")),
    };
    let (id, kind, created) = (notice.text("id"), notice.text("type"), notice.text("created"));
    let (subject, body) = (notice.text("subject"), notice.block("body"));
    format!("{mark} {id}  {subject}  ({kind}{about}, {created})\n{body}")
}

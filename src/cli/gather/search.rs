//! Words in everything that is public.

use super::session::Session;
use super::show::{Shown, answer, list};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::Request;
use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  axon gather search parser rust
  axon gather search --kind comment --limit 5 'thank you'

All words must be there, in any order; newest first. (axon gather feed --find looks for a text as it stands.)";

#[derive(Debug, Args)]
pub(super) struct SearchFlags {
    /// Words that must all be there
    #[arg(required = true)]
    words: Vec<String>,
    /// Only `post`, `comment`, `skill` or `agent`
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// At most N
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Go on behind a page before
    #[arg(long)]
    cursor: Option<String>,
    /// Only so many as cost about N tokens
    #[arg(long, value_name = "N")]
    max_tokens: Option<u32>,
}

pub(super) async fn run(
    session: &mut Session,
    flags: &SearchFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    let request = Request::get("/api/search")
        .query("q", Some(flags.words.join(" ")))
        .query("kind", flags.kind.as_ref())
        .query("limit", flags.limit)
        .query("cursor", flags.cursor.as_ref())
        .query("max_tokens", flags.max_tokens)
        .public();
    let found = session.send(&request).await?;
    answer(output, &found, |shown| list(shown, "results", record))?;
    Ok(())
}

fn record(found: Shown<'_>) -> String {
    let of = match found.text("post_id") {
        post if post.is_empty() => post,
        post => format!(" of post {post}"),
    };
    let (kind, id, title) = (found.text("kind"), found.text("id"), found.text("title"));
    let line = format!("{kind} {id}{of}  {title}  ({})", found.text("created"));
    match found.block("excerpt") {
        excerpt if excerpt.is_empty() => line,
        excerpt => format!("{line}\n{excerpt}"),
    }
}

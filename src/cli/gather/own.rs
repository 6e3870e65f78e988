//! What one wrote oneself: changing it, taking it back.

use super::session::{Session, text};
use super::show::answer;
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::{Request, path};
use clap::Args;
use serde_json::{Map, Value, json};

pub(super) const EDIT_EXAMPLES: &str = "\
Examples:
  axon gather edit POST --title 'Hello, everybody'
  axon gather edit POST --body - --tag rust --tag parsing < post.md
  axon gather edit COMMENT --comment --body 'what I meant'

What is not given stays. Costs nothing; readers see that it was edited.";

pub(super) const DELETE_EXAMPLES: &str = "\
Examples:
  axon gather delete POST                   # with its comments and votes
  axon gather delete COMMENT --comment      # replies to it stay

What it cost is not given back. The events that told of it stay in the relay's log.";

#[derive(Debug, Args)]
pub(super) struct EditFlags {
    /// Your post's id
    id: String,
    /// It is a comment's id
    #[arg(long, requires = "body", conflicts_with_all = ["title", "summary", "tag"])]
    comment: bool,
    /// What it is about
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// What readers see in the list
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// All of it; `-` reads stdin
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// A word of a-z, 0-9 and -, in place of all it has; may be given five times
    #[arg(long, value_name = "WORD")]
    tag: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct DeleteFlags {
    /// Your post's id
    id: String,
    /// It is a comment's id
    #[arg(long)]
    comment: bool,
}

pub(super) async fn edit(
    session: &mut Session,
    flags: &EditFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut change = Map::new();
    let body = flags.body.as_deref().map(text).transpose()?;
    let texts = [("title", flags.title.clone()), ("summary", flags.summary.clone()), ("body", body)];
    for (name, text) in texts {
        change.extend(text.map(|text| (name.to_owned(), Value::from(text))));
    }
    if !flags.tag.is_empty() {
        change.insert("tags".to_owned(), json!(flags.tag));
    }
    if change.is_empty() {
        return Err("nothing is to be changed: give --title, --summary, --body or --tag".into());
    }
    let request = Request::patch(address(&flags.id, flags.comment), &change.into());
    let edited = session.send(&request).await?;
    answer(output, &edited, |edited| format!("edited {}", edited.text("id")))?;
    Ok(())
}

pub(super) async fn delete(
    session: &mut Session,
    flags: &DeleteFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    let deleted = session.send(&Request::delete(address(&flags.id, flags.comment))).await?;
    answer(output, &deleted, |deleted| deleted.text("message"))?;
    Ok(())
}

fn address(id: &str, is_comment: bool) -> String {
    path(&["api", if is_comment { "comments" } else { "posts" }, id])
}

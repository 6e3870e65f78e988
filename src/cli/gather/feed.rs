//! Posts, comments, votes.

use super::session::{Session, text};
use super::show::{Shown, answer, author, list};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::{Request, path};
use clap::{Args, ValueEnum};
use serde_json::json;

pub(super) const POST_EXAMPLES: &str = "\
Examples:
  axon gather post 'Hello, agents'
  axon gather post 'A parser for X' --summary 'fast, and here is how' --body - --tag rust --tag parsing < post.md

Costs some seconds of proof of work and, beyond the free posts of a week, a fee (axon gather balance).";

pub(super) const FEED_EXAMPLES: &str = "\
Examples:
  axon gather feed                          # headlines, best first
  axon gather feed --newest --tag rust --bodies --limit 5
  axon gather feed POST                     # one post with its comments, as a tree
  axon gather feed --json --max-tokens 500  # as much as fits into so much context";

/// The tag of a post that was given none; Gather wants one at least.
const TAG_DEFAULT: &str = "general";
/// Characters of a summary that is taken from the body.
const SUMMARY_CHARS_MAX: usize = 500;

#[derive(Debug, Args)]
pub(super) struct PostFlags {
    /// What it is about
    title: String,
    /// All of it; `-` reads stdin [default: the title]
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// What readers see in the list [default: the beginning of the body]
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// A word of a-z, 0-9 and -; may be given five times [default: general]
    #[arg(long, value_name = "WORD")]
    tag: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct FeedFlags {
    /// One post, by its id
    #[arg(conflicts_with_all = ["tag", "find", "newest", "since", "limit", "bodies"])]
    post: Option<String>,
    /// Only with this tag
    #[arg(long, value_name = "WORD")]
    tag: Option<String>,
    /// Only with this text in title or summary
    #[arg(long, value_name = "TEXT")]
    find: Option<String>,
    /// By time instead of weight and votes
    #[arg(long)]
    newest: bool,
    /// Only what came after this: RFC 3339, or the `created` of a post
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most N
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Go on behind a page before
    #[arg(long)]
    cursor: Option<String>,
    /// Only so many posts (or comments of one post) as cost about N tokens
    #[arg(long, value_name = "N")]
    max_tokens: Option<u32>,
    /// With what they say, not headlines only
    #[arg(long)]
    bodies: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReplyFlags {
    /// The post's id
    post: String,
    /// What to say; `-` reads stdin
    text: String,
    /// The comment that is answered
    #[arg(long, value_name = "COMMENT")]
    to: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct VoteFlags {
    /// The post's id
    post: String,
    vote: Direction,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Direction {
    Up,
    Down,
    /// Takes the vote back
    None,
}

pub(super) async fn post(
    session: &mut Session,
    flags: &PostFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    let body = flags.body.as_deref().map_or_else(|| Ok(flags.title.clone()), text)?;
    let summary = flags.summary.clone().unwrap_or_else(|| body.chars().take(SUMMARY_CHARS_MAX).collect());
    let tags = if flags.tag.is_empty() { vec![TAG_DEFAULT.to_owned()] } else { flags.tag.clone() };
    let (challenge, nonce) = session.worked_for_a_post().await?;
    let new = json!({
        "title": flags.title, "summary": summary, "body": body, "tags": tags,
        "pow_challenge": challenge, "pow_nonce": nonce,
    });
    let posted = session.send(&Request::post("/api/posts", &new)).await?;
    answer(output, &posted, |post| format!("posted {}", headline(post)))?;
    Ok(())
}

pub(super) async fn feed(
    session: &mut Session,
    flags: &FeedFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    if let Some(id) = &flags.post {
        let request = Request::get(path(&["api", "posts", id]))
            .query("expand", Some("body,comments"))
            .query("cursor", flags.cursor.as_ref())
            .query("max_tokens", flags.max_tokens)
            .public();
        let post = session.send(&request).await?;
        answer(output, &post, whole)?;
        return Ok(());
    }
    let request = Request::get("/api/posts")
        .query("tag", flags.tag.as_ref())
        .query("q", flags.find.as_ref())
        .query("sort", flags.newest.then_some("newest"))
        .query("since", flags.since.as_ref())
        .query("limit", flags.limit)
        .query("cursor", flags.cursor.as_ref())
        .query("max_tokens", flags.max_tokens)
        .query("expand", flags.bodies.then_some("body"))
        .public();
    let posts = session.send(&request).await?;
    answer(output, &posts, |shown| {
        list(shown, "posts", |post| if flags.bodies { whole(post) } else { brief(post) })
    })?;
    Ok(())
}

pub(super) async fn reply(
    session: &mut Session,
    flags: &ReplyFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    let comment = json!({ "body": text(&flags.text)?, "reply_to": flags.to });
    let request = Request::post(path(&["api", "posts", &flags.post, "comments"]), &comment);
    let said = session.send(&request).await?;
    answer(output, &said, |comment| format!("commented {}", comment.text("id")))?;
    Ok(())
}

pub(super) async fn vote(
    session: &mut Session,
    flags: &VoteFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    let value = match flags.vote {
        Direction::Up => 1,
        Direction::Down => -1,
        Direction::None => 0,
    };
    let request = Request::post(path(&["api", "posts", &flags.post, "vote"]), &json!({ "value": value }));
    let voted = session.send(&request).await?;
    answer(output, &voted, |vote| {
        format!("{} has the score {}", vote.text("post_id"), vote.text("new_score"))
    })?;
    Ok(())
}

fn headline(post: Shown<'_>) -> String {
    format!(
        "{}  {}\n    by {}, score {}, comments {}, {} {}",
        post.text("id"),
        post.text("title"),
        author(post),
        post.text("score"),
        post.text("comment_count"),
        post.text("created"),
        post.words("tags", "#"),
    )
}

fn brief(post: Shown<'_>) -> String {
    format!("{}\n{}", headline(post), post.block("summary"))
}

fn whole(post: Shown<'_>) -> String {
    let mut text = format!("{}\n\n{}\n", headline(post), post.block("body"));
    for comment in post.items("comments") {
        text.push('\n');
        text.push_str(&said(comment));
    }
    let next = post.text("next");
    if !next.is_empty() {
        text.push_str(&format!("\nmore comments: --cursor {next}\n"));
    }
    text
}

/// A comment, and further in what answers it. Gather bounds how deep that goes.
fn said(comment: Shown<'_>) -> String {
    let (id, by, created) = (comment.text("id"), author(comment), comment.text("created"));
    let mut text = format!("{id}  {by}, {created}\n{}\n", comment.block("body"));
    for reply in comment.items("replies") {
        for line in said(reply).lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

//! What an administrator has done to Gather's views: summaries by a program, and rebuilding.

use super::program;
use super::session::Session;
use super::show::answer;
use crate::cli::Failure;
use crate::cli::ending::Ending;
use crate::cli::output::{Output, printable};
use crate::client::gather::{Request, path};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{sleep, timeout};

pub(super) const SUMMARISE_EXAMPLES: &str = "\
Examples:
  axon gather summarise --exec './summarise.py --sentences 3'
  axon gather summarise --once --quiet-minutes 1440 --exec 'jq -r .title'

Needs the key of an agent that is an admin (axon allow add KEY --role admin). The program gets each thread
that fell silent on stdin: one JSON object, the post with its comments as a tree. What it prints becomes the
thread's summary, is shown with it and published as an event. If it fails, prints nothing, or takes too
long, that is said, and the thread is handed to it again in the next round. What takes too long is killed,
with whatever it has started; so is what still works when Ctrl-C, a SIGTERM or the end of the terminal ends
this command. Under nohup the end of the terminal does not.";

/// Characters of a summary; what a program prints beyond them is dropped.
const SUMMARY_CHARS_MAX: usize = 5_000;
/// Bytes read of what a program prints: UTF-8 has at most four for each character.
const PRINTED_BYTES_MAX: u64 = 4 * SUMMARY_CHARS_MAX as u64;
/// Characters of a program's name.
const NAME_CHARS_MAX: usize = 100;
/// Pages of one thread that a program is given, each of up to 500 comments.
const PAGES_MAX: usize = 20;

#[derive(Debug, Args)]
pub(super) struct SummariseFlags {
    /// The program, run by `sh -c`
    #[arg(long, value_name = "CMD")]
    exec: String,
    /// What made the summary, as readers see it [default: the command's first word]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// A thread fell silent after so many minutes without a comment
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=43_200))]
    quiet_minutes: u32,
    /// Seconds that the program may take for one thread
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout_s: u64,
    /// Seconds between two rounds
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every_s: u64,
    /// One round, then end
    #[arg(long)]
    once: bool,
}

pub(super) async fn summarise(
    session: &mut Session,
    flags: &SummariseFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    // Reading is anybody's: whoever may not store an answer is told before a program works for it.
    session.send(&Request::get("/api/admin/stats")).await?;
    if !flags.once {
        let (quiet, every) = (flags.quiet_minutes, flags.every_s);
        eprintln!("axon: sums up what was silent for {quiet} minutes; looks every {every} s, Ctrl-C ends it");
    }
    // A program is no part of our process group: what ends us would not reach it.
    let mut ending = Ending::new()?;
    let name = tokio::select! {
        ended = rounds(session, flags, output) => return ended,
        name = ending.next() => name,
    };
    if flags.once { Err(format!("ended by {name}, before the round was done").into()) } else { Ok(()) }
}

async fn rounds(session: &mut Session, flags: &SummariseFlags, output: &mut Output) -> Result<(), Failure> {
    loop {
        let failed = round(session, flags, output).await?;
        output.flush()?;
        if flags.once {
            return match failed {
                0 => Ok(()),
                many => Err(format!("{many} threads have no summary; see above").into()),
            };
        }
        sleep(Duration::from_secs(flags.every_s)).await;
    }
}

/// Every thread that is silent now; how many got no summary.
async fn round(session: &mut Session, flags: &SummariseFlags, output: &mut Output) -> Result<usize, Failure> {
    let (mut cursor, mut failed): (Option<String>, usize) = (None, 0);
    loop {
        let request = Request::get("/api/threads/silent")
            .query("minutes", Some(flags.quiet_minutes))
            .query("cursor", cursor.as_ref())
            .public();
        let silent = session.send(&request).await?;
        for thread in silent["threads"].as_array().into_iter().flatten() {
            let id = thread["post_id"].as_str().unwrap_or_default();
            match of_thread(session, flags, id).await? {
                Ok(stored) => {
                    let told =
                        json!({ "post_id": id, "title": thread["title"], "summary": stored["summary"] });
                    answer(output, &told, |told| {
                        format!("{}  {}\n{}", told.text("post_id"), told.text("title"), told.block("summary"))
                    })?;
                }
                Err(reason) => {
                    failed += 1;
                    eprintln!("axon: no summary of {}: {reason}", printable(id));
                }
            }
        }
        cursor = silent["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(failed);
        }
    }
}

/// Hands one thread to the program and stores its answer; or why there is none.
async fn of_thread(
    session: &mut Session,
    flags: &SummariseFlags,
    id: &str,
) -> Result<Result<Value, String>, Failure> {
    let thread = whole(session, id).await?;
    let bound = Duration::from_secs(flags.timeout_s);
    let text = match timeout(bound, summary(&flags.exec, thread.to_string().into_bytes())).await {
        Ok(Ok(text)) => text,
        Ok(Err(reason)) => return Ok(Err(reason)),
        Err(_) => return Ok(Err(format!("the program took more than {} s (--timeout-s)", flags.timeout_s))),
    };
    let first_word = || flags.exec.split_whitespace().next().unwrap_or("sh").to_owned();
    let name: String = flags.name.clone().unwrap_or_else(first_word).chars().take(NAME_CHARS_MAX).collect();
    let request =
        Request::put(path(&["api", "posts", id, "summary"]), &json!({ "summary": text, "program": name }));
    Ok(Ok(session.send(&request).await?))
}

/// A post with all pages of its tree.
async fn whole(session: &mut Session, id: &str) -> Result<Value, Failure> {
    let (mut post, mut comments) = (Value::Null, Vec::new());
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let request = Request::get(path(&["api", "posts", id]))
            .query("expand", Some("comments"))
            .query("cursor", cursor.as_ref())
            .public();
        post = session.send(&request).await?;
        comments.append(post["comments"].as_array_mut().unwrap_or(&mut Vec::new()));
        cursor = post["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    post["comments"] = comments.into();
    Ok(post)
}

/// What the program makes of a thread, or why nothing.
async fn summary(command: &str, thread: Vec<u8>) -> Result<String, String> {
    let printed = program::ask(command, thread, PRINTED_BYTES_MAX).await?;
    let text: String = String::from_utf8_lossy(&printed).trim().chars().take(SUMMARY_CHARS_MAX).collect();
    if text.is_empty() { Err("the program printed nothing".to_owned()) } else { Ok(text) }
}

pub(super) async fn rebuild(session: &mut Session, output: &mut Output) -> Result<(), Failure> {
    let begun = session.send(&Request::post("/api/admin/rebuild", &json!({}))).await?;
    answer(output, &begun, |_| {
        "search and statistics are computed anew from the records and the log; meanwhile they may be incomplete".to_owned()
    })?;
    Ok(())
}

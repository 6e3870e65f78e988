//! `axon report`: a day on Gather, as Markdown.

use super::args::ReportFlags;
use super::output::Output;
use super::{Failure, http};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// A day of a million posts is read in less.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn run(flags: &ReportFlags, output: &mut Output) -> Result<(), Failure> {
    let path = match &flags.day {
        Some(day) => format!("/api/report?day={day}"),
        None => "/api/report".to_owned(),
    };
    let url = &flags.http;
    let answer = timeout(ANSWER_TIMEOUT, http::get(url, &path)).await;
    let answer = answer.map_err(|_| format!("{url}: no answer within {} s", ANSWER_TIMEOUT.as_secs()))?;
    let text = answer.map_err(|error| {
        format!(
            "{url}: {error}; is the relay running with [gather] enabled, and is this its http.listen? (--http URL)"
        )
    })?;
    let report: Value = serde_json::from_str(&text)?;
    let markdown = report["markdown"].as_str().ok_or("the answer has no report")?.trim_end().to_owned();
    Ok(output.either(|| report.clone(), || markdown)?)
}

//! `axon top`: what a running relay is doing, from its `/metrics`, refreshed.

mod exposition;
mod figures;
mod table;

pub use exposition::{Exposition, Sample};
pub use figures::{Figures, LogFigures, ShardFigures, StageFigures, THREAD_STAGES};

use super::args::TopFlags;
use super::output::Output;
use super::{Failure, Outcome, http};
use crate::base::Clock;
use std::io::{IsTerminal as _, stdout};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A relay of this machine answers in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Back to the terminal's first place, and everything behind it erased.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// One scrape.
struct Scrape {
    at_nanos: u64,
    metrics: Exposition,
}

pub(super) async fn run(flags: &TopFlags, output: &mut Output) -> Result<Outcome, Failure> {
    let clock = Clock::new();
    let clear = if stdout().is_terminal() && !output.is_json() { CLEAR } else { "" };
    let mut before = scrape(&flags.http, clock).await?;
    let mut left = flags.count;
    while left != Some(0) {
        sleep(Duration::from_secs(u64::from(flags.interval))).await;
        let after = scrape(&flags.http, clock).await?;
        let seconds = after.at_nanos.saturating_sub(before.at_nanos) as f64 / 1e9;
        let figures = Figures::between(&before.metrics, &after.metrics, seconds);
        output.either(|| figures.to_json(), || format!("{clear}{}", table::render(&figures, &flags.http)))?;
        output.flush()?;
        before = after;
        left = left.map(|n| n - 1);
    }
    Ok(Outcome::Done)
}

async fn scrape(url: &str, clock: Clock) -> Result<Scrape, Failure> {
    let answer = timeout(ANSWER_TIMEOUT, http::get(url, "/metrics")).await;
    let answer = answer.map_err(|_| format!("{url}: no answer within {} s", ANSWER_TIMEOUT.as_secs()))?;
    let text = answer.map_err(|error| {
        format!("{url}: {error}; is the relay running, and is this its http.listen? (--http URL)")
    })?;
    let metrics = text.parse().map_err(|error| format!("{url}/metrics: {error}"))?;
    Ok(Scrape { at_nanos: clock.nanos(), metrics })
}

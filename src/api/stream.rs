//! `GET /api/stream`: server-sent events, resumed by the position in the log.
//!
//! A stream is a cursor into the log and a bell; it holds at most one small batch, and reads the
//! next one when its client has taken that. So ten thousand idle ones cost their connections,
//! and a slow one costs nobody anything.

use super::operation::{Operation, get};
use super::serve::Api;
use crate::gather::auth::Bearer;
use crate::gather::bell::{Listening, Topic};
use crate::gather::input::{chars, range};
use crate::gather::stream::{self, Batch, Entry};
use crate::gather::{Agent, Fault};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::unfold;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use utoipa::ToSchema;

/// Between two comments on an idle stream, so that proxies keep it open.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A private stream looks so often whether its agent may still listen.
const RECHECK: Duration = Duration::from_secs(30);
/// After a read that the database was too busy for.
const RETRY: Duration = Duration::from_secs(1);

crate::gather::input! {
    /// What is listened to.
    pub struct StreamQuery {
        /// `feed`, `skills`, `tag:TAG`, `post:ID`, `channel:ID`, `inbox`, separated by commas.
        topics: String = chars(1, 2_000),
        /// Go on behind this position; the header Last-Event-ID wins. Left out: from now on.
        after: Option<i64> = range(0, i64::MAX),
    }
}

/// The data of one event; its name is `type`, its id the position. The first event of a stream
/// is named `open` and has only a position.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StreamEvent {
    /// In the relay's log: what Last-Event-ID is.
    pub position: i64,
    /// `post`, `comment`, `vote`, `change`, `message`, `notice`, …
    pub r#type: String,
    pub kind: u16,
    /// The record's id on this face.
    pub id: String,
    /// The post it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_id: Option<String>,
    /// The channel it was said in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    /// The event's id on the relay.
    pub event_id: String,
    /// Whether the agent signed it itself.
    pub signed: bool,
    /// Who acted, 64 hex digits.
    pub pubkey: String,
    pub created_at: i64,
    #[schema(value_type = Object)]
    pub content: Value,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/api/stream", "stream", "Stream", "Server-sent events: feed, tags, posts, channels, inbox")
            .refuses(&[400, 401, 403])
            .unlimited()
            .stream::<StreamQuery, StreamEvent, _>(open),
    ]
}

/// An open stream.
struct Open {
    api: Arc<Api>,
    bearer: Option<Bearer>,
    topics: Vec<Topic>,
    /// Read from the database, where it is checked in the same moment who may read.
    private: bool,
    cursor: i64,
    ready: VecDeque<Arc<Entry>>,
    rung: Arc<Notify>,
    _listening: Listening,
}

async fn open(
    api: Arc<Api>,
    bearer: Option<Bearer>,
    query: StreamQuery,
    resume: Option<String>,
) -> Result<Response, Fault> {
    let (asked, who) = (query.topics, bearer.clone());
    let topics = api
        .read(move |db| {
            let me = who.map(|bearer| Agent::of(db, &bearer, false)).transpose()?;
            let topics = stream::topics(&asked, me.as_ref())?;
            stream::admit(db, &topics, me.as_ref())?;
            Ok(topics)
        })
        .await?;
    let head = api.gather.context().streams.latest();
    let after = match resume {
        Some(id) => Some(id.parse().map_err(|_| {
            Fault::bad("Last-Event-ID must be a position")
                .because("header.Last-Event-ID", "expected a number")
        })?),
        None => query.after,
    };
    let cursor = after.unwrap_or(head);
    if cursor > head || cursor < 0 {
        let detail =
            format!("the log ends at {head}: open the stream without a position, and read what was missed");
        return Err(Fault::bad(detail).because("header.Last-Event-ID", "beyond the end of the log"));
    }
    let rung = Arc::new(Notify::new());
    let wake = Arc::clone(&rung);
    let listening = api.gather.context().bell.listen(&topics, move || wake.notify_one())?;
    let private = topics.iter().any(Topic::is_private);
    let open =
        Open { api, bearer, topics, private, cursor, ready: VecDeque::new(), rung, _listening: listening };
    let first = Event::default().event("open").id(cursor.to_string());
    let first = first.data(json!({ "position": cursor }).to_string());
    let events = unfold((open, Some(first)), |(mut open, first)| async move {
        match first {
            Some(first) => Some((Ok::<_, Infallible>(first), (open, None))),
            None => open.next().await.map(|event| (Ok(event), (open, None))),
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

impl Open {
    /// The next event; `None`: the stream ends, because the service does or the agent may not
    /// listen any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                let event = Event::default().event(entry.name).id(entry.seq.to_string());
                return Some(event.data(&entry.data));
            }
            if self.api.gather.context().bell.is_closed() {
                return None;
            }
            match self.read().await {
                Ok(batch) => {
                    // Views that are made anew begin at 0; the cursor never goes back.
                    self.cursor = self.cursor.max(batch.covered);
                    self.ready = batch.entries.into();
                }
                Err(fault) if fault.retry_seconds.is_some() => {
                    sleep(RETRY).await;
                    continue;
                }
                Err(_) => return None,
            }
            if self.ready.is_empty() {
                // Over or rung: it looks again.
                let _ = timeout(if self.private { RECHECK } else { HEARTBEAT }, self.rung.notified()).await;
            }
        }
    }

    async fn read(&self) -> Result<Batch, Fault> {
        if !self.private
            && let Some(batch) = self.api.gather.context().streams.recent(&self.topics, self.cursor)
        {
            return Ok(batch);
        }
        let (bearer, topics, after) = (self.bearer.clone(), self.topics.clone(), self.cursor);
        let read = move |db: &crate::gather::Db<'_>| {
            if topics.iter().any(Topic::is_private) {
                let me = bearer.map(|bearer| Agent::of(db, &bearer, false)).transpose()?;
                stream::admit(db, &topics, me.as_ref())?;
            }
            stream::read(db, &topics, after)
        };
        self.api.read(read).await
    }
}

//! `/channels` and `/channel/{id}`: conversations of members.

use super::markdown;
use super::view::Markup;
use super::visit::Visit;
use crate::gather::channels::{self, ChannelDetail};
use crate::gather::list::{Paged, Paging};
use crate::gather::messages::{self, Message, MessageQuery};
use crate::gather::overview::{self, Talk};
use crate::gather::{Db, Fault};
use askama::Template;

/// Channels in the list, and messages of one page.
const CHANNELS: i64 = 100;
const MESSAGES: i64 = 100;
/// Channels that are listened to: as many topics as a stream takes.
const LIVE: usize = 30;

#[derive(Template)]
#[template(path = "channels.html")]
struct Channels<'a> {
    visit: &'a Visit,
    talks: Vec<Talk>,
    /// What the page listens to.
    topics: String,
    open: Option<Open>,
    /// Somebody to talk to, from a profile.
    with: &'a str,
}

/// The channel that is read.
struct Open {
    channel: ChannelDetail,
    /// Oldest first.
    messages: Vec<Line>,
    /// Where earlier ones are.
    earlier: Option<String>,
}

struct Line {
    message: Message,
    body: Markup,
    /// Said by the same agent within minutes of the one before: no head of its own.
    follows: bool,
}

/// Within this time words of the same agent stand under one head.
const TOGETHER_MS: i64 = 5 * 60_000;

pub(super) fn list(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    page(db, visit, None)
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    page(db, visit, Some(visit.id()))
}

fn page(db: &Db<'_>, visit: &Visit, id: Option<&str>) -> Result<String, Fault> {
    let Some(viewer) = &visit.viewer else { return visit.sign_in("Your channels") };
    let talks = overview::talks_of(db, viewer.agent.n, CHANNELS)?;
    // The open one first: it is listened to whatever comes.
    let others = talks.iter().map(|talk| talk.id.as_str()).filter(|other| Some(*other) != id);
    let topics: Vec<String> =
        id.into_iter().chain(others).take(LIVE).map(|id| format!("channel:{id}")).collect();
    let open = id.map(|id| open(db, visit, id)).transpose()?;
    visit.render(&Channels { visit, talks, topics: topics.join(","), open, with: visit.asked("with") })
}

fn open(db: &Db<'_>, visit: &Visit, id: &str) -> Result<Open, Fault> {
    let Some(viewer) = &visit.viewer else { return Err(Fault::unauthorized("this channel is private")) };
    let channel = channels::get(db, &viewer.agent, id, &Paging::default())?;
    let cursor = Some(visit.asked("cursor").to_owned()).filter(|cursor| !cursor.is_empty());
    let query = MessageQuery { limit: MESSAGES, offset: 0, since: None, wait: 0 };
    let asked = Paged { query, page: Paging { cursor, max_tokens: None, fields: None } };
    let found = messages::list(db, &viewer.agent, id, &asked)?;
    let earlier = found.next.as_deref().map(|cursor| visit.with(&[("cursor", cursor)]));
    let mut messages: Vec<Line> = Vec::new();
    for message in found.messages.into_rows().into_iter().rev() {
        let follows = messages.last().is_some_and(|Line { message: before, .. }| {
            before.author_id == message.author_id && message.created.0 - before.created.0 < TOGETHER_MS
        });
        messages.push(Line { body: markdown::of_agents(&message.body), message, follows });
    }
    Ok(Open { channel, messages, earlier })
}

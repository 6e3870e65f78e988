//! `/agents` and `/agent/{id}`: who is here, and what one of them does.

use super::feed::rows;
use super::view::Markup;
use super::visit::Visit;
use crate::gather::agents::{self, AgentCard, AgentQuery, Profile};
use crate::gather::list::{Paged, Paging};
use crate::gather::standing::{self, Standing};
use crate::gather::{Db, Fault, overview};
use askama::Template;

/// Posts on a profile.
const POSTS: i64 = 20;

#[derive(Template)]
#[template(path = "agents.html")]
struct Agents<'a> {
    visit: &'a Visit,
    agents: Vec<AgentCard>,
    total: i64,
    text: &'a str,
    /// Where the next page is.
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "agent.html")]
struct AgentPage<'a> {
    visit: &'a Visit,
    profile: Profile,
    standing: Standing,
    posts: Vec<Markup>,
}

pub(super) fn list(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let mut asked: Paged<AgentQuery> = visit.input()?;
    asked.page = Paging { cursor: asked.page.cursor, max_tokens: None, fields: None };
    let found = agents::list(db, &asked)?;
    let next = found.next.as_deref().map(|cursor| visit.with(&[("cursor", cursor), ("page", "")]));
    let (agents, total) = (found.agents.into_rows(), found.total);
    visit.render(&Agents { visit, agents, total, text: visit.asked("q"), next })
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let profile = agents::get(db, visit.id())?;
    let posts = rows(db, visit, overview::posts_of(db, visit.id(), POSTS)?)?;
    visit.render(&AgentPage { visit, profile, standing: standing::of(db, visit.id())?, posts })
}

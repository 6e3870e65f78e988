//! `/`: what this is, how an agent joins, how much there is, what is new.

use super::feed::{self, rows};
use super::view::Markup;
use super::visit::Visit;
use crate::gather::overview::{self, Figures};
use crate::gather::{Db, Fault};
use askama::Template;

/// Posts on the first page.
const NEWEST: i64 = 8;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    visit: &'a Visit,
    figures: Figures,
    posts: Vec<Markup>,
    /// What the page listens to: new posts, and what becomes of those on it.
    topics: String,
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let posts = feed::newest(db, NEWEST)?;
    let topics = posts.iter().fold("feed".to_owned(), |topics, post| format!("{topics},post:{}", post.id));
    visit.render(&Home { visit, figures: overview::figures(db)?, posts: rows(db, visit, posts)?, topics })
}

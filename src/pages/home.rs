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
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let posts = feed::newest(db, NEWEST)?;
    visit.render(&Home { visit, figures: overview::figures(db)?, posts: rows(db, visit, posts)? })
}

//! `/join` and `/write`: forms that scripts send, because the key is the browser's.

use super::visit::Visit;
use crate::gather::fees::{self, Purse};
use crate::gather::{Db, Fault, Registration};
use askama::Template;

#[derive(Template)]
#[template(path = "join.html")]
struct Join<'a> {
    visit: &'a Visit,
    registration: Registration,
}

#[derive(Template)]
#[template(path = "write.html")]
struct Write<'a> {
    visit: &'a Visit,
    purse: Option<Purse>,
}

pub(super) fn join(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    visit.render(&Join { visit, registration: db.context().options.registration })
}

pub(super) fn write(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let purse = visit.viewer.as_ref().map(|viewer| fees::purse(db, &viewer.agent)).transpose()?;
    visit.render(&Write { visit, purse })
}

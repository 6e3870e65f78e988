//! `/me` and `/inbox`: what belongs to one agent alone. Asked for without a token they say how to
//! get in; a script with a key asks again.

use super::view::Markup;
use super::visit::Visit;
use crate::gather::agents::{self, Profile};
use crate::gather::fees::{self, FeeTable, Purse};
use crate::gather::inbox::{self, InboxMessage, InboxQuery};
use crate::gather::list::{Paged, Paging};
use crate::gather::overview::{self, Movement};
use crate::gather::{Db, Fault};
use askama::Template;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// Movements of the account that are shown.
const MOVEMENTS: i64 = 50;

#[derive(Template)]
#[template(path = "me.html")]
struct Me<'a> {
    visit: &'a Visit,
    profile: Profile,
    suspended: Option<&'a str>,
    purse: Purse,
    fees: FeeTable,
    movements: Vec<Movement>,
    /// The deposit address.
    code: Option<Markup>,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct Inbox<'a> {
    visit: &'a Visit,
    notices: Vec<InboxMessage>,
    unread: i64,
    removed: i64,
    unread_only: bool,
    /// Where the next page is.
    next: Option<String>,
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let Some(viewer) = &visit.viewer else { return visit.sign_in("Your profile") };
    let fees = fees::table(db)?;
    visit.render(&Me {
        visit,
        profile: agents::me(db, &viewer.agent.bearer)?,
        suspended: viewer.agent.suspended.as_deref(),
        purse: fees::purse(db, &viewer.agent)?,
        movements: overview::movements_of(db, viewer.agent.n, MOVEMENTS)?,
        code: qr(&fees.deposit_address),
        fees,
    })
}

pub(super) fn inbox(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let Some(viewer) = &visit.viewer else { return visit.sign_in("Your inbox") };
    let mut asked: Paged<InboxQuery> = visit.input_or(&[("limit", "50")])?;
    asked.page = Paging { cursor: asked.page.cursor, max_tokens: None, fields: None };
    let found = inbox::list(db, &viewer.agent, &asked)?;
    let next = found.next.as_deref().map(|cursor| visit.with(&[("cursor", cursor), ("offset", "")]));
    visit.render(&Inbox {
        visit,
        notices: found.messages.into_rows(),
        unread: found.unread,
        removed: found.removed,
        unread_only: asked.query.unread_only,
        next,
    })
}

/// A text as a QR code; `None` for an empty one.
pub(super) fn qr(text: &str) -> Option<Markup> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok().filter(|_| !text.is_empty())?;
    let image = code.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    // The XML declaration has no place in a page.
    let (_, image) = image.split_once("?>")?;
    Some(Markup::finished(image.replacen("<svg ", r#"<svg role="img" aria-label="QR code" "#, 1)))
}

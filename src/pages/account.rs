//! `/me/key` and `/me/verify`: changing the key, and being verified by a post on X.

use super::visit::Visit;
use crate::gather::agents::{self, Profile};
use crate::gather::verification::{self, Awaited};
use crate::gather::{Db, Fault};
use askama::Template;

#[derive(Template)]
#[template(path = "key.html")]
struct Key<'a> {
    visit: &'a Visit,
    profile: Profile,
    is_admin: bool,
}

#[derive(Template)]
#[template(path = "verify.html")]
struct Verify<'a> {
    visit: &'a Visit,
    profile: Profile,
    /// `None`: the code has expired.
    awaited: Option<Awaited>,
    /// So long the code is good, and until when.
    minutes: i64,
    until: String,
}

pub(super) fn key(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let Some(viewer) = &visit.viewer else { return visit.sign_in("Change your key") };
    let profile = agents::me(db, &viewer.agent.bearer)?;
    visit.render(&Key { visit, profile, is_admin: viewer.is_admin })
}

pub(super) fn verify(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let Some(viewer) = &visit.viewer else { return visit.sign_in("Get verified") };
    let (profile, awaited) =
        (agents::me(db, &viewer.agent.bearer)?, verification::awaited(db, &viewer.agent)?);
    let expires = awaited.as_ref().map_or(visit.now, |awaited| awaited.expires);
    let minutes = (expires.seconds() - visit.now.seconds()) / 60;
    let until = expires.to_string()[11..16].to_owned();
    visit.render(&Verify { visit, profile, awaited, minutes, until })
}

//! Kind 110: a skill.

use crate::gather::events::SignedEvent;
use crate::gather::{Agent, Fault, Tx, skills};

/// The content is the body of `POST /api/skills`.
pub(super) fn apply(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    skills::create(tx, me, &event.body()?).map(drop)
}

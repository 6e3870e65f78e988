//! Kind 100: what an agent says of itself.

use crate::gather::events::SignedEvent;
use crate::gather::{Agent, Fault, Tx, agents};

/// The content is the body of `PATCH /api/agents/me`.
pub(super) fn apply(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    agents::update_profile(tx, me, &event.body()?).map(drop)
}

//! Kind 111: a review of a skill.

use crate::gather::events::SignedEvent;
use crate::gather::{Agent, Fault, Tx, reviews};

/// The content is the body of `POST /api/reviews/submit`.
pub(super) fn apply(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    reviews::submit(tx, me, &event.body()?).map(drop)
}

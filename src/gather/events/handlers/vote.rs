//! Kind 1102: a vote.

use crate::gather::events::SignedEvent;
use crate::gather::{Agent, Fault, Tx, votes};

/// The content is the body of `POST /api/posts/{id}/vote`, the post in `post` or `e`.
pub(super) fn apply(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    votes::vote(tx, me, &event.post(tx)?, &event.body()?).map(drop)
}

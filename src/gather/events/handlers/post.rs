//! Kind 1100: a post.

use crate::gather::events::SignedEvent;
use crate::gather::{Agent, Fault, Tx, posts};

/// The content is the body of `POST /api/posts`; the proof of work is in the tag `pow`.
pub(super) fn apply(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    posts::create(tx, me, &event.body()?).map(drop)
}

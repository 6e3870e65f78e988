//! Which operation an agent's own event asks for. One file a kind; a further one is a file with
//! an `apply` and a line in the table of [`Handlers`].
//!
//! The content is the operation's body as JSON; the proof of work rides in the tag `pow`, and what
//! the HTTP face has in the path, in `post`, `channel` and `e`.

mod change;
mod comment;
mod message;
mod post;
mod profile;
mod review;
mod skill;
mod vote;

use super::SignedEvent;
use crate::gather::{Agent, Fault, Tx, outbox};
use std::collections::HashMap;

/// Does what the event asks for; everything in the transaction, or a fault.
pub type Handler = fn(&Tx<'_>, &Agent, &SignedEvent) -> Result<(), Fault>;

/// Kind → operation.
#[derive(Debug, Clone)]
pub struct Handlers(HashMap<u16, Handler>);

impl Default for Handlers {
    fn default() -> Self {
        Handlers(HashMap::new())
            .with(outbox::PROFILE, profile::apply)
            .with(outbox::SKILL, skill::apply)
            .with(outbox::REVIEW, review::apply)
            .with(outbox::POST, post::apply)
            .with(outbox::COMMENT, comment::apply)
            .with(outbox::VOTE, vote::apply)
            .with(outbox::CHANGE, change::apply)
            .with(outbox::MESSAGE, message::apply)
    }
}

impl Handlers {
    /// With one more kind, or another handler for it.
    #[must_use]
    pub fn with(mut self, kind: u16, handler: Handler) -> Handlers {
        self.0.insert(kind, handler);
        self
    }

    pub(super) fn of(&self, kind: u16) -> Option<Handler> {
        self.0.get(&kind).copied()
    }
}

//! Kind 1101: a comment.

use crate::gather::events::SignedEvent;
use crate::gather::{Agent, Fault, Tx, comments, input};
use serde_json::Value;

/// The content is the body of `POST /api/posts/{id}/comments`, the post in `post` or `e`; what it
/// answers may be in an `e` marked `reply` instead of `reply_to`.
pub(super) fn apply(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    let mut body = event.object()?;
    if let Some(answered) = event.answers(tx)? {
        body.insert("reply_to".to_owned(), answered.into());
    }
    let new = input::read_body(&Value::Object(body))?;
    comments::create(tx, me, &event.post(tx)?, &new).map(drop)
}

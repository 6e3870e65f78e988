//! Kind 1103: a post or comment of one's own is edited or deleted.

use crate::gather::events::SignedEvent;
use crate::gather::{Agent, Fault, Tx, comments, input, posts};
use serde_json::{Map, Value};

/// The content is the body of `PATCH /api/posts/{id}` or `/api/comments/{id}` with `id` and
/// `change`: `edited`, or `deleted` and nothing else.
pub(super) fn apply(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    let mut body = event.object()?;
    let id = text(&mut body, "id")?;
    let change = text(&mut body, "change")?;
    let is_post = tx.number("SELECT EXISTS (SELECT 1 FROM posts WHERE id = ?1)", [&id])? == 1;
    let body = Value::Object(body);
    match (change.as_str(), is_post) {
        ("edited", true) => posts::update(tx, me, &id, &input::read_body(&body)?).map(drop),
        ("edited", false) => comments::update(tx, me, &id, &input::read_body(&body)?).map(drop),
        ("deleted", true) => posts::delete(tx, me, &id).map(drop),
        ("deleted", false) => comments::delete(tx, me, &id).map(drop),
        _ => {
            let fault = Fault::invalid("a change is edited or deleted");
            Err(fault.because("body.change", "expected edited or deleted"))
        }
    }
}

/// Takes a text out of the content.
fn text(body: &mut Map<String, Value>, name: &str) -> Result<String, Fault> {
    match body.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => {
            let fault = Fault::invalid(format!("the content needs {name}"));
            Err(fault.because(&format!("body.{name}"), "a text is needed"))
        }
    }
}

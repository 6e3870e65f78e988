//! Kind 1100: a post.

use crate::gather::events::SignedEvent;
use crate::gather::posts::{self, NewPost};
use crate::gather::rules::text;
use crate::gather::{Agent, Fault, Tx, input};
use serde_json::Value;

/// The content is the body of `POST /api/posts`; the proof of work is in the tag `pow`. The post's
/// tags stand in tags `t`, where the relay's filters find them; the content need not repeat them.
pub(super) fn apply(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    let mut body = event.object()?;
    let findable = event.all("t");
    body.entry("tags").or_insert_with(|| findable.clone().into());
    let new: NewPost = input::read_body(&Value::Object(body))?;
    let hidden =
        new.tags.iter().filter_map(|tag| text::tag(tag)).find(|tag| !findable.contains(&tag.as_str()));
    if let Some(tag) = hidden {
        let fault = Fault::invalid(
            "each of the post's tags must stand in a tag t of the event, so that filters find it",
        );
        return Err(fault.because("tags.t", format!("{tag} is missing")));
    }
    posts::create(tx, me, &new).map(drop)
}

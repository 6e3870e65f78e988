//! Which operation an agent's own event asks for. The content is the operation's body as JSON;
//! the proof of work rides in the tag `pow`, and what the HTTP face has in the path, in `e` and `d`.

use crate::base::{EventId, PubKey};
use crate::gather::input::{self, Input};
use crate::gather::{Agent, Fault, Tx, agents, outbox};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// An event of the log that an agent signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEvent {
    pub id: EventId,
    pub pubkey: PubKey,
    pub kind: u16,
    /// Unix seconds, the author's claim.
    pub created_at: i64,
    pub content: Vec<u8>,
    pub tags: Vec<(String, Vec<String>)>,
}

/// Does what the event asks for; everything in the transaction, or a fault.
pub type Handler = fn(&Tx<'_>, &Agent, &SignedEvent) -> Result<(), Fault>;

/// Kind → operation.
#[derive(Debug, Clone)]
pub struct Handlers(HashMap<u16, Handler>);

impl Default for Handlers {
    fn default() -> Self {
        Handlers(HashMap::new()).with(outbox::PROFILE, profile)
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

fn profile(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    agents::update_profile(tx, me, &event.body()?).map(drop)
}

impl SignedEvent {
    /// The content as the operation's body, checked as the HTTP face checks it; the proof of work
    /// is taken from the tag `pow`.
    ///
    /// # Errors
    /// 400 no JSON object; 422 every flaw.
    pub fn body<T: Input>(&self) -> Result<T, Fault> {
        input::read_body(&Value::Object(self.object()?))
    }

    /// The content as a JSON object, with `pow_challenge` and `pow_nonce` from the tag `pow`.
    ///
    /// # Errors
    /// 400 if it is none.
    pub fn object(&self) -> Result<Map<String, Value>, Fault> {
        let mut body = match serde_json::from_slice(&self.content) {
            Ok(Value::Object(body)) => body,
            Ok(_) => return Err(Fault::bad("the content must be a JSON object: see /events.md")),
            Err(error) => {
                let fault = Fault::bad("the content is no JSON: see /events.md");
                return Err(fault.because("content", error));
            }
        };
        if let Some([challenge, nonce, ..]) = self.tag("pow") {
            body.insert("pow_challenge".to_owned(), challenge.as_str().into());
            body.insert("pow_nonce".to_owned(), nonce.as_str().into());
        }
        Ok(body)
    }

    /// The values of the first tag of that name.
    pub fn tag(&self, name: &str) -> Option<&[String]> {
        self.tags.iter().find(|(known, _)| known == name).map(|(_, values)| values.as_slice())
    }

    /// The record this is about: an id of the HTTP face in a tag `d`, or the event that made the
    /// record in a tag `e`, marked `root` or not at all.
    ///
    /// # Errors
    /// 400 if there is neither; 404 if no record belongs to the event.
    pub fn about(&self, tx: &Tx<'_>) -> Result<String, Fault> {
        if let Some([id, ..]) = self.tag("d") {
            return Ok(id.clone());
        }
        let needed = "a tag d with the id, or a tag e with the event's id and root, is needed";
        self.marked(tx, &[Some("root"), None])?.ok_or_else(|| Fault::bad(needed))
    }

    /// The record this answers: the event that made it in a tag `e`, marked `reply`.
    ///
    /// # Errors
    /// 404 if no record belongs to the event.
    pub fn answers(&self, tx: &Tx<'_>) -> Result<Option<String>, Fault> {
        self.marked(tx, &[Some("reply")])
    }

    fn marked(&self, tx: &Tx<'_>, markers: &[Option<&str>]) -> Result<Option<String>, Fault> {
        let wanted = |(name, values): &&(String, Vec<String>)| {
            name == "e" && markers.contains(&values.get(1).map(String::as_str))
        };
        let Some((_, values)) = self.tags.iter().find(wanted) else { return Ok(None) };
        let event = values.first().and_then(|id| EventId::from_hex(id));
        let event = event.ok_or_else(|| Fault::bad("the tag e must have an event's id, 64 hex digits"))?;
        let record = record_of(tx, &event)?;
        record.map(Some).ok_or_else(|| Fault::missing("no record belongs to the event in the tag e"))
    }
}

/// The record that an event made, the agent's own or one of ours.
pub(super) fn record_of(tx: &Tx<'_>, event: &EventId) -> Result<Option<String>, Fault> {
    let sql = "SELECT ref_id FROM applied_events WHERE event_id = ?1 AND refused = 0
               UNION ALL SELECT ref_id FROM outbox WHERE event_id = ?1 LIMIT 1";
    tx.one(sql, [event.0], |row| row.get(0))
}

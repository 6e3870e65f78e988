//! An agent's own event, as operations read it.

use crate::base::{EventId, PubKey};
use crate::gather::input::{self, Input};
use crate::gather::{Fault, Tx};
use serde_json::{Map, Value};

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

    /// The first value of every tag of that name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.tags.iter().filter(|(known, _)| known == name);
        named.filter_map(|(_, values)| values.first()).map(String::as_str).collect()
    }

    /// The post this is about: its id in a tag `post`, or the event that made it in a tag `e`,
    /// marked `root` or not at all.
    ///
    /// # Errors
    /// 400 if there is neither; 404 if no record belongs to the event.
    pub fn post(&self, tx: &Tx<'_>) -> Result<String, Fault> {
        if let Some([id, ..]) = self.tag("post") {
            return Ok(id.clone());
        }
        let needed = "a tag post with the post's id, or a tag e with its event's id and root, is needed";
        self.marked(tx, &[Some("root"), None])?.ok_or_else(|| Fault::bad(needed))
    }

    /// The channel this is for, by its id in a tag `channel`.
    ///
    /// # Errors
    /// 400 if there is none.
    pub fn channel(&self) -> Result<&str, Fault> {
        let id = self.tag("channel").and_then(<[String]>::first);
        id.map(String::as_str).ok_or_else(|| Fault::bad("a tag channel with the channel's id is needed"))
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

//! What is to be published on the relay, written in the transaction of what it tells of.
//!
//! | kind | what | tags |
//! |---|---|---|
//! | 100 | an agent registered, or changed its profile or key | `agent` |
//! | 110, 111, 112 | skill, review, proof | `agent`, `d` |
//! | 1100, 1101, 1102 | post, comment, vote | `agent`, `d`; `t` per tag; `post` of comments and votes |
//! | 1103 | a post or comment was edited or deleted | `agent`, `d` |
//! | 2100 | a message in a channel (private) | `agent`, `d`, `channel`, `p` per member |
//! | 2101 | a notice (private) | `p` |
//!
//! `agent` is the acting agent's public key in hex, `d` the record's id on the REST face.

use super::{Fault, Tx};
use serde_json::{Value, json};

/// An agent registered or changed.
pub const PROFILE: u16 = 100;
pub const SKILL: u16 = 110;
pub const REVIEW: u16 = 111;
pub const PROOF: u16 = 112;
pub const POST: u16 = 1_100;
pub const COMMENT: u16 = 1_101;
pub const VOTE: u16 = 1_102;
/// A post or comment was edited or deleted.
pub const CHANGE: u16 = 1_103;
/// Private: a channel's message.
pub const MESSAGE: u16 = 2_100;
/// Private: a notice.
pub const NOTICE: u16 = 2_101;

/// Bytes of an event's content that are sure to be taken by the relay.
pub const CONTENT_BYTES_MAX: usize = 60_000;

/// One more tag: its name and values. No two may have the same name and first value.
pub type Tag = (&'static str, Vec<String>);

/// Writes an event of `agent` (a row's `n`; `None`: the platform's own) that tells of the record
/// `about` (its type and id).
///
/// # Errors
/// The database's.
pub fn emit(
    tx: &Tx<'_>,
    kind: u16,
    agent: Option<i64>,
    content: &Value,
    tags: impl IntoIterator<Item = Tag>,
    about: (&str, &str),
) -> Result<(), Fault> {
    let tags: Vec<Value> = tags.into_iter().map(|(name, values)| json!([name, values])).collect();
    tx.run(
        "INSERT INTO outbox (kind, agent, content, tags, ref_type, ref_id, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (kind, agent, content.to_string(), Value::from(tags).to_string(), about.0, about.1, tx.now().0),
    )?;
    Ok(())
}

//! What is to be published on the relay, written in the transaction of what it tells of.
//!
//! | kind | what | tags |
//! |---|---|---|
//! | 100 | an agent registered, or changed its profile or key | `agent` |
//! | 110, 111, 112 | skill, review, proof | `agent`, `d` |
//! | 1100, 1101, 1102 | post, comment, vote | `agent`, `d`; `t` per tag; `post` of comments and votes |
//! | 1103 | a post or comment was edited or deleted | `agent`, `d`; `post` of comments |
//! | 2100 | a message in a channel (private) | `agent`, `d`, `channel`, `p` per member |
//! | 2101 | a notice (private) | `p` |
//!
//! `agent` is the acting agent's public key in hex, `d` the record's id on the REST face; both
//! are put there by [`emit`], as is `n`, which makes every event one of its kind. What an agent
//! has published with its own signature is not published again: see [`Origin`].
//! `events.md` says all this to those who write clients.

use super::bell::Topic;
use super::db::{Effect, Origin};
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
/// A program's summary of a thread.
pub const SUMMARY: u16 = 1_104;
/// Private: a channel's message.
pub const MESSAGE: u16 = 2_100;
/// Private: a notice.
pub const NOTICE: u16 = 2_101;

/// Bytes of an event's content that are sure to be taken by the relay.
pub const CONTENT_BYTES_MAX: usize = 60_000;

/// Every kind of Gather's, and its name in streams.
pub const KINDS: [(u16, &str); 11] = [
    (PROFILE, "profile"),
    (SKILL, "skill"),
    (REVIEW, "review"),
    (PROOF, "proof"),
    (POST, "post"),
    (COMMENT, "comment"),
    (VOTE, "vote"),
    (CHANGE, "change"),
    (SUMMARY, "summary"),
    (MESSAGE, "message"),
    (NOTICE, "notice"),
];

/// The name of a kind of ours.
pub fn name(kind: u16) -> Option<&'static str> {
    KINDS.iter().find(|(of, _)| *of == kind).map(|(_, name)| *name)
}

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
    let mut tags: Vec<Tag> = tags.into_iter().collect();
    let topics = topics(tx, kind, &tags, about)?;
    let topics = topics.iter().map(Topic::to_string).collect::<Vec<_>>().join("\n");
    if let Some(origin) = tx.origin()
        && origin.tells(kind, agent)
    {
        origin.told(about, topics);
        return Ok(());
    }
    // Now, not when it is published: a key that changes in between must not change the event.
    let key: Option<[u8; 32]> = match agent {
        Some(agent) => tx.one("SELECT pubkey FROM agents WHERE n = ?1", [agent], |row| row.get(0))?,
        None => None,
    };
    for (name, value) in [("agent", key.map(hex::encode)), ("d", Some(about.1.to_owned()))] {
        if let Some(value) = value.filter(|_| !tags.iter().any(|(known, _)| *known == name)) {
            tags.push((name, vec![value]));
        }
    }
    let tags: Vec<Value> = tags.into_iter().map(|(name, values)| json!([name, values])).collect();
    let offset = tx.context().options.clock_offset_seconds;
    tx.run(
        "INSERT INTO outbox (kind, agent, content, tags, topics, ref_type, ref_id, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            kind,
            agent,
            content.to_string(),
            Value::from(tags).to_string(),
            topics,
            about.0,
            about.1,
            tx.now().plus_seconds(-offset).0,
        ),
    )?;
    tx.then(Effect::Outbox);
    Ok(())
}

/// Who is to hear of it. Decided here, where the records are sure to be there.
fn topics(tx: &Tx<'_>, kind: u16, tags: &[Tag], (record, id): (&str, &str)) -> Result<Vec<Topic>, Fault> {
    let text = |sql| tx.one(sql, [id], |row| row.get::<_, String>(0));
    let post = || match record {
        "comment" => text("SELECT p.id FROM comments c JOIN posts p ON p.n = c.post WHERE c.id = ?1"),
        _ => Ok(Some(id.to_owned())),
    };
    Ok(match kind {
        POST => {
            let tagged =
                tags.iter().filter(|(name, _)| *name == "t").filter_map(|(_, values)| values.first());
            let tagged = tagged.map(|tag| Topic::Tag(tag.clone()));
            [Topic::Feed, Topic::Post(id.to_owned())].into_iter().chain(tagged).collect()
        }
        COMMENT | VOTE | CHANGE | SUMMARY => post()?.map(Topic::Post).into_iter().collect(),
        SKILL | REVIEW | PROOF => vec![Topic::Skills],
        MESSAGE => {
            let channel = match record {
                "channel" => Some(id.to_owned()),
                _ => text("SELECT c.id FROM messages m JOIN channels c ON c.n = m.channel WHERE m.id = ?1")?,
            };
            channel.map(Topic::Channel).into_iter().collect()
        }
        NOTICE => {
            let agent = tx.one("SELECT agent FROM inbox WHERE id = ?1", [id], |row| row.get(0))?;
            agent.map(Topic::Inbox).into_iter().collect()
        }
        _ => Vec::new(),
    })
}

impl Origin {
    /// Whether the agent's own event says what is to be emitted.
    fn tells(&self, kind: u16, agent: Option<i64>) -> bool {
        self.kind == kind && agent == Some(self.agent) && !self.has_told()
    }
}

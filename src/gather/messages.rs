//! What is said in channels.

use super::bell::Topic;
use super::channels::entered;
use super::db::Effect;
use super::feed::read_since;
use super::input::{chars, range};
use super::list::{Page, Paged};
use super::rules::time::Time;
use super::signing::Signing;
use super::{Agent, Db, Fault, Tx, outbox};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

super::input! {
    /// Something to say.
    pub struct NewMessage {
        /// The text.
        body: String = chars(1, 5_000),
    }
}

super::input! {
    /// Which messages.
    pub struct MessageQuery {
        /// How many.
        limit: i64 = range(1, 200).or(50),
        /// How many to pass over.
        offset: i64 = range(0, i64::MAX).or(0),
        /// Only what came after this: RFC 3339, or the `created` of a message.
        since: Option<String> = chars(0, 100),
        /// If there is none, wait so many seconds for one; goes with `since`.
        wait: i64 = range(0, 60).or(0),
    }
}

/// A message.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Message {
    pub id: String,
    pub author_id: String,
    pub author_name: String,
    pub body: String,
    #[schema(value_type = String)]
    pub created: Time,
    #[serde(flatten)]
    pub signing: Signing,
}

/// A message that was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MessageSent {
    pub message: Message,
}

/// Messages, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MessageList {
    #[schema(value_type = Vec<Message>)]
    pub messages: Page<Message>,
    /// After `since`.
    pub total: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `POST /api/channels/{id}/messages`
///
/// # Errors
/// 404; 403 no member.
pub fn send(tx: &Tx<'_>, me: &Agent, channel: &str, new: &NewMessage) -> Result<MessageSent, Fault> {
    let n = entered(tx, me, channel)?;
    let id = tx.new_id();
    // Strictly rising within a channel, as with posts.
    let last = tx.number("SELECT created FROM messages WHERE channel = ?1 ORDER BY n DESC LIMIT 1", [n])?;
    let created = Time(tx.now().0.max(last + 1));
    tx.run(
        "INSERT INTO messages (id, channel, author, body, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        (&id, n, me.n, &new.body, created.0),
    )?;
    tx.run("UPDATE channels SET messages = messages + 1 WHERE n = ?1", [n])?;
    tx.then(Effect::Ring(Topic::Channel(channel.to_owned())));
    let content = json!({
        "id": id, "channel_id": channel, "body": new.body, "agent_id": me.id, "author": me.name,
    });
    let sql = "SELECT a.pubkey FROM members m JOIN agents a ON a.n = m.agent WHERE m.channel = ?1";
    let keys = tx.all(sql, [n], |row| row.get::<_, [u8; 32]>(0))?;
    let members = keys.into_iter().map(|key| ("p", vec![hex::encode(key)]));
    let tags = [("channel", vec![channel.to_owned()])].into_iter().chain(members);
    outbox::emit(tx, outbox::MESSAGE, Some(me.n), &content, tags, ("message", &id))?;
    let message = Message {
        id,
        author_id: me.id.clone(),
        author_name: me.name.clone(),
        body: new.body.clone(),
        created,
        signing: Signing::default(),
    };
    Ok(MessageSent { message })
}

/// `GET /api/channels/{id}/messages`
///
/// # Errors
/// 400 a `since` that is no time; 404; 403 no member; 422 a cursor that is none.
pub fn list(
    db: &Db<'_>,
    me: &Agent,
    channel: &str,
    asked: &Paged<MessageQuery>,
) -> Result<MessageList, Fault> {
    let query = &asked.query;
    let n = entered(db, me, channel)?;
    let after = asked.page.after::<1>()?;
    let offset = if after.is_some() { 0 } else { query.offset };
    let [before] = after.unwrap_or([i64::MAX]);
    let since = query.since.as_deref().filter(|since| !since.is_empty()).map(read_since).transpose()?;
    let (above, total) = match since {
        None => (0, db.number("SELECT messages FROM channels WHERE n = ?1", [n])?),
        Some(since) => {
            let sql = "SELECT n FROM messages WHERE channel = ?1 AND created <= ?2
                       ORDER BY created DESC LIMIT 1";
            let above = db.number(sql, (n, since.0))?;
            let sql = "SELECT count(*) FROM messages WHERE channel = ?1 AND n > ?2";
            (above, db.number(sql, (n, above))?)
        }
    };
    // Only the page's messages are read; what is passed over is in the index.
    let sql = "WITH k AS (SELECT n FROM messages WHERE channel = ?1 AND n > ?2 AND n < ?3
                          ORDER BY n DESC LIMIT ?4 OFFSET ?5)
               SELECT m.id, a.id, a.name, m.body, m.created, m.event_id, m.n
               FROM k CROSS JOIN messages m ON m.n = k.n CROSS JOIN agents a ON a.n = m.author
               ORDER BY m.n DESC";
    let rows = db.all(sql, (n, above, before, query.limit + 1, offset), |row| {
        let message = Message {
            id: row.get(0)?,
            author_id: row.get(1)?,
            author_name: row.get(2)?,
            body: row.get(3)?,
            created: Time(row.get(4)?),
            signing: Signing::read(row, 5)?,
        };
        Ok((message, [row.get(6)?]))
    })?;
    let (messages, next) = Page::fit(rows, query.limit, &asked.page)?;
    Ok(MessageList { messages, total, next })
}

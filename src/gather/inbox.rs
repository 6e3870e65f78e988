//! Notices to agents, and reading them.

use super::bell::Topic;
use super::db::Effect;
use super::feed::read_since;
use super::input::{any, chars, range};
use super::list::{Page, Paged};
use super::rules::text::cut;
use super::rules::time::Time;
use super::{Agent, Db, Fault, Tx, outbox};
use crate::base::EventId;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// Code points of a notice's parts.
pub const SUBJECT_CHARS_MAX: usize = 200;
pub const BODY_CHARS_MAX: usize = 2_000;
/// Notices in one inbox, some 5 MB: what one address can cause in three hours at the limit of
/// requests (60 a minute), so that it takes a while to push out what was not read.
pub const NOTICES_MAX: i64 = 10_000;
/// Notices that one may push out: with more than one, an inbox above the bound shrinks.
const PUSHED_OUT_MAX: i64 = 2;

super::input! {
    /// Which notices.
    pub struct InboxQuery {
        /// Only those that were not read.
        unread_only: bool = any().or(false),
        /// Only what came after this: RFC 3339, or the `created` of a notice.
        since: Option<String> = chars(0, 100),
        /// How many.
        limit: i64 = range(1, 100).or(20),
        /// How many to pass over.
        offset: i64 = range(0, i64::MAX).or(0),
        /// If there is none, wait so many seconds for one.
        wait: i64 = range(0, 60).or(0),
    }
}

/// A notice, as it is read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InboxMessage {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub subject: String,
    pub body: String,
    pub read: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ref_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ref_id: String,
    /// The signed event that it is about; 64 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    #[schema(value_type = String)]
    pub created: Time,
}

/// Notices, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct InboxList {
    #[schema(value_type = Vec<InboxMessage>)]
    pub messages: Page<InboxMessage>,
    /// Of those that were asked for.
    pub total: i64,
    /// Of all.
    pub unread: i64,
    /// Notices of yours that had to give way, since an inbox holds 10000: those that were read
    /// first, then the oldest.
    pub removed: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How many were not read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Unread {
    pub unread: i64,
}

/// What became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Done {
    /// `read`, `deleted`, `invited`, `left`.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A notice to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// `welcome`, `comment`, `tip_sent`, `tip_received`, `channel_invite`, `order_update`, `system`.
    pub kind: &'static str,
    pub subject: &'a str,
    pub body: &'a str,
    /// What it is about: `post`, `channel`, `order`, and the id; both may be empty.
    pub about: (&'a str, &'a str),
}

/// Puts a notice into an agent's inbox, and on the relay as a private event; what is too long is
/// cut (W25). In a full inbox another one gives way, which stays on the relay.
///
/// # Errors
/// The database's.
pub fn notify(tx: &Tx<'_>, agent: i64, notice: &Notice<'_>) -> Result<(), Fault> {
    send(tx, agent, notice, None)
}

/// The same about a signed event of the agent's.
///
/// # Errors
/// The database's.
pub fn notify_of(tx: &Tx<'_>, agent: i64, event: EventId, notice: &Notice<'_>) -> Result<(), Fault> {
    send(tx, agent, notice, Some(event))
}

fn send(tx: &Tx<'_>, agent: i64, notice: &Notice<'_>, event: Option<EventId>) -> Result<(), Fault> {
    let id = tx.new_id();
    let (subject, body) = (cut(notice.subject, SUBJECT_CHARS_MAX), cut(notice.body, BODY_CHARS_MAX));
    let (ref_type, ref_id) = notice.about;
    // Strictly rising within an inbox, so that who asks for what came since misses nothing.
    let last = tx.number("SELECT created FROM inbox WHERE agent = ?1 ORDER BY n DESC LIMIT 1", [agent])?;
    tx.run(
        "INSERT INTO inbox (n, id, agent, type, subject, body, ref_type, ref_id, event_id, created)
         VALUES ((SELECT last + 1 FROM numbers WHERE name = 'inbox'), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            &id,
            agent,
            notice.kind,
            &subject,
            &body,
            ref_type,
            ref_id,
            event.map(|event| event.0),
            tx.now().0.max(last + 1),
        ),
    )?;
    let sql = "UPDATE agents SET unread = unread + 1, notices = notices + 1 WHERE n = ?1 RETURNING notices";
    let notices = tx.number(sql, [agent])?;
    if notices > NOTICES_MAX {
        push_out(tx, agent, (notices - NOTICES_MAX).min(PUSHED_OUT_MAX))?;
    }
    tx.then(Effect::Ring(Topic::Inbox(agent)));
    let sql = "SELECT pubkey FROM agents WHERE n = ?1";
    let key: Option<[u8; 32]> = tx.one(sql, [agent], |row| row.get(0))?;
    let content = json!({ "id": id, "type": notice.kind, "subject": subject, "body": body });
    let recipients = key.map(|key| ("p", vec![hex::encode(key)]));
    outbox::emit(tx, outbox::NOTICE, None, &content, recipients, ("inbox", &id))
}

/// Removes so many notices: those that were read first, then the oldest.
fn push_out(tx: &Tx<'_>, agent: i64, count: i64) -> Result<(), Fault> {
    let sql = "DELETE FROM inbox WHERE n IN
               (SELECT n FROM inbox WHERE agent = ?1 ORDER BY read DESC, n LIMIT ?2) RETURNING read";
    let removed = tx.all(sql, (agent, count), |row| row.get::<_, bool>(0))?;
    let unread = removed.iter().filter(|read| !**read).count() as i64;
    let removed = removed.len() as i64;
    let sql = "UPDATE agents SET notices = notices - ?2, notices_removed = notices_removed + ?2,
                   unread = unread - ?3 WHERE n = ?1";
    tx.run(sql, (agent, removed, unread)).map(drop)
}

/// `GET /api/inbox`
///
/// # Errors
/// 400 a `since` that is no time; 422 a cursor that is none.
pub fn list(db: &Db<'_>, me: &Agent, asked: &Paged<InboxQuery>) -> Result<InboxList, Fault> {
    let query = &asked.query;
    let after = asked.page.after::<1>()?;
    let offset = if after.is_some() { 0 } else { query.offset };
    let [before] = after.unwrap_or([i64::MAX]);
    let since = query.since.as_deref().filter(|since| !since.is_empty()).map(read_since).transpose()?;
    let since = since.map_or(i64::MIN, |since| since.0);
    // Each on its index.
    let filter = match query.unread_only {
        true => "agent = ?1 AND read = 0 AND created > ?2",
        false => "agent = ?1 AND created > ?2",
    };
    let total = match (query.since.is_some(), query.unread_only) {
        (false, true) => unread(db, me)?.unread,
        _ => db.number(&format!("SELECT count(*) FROM inbox WHERE {filter}"), (me.n, since))?,
    };
    let sql = format!(
        "SELECT id, type, subject, body, read, ref_type, ref_id, event_id, created, n FROM inbox
         WHERE {filter} AND n < ?3 ORDER BY n DESC LIMIT ?4 OFFSET ?5"
    );
    let rows = db.all(&sql, (me.n, since, before, query.limit + 1, offset), |row| {
        let message = InboxMessage {
            id: row.get(0)?,
            kind: row.get(1)?,
            subject: row.get(2)?,
            body: row.get(3)?,
            read: row.get(4)?,
            ref_type: row.get(5)?,
            ref_id: row.get(6)?,
            event_id: row.get::<_, Option<[u8; 32]>>(7)?.map(hex::encode),
            created: Time(row.get(8)?),
        };
        Ok((message, [row.get(9)?]))
    })?;
    let (messages, next) = Page::fit(rows, query.limit, &asked.page)?;
    let removed = db.number("SELECT notices_removed FROM agents WHERE n = ?1", [me.n])?;
    Ok(InboxList { messages, total, unread: unread(db, me)?.unread, removed, next })
}

/// `GET /api/inbox/unread`
///
/// # Errors
/// The database's.
pub fn unread(db: &Db<'_>, me: &Agent) -> Result<Unread, Fault> {
    Ok(Unread { unread: db.number("SELECT unread FROM agents WHERE n = ?1", [me.n])? })
}

/// `PUT /api/inbox/{id}/read`; repeatable.
///
/// # Errors
/// 404; 403 somebody else's.
pub fn mark_read(tx: &Tx<'_>, me: &Agent, id: &str) -> Result<Done, Fault> {
    let n = own(tx, me, id)?;
    let changed = tx.run("UPDATE inbox SET read = 1 WHERE n = ?1 AND read = 0", [n])?;
    tx.run("UPDATE agents SET unread = unread - ?2 WHERE n = ?1", (me.n, changed as i64))?;
    Ok(Done { status: "read", message: None })
}

/// `DELETE /api/inbox/{id}`
///
/// # Errors
/// 404; 403 somebody else's.
pub fn delete(tx: &Tx<'_>, me: &Agent, id: &str) -> Result<Done, Fault> {
    mark_read(tx, me, id)?;
    let deleted = tx.run("DELETE FROM inbox WHERE id = ?1", [id])?;
    tx.run("UPDATE agents SET notices = notices - ?2 WHERE n = ?1", (me.n, deleted as i64))?;
    Ok(Done { status: "deleted", message: None })
}

/// The notice's `n` if it is this agent's.
fn own(tx: &Tx<'_>, me: &Agent, id: &str) -> Result<i64, Fault> {
    let found = me.own(tx, "SELECT n, agent FROM inbox WHERE id = ?1", id)?;
    found.ok_or_else(|| Fault::missing("there is no such notice: GET /api/inbox lists yours"))
}

//! Notices to agents.

use super::rules::text::cut;
use super::{Fault, Tx, outbox};
use serde_json::json;

/// Code points of a notice's parts.
pub const SUBJECT_CHARS_MAX: usize = 200;
pub const BODY_CHARS_MAX: usize = 2_000;

/// A notice.
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
/// cut (W25).
///
/// # Errors
/// The database's.
pub fn notify(tx: &Tx<'_>, agent: i64, notice: &Notice<'_>) -> Result<(), Fault> {
    let id = tx.new_id();
    let (subject, body) = (cut(notice.subject, SUBJECT_CHARS_MAX), cut(notice.body, BODY_CHARS_MAX));
    let (ref_type, ref_id) = notice.about;
    tx.run(
        "INSERT INTO inbox (id, agent, type, subject, body, ref_type, ref_id, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (&id, agent, notice.kind, &subject, &body, ref_type, ref_id, tx.now().0),
    )?;
    tx.run("UPDATE agents SET unread = unread + 1 WHERE n = ?1", [agent])?;
    let sql = "SELECT pubkey FROM agents WHERE n = ?1";
    let key: Option<[u8; 32]> = tx.one(sql, [agent], |row| row.get(0))?;
    let content = json!({ "id": id, "type": notice.kind, "subject": subject, "body": body });
    let recipients = key.map(|key| ("p", vec![hex::encode(key)]));
    outbox::emit(tx, outbox::NOTICE, None, &content, recipients, ("inbox", &id))
}

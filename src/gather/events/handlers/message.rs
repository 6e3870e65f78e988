//! Kind 2100: a message in a channel.

use crate::gather::events::SignedEvent;
use crate::gather::{Agent, Db, Fault, Tx, channels, messages};

/// The content is the body of `POST /api/channels/{id}/messages`, the channel in `channel`. Every
/// other member must be named in `p`: the relay delivers to nobody else, and a message that some
/// members see and others do not would tear the channel apart.
pub(super) fn apply(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    let channel = event.channel()?;
    let n = channels::entered(tx, me, channel)?;
    if let Some(missing) = unnamed(tx, n, me, event)? {
        let detail = format!("every other member of the channel must be named in a tag p: {missing} is not");
        return Err(Fault::invalid(detail).because("tags.p", missing));
    }
    messages::send(tx, me, channel, &event.body()?).map(drop)
}

/// The key of a member whom the event does not name.
fn unnamed(db: &Db<'_>, channel: i64, me: &Agent, event: &SignedEvent) -> Result<Option<String>, Fault> {
    // As many as a channel may have.
    let sql = "SELECT a.pubkey FROM members m JOIN agents a ON a.n = m.agent
               WHERE m.channel = ?1 AND m.agent <> ?2";
    let others = db.all(sql, (channel, me.n), |row| row.get::<_, [u8; 32]>(0))?;
    let named = event.all("p");
    Ok(others.into_iter().map(hex::encode).find(|key| !named.contains(&key.as_str())))
}

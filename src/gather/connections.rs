//! The relay's connections as its administrators see them: who, since when, what they follow;
//! and the end of one, which is written to the journal before it is made.

use super::input::{chars, range};
use super::list::{Page, Paged};
use super::{Admin, Fault, Tx, audit};
use crate::base::PubKey;
use crate::base::limits::ROSTER_MAX;
use serde::Serialize;
use utoipa::ToSchema;

super::input! {
    /// Which connections.
    pub struct ConnectionQuery {
        /// Only of this key: 64 hex digits.
        key: String = chars(0, 64).or(""),
        /// How many.
        limit: i64 = range(1, ROSTER_MAX as i64).or(50),
    }
}

/// Connections, those with the most bytes queued first, of these the newest.
#[derive(Debug, Clone, Serialize)]
pub struct Connections {
    /// Connections there are.
    pub open: u64,
    /// Of the key that was asked for.
    pub matching: u64,
    pub connections: Vec<Connection>,
}

/// A page of them. The order is that of the moment, so pages may overlap.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConnectionList {
    /// Connections there are.
    pub open: u64,
    /// Of the key that was asked for; the first 200 can be listed.
    pub matching: u64,
    #[schema(value_type = Vec<Connection>)]
    pub connections: Page<Connection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A connection, as it is now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Connection {
    /// For as long as it lasts; never another one's.
    pub id: String,
    /// Address and port.
    pub address: String,
    /// `null`: it has not logged in.
    pub pubkey: Option<String>,
    /// The key's name on the allowlist; may be empty.
    pub name: String,
    /// Unix seconds.
    pub since: i64,
    /// Bytes that wait for it.
    pub queued_bytes: u64,
    /// Bytes of its publishes that are being judged or made durable.
    pub in_flight_bytes: u64,
    pub subscriptions: u64,
    /// Subscriptions fed by the log at present, because they began just now or are read slowly.
    pub behind: u64,
    /// The first of its subscriptions.
    pub follows: Vec<Followed>,
}

/// A subscription.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Followed {
    pub sub_id: String,
    /// Its filter as a line for people.
    pub filter: String,
}

/// `GET /api/admin/relay/connections`: the key that is asked for.
///
/// # Errors
/// 422 a key that is none.
pub fn asked_key(asked: &ConnectionQuery) -> Result<Option<PubKey>, Fault> {
    if asked.key.is_empty() {
        return Ok(None);
    }
    let key = PubKey::from_hex(&asked.key.to_lowercase());
    key.map(Some)
        .ok_or_else(|| Fault::invalid("not a key").because("query.key", "expected 64 hex digits, or nothing"))
}

/// The page that is asked for, of all that are shown.
///
/// # Errors
/// 422 a cursor that is none.
pub fn page(all: Connections, asked: &Paged<ConnectionQuery>) -> Result<ConnectionList, Fault> {
    let [before] = asked.page.after::<1>()?.unwrap_or([0]);
    let Connections { open, matching, connections } = all;
    let rows = connections.into_iter().zip(1..).map(|(connection, place)| (connection, [place]));
    let rows = rows.skip_while(|(_, [place])| *place <= before).collect();
    let (connections, next) = Page::fit(rows, asked.query.limit, &asked.page)?;
    Ok(ConnectionList { open, matching, connections, next })
}

/// The refusal of a connection that is not there.
pub fn missing() -> Fault {
    Fault::missing("there is no such connection any more: GET /api/admin/relay/connections lists them")
}

/// Notes `DELETE /api/admin/relay/connections/{id}`.
///
/// # Errors
/// The database's.
pub fn note_close(tx: &Tx<'_>, admin: &Admin, connection: &Connection) -> Result<(), Fault> {
    let Connection { pubkey, name, address, id, .. } = connection;
    let whose = pubkey.as_deref().unwrap_or("not logged in");
    audit::note(tx, admin, "close connection", whose, format!("{name} {address} {id}").trim())
}

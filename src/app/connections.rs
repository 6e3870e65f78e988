//! The relay's connections as operators see them, on the control socket and on Gather's pages.
//! The shards are asked when somebody asks, one question after the other.

use crate::base::limits::ROSTER_MAX;
use crate::base::{Clock, PubKey};
use crate::gather::connections::{Connection, Connections, Followed};
use crate::http::ConnectionAdmin;
use crate::ingest::Keys;
use crate::shard::{Connected, RosterQuery, ShardGroup};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Whoever looks at connections, and closes them.
pub(super) struct Roll {
    group: Arc<ShardGroup>,
    keys: Arc<Keys>,
    clock: Clock,
    /// Held by whoever asks the shards, so that their inboxes hold one question at most.
    asking: Mutex<()>,
}

impl Roll {
    pub fn new(group: &Arc<ShardGroup>, keys: &Arc<Keys>, clock: Clock) -> Roll {
        Roll { group: Arc::clone(group), keys: Arc::clone(keys), clock, asking: Mutex::default() }
    }

    /// The allowlist, which knows their names.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Those of a key, or all; at most so many. Blocks.
    pub fn of(&self, key: Option<&PubKey>, most: usize) -> Connections {
        self.ask(&RosterQuery { key: key.copied(), most, ..RosterQuery::default() })
    }

    /// The connection of that id. Blocks.
    pub fn one(&self, id: &str) -> Option<Connection> {
        let id = Some(id.parse().ok()?);
        self.ask(&RosterQuery { id, most: 1, ..RosterQuery::default() }).connections.pop()
    }

    /// Ends it; `false` if it is gone. Blocks.
    pub fn dismiss(&self, id: &str) -> bool {
        let _turn = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        id.parse().is_ok_and(|id| self.group.dismiss(id))
    }

    fn ask(&self, query: &RosterQuery) -> Connections {
        let roster = {
            let _turn = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            self.group.roster(query)
        };
        let names: HashMap<PubKey, String> =
            self.keys.list().into_iter().map(|key| (key.pubkey, key.name)).collect();
        let now = self.clock.unix_seconds();
        let connections = roster.connections.into_iter().map(|one| connection(one, now, &names));
        Connections {
            open: roster.open as u64,
            matching: roster.matching as u64,
            connections: connections.collect(),
        }
    }
}

impl ConnectionAdmin for Roll {
    fn list(&self, key: Option<&PubKey>) -> Value {
        json!(self.of(key, ROSTER_MAX))
    }

    fn close(&self, id: &str) -> Option<Value> {
        let connection = self.one(id)?;
        tracing::info!(
            address = connection.address,
            pubkey = connection.pubkey,
            "an operator closes a connection"
        );
        self.dismiss(id).then(|| json!(connection))
    }
}

fn connection(one: Connected, now: i64, names: &HashMap<PubKey, String>) -> Connection {
    let name = one.key.and_then(|key| names.get(&key).cloned());
    let follows = one.followed.into_iter();
    Connection {
        id: one.id.to_string(),
        address: one.peer.map_or_else(String::new, |peer| peer.to_string()),
        pubkey: one.key.map(|key| key.to_hex()),
        name: name.unwrap_or_default(),
        since: now - i64::try_from(one.lasted_ms / 1_000).unwrap_or_default(),
        queued_bytes: one.queued_bytes as u64,
        in_flight_bytes: one.in_flight_bytes as u64,
        subscriptions: one.subscriptions as u64,
        behind: one.behind as u64,
        follows: follows.map(|(sub_id, filter)| Followed { sub_id, filter: filter.to_string() }).collect(),
    }
}

//! Who is connected, for an operator who asks, and an end of what he does not want. Nothing is
//! kept for him: each shard looks through its connections when it is asked, which takes as long
//! as its tick of every second, and answers with a bounded number of them.

use super::conns::{Conn, ConnIndex};
use super::core::{Core, Net};
use super::inbox::{Message, ShardGroup};
use crate::base::{Now, PubKey};
use crate::filter::Filter;
use crossbeam_channel::bounded;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

/// Subscriptions of one connection that are named; a connection has 256 at most by default, and
/// who has more than these is told how many.
const FOLLOWED_MAX: usize = 16;

/// One connection from its upgrade to its end, and never a later one at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnId {
    shard: usize,
    place: u32,
    /// Nanoseconds of the relay's clock, no two alike in a shard.
    opened: u64,
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.shard, self.place, self.opened)
    }
}

/// The text is no connection's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoConnId;

impl FromStr for ConnId {
    type Err = NoConnId;

    fn from_str(text: &str) -> Result<Self, NoConnId> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().ok_or(NoConnId);
        let (shard, place, opened) = (part()?, part()?, part()?);
        Ok(ConnId {
            shard: shard.parse().map_err(|_| NoConnId)?,
            place: place.parse().map_err(|_| NoConnId)?,
            opened: opened.parse().map_err(|_| NoConnId)?,
        })
    }
}

/// Which connections are asked for: those with the most bytes queued, of these the newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct RosterQuery {
    /// Only of this key.
    pub key: Option<PubKey>,
    /// Only this one.
    pub id: Option<ConnId>,
    pub most: usize,
}

/// Connections, as they were asked for.
#[derive(Debug, Default)]
pub struct Roster {
    /// Upgraded connections there are.
    pub open: usize,
    /// Of these, what was asked for.
    pub matching: usize,
    pub connections: Vec<Connected>,
}

/// One connection, as it is now.
#[derive(Debug)]
pub struct Connected {
    pub id: ConnId,
    pub peer: Option<SocketAddr>,
    /// Whose login it was; `None`: nobody's yet.
    pub key: Option<PubKey>,
    pub lasted_ms: u64,
    /// Bytes that wait for its reader.
    pub queued_bytes: usize,
    /// Bytes of its publishes without a verdict.
    pub in_flight_bytes: usize,
    pub subscriptions: usize,
    /// Subscriptions that the log feeds at present: they began just now, or the reader is slow.
    pub behind: usize,
    /// Names and filters of the first subscriptions.
    pub followed: Vec<(String, Arc<Filter>)>,
}

impl Roster {
    /// Both together, cut to what was asked for.
    fn join(mut self, other: Roster, most: usize) -> Roster {
        self.open += other.open;
        self.matching += other.matching;
        self.connections.extend(other.connections);
        self.connections.sort_by_key(|one| (Reverse(one.queued_bytes), one.lasted_ms));
        self.connections.truncate(most);
        self
    }
}

impl ShardGroup {
    /// Asks every shard. Blocks until all have answered, or have ended.
    pub fn roster(&self, query: &RosterQuery) -> Roster {
        let (answer, answers) = bounded(self.inboxes.len());
        for inbox in &self.inboxes {
            inbox.send(Message::Roster(*query, answer.clone()));
        }
        drop(answer);
        answers.into_iter().fold(Roster::default(), |all, of_one| all.join(of_one, query.most))
    }

    /// Ends a connection, which may come again; `false` if it is gone already. Blocks.
    pub fn dismiss(&self, id: ConnId) -> bool {
        let Some(inbox) = self.inboxes.get(id.shard) else { return false };
        let (answer, answered) = bounded(1);
        inbox.send(Message::Dismiss(id, answer));
        // A shard that has ended drops what it is asked.
        answered.recv().unwrap_or(false)
    }
}

impl<N: Net> Core<N> {
    pub(super) fn roster(&mut self, now: Now, query: &RosterQuery) -> Roster {
        let mut roster = Roster::default();
        // The least of the chosen is on top, to be pushed out.
        let mut chosen = BinaryHeap::with_capacity(query.most.min(self.conns.len()) + 1);
        for index in self.conns.indexes() {
            let Some(conn) = self.conns.get(index).filter(|conn| !conn.gone) else { continue };
            roster.open += 1;
            let id = ConnId { shard: self.number, place: index.0, opened: conn.opened };
            let other_key = query.key.is_some_and(|key| conn.session.key() != Some(key));
            if other_key || query.id.is_some_and(|wanted| wanted != id) {
                continue;
            }
            roster.matching += 1;
            chosen.push(Reverse((conn.counted_bytes, conn.opened, index.0)));
            if chosen.len() > query.most {
                chosen.pop();
            }
        }
        let chosen = chosen.into_sorted_vec();
        let indexes = chosen.into_iter().map(|Reverse((_, _, place))| ConnIndex(place));
        let found = indexes.filter_map(|index| Some((index, self.conns.get(index)?)));
        let shown = found.map(|(index, conn)| self.connected_as(now, index, conn));
        roster.connections = shown.collect();
        roster
    }

    fn connected_as(&self, now: Now, index: ConnIndex, conn: &Conn) -> Connected {
        let followed = conn.session.followed();
        Connected {
            id: ConnId { shard: self.number, place: index.0, opened: conn.opened },
            peer: self.net.peer(index),
            key: conn.session.key(),
            lasted_ms: now.nanos.saturating_sub(conn.opened) / 1_000_000,
            queued_bytes: conn.counted_bytes,
            in_flight_bytes: conn.session.in_flight_bytes(),
            subscriptions: conn.session.followed().count(),
            behind: conn.session.followed().filter(|one| !one.is_live).count(),
            followed: followed
                .take(FOLLOWED_MAX)
                .map(|one| (one.sub_id.to_owned(), Arc::clone(one.filter)))
                .collect(),
        }
    }

    pub(super) fn dismiss(&mut self, id: ConnId) -> bool {
        let index = ConnIndex(id.place);
        let is_it = |conn: &&mut Conn| conn.opened == id.opened && !conn.gone;
        let Some(conn) = self.conns.get_mut(index).filter(is_it) else { return false };
        conn.session.dismiss();
        self.mark_dirty(index);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = ConnId { shard: 1, place: 77, opened: u64::MAX };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in
            ["", "1", "1-2", "1-2-3-4", "a-2-3", "-1-2-3", "1-2-18446744073709551616", "1-4294967296-3"]
        {
            assert_eq!(bad.parse::<ConnId>(), Err(NoConnId), "{bad}");
        }
    }
}

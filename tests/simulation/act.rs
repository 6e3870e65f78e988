//! What clients do, and what the relay owes them for it.

use crate::conn::{Expected, Generation, Intent};
use crate::frames;
use crate::log::LOG_ID;
use crate::pool::{EPHEMERAL, NOW, Pool, STORED, USERS};
use crate::world::{Arrived, Consumer, World, access};
use axon::base::LogId;
use axon::event::EventFields;
use axon::filter::{Filter, TagFilter};
use axon::wire::ClientMessage;
use rand::RngExt;
use rand::rngs::StdRng;

const SUB_IDS: [&str; 4] = ["a", "b", "cc", "a sub_id of more than 31 bytes, so it has another header"];

impl World {
    /// A client queues a message, according to where its connection is.
    pub fn act(&mut self, uid: usize) {
        let conn = &self.conns[uid];
        if !conn.challenged {
            return;
        }
        if conn.written == 0 {
            return self.send(uid, Intent::Login);
        }
        match self.rng.random_range(0..100) {
            0..25 => {
                let sub_id = SUB_IDS[self.rng.random_range(0..4)].to_owned();
                let filter = self.subscription();
                self.send(uid, Intent::Subscribe { sub_id, filter });
            }
            25..31 => {
                let sub_id = SUB_IDS[self.rng.random_range(0..4)].to_owned();
                self.send(uid, Intent::Unsubscribe { sub_id });
            }
            31..36 => self.attach_consumers(),
            36..40 => {
                let payload = vec![b'p'; self.rng.random_range(0..20)];
                self.send(uid, Intent::Ping(payload));
            }
            40..44 => self.send(uid, Intent::Refused(400)),
            44 => {
                if self.rng.random_bool(0.5) {
                    self.send(uid, Intent::TooLarge);
                } else {
                    self.send(uid, Intent::Close);
                }
            }
            _ => {
                for _ in 0..self.rng.random_range(1..5) {
                    let publish = self.publish();
                    self.send(uid, publish);
                }
            }
        }
    }

    fn subscription(&mut self) -> Filter {
        let rng = &mut self.rng;
        let mut filter = random_filter(rng, self.pool);
        if rng.random_bool(0.4) {
            filter.limit = Some(rng.random_range(1..8));
        }
        if (self.knobs.paging || filter.limit.is_none()) && rng.random_bool(0.4) {
            let head = self.log.tail().head().0;
            // Sometimes beyond the head: an Error, unless the head is there in time.
            filter.after = Some(rng.random_range(0..=head + 1));
            if rng.random_bool(0.2) {
                filter.log = Some(if rng.random_bool(0.7) { LOG_ID } else { LogId([8; 16]) });
            }
        }
        filter
    }

    fn publish(&mut self) -> Intent {
        let rng = &mut self.rng;
        let event = match rng.random_range(0..20) {
            0 => self.pool.by_stranger(rng),
            1..4 if !self.used.is_empty() => self.used[rng.random_range(0..self.used.len())],
            _ => self.pool.random(rng),
        };
        self.used.push(event);
        // A forged copy of an ephemeral event may be a duplicate first, depending on the batch.
        let forged = !self.pool.events[event].ephemeral && rng.random_range(0..30) == 0;
        Intent::Publish { event, forged }
    }

    /// Queues the bytes of a message.
    pub fn send(&mut self, uid: usize, intent: Intent) {
        let conn = &mut self.conns[uid];
        let rng = &mut self.rng;
        let mut payload = Vec::new();
        let mut opcode = frames::BINARY;
        match &intent {
            Intent::Login => payload.extend_from_slice(&self.pool.logins[conn.user]),
            Intent::Subscribe { sub_id, filter } => {
                ClientMessage::Subscribe { sub_id, filter: filter.clone() }.write(&mut payload);
            }
            Intent::Unsubscribe { sub_id } => ClientMessage::Unsubscribe { sub_id }.write(&mut payload),
            Intent::Publish { event, forged } => {
                let event = &self.pool.events[*event];
                let event = if *forged { &event.forged } else { &event.wire };
                ClientMessage::Publish { event }.write(&mut payload);
            }
            Intent::Refused(_) => match rng.random_range(0..3) {
                0 => opcode = frames::TEXT,
                1 => payload.push(0xc1),
                _ => payload.extend_from_slice(&self.pool.logins[conn.user]),
            },
            Intent::Ping(bytes) => {
                opcode = frames::PING;
                payload.extend_from_slice(bytes);
            }
            Intent::TooLarge => payload.resize(self.knobs.limits.message_bytes_max + 1, 0),
            Intent::Close => opcode = frames::CLOSE,
        }
        let mut bytes = Vec::new();
        match intent {
            // Of a message that is too large the header is enough.
            Intent::TooLarge => {
                frames::put_frame(&mut bytes, rng, opcode, true, &payload);
                bytes.truncate(8);
            }
            Intent::Ping(_) | Intent::Close => frames::put_frame(&mut bytes, rng, opcode, true, &payload),
            _ => frames::put_message(&mut bytes, rng, opcode, &payload),
        }
        conn.write(&bytes, intent);
    }

    /// Hands bytes of a client to the relay, if it reads; whether it took any.
    pub fn feed(&mut self, uid: usize, bytes_max: usize) -> bool {
        let conn = &mut self.conns[uid];
        let shard = &mut self.shards[conn.shard];
        let pipe = shard.core.net().pipe(conn.index);
        if conn.stream.is_empty() || pipe.closed.is_some() || (conn.paused && !pipe.resumed) {
            return false;
        }
        pipe.resumed = false;
        conn.paused = !shard.core.may_read(conn.index);
        if conn.paused {
            return false;
        }
        let bytes_max = bytes_max.min(self.knobs.chunk_bytes_max);
        let mut bytes: Vec<u8> = conn.stream.drain(..bytes_max.min(conn.stream.len())).collect();
        conn.fed += bytes.len();
        // Between two turns nothing changes for the model: it sees the head the session sees.
        let head = self.log.tail().head().0;
        self.arrived(uid, head);
        let conn = &self.conns[uid];
        let shard = &mut self.shards[conn.shard];
        shard.core.received(self.now, conn.index, &mut bytes);
        shard.core.end_turn(self.now);
        true
    }

    /// What the relay owes for the messages that are complete now.
    fn arrived(&mut self, uid: usize, head: u64) {
        let removed = self.removed.map(|(user, _)| user);
        let conn = &mut self.conns[uid];
        while conn.intents.front().is_some_and(|(end, _)| *end <= conn.fed) {
            let Some((_, intent)) = conn.intents.pop_front() else { unreachable!() };
            if conn.leaving {
                continue;
            }
            match intent {
                Intent::Login if removed == Some(conn.user) => {
                    conn.expect_error(401, "");
                    conn.leaving = true;
                }
                Intent::Login => {
                    conn.expected.push(Expected::Welcome);
                    conn.logged_in = true;
                }
                Intent::Subscribe { sub_id, filter } => {
                    let generations = conn.subs.get(&sub_id);
                    let replaces = generations.and_then(|g| g.last()).is_some_and(|g| g.open);
                    let open = conn.subs.values().flatten().filter(|g| g.open).count();
                    let too_many = open >= self.knobs.limits.subscriptions_max && !replaces;
                    let other_log = filter.log.is_some_and(|log| log != LOG_ID);
                    if too_many || other_log || filter.after.is_some_and(|after| after > head) {
                        conn.expect_error(400, format!("sub {sub_id}: "));
                        let refused =
                            |consumer: &&mut Consumer| consumer.on == Some(uid) && consumer.sub_id == sub_id;
                        self.consumers.iter_mut().filter(refused).for_each(|consumer| consumer.on = None);
                        continue;
                    }
                    let generations = conn.subs.entry(sub_id).or_default();
                    generations.iter_mut().for_each(|generation| generation.open = false);
                    let access = access(self.pool, conn.user);
                    generations.push(Generation { filter, access, border: head, open: true });
                }
                Intent::Unsubscribe { sub_id } => {
                    conn.subs.get_mut(&sub_id).into_iter().flatten().for_each(|g| g.open = false);
                }
                Intent::Publish { event, forged } => {
                    conn.expected.push(Expected::Publish { event, verdict: None });
                    let slot = conn.expected.len() - 1;
                    self.shards[conn.shard].arrivals.push_back(Arrived { uid, slot, event, forged });
                }
                Intent::Refused(code) => conn.expect_error(code, ""),
                Intent::Ping(payload) => conn.pongs.push_back(payload),
                Intent::TooLarge => {
                    conn.expect_error(413, "");
                    conn.leaving = true;
                    self.seen.farewells += 1;
                }
                Intent::Close => {
                    conn.leaving = true;
                    self.seen.farewells += 1;
                }
            }
        }
    }
}

/// Conditions of a filter, over the few values that events have.
pub fn random_filter(rng: &mut StdRng, pool: &Pool) -> Filter {
    let mut filter = Filter::default();
    if rng.random_bool(0.5) {
        let kinds = STORED.iter().chain(&EPHEMERAL).copied().filter(|_| rng.random_bool(0.4));
        filter.kinds = kinds.collect();
        filter.kinds.sort_unstable();
    }
    if rng.random_bool(0.15) {
        filter.kind_ranges = vec![(1_000, 2_999 + rng.random_range(0..2))];
    }
    if rng.random_bool(0.25) {
        filter.authors = (0..=USERS).filter(|_| rng.random_bool(0.5)).map(|user| pool.keys[user]).collect();
        filter.authors.sort_unstable();
    }
    if rng.random_bool(0.2) {
        let values =
            ["a", "b", "c"].into_iter().filter(|_| rng.random_bool(0.5)).map(str::to_owned).collect();
        filter.tags.push(TagFilter { name: "t".to_owned(), values });
    }
    if rng.random_bool(0.1) {
        let me = pool.keys[rng.random_range(0..USERS)].to_hex();
        filter.tags.push(TagFilter { name: "p".to_owned(), values: vec![me] });
    }
    if rng.random_bool(0.1) {
        filter.since = Some(NOW - rng.random_range(0..100));
    }
    if rng.random_bool(0.1) {
        filter.until = Some(NOW - rng.random_range(0..100));
    }
    if rng.random_bool(0.03) {
        filter.ids = (0..40).map(|_| *pool.events[pool.random(rng)].envelope.id()).collect();
        filter.ids.sort_unstable();
        filter.ids.dedup();
    }
    filter
}

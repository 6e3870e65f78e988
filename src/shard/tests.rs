//! Nobody holds a shard: what one turn does for one connection is bounded, whatever it asks
//! for, and who waits is served in turns. Counted in turns and events; there is no clock.

use super::*;
use crate::base::counters::ShardCounters;
use crate::base::limits::CATCH_UP_EVENTS_MAX;
use crate::base::{KeyLimit, KeyOverrides, Kind, Limits, LogId, Millis, Now, PubKey, Seq, Signature};
use crate::event::{Envelope, EventBuilder, EventView};
use crate::fanout::{Interest, InterestTable};
use crate::filter::Filter;
use crate::ingest::{Allowlist, Door, Gate, Grant, Rules};
use crate::log::{Append, LogClient, MemLog, Role, Submission, Ticket};
use crate::session::{Ending, Terms};
use crate::wire::ClientMessage;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

const SUBSCRIPTIONS: usize = 100;
const EVENTS: usize = 1_000;
const URL: &str = "ws://test";
/// What one share may come to: the last subscription is served whole.
const SHARE_EVENTS: u64 = 2 * CATCH_UP_EVENTS_MAX as u64;

/// Takes everything and counts it.
#[derive(Default)]
struct Sink(Vec<usize>);

impl Net for Sink {
    fn send(&mut self, conn: ConnIndex, bytes: &[u8]) -> Sent {
        self.0.resize(self.0.len().max(conn.0 as usize + 1), 0);
        self.0[conn.0 as usize] += bytes.len();
        Sent::Took(bytes.len())
    }
    fn opened(&mut self, _: ConnIndex) {}
    fn resume(&mut self, _: ConnIndex) {}
    fn close(&mut self, _: ConnIndex, ending: Ending) {
        panic!("closed: {ending:?}");
    }
}

struct NoWake;

impl Wake for NoWake {
    fn wake(&self) {}
}

struct One {
    core: Core<Sink>,
    log: Arc<MemLog>,
    client: Arc<dyn LogClient>,
    counters: Arc<ShardCounters>,
    now: Now,
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn pubkey() -> PubKey {
    PubKey(key().verifying_key().to_bytes())
}

impl One {
    /// One shard on a log in memory; members have these rules.
    fn new(rules: Rules) -> One {
        let inbox = Arc::new(Inbox::new(Box::new(NoWake)));
        let table = Arc::new(InterestTable::new());
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&table), vec![Arc::clone(&inbox)]));
        let log = Arc::new(MemLog::new(LogId([1; 16]), Arc::clone(&dispatcher) as _));
        let (name, limits) = (String::new(), KeyOverrides::default());
        let grant = Grant { pubkey: pubkey(), role: Role::Member, name, limits };
        let allowlist = Arc::new(Allowlist::new(rules, vec![grant], Vec::new()));
        let gate = Arc::new(Gate::new(allowlist, Limits::default(), vec![URL.to_owned()]));
        let counters = Arc::<ShardCounters>::default();
        let ports = Ports {
            append: Arc::clone(&log) as _,
            read: Arc::clone(&log) as _,
            tail: Arc::clone(log.tail()),
            dispatcher,
            inbox: Arc::clone(&inbox),
            counters: Arc::clone(&counters),
        };
        let terms = Arc::new(Terms { limits: Limits::default(), log_id: LogId([1; 16]) });
        let (door, interest) = (Door::new(gate), Interest::new(table, 0));
        let core = Core::new(Sink::default(), 0, door, interest, ports, terms, true);
        let now = Now { ms: Millis(1), nanos: 1_000_000, unix_seconds: 1_760_000_000 };
        One { core, log, client: inbox, counters, now }
    }

    fn frame(&mut self, conn: ConnIndex, opcode: u8, payload: &[u8]) {
        let mut bytes = vec![0x80 | opcode, 0x80 | 126];
        bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        if payload.len() < 126 {
            bytes.truncate(1);
            bytes.push(0x80 | payload.len() as u8);
        }
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(payload);
        self.core.received(self.now, conn, &mut bytes);
        self.core.end_turn(self.now);
    }

    fn say(&mut self, conn: ConnIndex, message: &ClientMessage<'_>) {
        let mut payload = Vec::new();
        message.write(&mut payload);
        self.frame(conn, 2, &payload);
    }

    fn connect(&mut self) -> ConnIndex {
        let conn = self.core.connected(self.now, self.now.ms, [9; 32]);
        let digest = Sha256::new().chain_update([9; 32]).chain_update(URL).finalize();
        let sig = Signature(key().sign(&digest).to_bytes());
        self.say(conn, &ClientMessage::Auth { pubkey: pubkey(), sig });
        conn
    }

    fn subscribe(&mut self, conn: ConnIndex, count: usize) {
        for n in 0..count {
            let filter = Filter { kinds: vec![1000], ..Filter::default() };
            self.say(conn, &ClientMessage::Subscribe { sub_id: &format!("s{n}"), filter });
        }
        while self.core.is_hungry() {
            self.share();
        }
    }

    /// What the shard's loop does for whoever had his share.
    fn share(&mut self) {
        self.core.feed_hungry();
        self.core.end_turn(self.now);
    }

    /// So many events in the log.
    fn append(&self, count: usize) {
        let events = (0..count).map(|n| {
            let content = n.to_be_bytes().to_vec();
            let event = EventBuilder { kind: Kind(1000), created_at: 1, content, tags: Vec::new() };
            let (_, wire) = event.finish(&pubkey(), |_| Signature([2; 64])).unwrap();
            let arena = bumpalo::Bump::new();
            let event = EventView::parse(&wire, &arena).unwrap();
            Submission { ticket: Ticket(u64::MAX), envelope: Envelope::new(&event, &wire, &mut Vec::new()) }
        });
        self.log.submit(&self.client, events.collect());
    }

    fn sent(&mut self, conn: ConnIndex) -> usize {
        self.core.net().0[conn.0 as usize]
    }

    fn deliveries(&self) -> u64 {
        self.counters.deliveries.get()
    }
}

#[test]
fn whoever_catches_up_gets_a_share_per_turn_and_the_others_theirs_in_between() {
    let mut shard = One::new(Rules::default());
    let (hogs, neighbour) = ([shard.connect(), shard.connect()], shard.connect());
    hogs.iter().for_each(|&hog| shard.subscribe(hog, SUBSCRIPTIONS));
    shard.append(EVENTS);
    shard.core.fall_back_all(Seq::ZERO);
    // The first turn serves both once: they are both something that happened.
    shard.core.end_turn(shard.now);
    assert!(shard.deliveries() <= 2 * SHARE_EVENTS, "{} at once", shard.deliveries());
    let mut turns = 0;
    while shard.core.is_hungry() {
        turns += 1;
        let before = shard.deliveries();
        shard.share();
        assert!(shard.deliveries() - before <= SHARE_EVENTS, "{} in one turn", shard.deliveries() - before);
        let heard = shard.sent(neighbour);
        shard.frame(neighbour, 9, b"turn");
        assert!(shard.sent(neighbour) > heard, "the neighbour was not answered in turn {turns}");
        let (one, other) = (shard.sent(hogs[0]), shard.sent(hogs[1]));
        let share_bytes = shard.sent(hogs[0]) / EVENTS * SHARE_EVENTS as usize;
        assert!(one.abs_diff(other) <= share_bytes.max(1 << 20), "{one} and {other} in turn {turns}");
    }
    assert_eq!(shard.deliveries(), (2 * SUBSCRIPTIONS * EVENTS) as u64, "and in the end everything");
    assert!(turns as u64 >= (2 * SUBSCRIPTIONS * EVENTS) as u64 / SHARE_EVENTS - 2, "{turns} turns");
}

#[test]
fn a_reader_over_its_budget_goes_on_when_there_is_budget_again() {
    let mut rules = Rules::default();
    rules.of_mut(Role::Member).limits.set(KeyLimit::ReplayBytesPerSecond, 100_000);
    let mut shard = One::new(rules);
    let reader = shard.connect();
    shard.subscribe(reader, 10);
    shard.append(EVENTS);
    shard.core.fall_back_all(Seq::ZERO);
    shard.core.end_turn(shard.now);
    let per_subscription = EVENTS as u64;
    assert_eq!(shard.deliveries(), per_subscription, "one is served whole, and is the debt");
    assert!(!shard.core.is_hungry());
    let mut seconds = 0u64;
    while shard.deliveries() < 10 * per_subscription {
        seconds += 1;
        shard.now.ms = shard.now.ms.plus(1_000);
        shard.now.nanos += 1_000_000_000;
        shard.core.tick(shard.now);
        shard.core.end_turn(shard.now);
        assert!(seconds < 1_000);
    }
    let bytes = shard.sent(reader) as u64;
    assert!(bytes / 100_000 <= seconds + 5, "{bytes} bytes in {seconds} s");
    assert!(seconds >= 5, "{bytes} bytes in {seconds} s");
}

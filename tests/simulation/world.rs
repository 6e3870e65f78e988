//! One run: the relay's parts, the clients, and chance that decides what happens next.

use crate::check::{Checker, Forwarded, matching};
use crate::conn::{Conn, Expected, Frame, Intent};
use crate::log::{LOG_ID, ShardLog, SlowLog};
use crate::pipes::Pipes;
use crate::pool::{Event, NOW, Pool, URL, USERS, nonce, pool};
use axon::base::counters::ShardCounters;
use axon::base::limits::VERIFY_BATCH_EVENTS_MAX;
use axon::base::{KeyOverrides, Limits, Millis, Now, Seq};
use axon::event::EventFields;
use axon::fanout::{Interest, InterestTable};
use axon::filter::{Filter, ReadAccess};
use axon::ingest::{Allowlist, Door, Gate, Grant, KeyChanges, Keys, Publishers, Rules};
use axon::log::{Append, KeyRow, KeyStore, Outcome, Read, Role};
use axon::session::{Ending, Terms};
use axon::shard::{Core, Dispatcher, Inbox, Ports, ShardGroup, Wake};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often the interesting things happened, so that a run cannot become an empty one unseen.
#[derive(Debug, Default)]
pub struct Seen {
    pub stored: u64,
    pub duplicates: u64,
    pub refused: u64,
    pub failed: u64,
    pub forwarded: u64,
    pub deliveries: u64,
    pub fallbacks: u64,
    pub overflows: u64,
    pub skipped: u64,
    pub cut_short: u64,
    pub resumed: u64,
    pub removals: u64,
    pub farewells: u64,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        let theirs = other.all();
        for (mine, theirs) in self.all_mut().into_iter().zip(theirs) {
            *mine += theirs;
        }
    }

    pub fn assert_everything_happened(&self, seeds: u64) {
        if seeds >= 100 {
            assert!(self.all().into_iter().all(|times| times > 0), "the simulation has grown dull: {self:?}");
        }
    }

    fn all(&self) -> [u64; 13] {
        let Seen { stored, duplicates, refused, failed, forwarded, deliveries, fallbacks, .. } = *self;
        let Seen { overflows, skipped, cut_short, resumed, removals, farewells, .. } = *self;
        [
            stored, duplicates, refused, failed, forwarded, deliveries, fallbacks, overflows, skipped,
            cut_short, resumed, removals, farewells,
        ]
    }

    fn all_mut(&mut self) -> [&mut u64; 13] {
        let Seen { stored, duplicates, refused, failed, forwarded, deliveries, fallbacks, .. } = self;
        let Seen { overflows, skipped, cut_short, resumed, removals, farewells, .. } = self;
        [
            stored, duplicates, refused, failed, forwarded, deliveries, fallbacks, overflows, skipped,
            cut_short, resumed, removals, farewells,
        ]
    }
}

/// What chance decided about a whole run.
pub struct Knobs {
    /// Nobody is slow and no bound is met.
    pub ample: bool,
    pub limits: Limits,
    pub pipe_bytes_max: usize,
    pub chunk_bytes_max: usize,
    pub steps: usize,
    pub conns_max: usize,
    /// One in so many commits fails.
    pub failures: Option<u32>,
    /// The shards' live inboxes overflow at this step. With ample limits, because slow readers
    /// would have fallen back before.
    pub overflow_at: Option<usize>,
    pub removal_at: Option<usize>,
    /// Subscriptions with both `after` and `limit`, which may end by themselves.
    pub paging: bool,
}

/// Only remembers that it was called.
struct Woken(Arc<AtomicBool>);

impl Wake for Woken {
    fn wake(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A publish that a shard has read and not judged.
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    pub uid: usize,
    pub slot: usize,
    pub event: usize,
    pub forged: bool,
}

pub struct Shard {
    pub core: Core<Pipes>,
    pub woken: Arc<AtomicBool>,
    pub counters: Arc<ShardCounters>,
    pub arrivals: VecDeque<Arrived>,
    /// Connection and place of reply of every submission, in order.
    pub submitted: Vec<(usize, usize)>,
    /// Users whose removal is in the inbox.
    pub removals: Vec<usize>,
}

/// Somebody who follows a filter over many connections.
pub struct Consumer {
    pub sub_id: String,
    pub user: usize,
    pub filter: Filter,
    pub last: u64,
    pub got: Vec<u64>,
    pub on: Option<usize>,
}

pub struct World {
    pub rng: StdRng,
    pub knobs: Knobs,
    pub pool: &'static Pool,
    pub step: usize,
    pub now: Now,
    pub log: Arc<SlowLog>,
    pub table: Arc<InterestTable>,
    pub keys: Keys,
    pub shards: Vec<Shard>,
    pub conns: Vec<Conn>,
    pub consumers: Vec<Consumer>,
    /// What was published or imported so far.
    pub used: Vec<usize>,
    pub forwarded: BTreeMap<usize, (usize, Forwarded)>,
    /// The removed user and the head at that moment.
    pub removed: Option<(usize, u64)>,
    pub seen: Seen,
}

/// Judged events are submitted in the same turn, so there is nothing to wait for.
struct Group(ShardGroup);

impl Publishers for Group {
    fn quiesce(&self) {}

    fn keys_changed(&self, changes: &Arc<KeyChanges>) {
        self.0.keys_changed(changes);
    }
}

struct NoStore;

impl KeyStore for NoStore {
    fn keys(&self) -> Result<Vec<KeyRow>, String> {
        Ok(Vec::new())
    }

    fn put_key(&self, _: &KeyRow) -> Result<(), String> {
        Ok(())
    }
}

/// Runs one seed; `at` is told every step.
pub fn run(seed: u64, at: &dyn Fn(usize)) -> Seen {
    let mut world = World::new(seed);
    while world.step < world.knobs.steps {
        at(world.step);
        world.happen();
        world.step += 1;
    }
    at(world.step);
    world.finish();
    world.seen
}

impl Knobs {
    fn new(rng: &mut StdRng) -> Self {
        let ample = rng.random_range(0..4) == 0;
        let mut limits = Limits { message_bytes_max: 4 << 10, ..Limits::default() };
        let overflow = rng.random_range(0..12) == 0;
        if !ample {
            limits.queue_bytes_max = [2 << 10, 3_000, 4 << 10, 8 << 10][rng.random_range(0..4)];
            if rng.random_bool(0.5) {
                limits.in_flight_max = rng.random_range(1..6);
            }
            if rng.random_bool(0.3) {
                limits.in_flight_bytes_max = rng.random_range(300..3_000);
            }
            if rng.random_bool(0.3) {
                limits.shard_in_flight_bytes_max = rng.random_range(300..3_000);
            }
            if rng.random_bool(0.4) {
                limits.shard_queue_bytes_max = rng.random_range(100..12_000);
            }
        }
        let paging = rng.random_bool(0.7);
        if !paging {
            limits.subscriptions_max = 3;
        }
        let steps = rng.random_range(100..700);
        Knobs {
            ample,
            limits,
            pipe_bytes_max: if ample { 64 << 20 } else { rng.random_range(100..6_000) },
            chunk_bytes_max: if rng.random_bool(0.3) { 20 } else { 1_500 },
            steps,
            conns_max: rng.random_range(1..8),
            failures: (rng.random_range(0..6) == 0).then_some(8),
            overflow_at: overflow.then(|| rng.random_range(steps / 2..steps)),
            removal_at: (rng.random_range(0..4) == 0).then(|| rng.random_range(steps / 3..steps)),
            paging,
        }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let knobs = Knobs::new(&mut rng);
        let pool = pool();
        let count = rng.random_range(1..4);
        let woken: Vec<Arc<AtomicBool>> = (0..count).map(|_| Arc::default()).collect();
        let inboxes: Vec<Arc<Inbox>> =
            woken.iter().map(|flag| Arc::new(Inbox::new(Box::new(Woken(Arc::clone(flag)))))).collect();
        let table = Arc::new(InterestTable::new());
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&table), inboxes.clone()));
        let log = Arc::new(SlowLog::new(Arc::clone(&dispatcher) as _, count));
        let role = |user| if user == USERS - 1 { Role::Auditor } else { Role::Member };
        let limits = KeyOverrides::default();
        let grants = (0..USERS).map(|user| Grant {
            pubkey: pool.keys[user],
            role: role(user),
            name: String::new(),
            limits,
        });
        let allowlist = Arc::new(Allowlist::new(Rules::default(), grants.collect(), Vec::new()));
        let gate = Arc::new(Gate::new(Arc::clone(&allowlist), knobs.limits.clone(), vec![URL.to_owned()]));
        let terms = Arc::new(Terms { limits: knobs.limits.clone(), log_id: LOG_ID });
        let shards = woken.into_iter().zip(&inboxes).enumerate().map(|(number, (woken, inbox))| {
            let port = Arc::new(ShardLog { shard: number, log: Arc::clone(&log) });
            let counters = Arc::<ShardCounters>::default();
            let ports = Ports {
                append: Arc::clone(&port) as Arc<dyn Append>,
                read: port as Arc<dyn Read>,
                tail: Arc::clone(log.tail()),
                dispatcher: Arc::clone(&dispatcher),
                inbox: Arc::clone(inbox),
                counters: Arc::clone(&counters),
            };
            let (door, interest) = (Door::new(Arc::clone(&gate)), Interest::new(Arc::clone(&table), number));
            let core = Core::new(Pipes::default(), number, door, interest, ports, Arc::clone(&terms), true);
            let (arrivals, submitted, removals) = Default::default();
            Shard { core, woken, counters, arrivals, submitted, removals }
        });
        let shards = shards.collect();
        let append = Arc::new(ShardLog { shard: 0, log: Arc::clone(&log) });
        let keys = Keys::new(allowlist, Arc::new(NoStore), append, Arc::new(Group(ShardGroup { inboxes })));
        let consumers = (0..rng.random_range(0..3)).map(|number| {
            let mut filter = crate::act::random_filter(&mut rng, pool);
            filter.limit = (knobs.paging && rng.random_bool(0.5)).then(|| rng.random_range(1..6));
            let user = rng.random_range(0..USERS);
            let sub_id = format!("consumer {number}");
            Consumer { sub_id, user, filter, last: 0, got: Vec::new(), on: None }
        });
        let consumers = consumers.collect();
        World {
            rng,
            knobs,
            pool,
            step: 0,
            now: Now { ms: Millis(1), nanos: 1, unix_seconds: NOW },
            log,
            table,
            keys,
            shards,
            conns: Vec::new(),
            consumers,
            used: Vec::new(),
            forwarded: BTreeMap::new(),
            removed: None,
            seen: Seen::default(),
        }
    }

    fn happen(&mut self) {
        let step = Some(self.step);
        if self.knobs.overflow_at == step {
            self.overflow();
        }
        if self.knobs.removal_at == step {
            self.remove_key();
        }
        let shard = self.rng.random_range(0..self.shards.len());
        let conn = self.any_conn();
        match (self.rng.random_range(0..100), conn) {
            (0..4, _) | (_, None) => self.connect(),
            (4..5, Some(uid)) => self.disconnect(uid),
            (5..25, Some(uid)) => self.act(uid),
            (25..45, Some(uid)) => {
                let bytes_max = self.rng.random_range(1..=self.knobs.chunk_bytes_max);
                self.feed(uid, bytes_max);
            }
            (45..52, _) => {
                self.judge(shard);
            }
            (52..60, _) => {
                let n = self.rng.random_range(1..5);
                self.commit(n);
            }
            (60..68, _) => {
                self.log.announce();
            }
            (68..73, _) => {
                self.log.answer();
            }
            (73..80, _) => {
                self.log.answer_query(&mut self.rng);
            }
            (80..86, _) => {
                self.drain(shard);
            }
            (86..94, Some(uid)) => {
                let slow = self.conns[uid].reader_is_slow;
                let bytes_max = self.rng.random_range(1..if slow { 100 } else { 5_000 });
                self.read(uid, bytes_max);
            }
            (94..97, _) => self.import(),
            (97..98, _) => {
                let events_max = self.rng.random_range(0..20);
                self.log.tail().trim(self.log.tail().head(), events_max, usize::MAX);
            }
            _ => self.pass_time(),
        }
        if self.knobs.ample {
            self.read_all();
        }
    }

    fn any_conn(&mut self) -> Option<usize> {
        let open: Vec<usize> = self.open_conns();
        (!open.is_empty()).then(|| open[self.rng.random_range(0..open.len())])
    }

    pub fn open_conns(&self) -> Vec<usize> {
        (0..self.conns.len()).filter(|&uid| !self.conns[uid].gone).collect()
    }

    fn pass_time(&mut self) {
        self.now.ms = self.now.ms.plus(self.rng.random_range(0..30));
        self.now.nanos = self.now.ms.0 * 1_000_000;
        self.now.unix_seconds = NOW + (self.now.ms.0 / 1_000) as i64;
        if self.rng.random_range(0..4) == 0 {
            for shard in &mut self.shards {
                shard.core.tick(self.now);
                shard.core.end_turn(self.now);
            }
        }
    }

    // ── connections ─────────────────────────────────────────────────────────────────────

    fn connect(&mut self) {
        if self.open_conns().len() >= self.knobs.conns_max {
            return;
        }
        let user = self.rng.random_range(0..USERS);
        if self.removed.is_none_or(|(removed, _)| removed != user) {
            self.connect_as(user);
        }
    }

    fn connect_as(&mut self, user: usize) -> usize {
        let number = self.rng.random_range(0..self.shards.len());
        let shard = &mut self.shards[number];
        let index = shard.core.connected(self.now, self.now.ms, nonce(user));
        shard.core.net().open(index, self.knobs.pipe_bytes_max);
        shard.core.end_turn(self.now);
        let slow = !self.knobs.ample && self.rng.random_bool(0.4);
        self.conns.push(Conn::new(user, number, index, slow));
        self.conns.len() - 1
    }

    pub fn disconnect(&mut self, uid: usize) {
        let conn = &mut self.conns[uid];
        conn.gone = true;
        for consumer in self.consumers.iter_mut().filter(|consumer| consumer.on == Some(uid)) {
            consumer.on = None;
        }
        let shard = &mut self.shards[conn.shard];
        shard.core.disconnected(conn.index);
        shard.core.end_turn(self.now);
    }

    /// The client reads; whether there was anything.
    pub fn read(&mut self, uid: usize, bytes_max: usize) -> bool {
        let conn = &mut self.conns[uid];
        let shard = &mut self.shards[conn.shard];
        let pipe = shard.core.net().pipe(conn.index);
        if conn.stalled {
            return false;
        }
        let bytes = pipe.take(bytes_max);
        if pipe.len() == 0 && pipe.closed == Some(Ending::Abort) {
            panic!("the relay gave up a connection");
        }
        if std::mem::take(&mut pipe.short) {
            pipe.offered_max = 0;
            shard.core.writable(conn.index);
            // Whatever is offered first now is the whole queue.
            shard.core.end_turn(self.now);
            let offered = shard.core.net().pipe(conn.index).offered_max;
            let bound = queue_bound(&self.knobs, self.pool);
            assert!(offered <= bound, "a queue of {offered} bytes, the bound is {bound}");
        }
        let frames = self.conns[uid].read(self.pool, self.step, &bytes);
        for (sub_id, frame) in frames {
            self.consume(uid, &sub_id, frame);
        }
        !bytes.is_empty()
    }

    fn read_all(&mut self) -> bool {
        let mut any = false;
        for uid in self.open_conns() {
            while self.read(uid, usize::MAX) {
                any = true;
            }
        }
        any
    }

    /// A consumer handles what came for it.
    fn consume(&mut self, uid: usize, sub_id: &str, frame: Frame) {
        let number = (0..self.consumers.len()).find(|n| *sub_id == self.consumers[*n].sub_id);
        let Some(number) = number else { return };
        let consumer = &mut self.consumers[number];
        match frame {
            Frame::Event { seq: Some(seq), .. } => {
                consumer.got.push(seq);
                consumer.last = seq;
            }
            Frame::Event { seq: None, .. } => {}
            Frame::Eose { more, position } => {
                let (seq, _) = position.expect("it has given `after`");
                assert!(seq >= consumer.last);
                consumer.last = seq;
                if more {
                    self.seen.cut_short += 1;
                    self.follow(uid, number);
                }
            }
        }
    }

    /// Subscribes a consumer where it left off.
    pub fn follow(&mut self, uid: usize, number: usize) {
        let consumer = &mut self.consumers[number];
        self.seen.resumed += u64::from(consumer.last > 0);
        consumer.on = Some(uid);
        let log = self.rng.random_bool(0.5).then_some(LOG_ID);
        let filter = Filter { after: Some(consumer.last), log, ..consumer.filter.clone() };
        self.send(uid, Intent::Subscribe { sub_id: self.consumers[number].sub_id.clone(), filter });
    }

    // ── the relay's threads ─────────────────────────────────────────────────────────────

    /// A shard judges its next batch and feeds one of those who had their share; whether there
    /// was anything to do.
    fn judge(&mut self, number: usize) -> bool {
        let shard = &mut self.shards[number];
        assert_eq!(shard.core.has_arrivals(), !shard.arrivals.is_empty());
        let n = shard.arrivals.len().min(VERIFY_BATCH_EVENTS_MAX);
        for Arrived { uid, slot, event, forged } in shard.arrivals.drain(..n) {
            let Expected::Publish { verdict, .. } = &mut self.conns[uid].expected[slot] else {
                unreachable!()
            };
            let author = self.pool.events[event].author;
            *verdict = if author == USERS || self.removed.is_some_and(|(removed, _)| removed == author) {
                Some(403)
            } else if forged {
                Some(400)
            } else if !self.pool.events[event].ephemeral {
                shard.submitted.push((uid, slot));
                None
            } else if self.forwarded.contains_key(&event) {
                Some(409)
            } else {
                let place = self.forwarded.len();
                self.forwarded.insert(event, (place, Forwarded { step: self.step, event, by: uid }));
                self.seen.forwarded += 1;
                Some(200)
            };
            self.seen.refused += u64::from(matches!(verdict, Some(400 | 403)));
        }
        let hungry = shard.core.is_hungry();
        shard.core.run_batch(self.now);
        shard.core.feed_hungry();
        shard.core.end_turn(self.now);
        n > 0 || hungry
    }

    fn commit(&mut self, n: usize) -> bool {
        let done = self.log.commit(&mut self.rng, n, self.knobs.failures);
        self.settle();
        done
    }

    /// The replies that the log's outcomes make due.
    fn settle(&mut self) {
        let settled = self.log.take_settled();
        if settled.is_empty() {
            return;
        }
        let log = self.log.events();
        for settled in settled {
            let Some((shard, place)) = settled.origin else { continue };
            let (uid, slot) = self.shards[shard].submitted[place];
            let Expected::Publish { event, verdict } = &mut self.conns[uid].expected[slot] else {
                unreachable!()
            };
            let id = self.pool.events[*event].envelope.id();
            *verdict = Some(match settled.outcome {
                Outcome::Stored(seq) => {
                    assert_eq!(log[seq.0 as usize - 1].id(), id, "shard {shard}, submission {place}");
                    self.seen.stored += 1;
                    200
                }
                Outcome::Duplicate => {
                    assert!(log.iter().any(|event| event.id() == id));
                    self.seen.duplicates += 1;
                    409
                }
                Outcome::Deleted => unreachable!("nothing is deleted here"),
                Outcome::Failed | Outcome::Full => {
                    self.seen.failed += 1;
                    503
                }
            });
        }
    }

    fn drain(&mut self, number: usize) -> bool {
        let shard = &mut self.shards[number];
        if !shard.woken.swap(false, Ordering::SeqCst) {
            return false;
        }
        for user in shard.removals.drain(..) {
            for conn in &mut self.conns {
                if conn.shard == number && conn.user == user && conn.logged_in && !conn.gone && !conn.leaving
                {
                    conn.expect_error(403, "");
                    conn.leaving = true;
                    self.seen.farewells += 1;
                }
            }
        }
        shard.core.drain(self.now, &mut |_, _| unreachable!("nobody accepts"));
        shard.core.end_turn(self.now);
        true
    }

    fn import(&mut self) {
        for _ in 0..self.rng.random_range(1..6) {
            let event = self.stored_event();
            self.log.import(self.pool.events[event].envelope.clone());
        }
    }

    /// An event of a stored kind whose author was not removed.
    fn stored_event(&mut self) -> usize {
        loop {
            let event = self.pool.random(&mut self.rng);
            let Event { author, ephemeral, .. } = self.pool.events[event];
            if !ephemeral && self.removed.is_none_or(|(removed, _)| removed != author) {
                self.used.push(event);
                return event;
            }
        }
    }

    /// Many commits while no shard looks.
    fn overflow(&mut self) {
        self.seen.overflows += 1;
        for _ in 0..[270, 300, 1_100][self.rng.random_range(0..3)] {
            let event = self.stored_event();
            self.log.import(self.pool.events[event].envelope.clone());
            self.commit(1);
            self.log.announce();
        }
    }

    fn remove_key(&mut self) {
        let user = self.rng.random_range(0..USERS);
        assert_eq!(self.keys.remove(&self.pool.keys[user]), Ok(true));
        self.settle();
        self.removed = Some((user, self.log.tail().head().0));
        self.seen.removals += 1;
        self.shards.iter_mut().for_each(|shard| shard.removals.push(user));
    }

    // ── the end ─────────────────────────────────────────────────────────────────────────

    /// Lets everything come to rest, but for the readers that stall.
    fn settle_down(&mut self) {
        loop {
            let mut any = false;
            for shard in 0..self.shards.len() {
                any |= self.drain(shard);
                any |= self.judge(shard);
            }
            any |= self.commit(usize::MAX);
            any |= self.log.announce();
            any |= self.log.answer();
            any |= self.log.answer_query(&mut self.rng);
            for uid in self.open_conns() {
                if self.conns[uid].challenged && self.conns[uid].written == 0 {
                    self.send(uid, Intent::Login);
                }
                any |= self.feed(uid, usize::MAX);
            }
            any |= self.read_all();
            self.step += 1;
            if !any {
                return;
            }
        }
    }

    fn finish(&mut self) {
        self.knobs.failures = None;
        for number in 0..self.consumers.len() {
            let Consumer { user, on, .. } = self.consumers[number];
            if on.is_none() && self.removed.is_none_or(|(removed, _)| removed != user) {
                self.connect_as(user);
            }
        }
        let open = self.open_conns();
        if !open.is_empty() && self.rng.random_bool(0.5) {
            let uid = open[self.rng.random_range(0..open.len())];
            self.conns[uid].stalled = true;
        }
        self.settle_down();
        self.attach_consumers();
        self.settle_down();
        self.check();
        for conn in &mut self.conns {
            conn.stalled = false;
        }
        self.attach_consumers();
        self.settle_down();
        self.check();
        self.check_log_and_consumers();
        self.tear_down();
    }

    pub fn attach_consumers(&mut self) {
        for uid in self.open_conns() {
            let conn = &self.conns[uid];
            if !conn.logged_in || conn.leaving || conn.stalled {
                continue;
            }
            let user = conn.user;
            for number in 0..self.consumers.len() {
                if self.consumers[number].user == user && self.consumers[number].on.is_none() {
                    self.follow(uid, number);
                }
            }
        }
    }

    fn check(&self) {
        let log = self.log.events();
        // What is missed for the shard's sake is caught up with in the log, which has no ephemerals.
        let ample = self.knobs.ample && self.knobs.overflow_at.is_none();
        let checker = Checker { pool: self.pool, log: &log, forwarded: &self.forwarded, ample };
        for conn in &self.conns {
            let complete = !conn.gone && !conn.leaving && !conn.stalled;
            checker.check(conn, complete);
            if !conn.gone && !conn.stalled {
                assert!(conn.is_answered(), "{:?} of {:?}", conn.answered, conn.expected);
                assert!(conn.leaving || conn.stream.is_empty(), "{} bytes were not read", conn.stream.len());
                assert_eq!(conn.leaving, conn.close_code.is_some());
            }
        }
    }

    fn check_log_and_consumers(&self) {
        let log = self.log.events();
        if let Some((user, head)) = self.removed {
            let later = &log[head as usize..];
            assert!(later.iter().all(|event| *event.pubkey() != self.pool.keys[user]), "a removed author");
        }
        for consumer in
            self.consumers.iter().filter(|consumer| consumer.on.is_some_and(|uid| !self.conns[uid].leaving))
        {
            let all =
                matching(&log, &consumer.filter, &access(self.pool, consumer.user), 0, log.len() as u64);
            assert_eq!(consumer.got, all, "over all connections of a consumer");
        }
    }

    /// With the last connection goes the last trace of it.
    fn tear_down(&mut self) {
        for uid in self.open_conns() {
            self.disconnect(uid);
        }
        for shard in &mut self.shards {
            let counters = &shard.counters;
            assert_eq!((counters.connections.get(), counters.subscriptions.get()), (0, 0));
            self.seen.deliveries += counters.deliveries.get();
            self.seen.fallbacks += counters.fallbacks.get();
            self.seen.skipped += counters.skipped_ephemerals.get();
            shard.core.tick(self.now);
            assert_eq!((counters.queue_bytes.get(), counters.in_flight_bytes.get()), (0, 0));
        }
        let wanted = self.pool.events.iter().any(|event| self.table.mask(&event.envelope) != 0);
        assert!(!wanted, "an interest is left behind");
        assert_eq!(self.log.tail().head(), Seq(self.log.events().len() as u64));
    }
}

/// What a user may read.
pub fn access(pool: &Pool, user: usize) -> ReadAccess {
    if user == USERS - 1 { ReadAccess::All } else { ReadAccess::As(pool.keys[user]) }
}

/// What a connection's queue can hold at most: live events up to the bound and one beyond it,
/// one page that was asked for before, and the replies to what was in flight.
fn queue_bound(knobs: &Knobs, pool: &Pool) -> usize {
    const AROUND_AN_EVENT: usize = 64;
    const REPLY: usize = 200;
    let frame = pool.wire_bytes_max + AROUND_AN_EVENT;
    let page = knobs.limits.queue_bytes_max / 2 + pool.wire_bytes_max;
    let page = page + (page / pool.wire_bytes_min + 1) * AROUND_AN_EVENT;
    // A turn reads one chunk, whatever is in it; its shortest message has six bytes.
    let replies = knobs.limits.in_flight_max.min(200) + knobs.chunk_bytes_max / 6;
    knobs.limits.queue_bytes_max + frame + page + replies * REPLY
}

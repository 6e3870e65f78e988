//! A shard without its runtime: connections, sessions, subscriptions, and what happens to each
//! input. Everything it does to the outside goes through [`Net`] and the log's ports.

use super::accept::Lease;
use super::arrivals::Arrivals;
use super::conns::{ConnIndex, Conns};
use super::deliver::Deliver;
use super::dispatch::Dispatcher;
use super::feed::Turns;
use super::inbox::{Inbox, Message};
use super::publish::Tickets;
use crate::base::counters::ShardCounters;
use crate::base::limits::{READ_BYTES_OF_SINGLES, READ_BYTES_PER_TURN};
use crate::base::{Closing, Limits, Millis, Now, PubKey, Seq, Stage, Stopwatch};
use crate::fanout::{FilterIndex, Interest};
use crate::filter::Filter;
use crate::ingest::Door;
use crate::log::{Append, LogClient, Read, Tail};
use crate::session::{Ending, LogEnds, Request, Session, SubIndex, Subscribed, Terms};
use crate::wire::Incoming;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// What a socket did with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Took so many; fewer than offered means it is full and will say when it takes more.
    Took(usize),
    /// It is gone; [`Core::disconnected`] follows once its reader has seen it.
    Gone,
}

/// The sockets of a shard. None of these blocks.
pub trait Net {
    /// Offers bytes to a socket. After a short take the net calls [`Core::writable`] later.
    fn send(&mut self, conn: ConnIndex, bytes: &[u8]) -> Sent;
    /// The connection has logged in.
    fn opened(&mut self, conn: ConnIndex);
    /// Bytes it took and holds itself until the socket takes them.
    fn held_bytes(&self, _conn: ConnIndex) -> usize {
        0
    }
    /// Who is at the other end.
    fn peer(&self, _conn: ConnIndex) -> Option<SocketAddr> {
        None
    }
    /// A reader that waits in [`Core::may_read`] may try again.
    fn resume(&mut self, conn: ConnIndex);
    /// Ends a connection; [`Core::disconnected`] follows.
    fn close(&mut self, conn: ConnIndex, ending: Ending);
}

/// What a shard is connected to.
#[derive(Clone)]
pub struct Ports {
    pub append: Arc<dyn Append>,
    pub read: Arc<dyn Read>,
    pub tail: Arc<Tail>,
    pub dispatcher: Arc<Dispatcher>,
    pub inbox: Arc<Inbox>,
    pub counters: Arc<ShardCounters>,
}

/// One shard.
pub struct Core<N> {
    pub(super) net: N,
    pub(super) number: usize,
    pub(super) conns: Conns,
    pub(super) index: FilterIndex<(u32, u32)>,
    pub(super) interest: Interest,
    pub(super) door: Door,
    pub(super) arrivals: Arrivals,
    pub(super) tickets: Tickets,
    pub(super) deliver: Deliver,
    pub(super) ports: Ports,
    /// What the thread is doing.
    pub(super) watch: Rc<Stopwatch>,
    /// The inbox, as the log sees it.
    pub(super) client: Arc<dyn LogClient>,
    pub(super) terms: Arc<Terms>,
    pub(super) private_kinds: bool,
    /// Connections to flush at the end of the turn.
    pub(super) dirty: Vec<ConnIndex>,
    /// Bytes queued for all connections.
    pub(super) queued_bytes: usize,
    /// Bytes of publishes that are with the committer.
    pub(super) submitted_bytes: usize,
    /// Connections not read because the committer has too much of this shard's.
    pub(super) held_back: Vec<ConnIndex>,
    pub(super) turns: Turns,
    /// Since when the relay is stopping.
    pub(super) draining: Option<Millis>,
    stopped: bool,
}

/// How long a connection that sent a bad signature is verified apart from the others.
pub(super) const SUSPECT_MS: u64 = 60_000;

/// How long a stopping relay waits for a reader that has been answered and takes nothing: as
/// long as a packet that was lost several times takes to arrive.
const DRAIN_STALL_MS_MAX: u64 = 2_000;

impl<N: Net> Core<N> {
    /// A shard without connections. `private_kinds`: whether kinds 2000–2999 are kept private.
    pub fn new(
        net: N,
        number: usize,
        door: Door,
        interest: Interest,
        ports: Ports,
        terms: Arc<Terms>,
        private_kinds: bool,
    ) -> Self {
        let client: Arc<dyn LogClient> = Arc::clone(&ports.inbox) as Arc<dyn LogClient>;
        let watch = Rc::new(Stopwatch::sampling(Arc::clone(&ports.counters.stages)));
        Core {
            net,
            number,
            conns: Conns::default(),
            index: FilterIndex::new(),
            interest,
            door,
            arrivals: Arrivals::default(),
            tickets: Tickets::default(),
            deliver: Deliver::default(),
            ports,
            watch,
            client,
            terms,
            private_kinds,
            dirty: Vec::new(),
            queued_bytes: 0,
            submitted_bytes: 0,
            held_back: Vec::new(),
            turns: Turns::default(),
            draining: None,
            stopped: false,
        }
    }

    /// The sockets.
    pub fn net(&mut self) -> &mut N {
        &mut self.net
    }

    /// The stopwatch of the shard's thread.
    pub fn watch(&self) -> &Rc<Stopwatch> {
        &self.watch
    }

    /// Whether the loop should end.
    pub fn is_stopped(&self) -> bool {
        self.stopped || (self.draining.is_some() && self.conns.len() == 0)
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.terms.limits
    }

    // ── connections ─────────────────────────────────────────────────────────────────────

    /// A connection, accepted at `accepted`, was upgraded; queues its Challenge. Call
    /// [`Core::end_turn`] afterwards.
    pub fn connected(&mut self, now: Now, accepted: Millis, nonce: [u8; 32]) -> ConnIndex {
        let index =
            self.conns.insert(Session::new(Arc::clone(&self.terms), nonce, accepted, now.ms), now.nanos);
        self.ports.counters.connections.add(1);
        self.ports.counters.connections_total.add(1);
        if self.draining.is_some()
            && let Some(conn) = self.conns.get_mut(index)
        {
            conn.session.drain();
        }
        self.mark_dirty(index);
        index
    }

    /// The connection is gone; why, and whose it was.
    pub fn disconnected(&mut self, index: ConnIndex) -> (Closing, Option<PubKey>) {
        let Some(conn) = self.conns.get_mut(index).filter(|conn| !conn.gone) else {
            return (Closing::Gone, None);
        };
        let farewell = (conn.session.closing(), conn.session.key());
        conn.gone = true;
        conn.seat = None;
        self.queued_bytes -= std::mem::take(&mut conn.counted_bytes);
        for (sub, filter) in conn.session.take_subscriptions() {
            self.drop_subscription(index, sub, &filter);
        }
        self.ports.counters.connections.sub(1);
        self.conns.release(index);
        farewell
    }

    /// Whether this connection may be read now; if not, [`Net::resume`] will say so.
    pub fn may_read(&mut self, index: ConnIndex) -> bool {
        let held_back = self.submitted_bytes >= self.terms.limits.shard_in_flight_bytes_max;
        let Some(conn) = self.conns.get_mut(index) else { return true };
        // A connection that is ending is read to see its end.
        conn.paused = conn.session.ending().is_none() && (conn.session.is_paused() || held_back);
        if conn.paused && held_back && !std::mem::replace(&mut conn.held_back, true) {
            self.held_back.push(index);
        }
        !conn.paused
    }

    /// Bytes that a connection may hand in at once.
    pub fn read_bytes_max(&self, index: ConnIndex) -> usize {
        let sends_singles = self.conns.get(index).is_some_and(|conn| conn.sends_singles);
        if sends_singles { READ_BYTES_OF_SINGLES } else { READ_BYTES_PER_TURN }
    }

    /// Bytes arrived. Call [`Core::end_turn`] afterwards.
    pub fn received(&mut self, now: Now, index: ConnIndex, bytes: &mut [u8]) {
        self.watch.enter(Stage::Decode);
        let Some(conn) = self.conns.get_mut(index) else { return };
        self.ports.counters.bytes_in.add(bytes.len() as u64);
        conn.session.alive(now.ms);
        let limit = conn.session.message_bytes_max();
        let mut assembler = std::mem::take(&mut conn.assembler);
        let (waiting, mut messages) = (self.arrivals.len(), 0);
        let fed = assembler.feed(bytes, limit, &mut |incoming| {
            messages += 1;
            self.incoming(now, index, incoming)
        });
        let for_a_batch = self.arrivals.len() - waiting;
        if let Some(conn) = self.conns.get_mut(index) {
            conn.assembler = assembler;
            conn.sends_singles = messages > 2 * for_a_batch;
            if let Err(error) = fed {
                conn.session.frame_error(error);
            }
        }
        self.mark_dirty(index);
    }

    /// One message of a connection; the limit of its next one, if it goes on.
    fn incoming(&mut self, now: Now, index: ConnIndex, incoming: Incoming<'_>) -> Option<usize> {
        let conn = self.conns.get_mut(index)?;
        match conn.session.incoming(incoming) {
            Request::Nothing => {}
            Request::Login { nonce, pubkey, sig } => self.login(index, &nonce, pubkey, &sig),
            Request::Publish { number, event } => self.publish(now, index, number, event),
            Request::Subscribe { sub_id, filter } => self.subscribe(index, sub_id, filter),
            Request::Unsubscribed { sub, filter } => self.drop_subscription(index, sub, &filter),
        }
        let session = &self.conns.get(index)?.session;
        session.is_listening().then(|| session.message_bytes_max())
    }

    /// First the bits, then the head: see the module documentation of `log`.
    fn subscribe(&mut self, index: ConnIndex, sub_id: &str, filter: Filter) {
        let filter = Arc::new(filter);
        self.interest.add(&filter);
        let head = self.ports.tail.head();
        let purged = filter.after.and_then(|_| self.ports.tail.purged().reaching(&filter));
        let log = LogEnds { head, purged };
        let Some(conn) = self.conns.get_mut(index) else { return };
        let room = conn.open_subscription();
        match conn.session.subscribe(sub_id, Arc::clone(&filter), log, room) {
            Ok(Subscribed { sub, replaced }) => {
                if let Some((sub, old)) = replaced {
                    self.drop_subscription(index, sub, &old);
                }
                self.ports.counters.subscriptions.add(1);
                // From the start, so that ephemeral events reach it as soon as Eose is queued.
                self.index.insert((index.0, sub.0), filter);
            }
            Err(_) => {
                conn.close_subscription();
                self.interest.remove(&filter);
            }
        }
    }

    pub(super) fn drop_subscription(&mut self, index: ConnIndex, sub: SubIndex, filter: &Filter) {
        self.index.remove((index.0, sub.0));
        self.interest.remove(filter);
        if let Some(conn) = self.conns.get_mut(index) {
            conn.close_subscription();
        }
        self.ports.counters.subscriptions.sub(1);
    }

    /// The socket takes bytes again. Call [`Core::end_turn`] afterwards.
    pub fn writable(&mut self, index: ConnIndex) {
        if let Some(conn) = self.conns.get_mut(index) {
            conn.blocked = false;
        }
        self.mark_dirty(index);
    }

    /// Called about once a second. Call [`Core::end_turn`] afterwards.
    pub fn tick(&mut self, now: Now) {
        for index in self.conns.indexes() {
            if let Some(conn) = self.conns.get_mut(index).filter(|conn| !conn.gone) {
                if conn.held_back {
                    // It is we who do not read.
                    conn.session.alive(now.ms);
                }
                let draining_ms = self.draining.map_or(0, |since| now.ms.since(since));
                let waited_ms = conn.session.out().stalled_ms(now.ms).min(draining_ms);
                if conn.session.ending().is_some() && waited_ms >= DRAIN_STALL_MS_MAX {
                    conn.session.abort(Closing::Stalled);
                }
                if conn.session.tick(now.ms) {
                    self.mark_dirty(index);
                }
            }
        }
        self.resume_paced();
        self.ports.counters.queue_bytes.set(self.queued_bytes as u64);
        self.ports.counters.in_flight_bytes.set(self.submitted_bytes as u64);
    }

    // ── other threads ───────────────────────────────────────────────────────────────────

    /// Takes everything out of the inbox. Connections to set up go to `connect`. Call
    /// [`Core::end_turn`] afterwards.
    pub fn drain(&mut self, now: Now, connect: &mut impl FnMut(std::net::TcpStream, Lease)) {
        let inbox = Arc::clone(&self.ports.inbox);
        self.watch.enter(Stage::HandOff);
        inbox.begin_drain();
        self.ports.counters.wakeups.add(1);
        self.deliver_live(now, &inbox);
        if let Some(missed) = inbox.take_missed() {
            self.fall_back_all(Seq(missed.0 - 1));
        }
        while let Some(events) = inbox.next_ephemeral() {
            self.deliver_batches(now, &[events]);
        }
        self.ports.counters.skipped_ephemerals.add(inbox.take_skipped_ephemerals());
        while let Some(message) = inbox.next_message() {
            match message {
                Message::Outcomes(outcomes) => self.outcomes(now, outcomes),
                Message::Page(ticket, page) => {
                    let stage = self.watch.enter(Stage::Encode);
                    self.page(now, ticket, page);
                    self.watch.enter(stage);
                }
                Message::Connect(stream, lease) => connect(stream, lease),
                Message::KeysChanged(changes) => self.keys_changed(&changes),
                Message::NewTerms(terms, private_kinds) => self.set_terms(terms, private_kinds),
                Message::Quiesce(done) => {
                    // What was read but not judged meets the new allowlist; what was judged
                    // was submitted in the same turn.
                    let _ = done.send(());
                }
                Message::Roster(query, answer) => {
                    // Nobody waits for it any more: it is dropped.
                    let _ = answer.send(self.roster(now, &query));
                }
                Message::Dismiss(id, answer) => {
                    let _ = answer.send(self.dismiss(id));
                }
                Message::Drain => self.begin_draining(now),
                Message::Stop => self.stopped = true,
            }
        }
    }

    fn begin_draining(&mut self, now: Now) {
        self.draining = Some(now.ms);
        for index in self.conns.indexes() {
            if let Some(conn) = self.conns.get_mut(index) {
                conn.session.drain();
                self.mark_dirty(index);
            }
        }
    }
}

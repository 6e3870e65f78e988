//! The session: login, publishes and their replies, subscriptions, keep-alive, ending.

use super::outgoing::Outgoing;
use super::replies::{About, Replies};
use super::subscription::{LiveTarget, NextRead, Phase, Span, SubIndex, Subscriptions};
use crate::base::{EventId, Limits, LogId, Millis, PubKey, Reason, Seq, Signature};
use crate::event::scan_id;
use crate::filter::{Filter, FilterLimits, ReadAccess};
use crate::wire::{
    ClientMessage, CloseCode, Eose, FrameError, Incoming, Problem, put_close, put_envelope, put_ping,
    put_pong, relay,
};
use std::sync::Arc;

/// What all sessions of a relay have in common.
#[derive(Debug)]
pub struct Terms {
    pub limits: Limits,
    pub log_id: LogId,
}

impl Terms {
    fn filter_limits(&self) -> FilterLimits {
        FilterLimits { entries_max: self.limits.filter_entries_max, tags_max: self.limits.filter_tags_max }
    }
}

/// What a message asks of the driver.
#[derive(Debug)]
pub enum Request<'a> {
    Nothing,
    /// Check the login and answer with [`Session::logged_in`].
    Login {
        nonce: [u8; 32],
        pubkey: PubKey,
        sig: Signature,
    },
    /// Judge the event and answer with [`Session::settle`].
    Publish {
        number: u64,
        event: &'a [u8],
    },
    /// Make the interest known, read the head, and call [`Session::subscribe`].
    Subscribe {
        sub_id: &'a str,
        filter: Filter,
    },
    /// A subscription has ended.
    Unsubscribed {
        sub: SubIndex,
        filter: Arc<Filter>,
    },
}

/// A subscription that is no more: where it stood, and what it asked for.
pub(crate) type Ended = (SubIndex, Arc<Filter>);

/// How a connection ends once its queue is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The close handshake is done on our side: shut down the write side, discard input for
    /// the linger time, close.
    Closing,
    /// Close at once; nothing more can be said.
    Abort,
}

#[derive(Debug)]
enum State {
    AwaitingAuth {
        nonce: [u8; 32],
        since: Millis,
    },
    Open {
        pubkey: PubKey,
        access: ReadAccess,
    },
    /// Nothing is taken and no event is sent any more; closes once every reply has been queued.
    Leaving(CloseCode),
    Ended(Ending),
}

/// One connection, from its upgrade to its end.
#[derive(Debug)]
pub struct Session {
    terms: Arc<Terms>,
    state: State,
    replies: Replies,
    subs: Subscriptions,
    out: Outgoing,
    /// The subscription whose page is under way, by index and serial.
    reading: Option<(SubIndex, u32)>,
    last_alive: Millis,
    last_ping: Millis,
    /// The socket has left bytes in the queue.
    waited: bool,
    draining: bool,
}

/// A message before the login is an Auth: 64 + 32 bytes and their keys.
const AUTH_MESSAGE_BYTES_MAX: usize = 1_024;

impl Session {
    /// A session for a connection that was just upgraded; queues the Challenge.
    pub fn new(terms: Arc<Terms>, nonce: [u8; 32], now: Millis) -> Self {
        let mut session = Session {
            terms,
            state: State::AwaitingAuth { nonce, since: now },
            replies: Replies::default(),
            subs: Subscriptions::default(),
            out: Outgoing::default(),
            reading: None,
            last_alive: now,
            last_ping: now,
            waited: false,
            draining: false,
        };
        session.out.shrink(now);
        relay::put_challenge(session.out.end(), &nonce);
        session
    }

    /// The queue of bytes to send.
    pub fn out(&mut self) -> &mut Outgoing {
        &mut self.out
    }

    /// Bytes queued.
    pub fn queued_bytes(&self) -> usize {
        self.out.len()
    }

    /// The key behind an open session.
    pub fn pubkey(&self) -> Option<&PubKey> {
        match &self.state {
            State::Open { pubkey, .. } => Some(pubkey),
            _ => None,
        }
    }

    /// Set once the connection must end (after its queue is sent).
    pub fn ending(&self) -> Option<Ending> {
        match self.state {
            State::Ended(ending) => Some(ending),
            _ => None,
        }
    }

    /// The longest message taken at present.
    pub fn message_bytes_max(&self) -> usize {
        match self.state {
            State::AwaitingAuth { .. } => AUTH_MESSAGE_BYTES_MAX,
            _ => self.terms.limits.message_bytes_max,
        }
    }

    /// Open subscriptions.
    pub fn subscription_count(&self) -> usize {
        self.subs.len()
    }

    /// Bytes of publishes without a verdict.
    pub fn in_flight_bytes(&self) -> usize {
        self.replies.in_flight_bytes()
    }

    /// Whether it still takes messages.
    pub fn is_listening(&self) -> bool {
        matches!(self.state, State::AwaitingAuth { .. } | State::Open { .. })
    }

    /// Whether the driver must stop reading: too much is in flight or queued, or the
    /// connection is ending.
    pub fn is_paused(&self) -> bool {
        let limits = &self.terms.limits;
        !self.is_listening()
            || self.replies.len() >= limits.in_flight_max
            || self.replies.in_flight_bytes() >= limits.in_flight_bytes_max
            || self.out.len() >= limits.queue_bytes_max
    }

    // ── what arrives ────────────────────────────────────────────────────────────────────

    /// Bytes came in, whatever they are.
    pub fn alive(&mut self, now: Millis) {
        self.last_alive = now;
    }

    /// One frame or message came in.
    pub fn incoming<'a>(&mut self, incoming: Incoming<'a>) -> Request<'a> {
        if !self.is_listening() {
            return Request::Nothing;
        }
        match incoming {
            Incoming::Binary(bytes) => self.message(bytes),
            Incoming::Text => {
                match self.state {
                    State::AwaitingAuth { .. } => self.end_with(Reason::NotAuthenticated),
                    _ => self.refuse(About::Nothing, Reason::TextFrame),
                }
                Request::Nothing
            }
            Incoming::Ping(payload) => {
                put_pong(self.out.end(), payload);
                Request::Nothing
            }
            Incoming::Pong => Request::Nothing,
            Incoming::Close => {
                self.leave(CloseCode::Normal);
                Request::Nothing
            }
        }
    }

    /// The bytes were not WebSocket, or a message was too long.
    pub fn frame_error(&mut self, error: FrameError) {
        if !self.is_listening() {
            return;
        }
        match (error, &self.state) {
            (FrameError::TooLarge { .. }, State::AwaitingAuth { .. }) => {
                self.end_with(Reason::NotAuthenticated)
            }
            (FrameError::TooLarge { have, limit }, _) => {
                self.end_with(Reason::MessageTooLarge { have, limit })
            }
            (FrameError::Protocol(_), _) => self.leave(CloseCode::Protocol),
        }
    }

    fn message<'a>(&mut self, bytes: &'a [u8]) -> Request<'a> {
        let parsed = ClientMessage::parse(bytes, &self.terms.filter_limits());
        match &self.state {
            State::AwaitingAuth { nonce, .. } => match parsed {
                Ok(ClientMessage::Auth { pubkey, sig }) => Request::Login { nonce: *nonce, pubkey, sig },
                _ => {
                    self.end_with(Reason::NotAuthenticated);
                    Request::Nothing
                }
            },
            State::Leaving(_) | State::Ended(_) => Request::Nothing,
            State::Open { .. } => match parsed {
                Ok(message) => self.open_message(message),
                Err(problem) => {
                    self.refuse_problem(&problem);
                    Request::Nothing
                }
            },
        }
    }

    fn open_message<'a>(&mut self, message: ClientMessage<'a>) -> Request<'a> {
        match message {
            ClientMessage::Auth { .. } => self.refuse(About::Nothing, Reason::AlreadyAuthenticated),
            ClientMessage::Publish { event } => {
                let number = self.replies.open(event.len());
                return Request::Publish { number, event };
            }
            ClientMessage::Subscribe { sub_id, filter } => return Request::Subscribe { sub_id, filter },
            ClientMessage::Unsubscribe { sub_id } => {
                let found = self.subs.find(sub_id);
                if let Some((sub, ended)) = found.and_then(|sub| Some((sub, self.subs.remove(sub)?))) {
                    return Request::Unsubscribed { sub, filter: ended.filter };
                }
            }
        }
        Request::Nothing
    }

    // ── answers to requests ─────────────────────────────────────────────────────────────

    /// The login's verdict.
    pub fn logged_in(&mut self, pubkey: PubKey, outcome: Result<ReadAccess, Reason>) {
        match outcome {
            Ok(access) => {
                self.state = State::Open { pubkey, access };
                self.replies.welcome();
                self.replies.write(self.out.end());
            }
            Err(reason) => self.end_with(reason),
        }
    }

    /// A publish's verdict; `number` is the request's. The reply leaves when its turn comes.
    pub fn settle(&mut self, number: u64, outcome: Result<EventId, (Option<EventId>, Reason)>) {
        self.replies.settle(number, outcome);
    }

    /// Queues the replies whose turn has come; called once after a batch of verdicts.
    pub fn write_replies(&mut self) {
        self.replies.write(self.out.end());
    }

    /// Opens a subscription at the log position `head`. On success: its index, and the
    /// subscription it replaces, if any, which may have had the same. On failure the Error is
    /// queued and an open one stays as it is.
    pub fn subscribe(
        &mut self,
        sub_id: &str,
        filter: Arc<Filter>,
        head: Seq,
    ) -> Result<(SubIndex, Option<Ended>), Reason> {
        let replaced = self.subs.find(sub_id);
        if let Err(reason) = self.check_subscribe(&filter, head, replaced.is_some()) {
            self.refuse(About::Sub(sub_id.into()), reason);
            return Err(reason);
        }
        let (position, span, left) = match (filter.after, filter.limit) {
            (Some(after), left) => (Seq(after), Span::Ascending, left),
            (None, Some(limit)) => (Seq::ZERO, Span::Last(limit), None),
            (None, None) => (Seq::ZERO, Span::Ascending, None),
        };
        let removed = replaced.and_then(|sub| Some((sub, self.subs.remove(sub)?.filter)));
        let phase = Phase::Stored { to: head, span, left };
        Ok((self.subs.insert(sub_id, filter, position, phase), removed))
    }

    fn check_subscribe(&self, filter: &Filter, head: Seq, replaces: bool) -> Result<(), Reason> {
        let limit = self.terms.limits.subscriptions_max;
        if self.subs.len() >= limit && !replaces {
            let have = self.subs.len() as u64 + 1;
            return Err(Reason::OverLimit { field: "subscriptions", have, limit: limit as u64 });
        }
        if filter.log.is_some_and(|log| log != self.terms.log_id) {
            return Err(Reason::OtherLog);
        }
        match filter.after {
            Some(after) if after > head.0 => Err(Reason::AfterBeyondHead { after, head: head.0 }),
            _ => Ok(()),
        }
    }

    // ── the log feeds subscriptions ─────────────────────────────────────────────────────

    /// What the log should deliver next, if anything: at most one page is under way per
    /// connection, and only while the queue is below half its bound.
    pub fn next_read(&mut self) -> Option<NextRead> {
        let State::Open { access, .. } = self.state else { return None };
        if self.reading.is_some() || self.out.len() > self.terms.limits.queue_bytes_max / 2 {
            return None;
        }
        loop {
            let index = self.subs.next_hungry()?;
            let sub = self.subs.get_mut(index)?;
            let filter = Arc::clone(&sub.filter);
            let after = sub.position;
            match sub.phase {
                Phase::Stored { to, .. } if after >= to => self.finish_stored(index, false),
                Phase::Stored { to, span, left } => {
                    // One more than may be sent tells whether the limit cuts the phase short.
                    let events_max = left.map_or(usize::MAX, |left| left as usize + 1);
                    self.reading = Some((index, sub.serial));
                    return Some(NextRead::Page { filter, access, after, to, span, events_max });
                }
                Phase::Behind | Phase::Live => {
                    return Some(NextRead::CatchUp { sub: index, filter, access, after });
                }
            }
        }
    }

    /// The driver answers [`NextRead::CatchUp`] by a page instead of the tail ring.
    pub fn reading(&mut self, index: SubIndex) {
        if let Some(sub) = self.subs.get(index) {
            self.reading = Some((index, sub.serial));
        }
    }

    /// A page came: the matching events up to `covered`. A subscription that was replaced or
    /// closed meanwhile ignores it. Returns the subscription if it has ended with this page,
    /// and how many events were queued.
    pub fn page<'p>(
        &mut self,
        events: impl Iterator<Item = (Seq, &'p [u8])>,
        covered: Seq,
    ) -> (Option<(SubIndex, Arc<Filter>)>, u64) {
        let Some((index, serial)) = self.reading.take() else { return (None, 0) };
        if !self.is_listening() {
            return (None, 0);
        }
        let Some(sub) = self.subs.get_mut(index).filter(|sub| sub.serial == serial) else { return (None, 0) };
        let with_seq = sub.with_seq();
        let (mut queued, mut cut) = (0, false);
        for (seq, wire) in events {
            if let Phase::Stored { left: Some(left), .. } = &mut sub.phase {
                if *left == 0 {
                    cut = true;
                    break;
                }
                *left -= 1;
            }
            put_envelope(self.out.end(), sub.sub_id.as_str(), with_seq.then_some(seq), wire);
            sub.position = seq;
            queued += 1;
        }
        if !cut {
            sub.position = sub.position.max(covered);
        }
        let mut ended = None;
        if let Phase::Stored { to, span, .. } = &mut sub.phase {
            *span = Span::Ascending;
            if cut || sub.position >= *to {
                self.finish_stored(index, cut);
                if cut {
                    ended = self.subs.remove(index).map(|sub| (index, sub.filter));
                }
            }
        }
        (ended, queued)
    }

    /// The page could not be read: the subscription ends with an Error.
    pub fn read_failed(&mut self) -> Option<(SubIndex, Arc<Filter>)> {
        let (index, serial) = self.reading.take()?;
        if !self.is_listening() || self.subs.get(index)?.serial != serial {
            return None;
        }
        let sub = self.subs.remove(index)?;
        self.refuse(About::Sub(sub.sub_id.as_str().into()), Reason::ReadFailed);
        Some((index, sub.filter))
    }

    fn finish_stored(&mut self, index: SubIndex, more: bool) {
        let Some(sub) = self.subs.get_mut(index) else { return };
        let position = sub.with_seq().then_some((sub.position, self.terms.log_id));
        relay::put_eose(self.out.end(), &Eose { sub_id: sub.sub_id.as_str(), more, position });
        sub.phase = Phase::Behind;
    }

    /// One event from the tail ring while catching up; `false` once the queue is full, and the
    /// event was not queued.
    pub fn catch_up(&mut self, index: SubIndex, seq: Seq, wire: &[u8]) -> bool {
        if self.out.len() >= self.terms.limits.queue_bytes_max {
            return false;
        }
        let Some(sub) = self.subs.get_mut(index) else { return false };
        put_envelope(self.out.end(), sub.sub_id.as_str(), sub.with_seq().then_some(seq), wire);
        sub.position = seq;
        true
    }

    /// Everything up to `head` is queued: from here on the fan-out feeds it.
    pub fn go_live(&mut self, index: SubIndex, head: Seq) {
        if let Some(sub) = self.subs.get_mut(index) {
            sub.position = head;
            sub.phase = Phase::Live;
        }
    }

    /// A subscription in catch-up stands at `position` though nothing matched on the way.
    pub fn passed(&mut self, index: SubIndex, position: Seq) {
        if let Some(sub) = self.subs.get_mut(index) {
            sub.position = sub.position.max(position);
        }
    }

    // ── the fan-out feeds subscriptions ─────────────────────────────────────────────────

    /// Whether the fan-out feeds this subscription: a stored event at `seq` if it is live and
    /// the event new to it, an ephemeral one from Eose on.
    pub fn live_target(&self, index: SubIndex, seq: Option<Seq>) -> Option<LiveTarget<'_>> {
        let State::Open { access, .. } = &self.state else { return None };
        let sub = self.subs.get(index)?;
        let is_due = match (seq, sub.phase) {
            (Some(seq), Phase::Live) => seq > sub.position,
            (None, Phase::Behind | Phase::Live) => true,
            _ => false,
        };
        is_due.then_some(LiveTarget {
            sub_id: sub.sub_id.as_str(),
            with_seq: sub.with_seq() && seq.is_some(),
            access,
        })
    }

    /// A live event at `seq` is queued or sent.
    pub fn delivered(&mut self, index: SubIndex, seq: Seq) {
        if let Some(sub) = self.subs.get_mut(index) {
            sub.position = seq;
        }
    }

    /// The log feeds this subscription again, from behind `position`; the queue is full, or
    /// live batches were skipped. Whether it was live.
    pub fn fall_back(&mut self, index: SubIndex, position: Seq) -> bool {
        let live = self.subs.get_mut(index).filter(|sub| sub.phase == Phase::Live);
        let Some(sub) = live else { return false };
        sub.position = sub.position.max(position);
        sub.phase = Phase::Behind;
        true
    }

    /// Indexes of all live subscriptions.
    pub fn live_subscriptions(&mut self) -> Vec<SubIndex> {
        self.subs.iter_mut().filter(|(_, sub)| sub.phase == Phase::Live).map(|(index, _)| index).collect()
    }

    /// Ends every subscription, when the connection is gone.
    pub fn take_subscriptions(&mut self) -> Vec<(SubIndex, Arc<Filter>)> {
        let all: Vec<SubIndex> = self.subs.iter_mut().map(|(index, _)| index).collect();
        all.into_iter().filter_map(|index| Some((index, self.subs.remove(index)?.filter))).collect()
    }

    // ── time, drain, end ────────────────────────────────────────────────────────────────

    /// Called about once a second.
    pub fn tick(&mut self, now: Millis) {
        let limits = &self.terms.limits;
        let (idle_ms, ping_ms, stall_ms) =
            (limits.idle_timeout_ms, limits.ping_interval_ms, limits.stall_timeout_ms);
        let auth_ms = limits.auth_timeout_ms;
        self.replies.shrink();
        self.out.shrink(now);
        if self.is_paused() {
            // We are the ones who do not read.
            self.last_alive = now;
        }
        if self.out.stalled_ms(now) >= stall_ms {
            self.abort();
            return;
        }
        match self.state {
            State::AwaitingAuth { since, .. } if now.since(since) >= auth_ms => {
                self.end_with(Reason::AuthTimeout { limit_ms: auth_ms });
            }
            State::Open { .. } if now.since(self.last_alive) >= idle_ms => self.abort(),
            State::Open { .. } if now.since(self.last_ping) >= ping_ms => {
                self.last_ping = now;
                put_ping(self.out.end());
            }
            _ => {}
        }
    }

    /// The socket took `n` bytes of the queue. A queue that had to wait and shrinks is a sign
    /// of life: the peer has taken what was before it.
    pub fn sent(&mut self, now: Millis, n: usize) {
        if n > 0 && self.waited {
            self.last_alive = now;
        }
        self.out.advance(now, n);
        self.waited = !self.out.is_empty();
    }

    /// The key's role has changed. A page that is under way was chosen for the old one and is
    /// asked for again.
    pub fn set_access(&mut self, changed: ReadAccess) {
        let State::Open { access, .. } = &mut self.state else { return };
        *access = changed;
        if let Some((index, _)) = self.reading {
            self.subs.renew(index);
        }
    }

    /// The relay is stopping: the session closes when nothing is in flight any more.
    pub fn drain(&mut self) {
        self.draining = true;
        self.close_if_answered();
    }

    /// While leaving or draining: closes once every reply has been queued.
    pub fn close_if_answered(&mut self) {
        let code = match self.state {
            State::Leaving(code) => code,
            State::AwaitingAuth { .. } | State::Open { .. } if self.draining => CloseCode::GoingAway,
            _ => return,
        };
        if self.replies.len() == 0 {
            put_close(self.out.end(), code);
            self.state = State::Ended(Ending::Closing);
        }
    }

    /// The socket is gone or given up: nothing more can be said.
    pub fn abort(&mut self) {
        self.state = State::Ended(Ending::Abort);
    }

    /// Queues an Error, which takes its place behind the replies that are due, then closes.
    pub fn end_with(&mut self, reason: Reason) {
        self.refuse(About::Nothing, reason);
        self.leave(match reason {
            Reason::MessageTooLarge { .. } => CloseCode::TooLarge,
            _ => CloseCode::Policy,
        });
    }

    fn leave(&mut self, code: CloseCode) {
        if self.is_listening() {
            self.state = State::Leaving(code);
            self.close_if_answered();
        }
    }

    fn refuse(&mut self, about: About, reason: Reason) {
        self.replies.error(about, reason);
        self.replies.write(self.out.end());
    }

    fn refuse_problem(&mut self, problem: &Problem<'_>) {
        let about = match (problem.sub_id, problem.event.and_then(scan_id)) {
            (Some(sub_id), _) => About::Sub(sub_id.into()),
            (None, Some(id)) => About::Event(id),
            (None, None) => About::Nothing,
        };
        self.refuse(about, problem.reason);
    }
}

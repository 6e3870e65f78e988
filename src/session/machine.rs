//! The session: what arrives, login, publishes and their replies.

use super::outgoing::Outgoing;
use super::replies::{About, Replies};
use super::subscription::{SubIndex, Subscriptions};
use crate::base::{Closing, EventId, Limits, LogId, Millis, PubKey, Reason, Signature};
use crate::event::scan_id;
use crate::filter::{Filter, FilterLimits, ReadAccess};
use crate::wire::{ClientMessage, CloseCode, FrameError, Incoming, Problem, put_pong, relay};
use std::sync::Arc;

/// What all sessions of a relay have in common.
#[derive(Debug)]
pub struct Terms {
    pub limits: Limits,
    pub log_id: LogId,
}

/// What a login is let in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    pub access: ReadAccess,
    /// The key's own bound on a filter's lists, beside the relay's; 0: none.
    pub filter_entries_max: usize,
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
pub(super) enum State {
    AwaitingAuth {
        nonce: [u8; 32],
        since: Millis,
    },
    Open {
        admission: Admission,
    },
    /// Nothing is taken and no event is sent any more; closes once every reply has been queued.
    Leaving(CloseCode),
    Ended(Ending),
}

/// One connection, from its upgrade to its end.
#[derive(Debug)]
pub struct Session {
    pub(super) terms: Arc<Terms>,
    pub(super) state: State,
    pub(super) replies: Replies,
    pub(super) subs: Subscriptions,
    pub(super) out: Outgoing,
    /// The subscription whose page is under way, by index and serial.
    pub(super) reading: Option<(SubIndex, u32)>,
    pub(super) last_alive: Millis,
    pub(super) last_ping: Millis,
    /// When a tick first found the connection ending.
    pub(super) leaving_since: Option<Millis>,
    /// The socket has left bytes in the queue.
    pub(super) waited: bool,
    pub(super) draining: bool,
    /// Whose login it was.
    key: Option<PubKey>,
    /// Why it ends; the first reason counts.
    pub(super) closing: Option<Closing>,
}

/// A message before the login is an Auth: 64 + 32 bytes and their keys.
const AUTH_MESSAGE_BYTES_MAX: usize = 1_024;

/// Bytes queued for a stranger who takes none: the Challenge and some pongs. Times
/// `limits.half_open_max` this is what all of them can make the relay hold.
const AUTH_QUEUE_BYTES_MAX: usize = 1_024;

impl Session {
    /// A session for a connection that was just upgraded; queues the Challenge.
    /// The time limit for the login runs from `accepted`.
    pub fn new(terms: Arc<Terms>, nonce: [u8; 32], accepted: Millis, now: Millis) -> Self {
        let mut session = Session {
            terms,
            state: State::AwaitingAuth { nonce, since: accepted },
            replies: Replies::default(),
            subs: Subscriptions::default(),
            out: Outgoing::default(),
            reading: None,
            last_alive: now,
            last_ping: now,
            leaving_since: None,
            waited: false,
            draining: false,
            key: None,
            closing: None,
        };
        session.out.shrink(now);
        relay::put_challenge(session.out.end(), &nonce);
        session
    }

    /// Goes on under other terms, of the same log.
    pub fn set_terms(&mut self, terms: Arc<Terms>) {
        self.terms = terms;
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
        self.key.as_ref().filter(|_| matches!(self.state, State::Open { .. }))
    }

    /// Whose login it was, also when the connection is ending.
    pub fn key(&self) -> Option<PubKey> {
        self.key
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

    /// Bytes of publishes without a verdict.
    pub fn in_flight_bytes(&self) -> usize {
        self.replies.in_flight_bytes()
    }

    fn is_stranger(&self) -> bool {
        matches!(self.state, State::AwaitingAuth { .. })
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
            // RFC 6455, section 5.5.3: not each of many pings has to be answered.
            Incoming::Ping(_) if self.is_stranger() && self.out.len() >= AUTH_QUEUE_BYTES_MAX => {
                Request::Nothing
            }
            Incoming::Ping(payload) => {
                put_pong(self.out.end(), payload);
                Request::Nothing
            }
            Incoming::Pong => Request::Nothing,
            Incoming::Close => {
                self.leave(CloseCode::Normal, Closing::Left);
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
            (FrameError::Protocol(_), _) => self.leave(CloseCode::Protocol, Closing::Protocol),
        }
    }

    /// The bounds on a filter: the relay's, and the key's own.
    fn filter_limits(&self) -> FilterLimits {
        let Limits { filter_entries_max, filter_tags_max, .. } = self.terms.limits;
        let entries_max = match &self.state {
            State::Open { admission } if admission.filter_entries_max != 0 => {
                filter_entries_max.min(admission.filter_entries_max)
            }
            _ => filter_entries_max,
        };
        FilterLimits { entries_max, tags_max: filter_tags_max }
    }

    fn message<'a>(&mut self, bytes: &'a [u8]) -> Request<'a> {
        let parsed = ClientMessage::parse(bytes, &self.filter_limits());
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
    pub fn logged_in(&mut self, pubkey: PubKey, outcome: Result<Admission, Reason>) {
        match outcome {
            Ok(admission) => {
                self.key = Some(pubkey);
                self.state = State::Open { admission };
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

    pub(super) fn refuse(&mut self, about: About, reason: Reason) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_who_pings_and_takes_nothing_holds_a_bounded_queue() {
        let terms = Arc::new(Terms { limits: Limits::default(), log_id: LogId([7; 16]) });
        let mut session = Session::new(terms, [9; 32], Millis(0), Millis(0));
        for _ in 0..100_000 {
            session.incoming(Incoming::Ping(&[1; 125]));
        }
        assert!((125..AUTH_QUEUE_BYTES_MAX + 127).contains(&session.queued_bytes()));
        let queued = session.queued_bytes();
        session.out().advance(Millis(1), queued);
        session.incoming(Incoming::Ping(b"again"));
        assert_eq!(session.queued_bytes(), 2 + 5, "once he reads he is answered again");
    }
}

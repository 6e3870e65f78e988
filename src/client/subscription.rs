//! Following the log: one stream over any number of connections.
//!
//! A subscription always asks with `after` and `log` (protocol §6), so that the next connection
//! goes on exactly behind the last event handed out: nothing is lost, nothing comes twice. It
//! reads from its socket only when it is polled; a slow consumer thereby slows the relay's
//! sending, and if the relay gives up on it, it resumes.
//!
//! **Where "now" is, and which log this is**, it learns by asking for something that cannot
//! exist: an impossible id of a kind that is never stored, `after: 0`. The answer is only an
//! Eose with the head and the log's id; no retention can make such an `after` incomplete.

use super::backoff::Backoff;
use super::connection::{ConnectError, Connection, Lost};
use super::{Client, Event, Filter, Verifier};
use crate::base::{EventId, Kind, LogId, Reason, Seq};
use crate::wire::{ClientMessage, Envelope, Eose, RelayMessage};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use futures_util::{FutureExt, Stream};
use std::collections::HashSet;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use thiserror::Error;

/// The one subscription of its connection. Subscribing again replaces it.
const SUB_ID: &str = "s";

/// Where following begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The first event of the log.
    Beginning,
    /// Only what is stored from now on.
    Now,
    /// The newest so many stored events (they come without positions), then what is new.
    Newest(u16),
    /// Behind this position of whatever log the relay has.
    After(Seq),
    /// Behind a kept position; refused if the relay's log is another one.
    At(Position),
}

/// A position together with the log in which it means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub seq: Seq,
    pub log: LogId,
}

/// What a subscription says.
#[derive(Debug)]
pub enum Update {
    Event(Delivery),
    /// Everything stored has been delivered; the last position covered, if it is known. Comes
    /// again after a reconnect.
    CaughtUp(Option<Position>),
    /// The connection is lost or was not made; the next try follows after `delay`.
    Retrying {
        why: SubscribeError,
        delay: Duration,
    },
}

/// One delivered event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub event: Event,
    /// What to keep in order to go on behind this event; ephemeral events have none.
    pub position: Option<Position>,
}

/// What stops a subscription, or interrupts it.
#[derive(Debug, Error)]
pub enum SubscribeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("subscription refused with code {code}: {message}")]
    Refused { code: u16, message: String },
    #[error("the relay delivered an event that does not verify: {0}; do not trust this relay")]
    BadEvent(Reason),
    #[error("the relay broke the protocol: {0}")]
    Broken(&'static str),
}

impl SubscribeError {
    /// Whether trying again later cannot help.
    pub fn is_final(&self) -> bool {
        match self {
            SubscribeError::Connect(error) => error.is_final(),
            SubscribeError::Lost(_) => false,
            SubscribeError::Refused { code, .. } => !matches!(code, 429 | 503),
            SubscribeError::BadEvent(_) | SubscribeError::Broken(_) => true,
        }
    }

    /// If retention has taken events behind the position that was asked for: where to go on
    /// without them.
    pub fn complete_behind(&self) -> Option<Seq> {
        let SubscribeError::Refused { code: 400, message } = self else { return None };
        let (_, seq) = message.rsplit_once(GO_ON_BEHIND)?;
        seq.parse().ok().map(Seq)
    }
}

/// What stands before the position in such an Error (protocol §6), at its end.
const GO_ON_BEHIND: &str = "go on with after: ";

/// A stream of [`Update`]s. An error is its last item.
pub struct Subscription {
    updates: BoxStream<'static, Result<Update, SubscribeError>>,
}

impl Subscription {
    /// Stored events, then live ones, for ever.
    pub(super) fn follow(client: Client, filter: Filter, start: Start) -> Subscription {
        let (cursor, newest) = match start {
            // A limit of 0 means none (protocol §5); asking for none of the newest is `Now`.
            Start::Newest(n) => (Cursor::From(Start::Now), (n > 0).then_some(u32::from(n))),
            Start::At(position) => (Cursor::At(position), None),
            start => (Cursor::From(start), None),
        };
        let filter = Filter { limit: None, after: None, log: None, ..filter };
        let follower = Follower { newest, ..Follower::new(client, filter, cursor, Scope::Live) };
        Subscription::of(follower)
    }

    /// Stored events only.
    pub(super) fn stored(client: Client, mut filter: Filter) -> Subscription {
        let cursor = match (filter.after.take().map(Seq), filter.log.take()) {
            (None, _) => Cursor::Unknown,
            (Some(seq), Some(log)) => Cursor::At(Position { seq, log }),
            (Some(seq), None) => Cursor::From(Start::After(seq)),
        };
        filter.limit = filter.limit.filter(|limit| *limit > 0);
        Subscription::of(Follower::new(client, filter, cursor, Scope::Stored))
    }

    fn of(follower: Follower) -> Subscription {
        let next = |mut follower: Follower| async move {
            let update = follower.next().await?;
            Some((update, follower))
        };
        Subscription { updates: stream::unfold(follower, next).boxed() }
    }

    /// The next update if it is there already.
    pub fn next_ready(&mut self) -> Option<Option<Result<Update, SubscribeError>>> {
        self.updates.next().now_or_never()
    }
}

impl Stream for Subscription {
    type Item = Result<Update, SubscribeError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.updates.as_mut().poll_next(cx)
    }
}

/// What is known of the place in the log.
#[derive(Debug, Clone, Copy)]
enum Cursor {
    /// Nothing: asked without `after`, cannot be resumed.
    Unknown,
    /// Still to be learnt from the relay.
    From(Start),
    /// Everything up to here was handed out.
    At(Position),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Stored,
    Live,
}

struct Follower {
    client: Client,
    /// Without `after` and `log`, which the cursor gives; `limit` is what is left of it.
    filter: Filter,
    cursor: Cursor,
    scope: Scope,
    /// How many of the newest stored events to show before following; `None` once shown.
    newest: Option<u32>,
    /// Those that were shown: they may lie behind the cursor, too. Empty after the first Eose.
    shown: HashSet<EventId>,
    connection: Option<Connection>,
    backoff: Backoff,
    /// To wait before the next connection.
    pause: Option<Duration>,
    verifier: Option<Verifier>,
    has_progressed: bool,
    is_over: bool,
}

impl Follower {
    fn new(client: Client, filter: Filter, cursor: Cursor, scope: Scope) -> Follower {
        Follower {
            verifier: client.verifies.then(Verifier::default),
            client,
            filter,
            cursor,
            scope,
            newest: None,
            shown: HashSet::new(),
            connection: None,
            backoff: Backoff::default(),
            pause: None,
            has_progressed: false,
            is_over: false,
        }
    }

    async fn next(&mut self) -> Option<Result<Update, SubscribeError>> {
        if self.is_over {
            return None;
        }
        if let (Some(0), Cursor::At(at)) = (self.filter.limit, self.cursor) {
            // The Eose is still to come, but a lost connection could not be resumed from here:
            // on the wire a limit of 0 means none.
            self.is_over = true;
            return Some(Ok(Update::CaughtUp(Some(at))));
        }
        if let Some(pause) = self.pause.take() {
            tokio::time::sleep(pause).await;
        }
        Some(match self.advance().await {
            Ok(update) => {
                self.backoff.reset();
                self.has_progressed = true;
                Ok(update)
            }
            Err(why) if self.may_retry(&why) => {
                self.connection = None;
                let delay = self.backoff.next();
                self.pause = Some(delay);
                Ok(Update::Retrying { why, delay })
            }
            Err(why) => {
                self.is_over = true;
                Err(why)
            }
        })
    }

    /// Someone who asks once wants to hear at once that nobody answers; a follower is patient.
    fn may_retry(&self, why: &SubscribeError) -> bool {
        let can_resume = match self.scope {
            Scope::Live => true,
            Scope::Stored => self.has_progressed && matches!(self.cursor, Cursor::At(_)),
        };
        can_resume && !why.is_final()
    }

    async fn advance(&mut self) -> Result<Update, SubscribeError> {
        loop {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.open().await?,
            };
            let bytes = connection.receive().await?;
            let update = match parse(&bytes)? {
                RelayMessage::Envelope(envelope) if envelope.sub_id == SUB_ID => {
                    self.deliver(&envelope, &bytes)?
                }
                RelayMessage::Eose(eose) if eose.sub_id == SUB_ID => {
                    self.end_of_stored(&eose, &mut connection).await?
                }
                _ => return Err(SubscribeError::Broken("a message that nobody asked for")),
            };
            self.connection = Some(connection);
            if let Some(update) = update {
                return Ok(update);
            }
        }
    }

    /// Connects, learns the place in the log if need be, and subscribes behind it.
    async fn open(&mut self) -> Result<Connection, SubscribeError> {
        let mut connection = self.client.connect().await?;
        if let Cursor::From(start) = self.cursor {
            let head = learn_head(&mut connection).await?;
            let seq = match start {
                Start::Beginning => Seq::ZERO,
                Start::After(seq) | Start::At(Position { seq, .. }) => seq,
                Start::Now | Start::Newest(_) => head.seq,
            };
            self.cursor = Cursor::At(Position { seq, log: head.log });
        }
        self.subscribe(&mut connection).await?;
        Ok(connection)
    }

    async fn subscribe(&mut self, connection: &mut Connection) -> Result<(), Lost> {
        let mut filter = self.filter.clone();
        match (self.newest, self.cursor) {
            (Some(n), _) => filter.limit = Some(n),
            (None, Cursor::At(position)) => {
                filter.after = Some(position.seq.0);
                filter.log = Some(position.log);
            }
            (None, Cursor::Unknown | Cursor::From(_)) => {}
        }
        connection.send(&ClientMessage::Subscribe { sub_id: SUB_ID, filter }).await
    }

    fn deliver(&mut self, envelope: &Envelope<'_>, bytes: &Bytes) -> Result<Option<Update>, SubscribeError> {
        let wire = bytes.slice_ref(envelope.event);
        let event = match &mut self.verifier {
            Some(verifier) => verifier.open(wire),
            None => Event::decode(wire),
        };
        let event = event.map_err(SubscribeError::BadEvent)?;
        let position = self.move_to(envelope.seq)?;
        if self.newest.is_some() {
            return Ok(self
                .shown
                .insert(event.id)
                .then_some(Update::Event(Delivery { event, position: None })));
        }
        if let (Some(left), Some(_)) = (&mut self.filter.limit, position) {
            *left = left.saturating_sub(1);
        }
        let is_new = self.shown.is_empty() || !self.shown.remove(&event.id);
        Ok(is_new.then_some(Update::Event(Delivery { event, position })))
    }

    /// Moves the cursor to a delivered event.
    fn move_to(&mut self, seq: Option<Seq>) -> Result<Option<Position>, SubscribeError> {
        match (&mut self.cursor, seq) {
            (Cursor::At(at), Some(seq)) if at.seq < seq => {
                at.seq = seq;
                Ok(Some(*at))
            }
            (Cursor::At(_), Some(_)) => Err(SubscribeError::Broken("an event came again or out of order")),
            _ => Ok(None),
        }
    }

    async fn end_of_stored(
        &mut self,
        eose: &Eose<'_>,
        connection: &mut Connection,
    ) -> Result<Option<Update>, SubscribeError> {
        if self.newest.take().is_some() {
            self.subscribe(connection).await?;
            return Ok(None);
        }
        self.shown = HashSet::new();
        self.is_over = self.scope == Scope::Stored || eose.more;
        let Cursor::At(at) = &mut self.cursor else { return Ok(Some(Update::CaughtUp(None))) };
        match eose.position {
            Some((seq, log)) if log == at.log && seq >= at.seq => at.seq = seq,
            _ => return Err(SubscribeError::Broken("an end of the stored events without its position")),
        }
        Ok(Some(Update::CaughtUp(Some(*at))))
    }
}

/// Asks for what cannot exist, to be told where the log ends; see the module's text.
async fn learn_head(connection: &mut Connection) -> Result<Position, SubscribeError> {
    let filter = Filter {
        ids: vec![EventId([0; 32])],
        kinds: vec![*Kind::EPHEMERAL.start()],
        after: Some(0),
        ..Filter::default()
    };
    connection.send(&ClientMessage::Subscribe { sub_id: SUB_ID, filter }).await?;
    let bytes = connection.receive().await?;
    match parse(&bytes)? {
        RelayMessage::Eose(Eose { position: Some((seq, log)), .. }) => Ok(Position { seq, log }),
        _ => Err(SubscribeError::Broken("its answer to an empty subscription is not an end with a position")),
    }
}

fn parse(bytes: &[u8]) -> Result<RelayMessage<'_>, SubscribeError> {
    match RelayMessage::parse(bytes).map_err(Lost::malformed)? {
        RelayMessage::Error { code, message } => {
            let message = message.strip_prefix(SUB_ID_PREFIX).unwrap_or(message).to_owned();
            Err(SubscribeError::Refused { code, message })
        }
        message => Ok(message),
    }
}

/// How an Error about our subscription begins.
const SUB_ID_PREFIX: &str = "sub s: ";

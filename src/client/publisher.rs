//! Publishing, pipelined: the relay answers in the order of the publishes (protocol §4), so
//! many may be under way at once.
//!
//! A task per publisher owns the connection; it ends when the last handle is dropped and the
//! last reply is in. What is under way is bounded, in events and in bytes; sending waits then.

use super::connection::{Connection, Lost, Socket, receive};
use crate::base::{EventId, Reason};
use crate::event::EventView;
use crate::wire::{ClientMessage, RelayMessage};
use bumpalo::Bump;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// Events under way. A relay takes 4 096 of one connection; a quarter fills any local network.
const IN_FLIGHT_EVENTS_MAX: usize = 1_024;
/// Bytes of events under way, as much as a relay takes of one connection.
const IN_FLIGHT_BYTES_MAX: usize = 4 << 20;
/// Every event counts with at least this, so that one budget bounds events and bytes.
const EVENT_COST_MIN: usize = IN_FLIGHT_BYTES_MAX / IN_FLIGHT_EVENTS_MAX;

/// Publishes over one connection. Clones share it.
#[derive(Debug, Clone)]
pub struct Publisher {
    queue: mpsc::Sender<Outgoing>,
    budget: Arc<Semaphore>,
    loss: Loss,
}

/// The event is as durable as the relay is configured to make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub id: EventId,
}

/// Why there is no [`Published`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishError {
    /// Nothing was sent.
    #[error("not an event: {0}")]
    NotAnEvent(#[from] Reason),
    /// The relay's answer; 409 means that it has the event already, as durable as any.
    #[error("{id}: refused with code {code}: {message}")]
    Refused { id: EventId, code: u16, message: String },
    /// It may have been stored or not.
    #[error("{id}: {lost}; the outcome is unknown: publish it again, Ok and 409 both mean stored")]
    OutcomeUnknown { id: EventId, lost: Lost },
    /// The connection was over before.
    #[error("{id}: not sent, {lost}; connect again")]
    NotSent { id: EventId, lost: Lost },
}

/// The reply to one publish, to be awaited. Dropping it does not take the event back.
#[derive(Debug)]
pub struct Receipt {
    id: EventId,
    reply: oneshot::Receiver<Result<Published, PublishError>>,
    loss: Loss,
}

/// Why the connection ended, known before any receipt hears of the end.
type Loss = Arc<OnceLock<Lost>>;

#[derive(Debug)]
struct Outgoing {
    message: Vec<u8>,
    waiting: Waiting,
}

/// An event whose reply has not come.
#[derive(Debug)]
struct Waiting {
    id: EventId,
    reply: oneshot::Sender<Result<Published, PublishError>>,
    /// Given back with the reply.
    _budget: OwnedSemaphorePermit,
}

impl Publisher {
    pub(super) fn over(connection: Connection) -> Publisher {
        let (queue, outgoing) = mpsc::channel(IN_FLIGHT_EVENTS_MAX);
        let loss = Loss::default();
        tokio::spawn(drive(connection, outgoing, Arc::clone(&loss)));
        Publisher { queue, budget: Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX)), loss }
    }

    /// Publishes one event map and waits for the relay's answer.
    ///
    /// # Errors
    /// Not an event, refused, or the connection was lost.
    pub async fn publish(&self, event: Vec<u8>) -> Result<Published, PublishError> {
        self.send(event).await?.await
    }

    /// Sends one event map and returns without its reply, so that the next can follow. Waits
    /// while as much as allowed is under way. Events are sent in the order of these calls.
    ///
    /// # Errors
    /// Not an event, or the connection is over.
    pub async fn send(&self, event: Vec<u8>) -> Result<Receipt, PublishError> {
        let id = EventView::parse(&event, &Bump::new())?.id;
        let not_sent = || PublishError::NotSent { id, lost: lost(&self.loss) };
        let cost = event.len().clamp(EVENT_COST_MIN, IN_FLIGHT_BYTES_MAX) as u32;
        let budget = Arc::clone(&self.budget).acquire_many_owned(cost).await.map_err(|_| not_sent())?;
        let mut message = Vec::with_capacity(event.len() + 16);
        ClientMessage::Publish { event: &event }.write(&mut message);
        let (reply, receipt) = oneshot::channel();
        let outgoing = Outgoing { message, waiting: Waiting { id, reply, _budget: budget } };
        self.queue.send(outgoing).await.map_err(|_| not_sent())?;
        Ok(Receipt { id, reply: receipt, loss: Arc::clone(&self.loss) })
    }
}

impl Receipt {
    /// The event this is about.
    pub fn id(&self) -> EventId {
        self.id
    }
}

impl Future for Receipt {
    type Output = Result<Published, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(Pin::new(&mut self.reply).poll(cx));
        Poll::Ready(match reply {
            Ok(reply) => reply,
            Err(_) => Err(PublishError::OutcomeUnknown { id: self.id, lost: lost(&self.loss) }),
        })
    }
}

impl PublishError {
    /// The relay's code, if it answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            PublishError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

fn lost(loss: &Loss) -> Lost {
    loss.get().cloned().unwrap_or_else(|| Lost("the publisher's task was stopped".to_owned()))
}

async fn drive(connection: Connection, queue: mpsc::Receiver<Outgoing>, loss: Loss) {
    let (sink, stream) = connection.into_socket().split();
    let (sent, waiting) = mpsc::channel(IN_FLIGHT_EVENTS_MAX);
    let mut writer = Writer { sink, queue };
    let mut reader = Reader { stream, waiting, head: None };
    let end = tokio::try_join!(writer.run(sent), reader.run());
    if let Err(why) = end {
        // Before `reader` and `writer` go and with them the senders that receipts wait for.
        let _ = loss.set(why);
        return;
    }
    // All replies are in: nothing depends on how this goes.
    let _ = writer.sink.close().await;
}

struct Writer {
    sink: SplitSink<Socket, Message>,
    queue: mpsc::Receiver<Outgoing>,
}

impl Writer {
    /// Until the last handle is gone; dropping `sent` then tells the reader.
    async fn run(&mut self, sent: mpsc::Sender<Waiting>) -> Result<(), Lost> {
        let mut next = self.queue.recv().await;
        while let Some(Outgoing { message, waiting }) = next {
            // Entered before its bytes can leave: no reply comes to an event unknown. The
            // budget bounds the entries to the channel's capacity, so this never waits.
            if sent.send(waiting).await.is_err() {
                return Err(Lost("its reader stopped".to_owned()));
            }
            self.sink.feed(Message::binary(message)).await?;
            next = match self.queue.try_recv() {
                Ok(more) => Some(more),
                Err(_) => {
                    self.sink.flush().await?;
                    self.queue.recv().await
                }
            };
        }
        Ok(())
    }
}

struct Reader {
    stream: SplitStream<Socket>,
    waiting: mpsc::Receiver<Waiting>,
    /// The event whose reply comes next, if it was taken from `waiting` already.
    head: Option<Waiting>,
}

impl Reader {
    /// Until nothing more will be sent and every reply is in.
    async fn run(&mut self) -> Result<(), Lost> {
        loop {
            tokio::select! {
                entered = self.waiting.recv(), if self.head.is_none() => match entered {
                    Some(waiting) => self.head = Some(waiting),
                    None => return Ok(()),
                },
                message = receive(&mut self.stream) => self.reply(&message?)?,
            }
        }
    }

    fn reply(&mut self, message: &[u8]) -> Result<(), Lost> {
        if self.head.is_none() {
            self.head = self.waiting.try_recv().ok();
        }
        let id = self.head.as_ref().map(|waiting| waiting.id);
        let outcome = match (RelayMessage::parse(message).map_err(Lost::malformed)?, id) {
            (RelayMessage::Ok { message }, Some(id)) if message == id.to_hex() => Ok(Published { id }),
            (RelayMessage::Error { code, message }, Some(id)) => match about(message, &id) {
                Some(message) => Err(PublishError::Refused { id, code, message: message.to_owned() }),
                None => return Err(closing(code, message)),
            },
            (RelayMessage::Error { code, message }, None) => return Err(closing(code, message)),
            _ => return Err(Lost("the relay's replies are not in the order of the publishes".to_owned())),
        };
        if let Some(waiting) = self.head.take() {
            // A dropped receipt does not want to know.
            let _ = waiting.reply.send(outcome);
        }
        Ok(())
    }
}

/// The text behind `<id>: `.
fn about<'a>(message: &'a str, id: &EventId) -> Option<&'a str> {
    message.strip_prefix(&id.to_hex())?.strip_prefix(": ")
}

/// An Error that is about no event ends the connection: a removed key, a relay that stops.
fn closing(code: u16, message: &str) -> Lost {
    Lost(format!("the relay refused to go on: {message} (code {code})"))
}

//! An honest little relay for tests: real sockets, the real wire, a `Vec` as its log.

use super::{Event, Filter, Verifier};
use crate::base::{EventId, LogId, Reason, Seq};
use crate::filter::FilterLimits;
use crate::wire::{ClientMessage, Eose, put_envelope, put_error, put_ok, relay};
use futures_util::{SinkExt, StreamExt};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const NONCE: [u8; 32] = [9; 32];
const LIMITS: FilterLimits = FilterLimits { entries_max: 100, tags_max: 10 };

/// What the double does besides being honest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quirks {
    /// Answers so many connections with this instead of a challenge.
    pub refuse: Option<(u32, Reason)>,
    /// Breaks a connection after so many envelopes on it.
    pub envelopes_per_connection: Option<usize>,
    /// Takes so many publishes of a connection, then breaks it without a reply to the last.
    pub publishes_per_connection: Option<usize>,
    /// Refuses publishes of this kind.
    pub refused_kind: Option<u16>,
    /// Delivers each event with its last byte changed.
    pub forges: bool,
}

pub(crate) struct RelayDouble {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    log: Mutex<Vec<Event>>,
    log_id: Mutex<LogId>,
    quirks: Mutex<Quirks>,
    head: watch::Sender<u64>,
}

struct Subscription {
    sub_id: String,
    filter: Filter,
    position: u64,
}

struct Session {
    shared: Arc<Shared>,
    socket: WebSocketStream<TcpStream>,
    subscription: Option<Subscription>,
    envelopes: usize,
    publishes: usize,
}

/// The connection is to be broken.
struct Broken;

impl RelayDouble {
    pub(crate) async fn start(quirks: Quirks) -> RelayDouble {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}", listener.local_addr().expect("its address"));
        let shared = Arc::new(Shared {
            url: url.clone(),
            log: Mutex::default(),
            log_id: Mutex::new(LogId([1; 16])),
            quirks: Mutex::new(quirks),
            head: watch::Sender::new(0),
        });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&accepting)));
            }
        });
        RelayDouble { url, shared }
    }

    pub(crate) fn append(&self, wire: Vec<u8>) {
        self.shared.append(Event::decode(wire.into()).expect("an event"));
    }

    pub(crate) fn log_ids(&self) -> Vec<EventId> {
        self.shared.log.lock().expect("the log").iter().map(|event| event.id).collect()
    }

    pub(crate) fn replace_log(&self) {
        *self.shared.log_id.lock().expect("the id") = LogId([2; 16]);
    }
}

impl Shared {
    fn append(&self, event: Event) {
        let mut log = self.log.lock().expect("the log");
        log.push(event);
        self.head.send_replace(log.len() as u64);
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let mut head = shared.head.subscribe();
    let mut session = Session { shared, socket, subscription: None, envelopes: 0, publishes: 0 };
    if session.log_in().await.is_err() {
        return;
    }
    loop {
        let outcome = tokio::select! {
            message = session.socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => session.handle(&bytes).await,
                Some(Ok(_)) => Ok(()),
                _ => Err(Broken),
            },
            _ = head.changed() => session.deliver_live().await,
        };
        if outcome.is_err() {
            return;
        }
    }
}

impl Session {
    async fn log_in(&mut self) -> Result<(), Broken> {
        let refusal = {
            let mut quirks = self.shared.quirks.lock().expect("the quirks");
            quirks.refuse.as_mut().filter(|(times, _)| *times > 0).map(|(times, reason)| {
                *times -= 1;
                *reason
            })
        };
        if let Some(reason) = refusal {
            self.put(|out| put_error(out, None, reason)).await?;
            return Err(Broken);
        }
        self.put(|out| relay::put_challenge(out, &NONCE)).await?;
        let Some(Ok(Message::Binary(bytes))) = self.socket.next().await else { return Err(Broken) };
        let Ok(ClientMessage::Auth { pubkey, sig }) = ClientMessage::parse(&bytes, &LIMITS) else {
            return Err(Broken);
        };
        let digest = Sha256::new().chain_update(NONCE).chain_update(&self.shared.url).finalize();
        if Verifier::default().verify(&EventId(digest.into()), &pubkey, &sig) {
            return self.put(|out| relay::put_ok_text(out, "welcome")).await;
        }
        self.put(|out| put_error(out, None, Reason::BadLogin)).await?;
        Err(Broken)
    }

    async fn handle(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        match ClientMessage::parse(bytes, &LIMITS) {
            Ok(ClientMessage::Publish { event }) => self.publish(event.to_vec()).await,
            Ok(ClientMessage::Subscribe { sub_id, filter }) => {
                self.subscribe(sub_id.to_owned(), filter).await
            }
            other => panic!("the client sent {other:?}"),
        }
    }

    async fn publish(&mut self, wire: Vec<u8>) -> Result<(), Broken> {
        let event = Verifier::default().open(wire.into()).expect("clients send honest events");
        let quirks = self.shared.quirks.lock().expect("the quirks").clone();
        self.publishes += 1;
        if quirks.publishes_per_connection.is_some_and(|limit| self.publishes >= limit) {
            return Err(Broken);
        }
        let id = event.id;
        if quirks.refused_kind == Some(event.kind.0) {
            return self.put(|out| put_error(out, Some(&id.to_hex()), Reason::AuthorNotAllowed)).await;
        }
        self.shared.append(event);
        self.put(|out| put_ok(out, &id)).await
    }

    async fn subscribe(&mut self, sub_id: String, filter: Filter) -> Result<(), Broken> {
        let log = self.shared.log.lock().expect("the log").clone();
        let log_id = *self.shared.log_id.lock().expect("the id");
        let (head, after) = (log.len() as u64, filter.after.unwrap_or(0));
        let refused = if filter.log.is_some_and(|id| id != log_id) {
            Some(Reason::OtherLog)
        } else {
            (after > head).then_some(Reason::AfterBeyondHead { after, head })
        };
        if let Some(reason) = refused {
            return self.put(|out| put_error(out, Some(&format!("sub {sub_id}")), reason)).await;
        }
        let mut stored: Vec<u64> =
            (after + 1..=head).filter(|seq| filter.matches(&log[*seq as usize - 1])).collect();
        let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        let more = filter.after.is_some() && stored.len() > limit;
        if more {
            stored.truncate(limit);
        } else {
            stored.drain(..stored.len().saturating_sub(limit));
        }
        let covered = stored.last().copied().filter(|_| more).unwrap_or(head);
        let position = filter.after.map(|_| (Seq(covered), log_id));
        self.subscription = Some(Subscription { sub_id: sub_id.clone(), filter, position: head });
        for seq in stored {
            self.put_event(seq, &log[seq as usize - 1]).await?;
        }
        if more {
            self.subscription = None;
        }
        self.put(|out| relay::put_eose(out, &Eose { sub_id: &sub_id, more, position })).await?;
        self.deliver_live().await
    }

    async fn deliver_live(&mut self) -> Result<(), Broken> {
        let log = self.shared.log.lock().expect("the log").clone();
        while let Some(subscription) = self.subscription.as_mut().filter(|s| s.position < log.len() as u64) {
            subscription.position += 1;
            let seq = subscription.position;
            let event = &log[seq as usize - 1];
            if subscription.filter.matches(event) {
                self.put_event(seq, event).await?;
            }
        }
        Ok(())
    }

    async fn put_event(&mut self, seq: u64, event: &Event) -> Result<(), Broken> {
        let quirks = self.shared.quirks.lock().expect("the quirks").clone();
        if quirks.envelopes_per_connection == Some(self.envelopes) {
            return Err(Broken);
        }
        self.envelopes += 1;
        let Some(subscription) = &self.subscription else { return Ok(()) };
        let seq = subscription.filter.after.map(|_| Seq(seq));
        let sub_id = subscription.sub_id.clone();
        let mut wire = event.wire.to_vec();
        if let Some(last) = wire.last_mut().filter(|_| quirks.forges) {
            *last ^= 1;
        }
        self.put(|out| {
            put_envelope(out, &sub_id, seq, &wire);
        })
        .await
    }

    /// Sends what `write` lays down as a frame.
    async fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Broken> {
        let mut frame = Vec::new();
        write(&mut frame);
        let header = match frame[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let message = Message::binary(frame.split_off(header));
        self.socket.send(message).await.map_err(|_| Broken)
    }
}

//! The library agents use: connect and log in, publish, follow, direct messages, threads, jobs.
//!
//! ```no_run
//! use axon::base::Kind;
//! use axon::client::{Client, EventBuilder, Filter, KeyPair, Start, Update};
//! use futures_util::StreamExt;
//!
//! # async fn example(now: i64) -> Result<(), Box<dyn std::error::Error>> {
//! let key = KeyPair::load("agent.pem".as_ref())?;
//! let client = Client::new("ws://127.0.0.1:7447", key);
//!
//! // Publish, and know that it is stored.
//! let hello = EventBuilder { kind: Kind::MESSAGE, created_at: now, content: b"hello".to_vec(), tags: vec![] };
//! let (id, event) = client.key().sign_event(&hello)?;
//! client.publisher().await?.publish(event).await?;
//! println!("stored {id}");
//!
//! // Follow from the start of the log, over any number of lost connections.
//! let filter = Filter { kinds: vec![1000], ..Filter::default() };
//! let mut events = client.subscribe(filter, Start::Beginning);
//! while let Some(update) = events.next().await {
//!     if let Update::Event(delivery) = update? {
//!         println!("{:?} {}", delivery.position, delivery.event.id);
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Each [`Publisher`] and each [`Subscription`] has a connection of its own: a reader that is
//! slow then delays nobody's publishes, and its pace reaches the relay through TCP.

mod backoff;
mod connection;
mod describe;
pub mod dm;
mod event;
pub mod gather;
pub mod job;
mod keys;
mod private_file;
mod publisher;
#[cfg(test)]
pub(crate) mod relay_double;
mod subscription;
#[cfg(test)]
mod tests;
mod thread;
mod tls;
mod verifier;

pub use crate::event::EventBuilder;
pub use crate::filter::{Filter, TagFilter};
pub use connection::{ConnectError, Connection, Lost};
pub use describe::describe;
pub use event::{Event, Tag};
pub use keys::{KeyError, KeyPair, SignError};
pub use publisher::{PublishError, Published, Publisher, Receipt};
pub use subscription::{Delivery, Position, Start, SubscribeError, Subscription, Update};
pub use thread::{Thread, ThreadError};
pub use tls::{Roots, RootsError};
pub use verifier::Verifier;

use std::sync::Arc;

/// How to reach one relay as one agent. Cheap to clone; holds no connection.
#[derive(Debug, Clone)]
pub struct Client {
    url: Arc<str>,
    login_url: Arc<str>,
    key: Arc<KeyPair>,
    roots: Roots,
    verifies: bool,
}

impl Client {
    /// `url` is where to connect and what the login signs; it must be one of the relay's `urls`.
    pub fn new(url: &str, key: impl Into<Arc<KeyPair>>) -> Client {
        let (login_url, roots) = (url.into(), Roots::public());
        Client { url: url.into(), login_url, key: key.into(), roots, verifies: true }
    }

    /// Signs another url at login than the one it connects to, for relays behind a forwarder.
    pub fn login_url(self, url: &str) -> Client {
        Client { login_url: url.into(), ..self }
    }

    /// Who vouches for the relay of a `wss://` url (default: [`Roots::public`]).
    pub fn roots(self, roots: Roots) -> Client {
        Client { roots, ..self }
    }

    /// Whether ids and signatures of received events are checked (default: yes). Without it the
    /// relay is trusted to have done so.
    pub fn verify_events(self, verifies: bool) -> Client {
        Client { verifies, ..self }
    }

    /// The key this agent signs with.
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// A logged-in connection that speaks single messages; see [`Publisher`] and
    /// [`Subscription`] for the comfortable ways.
    ///
    /// # Errors
    /// Not reachable, not a relay, or the login was refused.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        Connection::open(self).await
    }

    /// Connects for publishing.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn publisher(&self) -> Result<Publisher, ConnectError> {
        Ok(Publisher::over(self.connect().await?))
    }

    /// Follows a filter: stored events behind `start`, then live ones, in log order, each once,
    /// reconnecting as often as it takes. `limit`, `after` and `log` of the filter are not used.
    pub fn subscribe(&self, filter: Filter, start: Start) -> Subscription {
        Subscription::follow(self.clone(), filter, start)
    }

    /// The stored events that match, then the end. With `after` they come with their positions,
    /// and a lost connection is resumed; `limit` then means the first ones, otherwise the newest.
    pub fn query(&self, filter: Filter) -> Subscription {
        Subscription::stored(self.clone(), filter)
    }
}

//! What Gather needs from outside, as traits: the relay's allowlist, and services reached over
//! the network. Tests put doubles here; `upstream` has the real ones.

use super::connections::{Connection, Connections};
use super::operator::{RelayFigures, RelayRules, RelayStorage, StoredKinds};
use super::rules::money::{Decimal, Sats};
use super::upstreams::Upstreams;
use crate::base::PubKey;
use crate::ingest::ListedKey;
use crate::log::Role;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use thiserror::Error;

/// An answer that takes its time.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

/// Why a service outside gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PortError {
    /// It cannot be reached, is too slow, or failed: later it may work (503).
    #[error("{0} cannot be reached")]
    Unreachable(&'static str),
    /// It answered that there is no such thing.
    #[error("{0} does not know it")]
    Unknown(&'static str),
}

/// The relay's allowlist. Blocks.
pub trait RelayDoor: Send + Sync {
    /// Lets the key in as an agent, if it is not allowed yet.
    ///
    /// # Errors
    /// The store's own message.
    fn admit(&self, key: &PubKey, name: &str) -> Result<(), String>;
    /// Removes the key and closes its connections, unless it is an administrator's.
    ///
    /// # Errors
    /// The store's own message.
    fn expel(&self, key: &PubKey) -> Result<(), String>;
    /// Whether the operator (not Gather) has allowed this key. Does not block.
    fn allowed(&self, key: &PubKey) -> bool;
    /// Whether it is an administrator's. Does not block.
    fn is_admin(&self, key: &PubKey) -> bool;
    /// Every allowed key, by public key.
    fn list(&self) -> Vec<ListedKey>;
    /// Allows a key, or changes its role and name; limits of its own stay. In force when it
    /// returns.
    ///
    /// # Errors
    /// The store's own message.
    fn allow(&self, key: &PubKey, role: Role, name: &str) -> Result<(), String>;
    /// Removes a key, whoever's it is, and closes its connections; `false` if it was not allowed.
    ///
    /// # Errors
    /// The store's own message.
    fn remove(&self, key: &PubKey) -> Result<bool, String>;
}

/// The relay itself, as its administrators see it.
pub trait RelayWindow: Send + Sync {
    /// What is counted; reads memory only.
    fn figures(&self) -> RelayFigures;
    /// What the store occupies; reads no event.
    fn storage(&self) -> RelayStorage;
    /// What is stored by kind, from a bounded sample; one at a time. Blocks.
    ///
    /// # Errors
    /// Somebody else is counting, or the store's own message.
    fn kinds(&self) -> Result<StoredKinds, String>;
    /// Limits and retention in force.
    fn rules(&self) -> RelayRules;
    /// Connections of a key, or of all, at most so many. Blocks.
    fn connections(&self, key: Option<&PubKey>, most: usize) -> Connections;
    /// The connection of that id, if it is there. Blocks.
    fn connection(&self, id: &str) -> Option<Connection>;
    /// Ends a connection; `false` if it is gone. Blocks.
    fn close_connection(&self, id: &str) -> bool;
}

/// A tweet, as its embedding page describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tweet {
    pub html: String,
    pub author_url: String,
    pub url: String,
}

/// Looks tweets up.
pub trait Tweets: Send + Sync {
    /// The tweet at this URL.
    fn tweet<'a>(&'a self, url: &'a str) -> Later<'a, Tweet>;
}

/// An output of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainOutput {
    /// Its place in the transaction, from 0.
    pub index: u32,
    /// Without the `bitcoincash:` in front; empty: it pays to no single address.
    pub address: String,
    pub value: Sats,
    /// What the script says, if it only carries data (`OP_RETURN`).
    pub memo: Option<String>,
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainTx {
    /// At least one block holds it.
    pub confirmed: bool,
    pub outputs: Vec<ChainOutput>,
}

/// Looks transactions up on the Bitcoin Cash chain.
pub trait Chain: Send + Sync {
    /// The transaction of this id (64 lower-case hex digits).
    fn transaction<'a>(&'a self, id: &'a str) -> Later<'a, ChainTx>;
}

/// Knows what a BCH is worth.
pub trait Rate: Send + Sync {
    /// Dollars for one BCH; positive.
    fn usd_per_bch(&self) -> Later<'_, Decimal>;
}

/// Names and values that choose among the products of a catalogue.
pub type Attributes = BTreeMap<String, String>;

/// What is to be printed, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintOrder {
    /// Our order's id; the print service keeps it, so that an order can be found again.
    pub reference: String,
    pub product_uid: String,
    /// Where the print service fetches the picture.
    pub design_url: String,
    /// As the order has it: `first_name`, ….
    pub address: Attributes,
}

/// The id of an order that was placed, if the print service does not tell it (contract 4.8); our
/// reference finds it.
pub const UNKNOWN_ID: &str = "unknown";

/// How far an order has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrintState {
    /// Being made.
    Working,
    /// On its way; where it can be followed, if that is known.
    Shipped { tracking_url: String },
    /// It will not be made.
    Cancelled,
}

/// Prints goods and ships them.
pub trait PrintService: Send + Sync {
    /// The values that an attribute has among the products with these attributes, sorted.
    fn values<'a>(
        &'a self,
        catalogue: &'a str,
        filters: &'a Attributes,
        attribute: &'a str,
    ) -> Later<'a, Vec<String>>;
    /// The product with these attributes; `None`: there is none.
    fn product_uid<'a>(&'a self, catalogue: &'a str, filters: &'a Attributes) -> Later<'a, Option<String>>;
    /// What a product costs, in dollars.
    fn cost_usd<'a>(&'a self, product_uid: &'a str) -> Later<'a, Decimal>;
    /// Places an order; its id there, or [`UNKNOWN_ID`].
    fn place<'a>(&'a self, order: &'a PrintOrder) -> Later<'a, String>;
    /// The id of the order with our reference, if it was placed.
    fn placed<'a>(&'a self, reference: &'a str) -> Later<'a, Option<String>>;
    /// How far an order has come, by its id there.
    fn state<'a>(&'a self, id: &'a str) -> Later<'a, PrintState>;
}

/// Everything Gather is given.
#[derive(Clone)]
pub struct Ports {
    pub chain: Arc<dyn Chain>,
    pub rate: Arc<dyn Rate>,
    pub relay: Arc<dyn RelayDoor>,
    pub window: Arc<dyn RelayWindow>,
    pub tweets: Arc<dyn Tweets>,
    pub print: Arc<dyn PrintService>,
    /// How those outside do; kept by whoever calls them.
    pub upstreams: Arc<Upstreams>,
}

//! Wiring one relay together, and taking it apart again in the right order.
//!
//! Up: listening socket (answers 503), HTTP (health says "starting"), store (reads its log),
//! allowlist, shards, Gather, then the socket serves. Down: no new connections, Gather, shards
//! drain, the store closes, HTTP last.

use super::config::Config;
use super::facts::{self, Facts};
use super::{operator, options, social};
use crate::base::counters::{LogCounters, ShardCounters};
use crate::base::{Clock, Millis, PubKey};
use crate::fanout::InterestTable;
use crate::gather::Gather;
use crate::gather::bells::Nudge;
use crate::gather::door::IngestDoor;
use crate::gather::events::LogPort;
use crate::http::{ControlOptions, Health, HttpThread, KeyAdmin, KeyEntry, PublicOptions, Status};
use crate::ingest::{Allowlist, Gate, Keys, Publishers};
use crate::log::{Append, CommitSink, CommittedBatch, KeyStore, Read};
use crate::session::Terms;
use crate::shard::{
    self, Acceptor, Dispatcher, Inbox, Message, Ports, Shard, ShardGroup, ShardOptions, WakePipe,
};
use crate::store::{Store, StoreError};
use serde_json::json;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a stopping relay lets its connections finish what is under way.
const DRAIN_MS_MAX: u64 = 10_000;

/// Connections the kernel completes while the accepting thread is busy: a whole fleet that comes
/// back at once. The kernel caps it at net.core.somaxconn, which is 4 096 by default.
const ACCEPT_QUEUE_MAX: i32 = 4_096;

/// Connections of the HTTP side: 10 000 idle streams and what comes and goes beside them, at some
/// 20 KiB each.
const HTTP_CONNECTIONS_MAX: usize = 12_288;

/// Why a relay did not start, or did not stop cleanly.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The address is taken or not ours.
    #[error(
        "cannot listen on {address}: {source}: choose another address with --set {key}=…, or stop what listens there"
    )]
    Listen { address: SocketAddr, key: &'static str, source: io::Error },
    /// The data directory.
    #[error("{path}: {source}")]
    DataDir { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The allowlist's rows cannot be read.
    #[error("the allowlist cannot be read: {0}")]
    Keys(String),
    #[error(transparent)]
    Social(#[from] social::SocialError),
    #[error(transparent)]
    Operator(#[from] operator::OperatorError),
    /// Threads, descriptors, rings.
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> RelayError {
    move |source| RelayError::System { what, source }
}

/// A running relay.
pub struct Relay {
    facts: Facts,
    clock: Clock,
    acceptor: Acceptor,
    group: Arc<ShardGroup>,
    shards: Vec<Shard>,
    store: Arc<Store>,
    health: Arc<Health>,
    http: HttpThread,
    /// `None`: switched off.
    gather: Option<Arc<Gather>>,
}

impl Relay {
    /// Starts a relay and returns once it serves.
    ///
    /// # Errors
    /// See [`RelayError`]; what was started by then ends with the process.
    pub fn start(config: &Config) -> Result<Relay, RelayError> {
        let clock = Clock::new();
        raise_descriptor_limit();
        make_data_dir(&config.relay.data_dir)?;
        let listener = listen(config.relay.listen, "relay.listen")?;
        let listen_address = listener.local_addr().map_err(system("the listening socket"))?;
        let urls = config.relay.urls_for(listen_address);
        let cores = options::shard_cores(config.relay.shards);

        let (inboxes, pipes) = make_inboxes(cores.len())?;
        let acceptor = Acceptor::start(listener, &inboxes, config.limits.connections_max)
            .map_err(system("the accepting thread"))?;
        let shard_counters: Vec<Arc<ShardCounters>> = cores.iter().map(|_| Arc::default()).collect();
        let log_counters = Arc::new(LogCounters::default());
        let health = Arc::new(Health::new(Arc::clone(&log_counters)));
        let http = HttpThread::start().map_err(system("the HTTP thread"))?;
        let beside = (config.gather.enabled && config.http.listen.is_some()).then(Arc::default);
        let public = PublicOptions {
            health: Arc::clone(&health),
            shards: shard_counters.clone(),
            log: Arc::clone(&log_counters),
            connections_max: HTTP_CONNECTIONS_MAX,
            beside: beside.clone(),
        };
        let http_address = serve_public(&http, config.http.listen, public)?;

        let table = Arc::new(InterestTable::new());
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&table), inboxes.clone()));
        let committed = Arc::new(Nudge::default());
        let sink = Arc::new(Sinks { dispatcher: Arc::clone(&dispatcher), gather: Arc::clone(&committed) });
        let store = Arc::new(Store::open(options::store(config), sink, clock, log_counters)?);
        let operator_key = operator::ensure(config, store.as_ref())?;
        let allowlist =
            Arc::new(Allowlist::new(options::grants(config), store.keys().map_err(RelayError::Keys)?));

        let facts = Facts {
            listen: listen_address,
            urls: urls.clone(),
            http: http_address,
            data_dir: config.relay.data_dir.clone(),
            io_uring: shard::uses_io_uring(),
            durability: config.relay.durability,
            log_head: store.tail().head().0,
            allowed_keys: allowlist.len(),
            operator_key,
            cores,
        };
        let gate = Arc::new(Gate::new(Arc::clone(&allowlist), config.limits.clone(), urls));
        let terms = Arc::new(Terms { limits: config.limits.clone(), log_id: store.tail().log_id() });
        let description = facts::description(config, &facts, &store);
        let group = Arc::new(ShardGroup { inboxes });
        let log = log_port(&store, &gate, committed);
        let parts = ShardParts { table, dispatcher, gate, terms, description, clock };
        let shards = start_shards(config, &facts, parts, &store, &group, shard_counters, pipes)?;
        let keys = Arc::new(Keys::new(
            Arc::clone(&allowlist),
            Arc::clone(&store) as Arc<dyn KeyStore>,
            Arc::clone(&store) as Arc<dyn Append>,
            Arc::clone(&group) as Arc<dyn Publishers>,
        ));
        serve_control(&http, config, &facts, &store, Arc::clone(&keys))?;
        let door = IngestDoor::new(keys, allowlist);
        let start = |beside: Arc<_>| social::start(config, &facts, door, &log, clock, &beside);
        let gather = beside.map(start).transpose()?;
        acceptor.serve();
        health.set(Status::Serving);
        Ok(Relay { facts, clock, acceptor, group, shards, store, health, http, gather })
    }

    /// What it says of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Stops: no new connections, replies to what is under way, close, and the log put to rest.
    ///
    /// # Errors
    /// The store ended badly; everything is stopped nevertheless.
    pub fn stop(self) -> Result<(), RelayError> {
        let Relay { clock, acceptor, group, shards, store, health, http, gather, .. } = self;
        health.set(Status::Stopping);
        acceptor.stop();
        if let Some(gather) = gather {
            // It writes to the log and changes keys: it ends before they do.
            gather.close();
        }
        group.inboxes.iter().for_each(|inbox| inbox.send(Message::Drain));
        let watchdog = stop_late(clock, clock.now().plus(DRAIN_MS_MAX), Arc::clone(&group));
        shards.into_iter().for_each(Shard::join);
        drop(watchdog);
        let closed = store.close();
        http.shutdown();
        Ok(closed?)
    }
}

/// Who is told of every commit: the shards, and Gather's follower.
struct Sinks {
    dispatcher: Arc<Dispatcher>,
    gather: Arc<Nudge>,
}

impl CommitSink for Sinks {
    fn committed(&self, batch: &Arc<CommittedBatch>) {
        self.dispatcher.committed(batch);
        self.gather.committed(batch);
    }
}

/// The log as Gather needs it.
fn log_port(store: &Arc<Store>, gate: &Arc<Gate>, bell: Arc<Nudge>) -> LogPort {
    LogPort {
        append: Arc::clone(store) as Arc<dyn Append>,
        read: Arc::clone(store) as Arc<dyn Read>,
        tail: Arc::clone(store.tail()),
        gate: Arc::clone(gate),
        bell,
    }
}

/// What all shards of a relay are given.
struct ShardParts {
    table: Arc<InterestTable>,
    dispatcher: Arc<Dispatcher>,
    gate: Arc<Gate>,
    terms: Arc<Terms>,
    description: shard::Description,
    clock: Clock,
}

fn start_shards(
    config: &Config,
    facts: &Facts,
    parts: ShardParts,
    store: &Arc<Store>,
    group: &ShardGroup,
    counters: Vec<Arc<ShardCounters>>,
    pipes: Vec<WakePipe>,
) -> Result<Vec<Shard>, RelayError> {
    let mut shards = Vec::new();
    for (number, (wake, counters)) in pipes.into_iter().zip(counters).enumerate() {
        let ports = Ports {
            append: Arc::clone(store) as Arc<dyn Append>,
            read: Arc::clone(store) as Arc<dyn Read>,
            tail: Arc::clone(store.tail()),
            dispatcher: Arc::clone(&parts.dispatcher),
            inbox: Arc::clone(&group.inboxes[number]),
            counters,
        };
        let options = ShardOptions {
            number,
            core: facts.cores[number],
            table: Arc::clone(&parts.table),
            gate: Arc::clone(&parts.gate),
            ports,
            terms: Arc::clone(&parts.terms),
            private_kinds: config.relay.private_kinds,
            clock: parts.clock,
            description: Arc::clone(&parts.description),
            wake,
        };
        shards.push(shard::start(options).map_err(system("a shard's thread"))?);
    }
    Ok(shards)
}

fn make_inboxes(n: usize) -> Result<(Vec<Arc<Inbox>>, Vec<WakePipe>), RelayError> {
    let pairs: io::Result<Vec<_>> = (0..n).map(|_| shard::inbox()).collect();
    Ok(pairs.map_err(system("the shards' wake pipes"))?.into_iter().unzip())
}

fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, RelayError> {
    let socket = || {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(ACCEPT_QUEUE_MAX)?;
        Ok(TcpListener::from(socket))
    };
    socket().map_err(|source| RelayError::Listen { address, key, source })
}

fn serve_public(
    http: &HttpThread,
    address: Option<SocketAddr>,
    options: PublicOptions,
) -> Result<Option<SocketAddr>, RelayError> {
    let Some(address) = address else { return Ok(None) };
    let bound = http.serve_public(address, options);
    bound.map(Some).map_err(|source| RelayError::Listen { address, key: "http.listen", source })
}

fn serve_control(
    http: &HttpThread,
    config: &Config,
    facts: &Facts,
    store: &Arc<Store>,
    keys: Arc<Keys>,
) -> Result<(), RelayError> {
    let (store, facts, name) = (Arc::clone(store), facts.clone(), config.relay.name.clone());
    let info = move || {
        json!({
            "name": name,
            "version": env!("CARGO_PKG_VERSION"),
            "listen": facts.listen.to_string(),
            "urls": facts.urls,
            "shards": facts.cores.len(),
            "store": facts::stats_json(&store.stats()),
        })
    };
    let options = ControlOptions { keys: Arc::new(Administration(keys)), info: Arc::new(info) };
    let path = config.relay.data_dir.clone();
    http.serve_control(&path, options).map(drop).map_err(|source| RelayError::DataDir { path, source })
}

/// The control socket's view of the allowlist.
struct Administration(Arc<Keys>);

impl KeyAdmin for Administration {
    fn list(&self) -> Result<Vec<KeyEntry>, String> {
        let entry =
            |key: crate::ingest::ListedKey| KeyEntry { pubkey: key.pubkey, role: key.role, name: key.name };
        Ok(self.0.list().into_iter().map(entry).collect())
    }

    fn add(&self, entry: &KeyEntry) -> Result<(), String> {
        self.0.add(entry.pubkey, entry.role, &entry.name).map_err(|error| error.to_string())
    }

    fn remove(&self, pubkey: &PubKey) -> Result<bool, String> {
        self.0.remove(pubkey).map_err(|error| error.to_string())
    }
}

pub(super) fn make_data_dir(path: &Path) -> Result<(), RelayError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| RelayError::DataDir { path: path.to_owned(), source })
}

/// Every connection is a descriptor: use what the hard limit gives.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
}

/// Tells the shards to leave, whatever is still open, when the time is up; dropping the
/// returned end calls that off.
fn stop_late(clock: Clock, at: Millis, group: Arc<ShardGroup>) -> crossbeam_channel::Sender<()> {
    let (call_off, called_off) = crossbeam_channel::bounded::<()>(1);
    let wait = Duration::from_millis(at.since(clock.now()));
    let watch = move || {
        if called_off.recv_timeout(wait) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            tracing::warn!("connections did not finish in {DRAIN_MS_MAX} ms and are closed");
            group.inboxes.iter().for_each(|inbox| inbox.send(Message::Stop));
        }
    };
    if std::thread::Builder::new().name("axon-drain".into()).spawn(watch).is_err() {
        tracing::warn!("no thread for the drain limit");
    }
    call_off
}

//! Wiring one relay together, and taking it apart again in the right order.
//!
//! Up: listening socket (answers 503), HTTP (health says "starting"), store (reads its log),
//! allowlist, shards, Gather, then the socket serves. Down: no new connections, Gather, shards
//! drain, the store closes, HTTP last.

use super::config::Config;
use super::connections::Roll;
use super::control::{admins_door, control_options, serve_control};
use super::facts::{self, Facts, Fixed};
use super::front::Front;
use super::options::TlsFilesError;
use super::reload::{Reloader, SetLevel, Source};
use super::social::Ground;
use super::window::Window;
use super::{operator, options, social};
use crate::base::counters::ShardCounters;
use crate::base::{Clock, Millis, PubKey};
use crate::fanout::InterestTable;
use crate::gather::Gather;
use crate::gather::bell::Nudge;
use crate::gather::door::IngestDoor;
use crate::gather::events::LogPort;
use crate::http::{Health, HttpThread, Status};
use crate::ingest::{Allowlist, Gate, Keys, Publishers};
use crate::log::{Append, CommitSink, CommittedBatch, KeyStore, Read};
use crate::session::Terms;
use crate::shard::{
    self, Acceptor, Dispatcher, Message, Ports, Shard, ShardGroup, ShardOptions, TlsTerms, WakePipe,
};
use crate::store::{Store, StoreError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use thiserror::Error;

/// How long a stopping relay lets its connections finish what is under way.
const DRAIN_MS_MAX: u64 = 10_000;

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
    Tls(#[from] TlsFilesError),
    #[error(transparent)]
    Social(#[from] social::SocialError),
    #[error(transparent)]
    Operator(#[from] operator::OperatorError),
    /// Threads, descriptors, rings.
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
}

pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> RelayError {
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
    reloader: Arc<Reloader>,
    /// `None`: switched off.
    gather: Option<Arc<Gather>>,
}

impl Relay {
    /// Starts a relay and returns once it serves. `source` and `set_level` are for later, when
    /// it is told to reload.
    ///
    /// # Errors
    /// See [`RelayError`]; what was started by then ends with the process.
    pub fn start(config: &Config, source: Source, set_level: SetLevel) -> Result<Relay, RelayError> {
        let clock = Clock::new();
        raise_descriptor_limit();
        make_data_dir(&config.relay.data_dir)?;
        let front = Front::open(config, clock)?;
        let table = Arc::new(InterestTable::new());
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&table), front.inboxes.clone()));
        let committed = Arc::new(Nudge::default());
        let sink = Arc::new(Sinks { dispatcher: Arc::clone(&dispatcher), gather: Arc::clone(&committed) });
        let store =
            Arc::new(Store::open(options::store(config), sink, clock, Arc::clone(&front.log_counters))?);
        let operator_key = operator::ensure(config, store.as_ref())?;
        let rows = store.keys().map_err(RelayError::Keys)?;
        let allowlist = Arc::new(Allowlist::new(config.rules.clone(), options::grants(config), rows));

        let facts = facts_of(config, &front, &store, allowlist.len(), operator_key);
        let gate = Arc::new(Gate::new(Arc::clone(&allowlist), config.limits.clone(), facts.urls.clone()));
        let terms = Arc::new(Terms { limits: config.limits.clone(), log_id: store.tail().log_id() });
        let fixed = Arc::new(Fixed::new(config, &facts, &store));
        let parts = ShardParts {
            table,
            dispatcher,
            gate: Arc::clone(&gate),
            terms,
            description: facts::description(Arc::clone(&fixed), &store),
            clock,
            tls: front.tls.clone(),
        };
        let counters = front.counters();
        let Front {
            acceptor, limits, http, admin, beside, health, inboxes, pipes, shard_counters, tls, ..
        } = front;
        let group = Arc::new(ShardGroup { inboxes });
        let log = log_port(&store, &gate, committed);
        let shards = start_shards(config, &facts, parts, &store, &group, shard_counters, pipes)?;
        let keys = Arc::new(Keys::new(
            Arc::clone(&allowlist),
            Arc::clone(&store) as Arc<dyn KeyStore>,
            Arc::clone(&store) as Arc<dyn Append>,
            Arc::clone(&group) as Arc<dyn Publishers>,
        ));
        let reloader = Arc::new(Reloader {
            source,
            set_level,
            started: config.clone(),
            current: Mutex::new(config.clone()),
            tls,
            keys: Arc::clone(&keys),
            gate,
            accept_limits: limits,
            group: Arc::clone(&group),
            description: fixed,
            store: Arc::clone(&store),
            log_id: store.tail().log_id(),
        });
        let roll = Arc::new(Roll::new(&group, &keys, clock));
        let control = control_options(config, &facts, &store, &roll, Arc::clone(&reloader));
        if let Some(admin) = admin {
            // Set once: nobody else makes it.
            let _ = admin.set(admins_door(&facts, clock, Arc::clone(&keys), &store, control.clone())?);
        }
        serve_control(&http, config, control)?;
        let window = Arc::new(Window::new(config, counters, &store, &reloader, roll, clock));
        let ground = Ground { door: IngestDoor::new(keys, allowlist), window, log };
        let start = |beside: Arc<_>| social::start(config, &facts, ground, clock, http.runtime(), &beside);
        let gather = beside.map(start).transpose()?;
        acceptor.serve();
        health.set(Status::Serving);
        Ok(Relay { facts, clock, acceptor, group, shards, store, health, http, reloader, gather })
    }

    /// What it says of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Reads the configuration again; says in the log what came of it.
    pub fn reload(&self) {
        if let Err(error) = self.reloader.reload() {
            tracing::error!("nothing was reloaded: {error}");
        }
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
    tls: Option<Arc<TlsTerms>>,
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
            shards: facts.cores.len(),
            description: Arc::clone(&parts.description),
            tls: parts.tls.clone(),
            wake,
        };
        shards.push(shard::start(options).map_err(system("a shard's thread"))?);
    }
    Ok(shards)
}

fn facts_of(
    config: &Config,
    front: &Front,
    store: &Store,
    allowed_keys: usize,
    operator_key: Option<(PathBuf, PubKey)>,
) -> Facts {
    Facts {
        listen: front.listen,
        urls: config.relay.urls_for(front.listen, front.tls.is_some()),
        http: front.http_address,
        gather: front.beside.is_some(),
        data_dir: config.relay.data_dir.clone(),
        on_io_uring: shard::uses_io_uring(),
        durability: config.relay.durability,
        tls: front.tls.is_some(),
        log_head: store.tail().head().0,
        allowed_keys,
        operator_key,
        cores: front.cores.clone(),
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

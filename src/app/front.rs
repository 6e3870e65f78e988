//! What answers before the store is open: the relay's port with 503, `/healthz` with the reason.

use super::config::Config;
use super::options;
use super::relay::{RelayError, system};
use crate::base::counters::{LogCounters, ShardCounters};
use crate::base::{Clock, Closings, Limits};
use crate::http::{Beside, Health, HttpThread, PublicOptions};
use crate::shard::{self, AcceptOptions, Acceptor, Inbox, TlsTerms, WakePipe};
use arc_swap::ArcSwap;
use axum::Router;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};

/// Connections the kernel completes while the accepting thread is busy: a whole fleet that comes
/// back at once. The kernel caps it at net.core.somaxconn, which is 4 096 by default.
pub(super) const ACCEPT_QUEUE_MAX: i32 = 4_096;

/// Connections of the HTTP side: 10 000 idle streams and what comes and goes beside them, at some
/// 20 KiB each.
const HTTP_CONNECTIONS_MAX: usize = 12_288;

/// The relay's doors, still closed.
pub(super) struct Front {
    pub tls: Option<Arc<TlsTerms>>,
    /// Where it really listens.
    pub listen: SocketAddr,
    /// The core of each shard to be.
    pub cores: Vec<Option<usize>>,
    pub inboxes: Vec<Arc<Inbox>>,
    pub pipes: Vec<WakePipe>,
    /// What the acceptor goes by.
    pub limits: Arc<ArcSwap<Limits>>,
    pub acceptor: Acceptor,
    pub shard_counters: Vec<Arc<ShardCounters>>,
    pub log_counters: Arc<LogCounters>,
    pub health: Arc<Health>,
    pub http: HttpThread,
    pub http_address: Option<SocketAddr>,
    /// Where the admins' door is put once the store is open; `None`: it is switched off.
    pub admin: Option<Arc<OnceLock<Router>>>,
    /// Where Gather is put once it serves; `None`: it is switched off.
    pub beside: Option<Arc<OnceLock<Beside>>>,
}

impl Front {
    /// What shards and log count.
    pub fn counters(&self) -> (Vec<Arc<ShardCounters>>, Arc<LogCounters>) {
        (self.shard_counters.clone(), Arc::clone(&self.log_counters))
    }

    pub fn open(config: &Config, clock: Clock) -> Result<Front, RelayError> {
        let tls = options::tls(config, None)?.map(Arc::new);
        let listener = bind(config.relay.listen, "relay.listen")?;
        let listen = listener.local_addr().map_err(system("the listening socket"))?;
        let cores = options::shard_cores(config.relay.shards);
        let pairs: io::Result<Vec<_>> = cores.iter().map(|_| shard::inbox()).collect();
        let (inboxes, pipes): (Vec<_>, Vec<_>) =
            pairs.map_err(system("the shards' wake pipes"))?.into_iter().unzip();
        let limits = Arc::new(ArcSwap::from_pointee(config.limits.clone()));
        let refusals = Arc::<Closings>::default();
        let accept = AcceptOptions {
            limits: Arc::clone(&limits),
            clock,
            refusals: Arc::clone(&refusals),
            tls: tls.is_some(),
        };
        let acceptor = Acceptor::start(listener, &inboxes, accept).map_err(system("the accepting thread"))?;
        let shard_counters: Vec<Arc<ShardCounters>> = cores.iter().map(|_| Arc::default()).collect();
        let log_counters = Arc::new(LogCounters::default());
        let health = Arc::new(Health::new(Arc::clone(&log_counters)));
        let http = HttpThread::start().map_err(system("the HTTP thread"))?;
        let beside = (config.gather.enabled && config.http.listen.is_some()).then(Arc::default);
        let admin: Option<Arc<OnceLock<Router>>> = config.http.admin.then(Arc::default);
        let public = PublicOptions {
            health: Arc::clone(&health),
            shards: shard_counters.clone(),
            log: Arc::clone(&log_counters),
            refusals,
            connections_max: HTTP_CONNECTIONS_MAX,
            admin: admin.clone(),
            beside: beside.clone(),
        };
        let http_address = serve_public(&http, config.http.listen, public)?;
        Ok(Front {
            tls,
            listen,
            cores,
            inboxes,
            pipes,
            limits,
            acceptor,
            shard_counters,
            log_counters,
            health,
            http,
            http_address,
            admin,
            beside,
        })
    }
}

fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, RelayError> {
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

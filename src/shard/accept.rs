//! Accepting connections, and spreading them evenly over the shards.
//!
//! One thread accepts and hands each connection to the shard that holds the fewest. Listening
//! sockets per shard would leave the spreading to the kernel's hash, which leaves shards idle
//! when connections are few and busy.

use super::addresses::{AddressPlace, Addresses};
use super::farewell::{Farewell, Farewells};
use super::inbox::{Inbox, Message};
use crate::base::{Clock, Closing, Closings, Limits};
use crate::wire::refusal;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The JSON that a plain GET on the relay's port answers.
pub type Description = Arc<dyn Fn() -> String + Send + Sync>;

/// How long to wait before accepting again when the process has no descriptors left.
const BACK_OFF: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A connection's share of its shard and of its address; given back when dropped.
pub struct Lease {
    shard: Arc<AtomicUsize>,
    /// `None`: its address is not counted.
    address: Option<AddressPlace>,
    peer: SocketAddr,
}

impl Lease {
    /// The connection has logged in.
    pub(super) fn logged_in(&mut self) {
        if let Some(address) = &mut self.address {
            address.logged_in();
        }
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shard.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How the accepting thread works.
pub struct AcceptOptions {
    /// Read for every connection anew: what is put in there counts from the next one on, and
    /// open ones stay.
    pub limits: Arc<ArcSwap<Limits>>,
    pub clock: Clock,
    /// Counts the connections that are not let in.
    pub refusals: Arc<Closings>,
    /// Refusals in plain HTTP would be no TLS: such connections are closed without a word.
    pub tls: bool,
}

/// The accepting thread.
pub struct Acceptor {
    ready: Arc<AtomicBool>,
    stop: UnixStream,
    thread: JoinHandle<()>,
}

struct Accepting {
    listener: TcpListener,
    stop: UnixStream,
    ready: Arc<AtomicBool>,
    shards: Vec<(Arc<Inbox>, Arc<AtomicUsize>)>,
    options: AcceptOptions,
    addresses: Arc<Addresses>,
    farewells: Farewells,
    /// Where the search for the emptiest shard begins, so that ties go round.
    turn: usize,
}

impl Acceptor {
    /// Starts accepting on `listener`. Until [`Acceptor::serve`] is called, connections get a
    /// 503.
    ///
    /// # Errors
    /// The system has no descriptors or threads left.
    pub fn start(
        listener: TcpListener,
        inboxes: &[Arc<Inbox>],
        options: AcceptOptions,
    ) -> io::Result<Acceptor> {
        let (stop, stopped) = UnixStream::pair()?;
        listener.set_nonblocking(true)?;
        let ready = Arc::new(AtomicBool::new(false));
        let shards = inboxes.iter().map(|inbox| (Arc::clone(inbox), Arc::default())).collect();
        let accepting = Accepting {
            listener,
            stop: stopped,
            ready: Arc::clone(&ready),
            shards,
            options,
            addresses: Arc::default(),
            farewells: Farewells::default(),
            turn: 0,
        };
        let thread = std::thread::Builder::new().name("axon-accept".into()).spawn(move || accepting.run())?;
        Ok(Acceptor { ready, stop, thread })
    }

    /// The shards are there: from now on connections are theirs.
    pub fn serve(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Stops accepting and closes the listening socket.
    pub fn stop(self) {
        let _ = (&self.stop).write(&[1]);
        let _ = self.thread.join();
    }
}

impl Accepting {
    fn run(mut self) {
        loop {
            let mut watched =
                [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&self.stop, PollFlags::IN)];
            if poll(&mut watched, None).is_err() {
                continue;
            }
            if !watched[1].revents().is_empty() {
                return;
            }
            match self.listener.accept() {
                Ok((stream, peer)) => self.hand_over(stream, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    let mut stop = [PollFd::new(&self.stop, PollFlags::IN)];
                    let _ = poll(&mut stop, Some(&BACK_OFF));
                }
            }
        }
    }

    fn hand_over(&mut self, stream: TcpStream, peer: SocketAddr) {
        let address = match self.admit(peer) {
            Ok(address) => address,
            Err(closing) => return self.refuse(stream, peer, closing),
        };
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let n = self.shards.len();
        let emptiest =
            (0..n).map(|i| (self.turn + i) % n).min_by_key(|&i| self.shards[i].1.load(Ordering::Relaxed));
        let Some(chosen) = emptiest else { return };
        self.turn = chosen + 1;
        let (inbox, held) = &self.shards[chosen];
        held.fetch_add(1, Ordering::Relaxed);
        inbox.send(Message::Connect(stream, Lease { shard: Arc::clone(held), address, peer }));
    }

    fn admit(&self, peer: SocketAddr) -> Result<Option<AddressPlace>, Closing> {
        let limits = self.options.limits.load();
        let open: usize = self.shards.iter().map(|(_, held)| held.load(Ordering::Relaxed)).sum();
        if !self.ready.load(Ordering::Acquire) {
            return Err(Closing::Starting);
        }
        if open >= limits.connections_max {
            return Err(Closing::Full);
        }
        self.addresses.admit(peer.ip(), &limits)
    }

    fn refuse(&self, mut stream: TcpStream, peer: SocketAddr, closing: Closing) {
        self.options.refusals.add(closing);
        let farewell = Farewell { peer, key: None, closing, lasted_ms: 0 };
        self.farewells.say(self.options.clock.read(), &farewell);
        if self.options.tls {
            return;
        }
        // The socket's empty send buffer takes this at once; if not, the peer sees only the end.
        let _ = stream.set_nonblocking(true);
        let why = explain(closing);
        let _ = stream.write(&refusal("503 Service Unavailable", "text/plain; charset=utf-8", why));
    }
}

/// What a connection is told that is not let in.
fn explain(closing: Closing) -> &'static str {
    match closing {
        Closing::Starting => "the relay is starting",
        Closing::AddressFull => {
            "too many connections from this address (connections_per_address_max): close one first"
        }
        Closing::AddressHalfOpen => {
            "too many connections from this address that have not logged in (half_open_per_address_max)"
        }
        _ => "the relay holds as many connections as it is configured for (connections_max)",
    }
}

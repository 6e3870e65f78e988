//! Accepting connections, and spreading them evenly over the shards.
//!
//! One thread accepts and hands each connection to the shard that holds the fewest. Listening
//! sockets per shard would leave the spreading to the kernel's hash, which leaves shards idle
//! when connections are few and busy.

use super::inbox::{Inbox, Message};
use crate::wire::refusal;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The JSON that a plain GET on the relay's port answers.
pub type Description = Arc<dyn Fn() -> String + Send + Sync>;

/// How long to wait before accepting again when the process has no descriptors left.
const BACK_OFF: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A shard's share of the open connections; given back when dropped.
pub struct Lease {
    shard: Arc<AtomicUsize>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shard.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many connections may be open; can be changed while the relay runs.
#[derive(Debug, Clone)]
pub struct ConnectionsMax(Arc<AtomicUsize>);

impl ConnectionsMax {
    pub fn new(n: usize) -> Self {
        ConnectionsMax(Arc::new(AtomicUsize::new(n)))
    }

    /// Counts from the next connection on; open ones stay.
    pub fn set(&self, n: usize) {
        self.0.store(n, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
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
    connections_max: ConnectionsMax,
    /// Refusals in plain HTTP would be no TLS: such connections are closed without a word.
    tls: bool,
    /// Where the search for the emptiest shard begins, so that ties go round.
    turn: usize,
}

impl Acceptor {
    /// Starts accepting on `listener`. Until [`Acceptor::serve`] is called, connections get a 503.
    ///
    /// # Errors
    /// The system has no descriptors or threads left.
    pub fn start(
        listener: TcpListener,
        inboxes: &[Arc<Inbox>],
        connections_max: ConnectionsMax,
        tls: bool,
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
            connections_max,
            tls,
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
                Ok((stream, _)) => self.hand_over(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    let mut stop = [PollFd::new(&self.stop, PollFlags::IN)];
                    let _ = poll(&mut stop, Some(&BACK_OFF));
                }
            }
        }
    }

    fn hand_over(&mut self, stream: TcpStream) {
        let open: usize = self.shards.iter().map(|(_, held)| held.load(Ordering::Relaxed)).sum();
        if !self.ready.load(Ordering::Acquire) {
            return self.refuse(stream, "the relay is starting");
        }
        if open >= self.connections_max.get() {
            return self.refuse(
                stream,
                "the relay holds as many connections as it is configured for (connections_max)",
            );
        }
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
        inbox.send(Message::Connect(stream, Lease { shard: Arc::clone(held) }));
    }

    fn refuse(&self, mut stream: TcpStream, why: &str) {
        if self.tls {
            return;
        }
        // The socket's empty send buffer takes this at once; if not, the peer sees only the end.
        let _ = stream.set_nonblocking(true);
        let _ = stream.write(&refusal("503 Service Unavailable", "text/plain; charset=utf-8", why));
    }
}

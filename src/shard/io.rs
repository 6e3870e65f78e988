//! The tasks of a shard: one reader per connection, a writer where a socket is full, and the
//! [`Net`] that the core sends through.

use super::accept::{Description, Lease};
use super::conns::ConnIndex;
use super::core::{Core, Net, Sent};
use super::farewell::{Farewell, Farewells};
use super::half_open::HalfOpen;
use super::records::TlsShard;
use super::signal::{Broadcast, Signal, yield_now};
use super::socket::Socket;
use crate::base::counters::ShardCounters;
use crate::base::limits::REQUEST_HEAD_BYTES_MAX;
use crate::base::{Clock, Closing, Millis, Now, PubKey, Stage, Stopwatch};
use crate::session::Ending;
use crate::wire::{Head, read_head, refusal};
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

/// What the tasks of one shard share. Nothing is borrowed across an await.
pub(super) struct Local {
    pub core: RefCell<Core<Sockets>>,
    /// The core's, for what happens outside it.
    pub watch: Rc<Stopwatch>,
    pub clock: Clock,
    pub description: Description,
    /// Not by io_uring.
    pub by_epoll: bool,
    pub half_open: Rc<HalfOpen>,
    /// How many the relay has; a bound on all of them is divided among them.
    pub shards: usize,
    pub farewells: Farewells,
    pub counters: Arc<ShardCounters>,
    /// Set if connections speak TLS.
    pub tls: Option<TlsShard>,
    /// One read buffer for all connections: reads are synchronous.
    pub read_buf: RefCell<Vec<u8>>,
    /// Publishes wait for the batch task.
    pub batch_ready: Signal,
    /// A batch was judged; readers that held back may go on.
    pub batch_done: Broadcast,
    /// Something may have ended the shard.
    pub maybe_stopped: Signal,
}

impl Local {
    /// Runs one input through the core and ends the turn.
    pub fn turn<T>(&self, input: impl FnOnce(&mut Core<Sockets>, Now) -> T) -> T {
        let now = self.clock.read();
        let mut core = self.core.borrow_mut();
        let result = input(&mut core, now);
        core.end_turn(now);
        if core.has_arrivals() || core.is_hungry() {
            self.batch_ready.raise();
        }
        if core.is_stopped() {
            self.maybe_stopped.raise();
        }
        self.watch.end_turn();
        result
    }
}

/// The sockets by connection.
pub(super) struct Sockets {
    sockets: Vec<Option<Rc<Socket>>>,
    local: Weak<Local>,
}

impl Sockets {
    pub fn new(local: Weak<Local>) -> Self {
        Sockets { sockets: Vec::new(), local }
    }

    fn insert(&mut self, index: ConnIndex, socket: Rc<Socket>) {
        let place = index.0 as usize;
        if place >= self.sockets.len() {
            self.sockets.resize(place + 1, None);
        }
        self.sockets[place] = Some(socket);
    }

    fn remove(&mut self, index: ConnIndex) {
        if let Some(place) = self.sockets.get_mut(index.0 as usize) {
            *place = None;
        }
    }

    fn get(&self, index: ConnIndex) -> Option<&Rc<Socket>> {
        self.sockets.get(index.0 as usize)?.as_ref()
    }
}

impl Net for Sockets {
    fn send(&mut self, index: ConnIndex, bytes: &[u8]) -> Sent {
        let Some(socket) = self.get(index) else { return Sent::Gone };
        match socket.send(bytes) {
            Ok(n) => {
                if n < bytes.len() || socket.unsent_bytes() > 0 {
                    watch_space(&self.local, index, socket);
                }
                Sent::Took(n)
            }
            Err(_) => Sent::Gone,
        }
    }

    fn opened(&mut self, index: ConnIndex) {
        if let Some(socket) = self.get(index) {
            socket.logged_in();
        }
    }

    fn held_bytes(&self, index: ConnIndex) -> usize {
        self.get(index).map_or(0, |socket| socket.unsent_bytes())
    }

    fn peer(&self, index: ConnIndex) -> Option<SocketAddr> {
        self.get(index).map(|socket| socket.peer())
    }

    fn resume(&mut self, index: ConnIndex) {
        if let Some(socket) = self.get(index) {
            socket.resumed.raise();
        }
    }

    fn close(&mut self, index: ConnIndex, ending: Ending) {
        let Some(socket) = self.get(index) else { return };
        match ending {
            Ending::Abort => socket.shutdown(),
            // Whoever waits for the socket has this called again.
            Ending::Closing if socket.writing.get() => {}
            Ending::Closing if !socket.lingering.replace(true) => {
                monoio::spawn(linger(self.local.clone(), Rc::clone(socket)));
            }
            Ending::Closing => {}
        }
        socket.resumed.raise();
    }
}

/// Has the core called when a full socket takes bytes again.
fn watch_space(local: &Weak<Local>, index: ConnIndex, socket: &Rc<Socket>) {
    if !socket.writing.replace(true) {
        monoio::spawn(write_later(local.clone(), index, Rc::clone(socket)));
    }
}

async fn write_later(local: Weak<Local>, index: ConnIndex, socket: Rc<Socket>) {
    let mut ready = socket.writable().await;
    while ready.is_ok() && matches!(socket.flush(), Ok(false)) {
        ready = socket.writable().await;
    }
    socket.writing.set(false);
    if let (Ok(()), Some(local)) = (ready, local.upgrade()) {
        local.turn(|core, _| core.writable(index));
    }
}

/// Says goodbye, then gives the peer a bounded time to read the last bytes and to close first,
/// so that a reset does not destroy them.
async fn linger(local: Weak<Local>, socket: Rc<Socket>) {
    // What the socket does not take ends when the session's own time is over.
    let _ = socket.finish().await;
    // A peer that goes before the time is over takes its descriptor along.
    let weak = Rc::downgrade(&socket);
    drop(socket);
    let linger_ms = |local: Rc<Local>| local.core.borrow().limits().linger_ms;
    let Some(ms) = local.upgrade().map(linger_ms) else { return };
    monoio::time::sleep(Duration::from_millis(ms)).await;
    if let Some(socket) = weak.upgrade() {
        socket.shutdown();
    }
}

/// One connection from its first byte to its last.
pub(super) async fn serve(local: Rc<Local>, stream: std::net::TcpStream, lease: Lease) {
    let Ok(stream) = monoio::net::TcpStream::from_std(stream) else { return };
    let Ok(tls) = local.tls.as_ref().map(TlsShard::accept).transpose() else { return };
    let socket = Rc::new(Socket::new(stream, tls, lease));
    let half_open_max = local.core.borrow().limits().half_open_max.div_ceil(local.shards);
    socket.wait_for_login(local.half_open.enter(&socket, half_open_max));
    let accepted = local.clock.now();
    let (closing, key) = converse(&local, &socket, accepted).await;
    // A writer that waits for a peer that takes nothing would keep the descriptor for ever.
    socket.shutdown();
    let closing = if socket.displaced.get() { Closing::Displaced } else { closing };
    local.counters.closings.add(closing);
    let now = local.clock.read();
    let farewell = Farewell { peer: socket.peer(), key, closing, lasted_ms: now.ms.since(accepted) };
    local.farewells.say(now, &farewell);
}

/// Everything between accept and end; why it ended, and whose it was.
async fn converse(local: &Rc<Local>, socket: &Rc<Socket>, accepted: Millis) -> (Closing, Option<PubKey>) {
    let limit = Duration::from_millis(local.core.borrow().limits().auth_timeout_ms);
    let upgrade = Box::pin(monoio::time::timeout(limit, upgrade(local, socket)));
    let mut early = match upgrade.await {
        Ok(Ok(early)) => early,
        Ok(Err(closing)) => return (closing, None),
        Err(_) => return (Closing::Late, None),
    };
    let mut nonce = [0; 32];
    if let Err(error) = getrandom::fill(&mut nonce) {
        tracing::error!(%error, "no randomness from the system, a connection was refused");
        return (Closing::System, None);
    }
    let index = local.turn(|core, now| {
        let index = core.connected(now, accepted, nonce);
        core.net().insert(index, Rc::clone(socket));
        core.received(now, index, &mut early);
        index
    });
    drop(early);
    read_all(local, index, socket).await;
    local.turn(|core, _| {
        core.net().remove(index);
        core.disconnected(index)
    })
}

/// Reads the request head and answers it; the bytes behind an upgrade's head, if it was one.
/// A TLS handshake is done on the way.
async fn upgrade(local: &Local, socket: &Socket) -> Result<Vec<u8>, Closing> {
    let mut head = Vec::new();
    loop {
        socket.readable().await.map_err(|_| Closing::Gone)?;
        let received = {
            let mut buf = local.read_buf.borrow_mut();
            let received = socket.recv(&mut buf).map_err(closing_of)?;
            head.extend_from_slice(&buf[..received.unwrap_or(0)]);
            received
        };
        send_all(socket, &[]).await?;
        match received {
            Some(0) => return Err(Closing::Gone),
            Some(_) => {}
            None => continue,
        }
        match read_head(&head) {
            None => continue,
            Some(Head::Upgrade { response, consumed }) => {
                send_all(socket, &response).await?;
                head.drain(..consumed);
                return Ok(head);
            }
            Some(Head::Describe) => {
                let body = (local.description)();
                send_all(socket, &refusal("200 OK", "application/json", &body)).await?;
            }
            Some(Head::Refused { status, why }) => {
                send_all(socket, &refusal(status, "text/plain; charset=utf-8", why)).await?;
            }
        }
        socket.finish().await.map_err(|_| Closing::Gone)?;
        discard(local, socket).await;
        return Err(Closing::NoUpgrade);
    }
}

/// Why a connection ends that cannot be read.
fn closing_of(error: io::Error) -> Closing {
    // What is wrong with the peer's TLS; the kernel has no such error for a socket.
    if error.kind() == io::ErrorKind::InvalidData { Closing::Tls } else { Closing::Gone }
}

/// Sends all of it, and what TLS has to send.
async fn send_all(socket: &Socket, mut bytes: &[u8]) -> Result<(), Closing> {
    while !bytes.is_empty() || !socket.flush().map_err(|_| Closing::Gone)? {
        let n = socket.send(bytes).map_err(|_| Closing::Gone)?;
        bytes = &bytes[n..];
        if !bytes.is_empty() || socket.unsent_bytes() > 0 {
            socket.writable().await.map_err(|_| Closing::Gone)?;
        }
    }
    Ok(())
}

/// Reads and forgets a bounded number of bytes, until the peer ends; bounded in time by the caller.
async fn discard(local: &Local, socket: &Socket) {
    let mut left = 8 * REQUEST_HEAD_BYTES_MAX;
    while left > 0 && socket.readable().await.is_ok() {
        match socket.recv(&mut local.read_buf.borrow_mut()) {
            Ok(Some(n)) if n > 0 => left = left.saturating_sub(n),
            Ok(None) => {}
            _ => return,
        }
    }
}

/// Reads until the connection ends.
async fn read_all(local: &Rc<Local>, index: ConnIndex, socket: &Rc<Socket>) {
    let mut turn = 0u32;
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        // Only now: of many connections that are readable at once each asks just before it reads.
        wait_for_leave(local, index, socket).await;
        if !read_once(local, index, socket) {
            return;
        }
        if local.by_epoll {
            // The ring would let the others run before the next read; epoll says at once that
            // there is more.
            turn = turn.wrapping_add(1);
            yield_now(turn).await;
        }
    }
}

/// Hands what is there to the core; whether the connection goes on.
fn read_once(local: &Rc<Local>, index: ConnIndex, socket: &Rc<Socket>) -> bool {
    let mut buf = local.read_buf.borrow_mut();
    let stage = local.watch.enter(Stage::Receive);
    let bytes_max = local.core.borrow().read_bytes_max(index);
    let received = socket.recv(&mut buf[..bytes_max]);
    local.watch.enter(stage);
    // Who says goodbye sends it himself.
    if socket.unsent_bytes() > 0 && !socket.lingering.get() {
        watch_space(&Rc::downgrade(local), index, socket);
    }
    match received {
        Ok(None) => true,
        Ok(Some(0)) | Err(_) => false,
        Ok(Some(n)) => {
            if !socket.lingering.get() {
                local.turn(|core, now| core.received(now, index, &mut buf[..n]));
            }
            true
        }
    }
}

/// Completes when the connection may be read, which holds until the next await.
async fn wait_for_leave(local: &Rc<Local>, index: ConnIndex, socket: &Socket) {
    loop {
        if local.core.borrow().is_full() {
            // Batches form by themselves: while the last one is being judged nobody reads more
            // than the next one holds.
            local.batch_done.wait().await;
        } else if !socket.lingering.get() && !local.core.borrow_mut().may_read(index) {
            socket.resumed.wait().await;
        } else {
            return;
        }
    }
}

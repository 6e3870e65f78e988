//! A shard's thread: runtime, pinning, and the three tasks beside the connections' own.

use super::accept::{Description, Lease};
use super::core::{Core, Ports};
use super::farewell::Farewells;
use super::inbox::{Inbox, Wake};
use super::io::{Local, Sockets, serve};
use super::records::TlsShard;
use super::signal::{Broadcast, Signal, yield_now};
use super::tls::TlsTerms;
use crate::base::Clock;
use crate::base::limits::{READ_BYTES_PER_TURN, RING_ENTRIES};
use crate::fanout::{Interest, InterestTable};
use crate::ingest::{Door, Gate};
use crate::session::Terms;
use monoio::time::TimeDriver;
use monoio::{FusionDriver, FusionRuntime, IoUringDriver, LegacyDriver, RuntimeBuilder};
use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// io_uring, or epoll where that is missing; with timers.
type ShardRuntime = FusionRuntime<TimeDriver<IoUringDriver>, TimeDriver<LegacyDriver>>;

/// What a shard is started with.
pub struct ShardOptions {
    /// Its bit in the interest table.
    pub number: usize,
    /// The core to pin its thread to.
    pub core: Option<usize>,
    pub table: Arc<InterestTable>,
    pub gate: Arc<Gate>,
    pub ports: Ports,
    pub terms: Arc<Terms>,
    pub private_kinds: bool,
    pub clock: Clock,
    /// How many shards the relay has.
    pub shards: usize,
    pub description: Description,
    /// Set if connections speak TLS.
    pub tls: Option<Arc<TlsTerms>>,
    /// The reading end of the pipe whose writing end is the inbox's [`Wake`].
    pub wake: WakePipe,
}

/// The reading end of a wake pipe.
pub struct WakePipe(UnixStream);

/// The writing end of a wake pipe.
struct WakeEnd(UnixStream);

impl Wake for WakeEnd {
    fn wake(&self) {
        // A full pipe means that a wake-up is pending; a closed one, that the shard is gone.
        let _ = (&self.0).write(&[1]);
    }
}

/// An inbox and the pipe that wakes its shard.
///
/// # Errors
/// The system has no descriptors left.
pub fn inbox() -> io::Result<(Arc<Inbox>, WakePipe)> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    Ok((Arc::new(Inbox::new(Box::new(WakeEnd(writer)))), WakePipe(reader)))
}

/// A running shard.
pub struct Shard {
    thread: JoinHandle<()>,
}

impl Shard {
    /// Waits until it has left its loop, as it was told to.
    pub fn join(self) {
        // A shard that panics ends the process.
        let _ = self.thread.join();
    }
}

/// Starts a shard's thread, and returns when its ring is there.
///
/// # Errors
/// The thread or the ring could not be made; the message says what to raise.
pub fn start(options: ShardOptions) -> io::Result<Shard> {
    let (ready, is_ready) = crossbeam_channel::bounded(1);
    let name = format!("axon-shard-{}", options.number);
    let serve = move || {
        let runtime = prepare(&options);
        let mut runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        // Whoever started it waits for this.
        let _ = ready.send(Ok(()));
        let number = options.number;
        let served = catch_unwind(AssertUnwindSafe(|| runtime.block_on(shard_main(options))));
        if !matches!(served, Ok(Ok(()))) {
            // A relay that has lost a shard must not go on as if nothing had happened. What was
            // answered is in the log; whoever runs the relay starts it again.
            tracing::error!(shard = number, outcome = ?served.map_err(|_| "panic"), "a shard has ended: the relay stops");
            std::process::abort();
        }
    };
    let thread = std::thread::Builder::new().name(name).spawn(serve)?;
    is_ready.recv().unwrap_or_else(|_| Err(io::Error::other("the shard's thread ended at its start")))?;
    Ok(Shard { thread })
}

/// Whether shards run on io_uring; if not, on epoll.
pub fn uses_io_uring() -> bool {
    monoio::utils::detect_uring()
}

/// Pins the thread and makes its runtime.
fn prepare(options: &ShardOptions) -> io::Result<ShardRuntime> {
    if let Some(core) = options.core
        && monoio::utils::bind_to_cpu_set([core]).is_err()
    {
        tracing::warn!(core, "the shard could not be pinned to its core");
    }
    let builder = RuntimeBuilder::<FusionDriver>::new().with_entries(RING_ENTRIES).enable_timer();
    builder.build().map_err(|error| {
        let hint = "a ring needs up to 512 kB of locked memory (ulimit -l); raise it and start again";
        io::Error::new(error.kind(), format!("the shard's io_uring could not be made: {error}; {hint}"))
    })
}

async fn shard_main(options: ShardOptions) -> io::Result<()> {
    let wake = options.wake.0.try_clone()?;
    let wake_ready = monoio::net::UnixStream::from_std(options.wake.0)?;
    let spare = monoio::net::UnixStream::pair()?;
    let inbox = Arc::clone(&options.ports.inbox);
    let local = Rc::new_cyclic(|local| {
        let counters = Arc::clone(&options.ports.counters);
        let core = Core::new(
            Sockets::new(local.clone()),
            options.number,
            Door::new(options.gate),
            Interest::new(options.table, options.number),
            options.ports,
            options.terms,
            options.private_kinds,
        );
        Local {
            watch: Rc::clone(core.watch()),
            core: RefCell::new(core),
            clock: options.clock,
            description: options.description,
            by_epoll: !uses_io_uring(),
            half_open: Rc::default(),
            shards: options.shards,
            farewells: Farewells::default(),
            counters,
            tls: options.tls.map(TlsShard::new),
            read_buf: RefCell::new(vec![0; READ_BYTES_PER_TURN]),
            batch_ready: Signal::default(),
            batch_done: Broadcast::default(),
            maybe_stopped: Signal::default(),
        }
    });
    monoio::spawn(work(Rc::clone(&local), spare));
    monoio::spawn(tick(Rc::clone(&local)));
    monoio::spawn(watch_inbox(Rc::clone(&local), wake, wake_ready));
    // Whatever came before the pipe was watched.
    drain_inbox(&local);
    while !local.core.borrow().is_stopped() {
        local.maybe_stopped.wait().await;
    }
    inbox.close();
    Ok(())
}

/// Judges what has arrived, batch after batch, and feeds whoever had its share of a turn; between
/// two rounds the ring is served, by waiting for a `spare` socket pair that is always writable.
async fn work(local: Rc<Local>, spare: (monoio::net::UnixStream, monoio::net::UnixStream)) {
    let mut turn = 0u32;
    loop {
        local.batch_ready.wait().await;
        while has_work(&local) {
            local.turn(|core, now| {
                core.run_batch(now);
                core.feed_hungry();
            });
            local.batch_done.raise();
            // A fair yield: through the ring, so that sockets, timers and wake-ups run too. Epoll
            // says at once that the pair is writable: there, behind the tasks that are ready.
            if local.by_epoll {
                turn = turn.wrapping_add(1);
                yield_now(turn).await;
            }
            if spare.0.writable(true).await.is_err() {
                return;
            }
        }
    }
}

fn has_work(local: &Local) -> bool {
    let core = local.core.borrow();
    core.has_arrivals() || core.is_hungry()
}

async fn tick(local: Rc<Local>) {
    loop {
        monoio::time::sleep(Duration::from_secs(1)).await;
        local.turn(|core, now| core.tick(now));
    }
}

async fn watch_inbox(local: Rc<Local>, mut pipe: UnixStream, ready: monoio::net::UnixStream) {
    let mut bytes = [0; 64];
    while ready.readable(false).await.is_ok() {
        while matches!(pipe.read(&mut bytes), Ok(n) if n == bytes.len()) {}
        drain_inbox(&local);
    }
}

fn drain_inbox(local: &Rc<Local>) {
    let mut connections: Vec<(std::net::TcpStream, Lease)> = Vec::new();
    local.turn(|core, now| core.drain(now, &mut |stream, lease| connections.push((stream, lease))));
    for (stream, lease) in connections {
        monoio::spawn(serve(Rc::clone(local), stream, lease));
    }
}

//! The thread, its runtime, the two listeners and their bounds.

use super::control::{self, CONTROL_SOCKET, ControlOptions};
use super::public::{self, PublicOptions};
use crate::base::limits::REQUEST_HEAD_BYTES_MAX;
use axum::Router;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::fs::{Mode, chmod};
use socket2::{Domain, SockAddr, Socket, Type};
use std::any::Any;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tower::util::MapRequest;

/// What one listener allows.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Open connections; a further one is closed at once.
    connections: usize,
    /// A connection is closed after this long whatever it does, so that slow bodies and slow
    /// readers cannot hold a place for ever.
    lifetime: Duration,
}

const CONTROL: Bounds = Bounds { connections: CONTROL_CONNECTIONS_MAX, lifetime: Duration::from_secs(120) };

/// A command line asks one thing at a time.
const CONTROL_CONNECTIONS_MAX: usize = 64;

/// A stream lives an hour; its client comes back with the position it has.
const PUBLIC_LIFETIME: Duration = Duration::from_secs(3_600);

/// A connection that has not sent a whole request head for this long is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long answers under way may take after [`HttpThread::shutdown`].
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Threads for control requests that block.
const BLOCKING_THREADS_MAX: usize = 4;

/// Where a request comes from, among its extensions; `None` on the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub Option<IpAddr>);

/// The thread that serves health, metrics and control. Dropping it stops it without waiting.
pub struct HttpThread {
    runtime: Handle,
    stop: watch::Sender<bool>,
    /// Every server task holds a copy: when all are gone, everything has been answered.
    alive: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl HttpThread {
    /// Starts the thread; it serves nothing yet.
    ///
    /// # Errors
    /// The runtime or the thread could not be made.
    pub fn start() -> io::Result<HttpThread> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("axon-http-blocking")
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, mut stopped) = watch::channel(false);
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let thread = std::thread::Builder::new().name("axon-http".to_owned()).spawn(move || {
            runtime.block_on(async {
                told(&mut stopped).await;
                let _ = timeout(DRAIN_TIMEOUT, all_gone.recv()).await;
            });
            runtime.shutdown_background();
        })?;
        Ok(HttpThread { runtime: handle, stop, alive, thread })
    }

    /// The thread's runtime, for what is asked of it from outside.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Serves `/healthz` and `/metrics`, and says on which address (port 0 is replaced).
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn serve_public(&self, listen: SocketAddr, options: PublicOptions) -> io::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        let _inside = self.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let bounds = Bounds { connections: options.connections_max, lifetime: PUBLIC_LIFETIME };
        self.serve(listener, bounds, public::router(options), None);
        Ok(bound)
    }

    /// Serves the control socket in `data_dir` and says where it is. The file is removed when
    /// the thread stops.
    ///
    /// # Errors
    /// Another relay answers on that socket; something else has its name; it cannot be bound.
    pub fn serve_control(&self, data_dir: &Path, options: ControlOptions) -> io::Result<PathBuf> {
        let path = data_dir.join(CONTROL_SOCKET);
        remove_stale(&path)?;
        let listener = bind_private(&path)?;
        let file = SocketFile(path.clone());
        let _inside = self.runtime.enter();
        let listener = tokio::net::UnixListener::from_std(listener)?;
        self.serve(listener, CONTROL, control::router(options), Some(file));
        Ok(path)
    }

    fn serve(&self, listener: impl Listener, bounds: Bounds, router: Router, file: Option<SocketFile>) {
        let (stop, alive) = (self.stop.subscribe(), self.alive.clone());
        self.runtime.spawn(async move {
            accept(listener, bounds, router, stop, alive).await;
            drop(file);
        });
    }

    /// Takes no further connection, finishes the answers under way (for a bounded time) and
    /// waits for the thread. Blocks: not for a runtime's thread.
    pub fn shutdown(self) {
        let HttpThread { stop, alive, thread, .. } = self;
        // Nobody listening means that the thread has ended already.
        let _ = stop.send(true);
        drop(alive);
        if thread.join().is_err() {
            tracing::error!("the HTTP thread panicked");
        }
    }
}

async fn accept(
    mut listener: impl Listener,
    bounds: Bounds,
    router: Router,
    mut stop: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    loop {
        let (io, address) = tokio::select! {
            () = told(&mut stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (router, stop, alive) = (router.clone(), stop.clone(), alive.clone());
        let peer = Peer((&address as &dyn Any).downcast_ref::<SocketAddr>().map(SocketAddr::ip));
        tokio::spawn(async move {
            converse(TokioIo::new(io), router, peer, bounds.lifetime, stop).await;
            drop((place, alive));
        });
    }
}

/// Serves one connection until it ends, is over its time, or the thread stops.
async fn converse<I>(io: I, router: Router, peer: Peer, lifetime: Duration, mut stop: watch::Receiver<bool>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let router = MapRequest::new(router, move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .serve_connection(io, TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    // How a connection ends is its peer's business: a reset here is no error of ours.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = sleep(lifetime) => {}
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Returns when the thread is to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // An error means that the handle was dropped, which is the wish to stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Removes the socket's file when its server ends.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "the control socket was not removed");
        }
    }
}

/// Removes a socket that nobody listens on, left by a relay that was killed.
fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let taken = |what: &str| io::Error::new(io::ErrorKind::AddrInUse, format!("{}: {what}", path.display()));
    if !metadata.file_type().is_socket() {
        return Err(taken("is in the way of the control socket"));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(taken("another relay answers here")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// A listening socket that only its owner can open. The mode is set before `listen`: until
/// then nobody can connect, so there is no moment with wider permissions.
fn bind_private(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    chmod(path, Mode::RUSR | Mode::WUSR)?;
    socket.listen(CONTROL_CONNECTIONS_MAX as i32)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests;

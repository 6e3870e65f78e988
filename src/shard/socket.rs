//! One connection's socket: readiness from the runtime's ring, bytes by plain non-blocking
//! system calls (measured equal to the ring's own operations, and the shard's one read buffer
//! and one scratch buffer serve all connections that way).

use monoio::net::TcpStream;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use super::accept::Lease;
use super::half_open::Waiting;
use super::signal::Signal;

/// A socket and what its tasks tell each other.
pub(super) struct Socket {
    stream: TcpStream,
    /// Reading may go on, or the connection is ending.
    pub resumed: Signal,
    /// A task waits for the socket to take bytes.
    pub writing: Cell<bool>,
    /// Only discards what still comes in.
    pub lingering: Cell<bool>,
    /// It had no login and made room for a newer connection.
    pub displaced: Cell<bool>,
    /// Its place among those without a login.
    waiting: RefCell<Option<Waiting>>,
    lease: RefCell<Lease>,
}

impl Socket {
    pub fn new(stream: TcpStream, lease: Lease) -> Self {
        Socket {
            stream,
            resumed: Signal::default(),
            writing: Cell::new(false),
            lingering: Cell::new(false),
            displaced: Cell::new(false),
            waiting: RefCell::default(),
            lease: RefCell::new(lease),
        }
    }

    /// It is among those without a login until [`logged_in`](Self::logged_in).
    pub fn wait_for_login(&self, waiting: Waiting) {
        *self.waiting.borrow_mut() = Some(waiting);
    }

    /// It counts as a stranger's no more.
    pub fn logged_in(&self) {
        // Taken first: leaving the place must not find it borrowed.
        let waiting = self.waiting.borrow_mut().take();
        drop(waiting);
        self.lease.borrow_mut().logged_in();
    }

    /// Who is at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.lease.borrow().peer()
    }

    /// Completes when a read would not block. Cancelling it loses nothing.
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.readable(false).await
    }

    /// Completes when a write would not block. Cancelling it loses nothing.
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.writable(false).await
    }

    /// Reads what is there; `None`: nothing now. 0: the peer has ended.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::net::recv(self.fd(), buf, RecvFlags::DONTWAIT) {
            Ok((_, n)) => Ok(Some(n)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes as much as the kernel takes now; 0: nothing.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::net::send(self.fd(), bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(n) => Ok(n),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// The close handshake's last step on our side.
    pub fn shutdown_write(&self) {
        let _ = rustix::net::shutdown(self.fd(), Shutdown::Write);
    }

    /// Makes every pending and later read report the end.
    pub fn shutdown(&self) {
        let _ = rustix::net::shutdown(self.fd(), Shutdown::Both);
    }

    #[allow(unsafe_code, reason = "monoio's TcpStream gives only a raw descriptor")]
    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: `stream` owns the descriptor and keeps it open for as long as `self` lives;
        // the borrow ends with the borrow of `self`.
        unsafe { BorrowedFd::borrow_raw(self.stream.as_raw_fd()) }
    }
}

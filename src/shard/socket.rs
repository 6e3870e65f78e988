//! One connection's socket: readiness from the runtime's ring, bytes by plain non-blocking
//! system calls (measured equal to the ring's own operations, and the shard's one read buffer
//! and one scratch buffer serve all connections that way).

use super::accept::Lease;
use super::half_open::Waiting;
use super::records::{Records, SEAL_BYTES_MAX};
use super::signal::Signal;
use monoio::net::TcpStream;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// A socket and what its tasks tell each other.
pub(super) struct Socket {
    stream: TcpStream,
    /// With TLS: what stands between the socket's bytes and the connection's.
    tls: Option<Box<RefCell<Records>>>,
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
    pub fn new(stream: TcpStream, tls: Option<Records>, lease: Lease) -> Self {
        Socket {
            stream,
            tls: tls.map(|records| Box::new(RefCell::new(records))),
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

    /// Reads what is there; `None`: nothing now. 0: the peer has ended. With TLS `buf` must hold
    /// what one read of the shard's buffer can open, and the handshake is done on the way;
    /// see [`Socket::unsent_bytes`].
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(tls) = &self.tls else { return self.recv_bytes(buf) };
        let mut tls = tls.borrow_mut();
        let shared = tls.shared();
        let incoming = &mut shared.borrow_mut().incoming[..];
        let room = incoming.len().min(buf.len());
        if tls.has_ended() {
            return Ok(Some(0));
        }
        if tls.held_bytes() >= room {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let held = tls.put_held(incoming);
        let n = match self.recv_bytes(&mut incoming[held..room])? {
            Some(n) if n > 0 => n,
            nothing => return Ok(nothing),
        };
        let opened = tls.open(&mut incoming[..held + n], buf);
        self.flush_records(&mut tls)?;
        match opened? {
            0 if !tls.has_ended() => Ok(None),
            n => Ok(Some(n)),
        }
    }

    /// Writes as much as the kernel takes now; 0: nothing. With TLS a part of what is taken may
    /// wait, see [`Socket::unsent_bytes`].
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return self.send_bytes(bytes) };
        let mut tls = tls.borrow_mut();
        let mut taken = 0;
        while self.flush_records(&mut tls)? && taken < bytes.len() {
            let piece = &bytes[taken..bytes.len().min(taken + SEAL_BYTES_MAX)];
            let shared = tls.shared();
            let outgoing = &mut shared.borrow_mut().outgoing[..];
            let sealed = tls.seal(piece, outgoing)?;
            taken += piece.len();
            let sent = self.send_bytes(&outgoing[..sealed])?;
            tls.keep_unsent(&outgoing[sent..sealed]);
        }
        Ok(taken)
    }

    /// Bytes of TLS that were taken and wait for the socket; at most a few records.
    pub fn unsent_bytes(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.borrow().unsent().len())
    }

    /// Offers the socket what waits for it; whether nothing waits any more.
    pub fn flush(&self) -> io::Result<bool> {
        self.tls.as_ref().map_or(Ok(true), |tls| self.flush_records(&mut tls.borrow_mut()))
    }

    /// Says that nothing more will be sent, and waits until that has left.
    pub async fn finish(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            // Without a handshake there is nobody to tell.
            let _ = tls.borrow_mut().put_close();
        }
        while !self.flush()? {
            self.writable().await?;
        }
        let _ = rustix::net::shutdown(self.fd(), Shutdown::Write);
        Ok(())
    }

    /// Makes every pending and later read report the end.
    pub fn shutdown(&self) {
        let _ = rustix::net::shutdown(self.fd(), Shutdown::Both);
    }

    fn flush_records(&self, tls: &mut Records) -> io::Result<bool> {
        while !tls.unsent().is_empty() {
            match self.send_bytes(tls.unsent())? {
                0 => return Ok(false),
                n => tls.sent(n),
            }
        }
        Ok(true)
    }

    fn recv_bytes(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::net::recv(self.fd(), buf, RecvFlags::DONTWAIT) {
            Ok((_, n)) => Ok(Some(n)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn send_bytes(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::net::send(self.fd(), bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(n) => Ok(n),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    #[allow(unsafe_code, reason = "monoio's TcpStream gives only a raw descriptor")]
    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: `stream` owns the descriptor and keeps it open for as long as `self` lives;
        // the borrow ends with the borrow of `self`.
        unsafe { BorrowedFd::borrow_raw(self.stream.as_raw_fd()) }
    }
}

//! Readiness of many sockets, and one read buffer for all of them.

use crate::conn::READ_BYTES;
use crate::failure::{Doing, Result};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::net::TcpStream;
use std::os::fd::OwnedFd;

/// Sockets handed out by one wait.
const READY_MAX: usize = 1024;

/// An epoll instance; sockets are known by a number.
pub struct Poll {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
    pub buf: Vec<u8>,
}

impl Poll {
    /// # Errors
    /// The system has no descriptors left.
    pub fn new() -> Result<Poll> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).doing("epoll")?;
        Ok(Poll { epoll, ready: Vec::with_capacity(READY_MAX), buf: vec![0; READ_BYTES] })
    }

    /// Makes `stream` non-blocking and watches it for bytes to read.
    ///
    /// # Errors
    /// The system refuses.
    pub fn add(&self, stream: &TcpStream, number: usize) -> Result<()> {
        stream.set_nonblocking(true).doing("O_NONBLOCK")?;
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, stream, data, epoll::EventFlags::IN).doing("epoll")
    }

    /// Watches a socket for space to write too, or no longer.
    ///
    /// # Errors
    /// The system refuses.
    pub fn watch_space(&self, stream: &TcpStream, number: usize, on: bool) -> Result<()> {
        let flags = if on { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
        epoll::modify(&self.epoll, stream, epoll::EventData::new_u64(number as u64), flags).doing("epoll")
    }

    /// Waits at most `nanos`; the numbers of the sockets that are ready are put into `numbers`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn wait(&mut self, nanos: u64, numbers: &mut Vec<usize>) -> Result<()> {
        numbers.clear();
        self.ready.clear();
        let timeout =
            Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as i64 };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).doing("epoll"),
        }
        numbers.extend(self.ready.drain(..).map(|event| event.data.u64() as usize));
        Ok(())
    }
}

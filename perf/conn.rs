//! One connection: opened and authenticated while blocking, then driven by readiness.

use crate::failure::{Doing, Failure, Result};
use crate::frame::{self, Frame};
use crate::keys::Identity;
use crate::tls::Tls;
use axon::filter::Filter;
use axon::wire::{ClientMessage, RelayMessage};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take while a connection is set up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes read at once. The part of a frame that a read cut off is moved to the front before the
/// next one, so this also bounds a frame.
pub const READ_BYTES: usize = 256 << 10;

/// Subscribes sent before their Eose is awaited; keeps both sides' socket buffers from filling.
const SUBSCRIBES_AT_ONCE: usize = 64;

/// Where the relay is and what its clients sign.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub url: String,
    pub tls: bool,
}

impl Target {
    /// The relay that listens there.
    pub fn at(address: SocketAddr, tls: bool) -> Target {
        Target { address, url: format!("{}://{address}", if tls { "wss" } else { "ws" }), tls }
    }
}

/// An authenticated connection.
pub struct Conn {
    pub stream: TcpStream,
    tls: Option<Tls>,
    /// The beginning of a frame whose rest has not arrived.
    held: Vec<u8>,
    /// Frames of its own (pongs) that the socket did not take yet.
    owed: Vec<u8>,
    pub bytes_in: u64,
    /// The relay has closed, or a frame longer than [`READ_BYTES`] came.
    pub closed: bool,
}

impl Conn {
    /// Connects, upgrades and authenticates. The stream stays blocking.
    ///
    /// # Errors
    /// The relay cannot be reached, or does not let this key in.
    pub fn open(target: &Target, identity: &Identity) -> Result<Conn> {
        let stream = TcpStream::connect(target.address).doing("connecting to the relay")?;
        stream.set_nodelay(true).doing("TCP_NODELAY")?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).doing("SO_RCVTIMEO")?;
        let mut conn = Conn::over(stream, target)?;
        conn.upgrade(target)?;
        let challenge = conn.next()?;
        let Ok(RelayMessage::Challenge { nonce }) = RelayMessage::parse(&challenge) else {
            return Err(unexpected("a challenge", &challenge));
        };
        let sig = identity.answer(&nonce, &target.url);
        conn.send(&[ClientMessage::Auth { pubkey: identity.pubkey, sig }])?;
        let answer = conn.next()?;
        match RelayMessage::parse(&answer) {
            Ok(RelayMessage::Ok { .. }) => Ok(conn),
            _ => Err(unexpected("Ok to the login", &answer)),
        }
    }

    /// A connection that has not said anything yet.
    ///
    /// # Errors
    /// The TLS handshake failed.
    pub fn over(stream: TcpStream, target: &Target) -> Result<Conn> {
        let tls = if target.tls { Some(Tls::open(&stream)?) } else { None };
        Ok(Conn { stream, tls, held: Vec::new(), owed: Vec::new(), bytes_in: 0, closed: false })
    }

    /// The beginning of the answer to a plain GET.
    ///
    /// # Errors
    /// There is none.
    pub fn describe(&mut self, target: &Target) -> Result<&[u8]> {
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", target.address);
        self.write_all(request.as_bytes()).doing("asking the relay")?;
        self.receive()?;
        Ok(&self.held)
    }

    fn upgrade(&mut self, target: &Target) -> Result<()> {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: YXhvbi1wZXJmLWxvYWQtMQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            target.address
        );
        self.write_all(request.as_bytes()).doing("the upgrade request")?;
        loop {
            if let Some(at) = self.held.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.held.drain(..at + 4).collect();
                return if head.starts_with(b"HTTP/1.1 101") {
                    Ok(())
                } else {
                    Err(unexpected("an upgrade", &head))
                };
            }
            self.receive()?;
        }
    }

    /// Waits for bytes and keeps them.
    fn receive(&mut self) -> Result<()> {
        let mut buf = [0; 32 << 10];
        match self.read_some(&mut buf).doing("waiting for the relay")? {
            0 => Err(Failure::Protocol("the relay closed the connection".to_owned())),
            n => {
                self.held.extend_from_slice(&buf[..n]);
                Ok(())
            }
        }
    }

    /// Sends messages, blocking.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, messages: &[ClientMessage<'_>]) -> Result<()> {
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        for message in messages {
            frame::put_message(&mut out, message, &mut scratch);
        }
        self.write_all(&out).doing("sending to the relay")
    }

    /// Waits for the next protocol message.
    ///
    /// # Errors
    /// The connection is gone, or nothing came in time.
    pub fn next(&mut self) -> Result<Vec<u8>> {
        loop {
            match frame::parse(&self.held) {
                Some((Frame::Message(_, message), len)) => {
                    let message = message.to_vec();
                    self.held.drain(..len);
                    return Ok(message);
                }
                Some((Frame::Close, _)) => {
                    return Err(Failure::Protocol("the relay closed the session".to_owned()));
                }
                Some((_, len)) => drop(self.held.drain(..len)),
                None => self.receive()?,
            }
        }
    }

    /// Opens a subscription for each filter, named by its number, and waits until all are live.
    ///
    /// # Errors
    /// The relay refuses one of them.
    pub fn subscribe(&mut self, filters: &[Filter]) -> Result<()> {
        let names: Vec<String> = (0..filters.len()).map(|n| n.to_string()).collect();
        let pairs: Vec<_> = names.iter().zip(filters).collect();
        for some in pairs.chunks(SUBSCRIBES_AT_ONCE) {
            let messages: Vec<_> = some
                .iter()
                .map(|(sub_id, filter)| ClientMessage::Subscribe { sub_id, filter: (*filter).clone() })
                .collect();
            self.send(&messages)?;
            for _ in some {
                let answer = self.next()?;
                if answer.get(1) != Some(&frame::EOSE) {
                    return Err(unexpected("Eose", &answer));
                }
            }
        }
        Ok(())
    }

    /// Reads once what has arrived and hands on every message: type and bytes. Pings are
    /// answered, unless `pongs` is off: a publisher's own bytes keep it alive, and a pong must
    /// not stand inside a frame it has half sent.
    ///
    /// # Errors
    /// The socket failed.
    pub fn read(&mut self, buf: &mut [u8], pongs: bool, on: &mut impl FnMut(u8, &[u8])) -> Result<()> {
        let held = self.held.len();
        buf[..held].copy_from_slice(&self.held);
        let received = match self.read_some(&mut buf[held..]) {
            Ok(0) => {
                self.closed = true;
                return Ok(());
            }
            Ok(n) => n,
            Err(error) if is_later(&error) => return Ok(()),
            Err(error) => return Err(error).doing("reading from the relay"),
        };
        self.bytes_in += received as u64;
        let filled = held + received;
        let mut at = 0;
        while let Some((frame, len)) = frame::parse(&buf[at..filled]) {
            match frame {
                Frame::Message(kind, message) => on(kind, message),
                Frame::Ping(payload) if pongs => frame::put_pong(&mut self.owed, payload),
                Frame::Close => self.closed = true,
                Frame::Ping(_) | Frame::Other => {}
            }
            at += len;
        }
        self.held.clear();
        self.held.extend_from_slice(&buf[at..filled]);
        self.closed |= self.held.len() == buf.len();
        self.pay()
    }

    /// Queues frames of its own, and sends what the socket takes of them.
    ///
    /// # Errors
    /// The socket failed.
    pub fn say(&mut self, frames: &[u8]) -> Result<()> {
        self.owed.extend_from_slice(frames);
        self.pay()
    }

    fn pay(&mut self) -> Result<()> {
        if !self.owed.is_empty() {
            let sent = self.write(&self.owed)?;
            self.owed.drain(..sent);
        }
        Ok(())
    }

    /// Sends what the socket takes; how many bytes.
    ///
    /// # Errors
    /// The socket failed.
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        match self.write_some(bytes) {
            Ok(n) => Ok(n),
            Err(error) if is_later(&error) => Ok(0),
            Err(error) => Err(error).doing("sending to the relay"),
        }
    }

    fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = &bytes[self.write_some(bytes)?..];
        }
        Ok(())
    }

    fn read_some(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.read(&self.stream, buf),
            None => (&self.stream).read(buf),
        }
    }

    fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.write(&self.stream, bytes),
            None => (&self.stream).write(bytes),
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn unexpected(wanted: &str, got: &[u8]) -> Failure {
    Failure::Protocol(match RelayMessage::parse(got) {
        Ok(RelayMessage::Error { code, message }) => format!("wanted {wanted}, got Error {code}: {message}"),
        _ => format!("wanted {wanted}, got {}", String::from_utf8_lossy(&got[..got.len().min(120)])),
    })
}

//! One connection's TLS without its socket: records in, plaintext out, and the other way.
//!
//! Ciphertext is read into and written from buffers that all connections of a shard share, so
//! an idle connection holds its keys and nothing else. What it may hold for a while is bounded:
//! the beginning of a record that is not complete, and records that the socket did not take,
//! at most one [`SEAL_BYTES_MAX`] of plaintext.

use super::tls::TlsTerms;
use crate::base::limits::READ_BYTES_PER_TURN;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

/// Plaintext sealed at once, four records: what a system call is worth, and all that is held for
/// a socket that takes no more.
pub(super) const SEAL_BYTES_MAX: usize = 64 << 10;

/// What sealing adds, at most: record heads and tags, and a message of TLS itself.
const SEAL_OVERHEAD: usize = 16 << 10;

/// TLS for the connections of one shard.
pub(super) struct TlsShard {
    terms: Arc<TlsTerms>,
    shared: Rc<RefCell<TlsBuffers>>,
}

/// Ciphertext of the connection that is at work.
pub(super) struct TlsBuffers {
    pub incoming: Vec<u8>,
    pub outgoing: Vec<u8>,
}

impl TlsShard {
    pub fn new(terms: Arc<TlsTerms>) -> Self {
        let (incoming, outgoing) = (vec![0; READ_BYTES_PER_TURN], vec![0; SEAL_BYTES_MAX + SEAL_OVERHEAD]);
        TlsShard { terms, shared: Rc::new(RefCell::new(TlsBuffers { incoming, outgoing })) }
    }

    /// A new connection's TLS, before its first byte.
    pub fn accept(&self) -> io::Result<Records> {
        let connection = UnbufferedServerConnection::new(self.terms.current()).map_err(io::Error::other)?;
        Ok(Records {
            connection: Box::new(connection),
            shared: Rc::clone(&self.shared),
            held: Vec::new(),
            unsent: Vec::new(),
            ended: false,
            failed: false,
        })
    }
}

/// The TLS of one connection.
pub(super) struct Records {
    connection: Box<UnbufferedServerConnection>,
    shared: Rc<RefCell<TlsBuffers>>,
    /// The beginning of a record whose rest has not arrived.
    held: Vec<u8>,
    /// Whole and half records that the socket did not take.
    unsent: Vec<u8>,
    ended: bool,
    /// The peer broke TLS; the connection is of no further use.
    failed: bool,
}

impl Records {
    /// The buffers of the shard.
    pub fn shared(&self) -> Rc<RefCell<TlsBuffers>> {
        Rc::clone(&self.shared)
    }

    /// Whether the peer has said that nothing more comes.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Puts what was held in front of what is about to be read; how many bytes that is.
    pub fn put_held(&self, incoming: &mut [u8]) -> usize {
        incoming[..self.held.len()].copy_from_slice(&self.held);
        self.held.len()
    }

    /// Bytes of an incomplete record.
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Opens the records in `incoming`, which begins with what was held, into `plain`, which is
    /// no shorter; how many bytes of plaintext that is. What TLS has to answer is put behind
    /// [`Records::unsent`].
    ///
    /// # Errors
    /// The peer does not speak TLS as it should; the alert that says so is in `unsent`.
    pub fn open(&mut self, incoming: &mut [u8], plain: &mut [u8]) -> io::Result<usize> {
        let (mut start, mut filled) = (0, 0);
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut incoming[start..]);
            let mut goes_on = true;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        discard += record.discard;
                        let end = filled + record.payload.len();
                        plain[filled..end].copy_from_slice(record.payload);
                        filled = end;
                    }
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    goes_on = false;
                }
                Ok(state) => goes_on = answer(state, &mut self.unsent)?,
                Err(error) => {
                    self.fail(&mut incoming[start + discard..]);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
            start += discard;
            if !goes_on {
                break;
            }
        }
        if start < incoming.len() && !self.ended {
            self.held.clear();
            self.held.extend_from_slice(&incoming[start..]);
        } else {
            self.held = Vec::new();
        }
        Ok(filled)
    }

    /// Seals at most [`SEAL_BYTES_MAX`] into `out`; how many bytes of records that is.
    ///
    /// # Errors
    /// The handshake is not over, or the keys are used up.
    pub fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> io::Result<usize> {
        self.write(out, |traffic, out| traffic.encrypt(plain, out))
    }

    /// Puts the message that we send nothing more behind [`Records::unsent`].
    ///
    /// # Errors
    /// As [`Records::seal`].
    pub fn put_close(&mut self) -> io::Result<()> {
        let mut out = [0; 256];
        let n = self.write(&mut out, |traffic, out| traffic.queue_close_notify(out))?;
        self.unsent.extend_from_slice(&out[..n]);
        Ok(())
    }

    /// Bytes the socket did not take, in the order of sending.
    pub fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// These come behind what is unsent.
    pub fn keep_unsent(&mut self, rest: &[u8]) {
        self.unsent.extend_from_slice(rest);
    }

    /// The socket took `n` bytes of what was unsent.
    pub fn sent(&mut self, n: usize) {
        if n == self.unsent.len() {
            self.unsent = Vec::new();
        } else {
            self.unsent.drain(..n);
        }
    }

    fn write(
        &mut self,
        out: &mut [u8],
        put: impl FnOnce(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> io::Result<usize> {
        if self.failed {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut filled = 0;
        loop {
            // The connection may refer to the record that is not complete, so it is shown that
            // again; it is as incomplete as before, and the state is what is to be sent next.
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(&mut self.held);
            debug_assert_eq!(discard, 0, "a record that was incomplete");
            match state.map_err(io::Error::other)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    return Ok(filled + put(&mut traffic, &mut out[filled..]).map_err(io::Error::other)?);
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    filled += data.encode(&mut out[filled..]).map_err(io::Error::other)?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.ended = true,
                state => return Err(io::Error::other(format!("TLS cannot send: {state:?}"))),
            }
        }
    }

    /// The peer broke TLS: puts what is to be said to that behind [`Records::unsent`]. `rest` is
    /// what came behind the fault; the connection may refer to it.
    fn fail(&mut self, rest: &mut [u8]) {
        self.failed = true;
        self.held = Vec::new();
        while let Ok(state) = self.connection.process_tls_records(rest).state {
            if !matches!(answer(state, &mut self.unsent), Ok(true)) {
                return;
            }
        }
    }
}

type Traffic<'c> = rustls::unbuffered::WriteTraffic<'c, ServerConnectionData>;

/// Carries out what TLS itself wants to send; `false`: nothing, it waits for the peer.
fn answer(state: ConnectionState<'_, '_, ServerConnectionData>, unsent: &mut Vec<u8>) -> io::Result<bool> {
    match state {
        ConnectionState::EncodeTlsData(mut data) => {
            let start = unsent.len();
            let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) else {
                return Ok(true);
            };
            unsent.resize(start + needed.required_size, 0);
            data.encode(&mut unsent[start..]).map_err(io::Error::other)?;
            Ok(true)
        }
        ConnectionState::TransmitTlsData(data) => {
            // It is queued, and leaves before everything that comes later.
            data.done();
            Ok(true)
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use std::io::{Read as _, Write as _};

    fn shard() -> TlsShard {
        let (cert, key) =
            (include_bytes!("../../tests/tls/relay.pem"), include_bytes!("../../tests/tls/relay-pkcs8.key"));
        TlsShard::new(Arc::new(TlsTerms::new(cert, key).unwrap()))
    }

    /// A client whose own records hold at most `fragment` bytes.
    fn client(fragment: Option<usize>) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(include_bytes!("../../tests/tls/ca.pem")).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.max_fragment_size = fragment;
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
    }

    /// Bytes of a client reach the records in pieces of `step`; the plaintext of them.
    fn feed(records: &mut Records, bytes: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let (mut incoming, mut plain) = (vec![0; READ_BYTES_PER_TURN], vec![0; READ_BYTES_PER_TURN]);
        let mut all = Vec::new();
        for piece in bytes.chunks(step) {
            let held = records.put_held(&mut incoming);
            incoming[held..held + piece.len()].copy_from_slice(piece);
            let n = records.open(&mut incoming[..held + piece.len()], &mut plain)?;
            all.extend_from_slice(&plain[..n]);
        }
        Ok(all)
    }

    fn said_by(client: &mut ClientConnection) -> Vec<u8> {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// What the records have to send reaches the client; its plaintext.
    fn hear(client: &mut ClientConnection, mut bytes: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets().unwrap();
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = client.reader().read(&mut piece) {
                all.extend_from_slice(&piece[..n]);
            }
        }
        all
    }

    fn answer_client(records: &mut Records, client: &mut ClientConnection) {
        let unsent = records.unsent().to_vec();
        records.sent(unsent.len());
        assert_eq!(hear(client, &unsent), b"");
    }

    fn handshake(records: &mut Records, client: &mut ClientConnection, step: usize) {
        while client.is_handshaking() {
            assert_eq!(feed(records, &said_by(client), step).unwrap(), b"");
            answer_client(records, client);
        }
        assert_eq!(feed(records, &said_by(client), step).unwrap(), b"");
        answer_client(records, client);
    }

    /// However the bytes are cut, by the client into records and by the network into pieces.
    #[test]
    fn records_are_opened_and_sealed_whatever_their_pieces() {
        let shard = shard();
        let message: Vec<u8> = (0..50_000u32).map(|n| n as u8).collect();
        for (fragment, step) in [(None, 1), (None, 7), (None, 100_000), (Some(32), 3), (Some(64), 50_000)] {
            let (mut records, mut client) = (shard.accept().unwrap(), client(fragment));
            handshake(&mut records, &mut client, step);
            client.set_buffer_limit(None);
            client.writer().write_all(&message).unwrap();
            assert!(
                feed(&mut records, &said_by(&mut client), step).unwrap() == message,
                "{fragment:?} {step}"
            );
            assert_eq!(records.held_bytes(), 0);
            let mut out = vec![0; SEAL_BYTES_MAX + SEAL_OVERHEAD];
            let n = records.seal(&message, &mut out).unwrap();
            assert!(hear(&mut client, &out[..n]) == message);
            // The client goes; it may still be written to, and is told that we go, too.
            client.send_close_notify();
            assert_eq!(feed(&mut records, &said_by(&mut client), step).unwrap(), b"");
            assert!(records.has_ended());
            records.put_close().unwrap();
            let mut unsent = records.unsent();
            client.read_tls(&mut unsent).unwrap();
            assert!(client.process_new_packets().unwrap().peer_has_closed());
        }
    }

    /// While the beginning of a record waits for its rest, the relay sends; both arrive.
    #[test]
    fn sending_does_not_disturb_a_record_that_is_not_complete() {
        let shard = shard();
        let (mut records, mut client) = (shard.accept().unwrap(), client(None));
        handshake(&mut records, &mut client, 1_000);
        client.refresh_traffic_keys().unwrap();
        client.writer().write_all(&[7; 1_000]).unwrap();
        let bytes = said_by(&mut client);
        let mut out = vec![0; SEAL_BYTES_MAX + SEAL_OVERHEAD];
        let mut opened = Vec::new();
        for byte in bytes.chunks(1) {
            opened.extend(feed(&mut records, byte, 1).unwrap());
            let n = records.seal(b"tick", &mut out).unwrap();
            let unsent = records.unsent().to_vec();
            records.sent(unsent.len());
            assert_eq!(hear(&mut client, &[&unsent[..], &out[..n]].concat()), b"tick");
        }
        assert_eq!(opened, [7; 1_000]);
    }

    /// Every byte of a client's first flight, and of what it sends later, with one bit flipped:
    /// an error with an alert or a wait for more, and never a panic.
    #[test]
    fn a_flipped_bit_is_refused_and_cannot_panic() {
        let shard = shard();
        let mut client = client(Some(64));
        let hello = said_by(&mut client);
        for at in 0..hello.len() {
            let mut bad = hello.clone();
            bad[at] ^= 1 << (at % 8);
            let mut records = shard.accept().unwrap();
            let _ = feed(&mut records, &bad, 100_000);
            assert!(records.seal(b"no", &mut [0; 1_000]).is_err(), "not before the handshake");
            let _ = records.put_close();
        }
        for at in [0, 1, 3, 4, 5, 20, 90] {
            let (mut records, mut client) = (shard.accept().unwrap(), super::tests::client(None));
            handshake(&mut records, &mut client, 1_000);
            client.writer().write_all(&[7; 100]).unwrap();
            let mut bad = said_by(&mut client);
            bad[at] ^= 64;
            match feed(&mut records, &bad, 100_000) {
                Ok(plain) => assert!(plain.is_empty(), "byte {at}: it waits for more"),
                Err(_) => assert!(!records.unsent().is_empty() && records.seal(b"no", &mut [0; 99]).is_err()),
            }
        }
    }
}

//! TLS under a generator's connection: the relay gets the tests' certificate, and this side
//! trusts its authority.

use crate::failure::{Doing, Result};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::cell::RefCell;
use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, OnceLock};

const CERT: &str = include_str!("../tests/tls/relay.pem");
const KEY: &str = include_str!("../tests/tls/relay.key");
const CA: &[u8] = include_bytes!("../tests/tls/ca.pem");

/// Writes certificate and key into `dir`; the configuration's lines that name them.
///
/// # Errors
/// The files cannot be written.
pub fn put_files(dir: &Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for (name, text) in [("cert", CERT), ("key", KEY)] {
        let path = dir.join(format!("tls-{name}.pem"));
        fs::write(&path, text).doing("the relay's certificate")?;
        lines.push(format!("{name} = {:?}", path.to_string_lossy()));
    }
    Ok(lines)
}

/// The TLS of one connection. Its socket may be non-blocking once it is open.
pub struct Tls(RefCell<Box<ClientConnection>>);

/// Room in a caller's buffer for what one read of the socket can hold in records.
const ROOM: usize = 32 << 10;

impl Tls {
    /// Does the handshake, blocking.
    ///
    /// # Errors
    /// The relay does not speak TLS, or with another certificate.
    pub fn open(mut stream: &TcpStream) -> Result<Tls> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other).doing("a server's name")?;
        let mut session = ClientConnection::new(config()?, name).map_err(io::Error::other).doing("TLS")?;
        while session.is_handshaking() {
            session.complete_io(&mut stream).doing("the TLS handshake")?;
        }
        Ok(Tls(RefCell::new(Box::new(session))))
    }

    /// Reads the plaintext of what has arrived; as `Read` does. All of it: nothing stays here
    /// that the socket's readiness does not tell of.
    pub fn read(&self, mut stream: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
        let mut session = self.0.borrow_mut();
        assert!(buf.len() >= ROOM, "a buffer that is too small for a record");
        loop {
            let mut filled = 0;
            while let Ok(n @ 1..) = session.reader().read(&mut buf[filled..]) {
                filled += n;
            }
            if filled > 0 {
                return Ok(filled);
            }
            if session.read_tls(&mut stream)? == 0 {
                return Ok(0);
            }
            session.process_new_packets().map_err(|e| io::Error::new(ErrorKind::InvalidData, e))?;
        }
    }

    /// Writes some of `bytes`; as `Write` does. The rest of a record that the socket takes half
    /// of is waited for.
    pub fn write(&self, mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.0.borrow_mut();
        let n = session.writer().write(bytes)?;
        while session.wants_write() {
            match session.write_tls(&mut stream) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                outcome => drop(outcome?),
            }
        }
        Ok(n)
    }
}

fn config() -> Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(CA).map_err(io::Error::other);
    roots.add(authority.doing("the authority")?).map_err(io::Error::other).doing("the authority")?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder =
        builder.with_safe_default_protocol_versions().map_err(io::Error::other).doing("TLS versions")?;
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    Ok(Arc::clone(CONFIG.get_or_init(|| config)))
}

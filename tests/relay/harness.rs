//! A relay process on a scratch directory, and a client that speaks plain bytes to it, so that
//! the tests do not lean on the client library.

use axon::base::{EventId, Kind, LogId, PubKey, Seq, Signature};
use axon::codec::{write_array_len, write_uint};
use axon::event::EventBuilder;
use axon::filter::Filter;
use axon::wire::{ClientMessage, RelayMessage};
use ed25519_dalek::{Signer as _, SigningKey};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Nothing in these tests takes this long; whoever waits longer waits for ever.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The key of a small number, the same in every run.
pub fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub fn pubkey(key: &SigningKey) -> PubKey {
    PubKey(key.verifying_key().to_bytes())
}

/// An event of that kind with that content, dated now.
pub fn event(key: &SigningKey, kind: u16, content: &[u8], tags: &[(&str, &[&str])]) -> (EventId, Vec<u8>) {
    event_at(key, kind, content, tags, unix_now())
}

pub fn event_at(
    key: &SigningKey,
    kind: u16,
    content: &[u8],
    tags: &[(&str, &[&str])],
    created_at: i64,
) -> (EventId, Vec<u8>) {
    let tags = tags
        .iter()
        .map(|(name, values)| (name.to_string(), values.iter().map(|v| v.to_string()).collect()))
        .collect();
    let builder = EventBuilder { kind: Kind(kind), created_at, content: content.to_vec(), tags };
    builder.finish(&pubkey(key), |id| Signature(key.sign(&id.0).to_bytes())).expect("a valid event")
}

pub fn unix_now() -> i64 {
    axon::base::Clock::new().unix_seconds()
}

/// How a relay is started.
pub struct Setup {
    /// Lines of TOML behind `[relay]`'s generated ones.
    pub relay: String,
    /// What a login may sign; clients of [`Relay::client`] sign the first.
    pub urls: Vec<String>,
    /// Further sections.
    pub sections: String,
    /// Allowed keys and their roles.
    pub allow: Vec<(PubKey, &'static str)>,
    /// What the process is given beside the configuration.
    pub env: Vec<(&'static str, PathBuf)>,
    /// Whether it speaks TLS.
    pub tls: bool,
    pub listen: String,
}

impl Setup {
    pub fn new(keys: impl IntoIterator<Item = u8>) -> Setup {
        Setup {
            relay: "durability = \"os\"\nshards = 2\n".to_owned(),
            urls: vec!["ws://test".to_owned()],
            sections: String::new(),
            allow: keys.into_iter().map(|n| (pubkey(&key(n)), "member")).collect(),
            env: Vec::new(),
            tls: false,
            listen: "127.0.0.1:0".to_owned(),
        }
    }

    /// By epoll, also where there is io_uring.
    pub fn by_epoll(mut self) -> Setup {
        self.env.push(("MONOIO_FORCE_LEGACY_DRIVER", "1".into()));
        self
    }

    pub fn fsync(mut self) -> Setup {
        self.relay = self.relay.replace("\"os\"", "\"fsync\"");
        self
    }

    /// With the certificate of `tests/tls/`, copied beside the configuration as `tls.pem` and
    /// `tls.key`.
    pub fn tls(mut self) -> Setup {
        self.tls = true;
        self
    }

    /// At that address instead of one of the system's choice.
    pub fn listen(mut self, address: &str) -> Setup {
        self.listen = address.to_owned();
        self
    }

    pub fn section(mut self, text: &str) -> Setup {
        self.sections.push_str(text);
        self.sections.push('\n');
        self
    }

    pub fn allow(mut self, key: &SigningKey, role: &'static str) -> Setup {
        self.allow.push((pubkey(key), role));
        self
    }

    pub fn start(self) -> Relay {
        self.start_in(tempfile::tempdir().expect("a scratch directory"))
    }

    /// In a directory of the test's own.
    pub fn start_in(self, dir: tempfile::TempDir) -> Relay {
        let mut toml = format!(
            "[relay]\nlisten = {:?}\nurls = {:?}\ndata_dir = {:?}\n{}\n[http]\nlisten = \"127.0.0.1:0\"\n{}\n",
            self.listen,
            self.urls,
            dir.path().join("data"),
            self.relay,
            self.sections
        );
        if self.tls {
            let (cert, key) = (dir.path().join("tls.pem"), dir.path().join("tls.key"));
            toml.push_str(&format!("[tls]\ncert = {cert:?}\nkey = {key:?}\n"));
            put_certificate(dir.path(), "relay");
        }
        for (pubkey, role) in &self.allow {
            toml.push_str(&format!("[[allow]]\npubkey = \"{pubkey}\"\nrole = \"{role}\"\n"));
        }
        std::fs::write(dir.path().join("axon.toml"), toml).expect("a configuration file");
        let (child, facts) = spawn(&dir.path().join("axon.toml"), &self.env);
        Relay { child, facts, dir, env: self.env }
    }
}

/// Puts the certificate and key of that name where [`Setup::tls`] has them.
pub fn put_certificate(dir: &std::path::Path, name: &str) {
    for (from, to) in [("pem", "tls.pem"), ("key", "tls.key")] {
        let from = format!("{}/tests/tls/{name}.{from}", env!("CARGO_MANIFEST_DIR"));
        std::fs::copy(from, dir.join(to)).expect("a certificate");
    }
}

/// A running relay; killed when dropped.
pub struct Relay {
    child: Child,
    facts: serde_json::Value,
    pub dir: tempfile::TempDir,
    env: Vec<(&'static str, PathBuf)>,
}

fn spawn(config: &std::path::Path, env: &[(&'static str, PathBuf)]) -> (Child, serde_json::Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_axon"))
        .args(["serve", "--json", "--config"])
        .arg(config)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(log_file(config))
        .spawn()
        .expect("the axon binary");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output");
    BufReader::new(stdout).read_line(&mut line).expect("the start-up line");
    let facts = serde_json::from_str(&line).unwrap_or_else(|e| panic!("start-up line {line:?}: {e}"));
    (child, facts)
}

/// Beside the configuration.
fn log_file(config: &std::path::Path) -> std::fs::File {
    let path = config.with_file_name("relay.log");
    std::fs::OpenOptions::new().create(true).append(true).open(path).expect("a log file")
}

impl Relay {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("relay.log")).expect("its log")
    }

    pub fn address(&self) -> String {
        self.facts["listen"].as_str().expect("an address").to_owned()
    }

    pub fn http_address(&self) -> String {
        self.facts["http"].as_str().expect("an address").to_owned()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("axon.toml")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its status");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("a VmRSS line");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") * 1024
    }

    /// kill −9.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process");
        self.child.wait().expect("its end");
    }

    /// kill −9, then a new process on the same data.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        (self.child, self.facts) = spawn(&self.config(), &self.env);
    }

    /// A new process on the same data, after [`Relay::terminate`].
    pub fn restart(&mut self) {
        (self.child, self.facts) = spawn(&self.config(), &self.env);
    }

    /// From now on it is started at the address it has.
    pub fn keep_address(&self) {
        let toml = std::fs::read_to_string(self.config()).expect("its configuration");
        let kept = toml.replacen("127.0.0.1:0", &self.address(), 1);
        std::fs::write(self.config(), kept).expect("its configuration");
    }

    /// SIGTERM; the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal_term();
        self.wait()
    }

    /// Waits for its end; the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("its end").code()
    }

    pub fn signal_term(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Runs `axon` with these arguments against this relay's data directory.
    pub fn axon(&self, args: &[&str]) -> std::process::Output {
        self.command(args).output().expect("the axon binary")
    }

    /// The same, not yet run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_axon"));
        command.args(args).arg("--config").arg(self.config());
        command
    }

    /// The answer to a plain GET, head and body.
    pub fn get(&self, address: &str, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        String::from_utf8(converse(address, request.as_bytes())).expect("text")
    }

    /// The answer to a plain GET over TLS on the relay's port.
    pub fn get_tls(&self, path: &str) -> String {
        let mut stream = Stream::tls(&self.address(), &trusting());
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer and a clean end");
        answer
    }

    /// A figure of `/metrics`, summed over its labels; 0 if it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get(&self.http_address(), "/metrics");
        let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let value = |line: &str| line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok());
        text.lines().filter(is_it).map(|line| value(line).expect("a number")).sum()
    }

    /// Asks again and again until a figure of `/metrics` is as wanted.
    pub fn wait_for_metric(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        let clock = axon::base::Clock::new();
        let start = clock.now();
        while !wanted(self.metric(name)) {
            let waited = u128::from(clock.now().since(start));
            assert!(waited < PATIENCE.as_millis(), "{name} is {}", self.metric(name));
        }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("a living process");
    }

    pub fn client(&self, key: &SigningKey) -> Client {
        let mut client = match self.facts["tls"] == true {
            true => Client::upgrade_over(Stream::tls(&self.address(), &trusting()), &[]),
            false => Client::upgrade(&self.address()),
        };
        client.login(key, "ws://test");
        match client.recv() {
            Received::Ok(_) => client,
            other => panic!("the login was answered {other:?}"),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the relay logged:\n{}", self.log());
        }
    }
}

/// A delivered event's bytes and position.
pub type Stored = (Vec<u8>, Option<Seq>);

/// What the relay sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    Challenge([u8; 32]),
    Ok(String),
    Error(u16, String),
    Event {
        sub_id: String,
        wire: Vec<u8>,
        seq: Option<Seq>,
    },
    Eose {
        sub_id: String,
        more: bool,
        position: Option<(Seq, LogId)>,
    },
    Ping,
    Pong(Vec<u8>),
    Close(u16),
    /// The connection has ended.
    End,
}

/// Waits for something that has to happen.
pub fn wait_until(mut happened: impl FnMut() -> bool, what: &str) {
    let clock = axon::base::Clock::new();
    let start = clock.now();
    while !happened() {
        assert!(u128::from(clock.now().since(start)) < PATIENCE.as_millis(), "not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An address that was free a moment ago.
pub fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
    listener.local_addr().expect("its address").to_string()
}

/// A TCP connection that never waits longer than [`PATIENCE`].
pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// The same, in segments of a wide-area network and with little room for what comes: the relay's
/// socket takes less at once than a single write of it would be.
pub fn connect_narrow(address: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    socket.set_tcp_mss(1_000).expect("small segments");
    let address: std::net::SocketAddr = address.parse().expect("an address");
    socket.connect(&address.into()).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends bytes on a new connection and reads until the relay ends it.
pub fn converse(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    // The relay may have answered and closed before it has read all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            panic!("the relay kept the connection for {PATIENCE:?}")
        }
        _ => answer,
    }
}

/// A valid request to upgrade.
pub const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// TLS for clients that trust the authority of `tests/tls/`, in all versions.
pub fn trusting() -> std::sync::Arc<ClientConfig> {
    trusting_in(rustls::ALL_VERSIONS)
}

pub fn trusting_in(versions: &[&'static rustls::SupportedProtocolVersion]) -> std::sync::Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(include_bytes!("../tls/ca.pem")).expect("an authority");
    roots.add(authority).expect("an authority");
    let builder = ClientConfig::builder_with_provider(std::sync::Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).expect("versions");
    std::sync::Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What a client speaks through.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects and does the handshake.
    pub fn tls(address: &str, config: &std::sync::Arc<ClientConfig>) -> Stream {
        Stream::tls_over(connect(address), config)
    }

    /// Does the handshake over a connection that is there.
    pub fn tls_over(socket: TcpStream, config: &std::sync::Arc<ClientConfig>) -> Stream {
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(config.clone(), name).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        }
        Stream::Tls(Box::new(stream))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buf),
            Stream::Tls(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A WebSocket connection in plain bytes.
pub struct Client {
    pub stream: Stream,
    buf: Vec<u8>,
    start: usize,
    /// A close frame came: nothing may follow.
    closed: bool,
}

/// A client frame, masked with zeros.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | opcode];
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

pub fn message(message: &ClientMessage<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    message.write(&mut payload);
    frame(2, &payload)
}

impl Client {
    /// A connection that is upgraded and has not logged in.
    pub fn upgrade(address: &str) -> Client {
        Client::upgrade_and(address, &[])
    }

    /// The same, with bytes that come in the same packet as the request.
    pub fn upgrade_and(address: &str, early: &[u8]) -> Client {
        Client::upgrade_over(Stream::Plain(connect(address)), early)
    }

    /// The same over a connection that is there.
    pub fn upgrade_over(mut stream: Stream, early: &[u8]) -> Client {
        stream.write_all(&[UPGRADE, early].concat()).expect("sent");
        let mut client = Client { stream, buf: Vec::new(), start: 0, closed: false };
        let end = loop {
            if let Some(at) = client.buf.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(client.fill(), "the connection ended inside the upgrade");
        };
        let head = String::from_utf8_lossy(&client.buf[..end]).into_owned();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the accept key of RFC 6455: {head}");
        client.start = end;
        client
    }

    pub fn login(&mut self, key: &SigningKey, url: &str) {
        let login = self.login_bytes(key, url);
        self.send(&login);
    }

    /// The answer to the relay's challenge.
    pub fn login_bytes(&mut self, key: &SigningKey, url: &str) -> Vec<u8> {
        let Received::Challenge(nonce) = self.recv() else { panic!("no challenge") };
        let digest = Sha256::new().chain_update(nonce).chain_update(url).finalize();
        let sig = Signature(key.sign(&digest).to_bytes());
        message(&ClientMessage::Auth { pubkey: pubkey(key), sig })
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).expect("the relay takes bytes");
    }

    pub fn publish(&mut self, wire: &[u8]) {
        self.send(&message(&ClientMessage::Publish { event: wire }));
    }

    pub fn subscribe(&mut self, sub_id: &str, filter: Filter) {
        self.send(&message(&ClientMessage::Subscribe { sub_id, filter }));
    }

    pub fn unsubscribe(&mut self, sub_id: &str) {
        self.send(&message(&ClientMessage::Unsubscribe { sub_id }));
    }

    /// Ends our side of the connection.
    pub fn half_close(&self) {
        self.stream.socket().shutdown(std::net::Shutdown::Write).expect("an open connection");
    }

    /// A second handle on the same socket (without TLS), for a thread that only sends.
    pub fn sender(&self) -> TcpStream {
        self.stream.socket().try_clone().expect("a second handle")
    }

    /// Publishes and expects Ok.
    pub fn publish_ok(&mut self, event: &(EventId, Vec<u8>)) {
        self.publish(&event.1);
        assert_eq!(self.recv(), Received::Ok(event.0.to_hex()));
    }

    /// Subscribes and returns the stored phase and its Eose.
    pub fn stored(&mut self, sub_id: &str, filter: Filter) -> (Vec<Stored>, Received) {
        self.subscribe(sub_id, filter);
        let mut events = Vec::new();
        loop {
            match self.recv() {
                Received::Event { wire, seq, .. } => events.push((wire, seq)),
                end => return (events, end),
            }
        }
    }

    /// A round trip: when it returns, everything sent before was handled.
    pub fn settle(&mut self) {
        self.send(&frame(9, b"settle"));
        loop {
            match self.recv() {
                Received::Pong(p) if p == b"settle" => return,
                Received::End => panic!("the connection ended"),
                _ => {}
            }
        }
    }

    /// The next message that is no delivery.
    pub fn answer(&mut self) -> Received {
        loop {
            match self.recv() {
                Received::Event { .. } => {}
                other => return other,
            }
        }
    }

    /// Everything up to the end of the connection, without pings.
    pub fn rest(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| Some(self.recv()).filter(|received| *received != Received::End)).collect()
    }

    /// Expects an Error of that code, the close frame and the end.
    pub fn expect_end(&mut self, code: u16, close: u16) -> String {
        match &self.rest()[..] {
            [Received::Error(c, text), Received::Close(end)] if (*c, *end) == (code, close) => text.clone(),
            other => panic!("{other:?} instead of Error {code} and close {close}"),
        }
    }

    fn fill(&mut self) -> bool {
        if self.start > 0 {
            self.buf.drain(..self.start);
            self.start = 0;
        }
        let held = self.buf.len();
        self.buf.resize(held + 65_536, 0);
        let n = match self.stream.read(&mut self.buf[held..]) {
            Ok(n) => n,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                panic!("the relay sent nothing for {PATIENCE:?}")
            }
            Err(_) => 0,
        };
        self.buf.truncate(held + n);
        n > 0
    }

    /// The next frame, whatever it is.
    pub fn recv_frame(&mut self) -> Received {
        loop {
            if let Some((opcode, at, end)) = self.whole_frame() {
                assert!(!self.closed, "opcode {opcode} behind a close frame");
                let payload = self.buf[at..end].to_vec();
                self.start = end;
                self.closed = opcode == 8;
                return received(opcode, &payload);
            }
            if !self.fill() {
                return Received::End;
            }
        }
    }

    /// The next frame that is not a ping.
    pub fn recv(&mut self) -> Received {
        loop {
            match self.recv_frame() {
                Received::Ping => {}
                other => return other,
            }
        }
    }

    fn whole_frame(&self) -> Option<(u8, usize, usize)> {
        let b = &self.buf[self.start..];
        assert!(b.first().is_none_or(|b| b & 0xf0 == 0x80), "frames of the relay are final and plain");
        let (len, head) = match *b.get(1)? {
            128.. => panic!("a masked frame from the relay"),
            126 => (usize::from(u16::from_be_bytes([*b.get(2)?, *b.get(3)?])), 4),
            127 => (b.get(2..10)?.iter().fold(0, |n, &x| (n << 8) | usize::from(x)), 10),
            n => (usize::from(n), 2),
        };
        (b.len() >= head + len).then(|| (b[0] & 15, self.start + head, self.start + head + len))
    }
}

fn received(opcode: u8, payload: &[u8]) -> Received {
    match opcode {
        8 => Received::Close(payload.get(..2).map_or(0, |c| u16::from_be_bytes([c[0], c[1]]))),
        9 => Received::Ping,
        10 => Received::Pong(payload.to_vec()),
        2 => match RelayMessage::parse(payload).expect("a message of the protocol") {
            RelayMessage::Challenge { nonce } => Received::Challenge(nonce),
            RelayMessage::Ok { message } => Received::Ok(message.to_owned()),
            RelayMessage::Error { code, message } => Received::Error(code, message.to_owned()),
            RelayMessage::Envelope(e) => {
                Received::Event { sub_id: e.sub_id.to_owned(), wire: e.event.to_vec(), seq: e.seq }
            }
            RelayMessage::Eose(e) => {
                Received::Eose { sub_id: e.sub_id.to_owned(), more: e.more, position: e.position }
            }
        },
        other => panic!("opcode {other}"),
    }
}

/// A Publish frame around arbitrary bytes.
pub fn raw_publish(event: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    write_array_len(&mut payload, 2);
    write_uint(&mut payload, 7);
    payload.extend_from_slice(b"\x81\xa5event");
    payload.extend_from_slice(event);
    frame(2, &payload)
}

//! A relay process with Gather on a scratch directory, an HTTP client of plain bytes, and agents.

use axon::base::PubKey;
use axon::gather::rules::{keys, pow};
use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Seconds of a day, for the clock's offset.
pub const DAY: i64 = 86_400;

/// Keys of the services outside.
const UPSTREAMS: [&str; 5] =
    ["chain_url", "rate_url", "gelato_product_url", "gelato_order_url", "tweets_url"];

/// How it is started: lines of `[gather]`, and of other sections.
pub struct Setup {
    pub gather: String,
    pub more: String,
}

impl Setup {
    /// Easy proof of work; everything else as it comes.
    pub fn new() -> Setup {
        Setup { gather: "pow_register = 2\npow_post = 2\npow_min = 1\n".to_owned(), more: String::new() }
    }

    pub fn gather(mut self, line: &str) -> Setup {
        self.gather.push_str(line);
        self.gather.push('\n');
        self
    }

    /// A key the operator allowed.
    pub fn allow(mut self, key: &SigningKey, role: &str) -> Setup {
        let key = PubKey(key.verifying_key().to_bytes());
        self.more.push_str(&format!("[[allow]]\npubkey = \"{key}\"\nrole = \"{role}\"\n"));
        self
    }

    pub fn start(self) -> Service {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let mut service =
            Service { child: None, address: String::new(), relay: String::new(), dir, setup: self };
        service.spawn();
        service
    }
}

/// A running service; killed when dropped.
pub struct Service {
    child: Option<Child>,
    address: String,
    /// The relay's address.
    pub relay: String,
    pub dir: tempfile::TempDir,
    setup: Setup,
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Service {
    /// Starts the process on what is there.
    pub fn spawn(&mut self) {
        let config = self.dir.path().join("axon.toml");
        // Nobody outside is asked: what has no double is a closed port.
        let closed: String = UPSTREAMS
            .iter()
            .filter(|key| !self.setup.gather.lines().any(|line| line.starts_with(*key)))
            .map(|key| format!("{key} = \"http://127.0.0.1:1\"\n"))
            .collect();
        let toml = format!(
            "[relay]\nlisten = \"127.0.0.1:0\"\nurls = [\"ws://test\"]\ndata_dir = {:?}\ndurability = \"os\"\n\
             shards = 1\n[http]\nlisten = \"127.0.0.1:0\"\n[gather]\n{closed}{}\n{}",
            self.dir.path().join("data"),
            self.setup.gather,
            self.setup.more
        );
        std::fs::write(&config, toml).expect("a configuration file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_axon"))
            .args(["serve", "--json", "--config"])
            .arg(&config)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the axon binary");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("the start-up line");
        let facts: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("start-up line {line:?}: {e}"));
        self.address = facts["http"].as_str().expect("an address").to_owned();
        self.relay = facts["listen"].as_str().expect("an address").to_owned();
        self.child = Some(child);
    }

    /// kill −9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a process");
        child.kill().expect("the process");
        child.wait().expect("its end");
    }

    /// The process, for whoever is to end it.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a process").id()
    }

    /// Waits, up to a minute, until somebody has ended the process; then a new one on the same data.
    pub fn restart_when_dead(&mut self) {
        let mut child = self.child.take().expect("a process");
        for _ in 0..6_000 {
            if child.try_wait().expect("its state").is_some() {
                return self.spawn();
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        self.child = Some(child);
        panic!("nobody ended the process");
    }

    /// kill −9, then a new process on the same data.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        self.spawn();
    }

    pub fn data_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// kill −9, all data lost, and a new process on what a backup brings back.
    pub fn lose_and_restore(&mut self, backup: &str) {
        self.kill();
        let data = self.data_dir();
        std::fs::remove_dir_all(&data).expect("its data");
        self.axon(&["restore", backup, "--to", &data.to_string_lossy()]);
        self.spawn();
    }

    /// The same, with so many seconds added to Gather's clock.
    pub fn restart_later(&mut self, seconds: i64) {
        let lines = self.setup.gather.lines().filter(|line| !line.starts_with("clock_offset_seconds"));
        self.setup.gather = lines.map(|line| format!("{line}\n")).collect();
        self.setup.gather.push_str(&format!("clock_offset_seconds = {seconds}\n"));
        self.crash_and_restart();
    }

    fn database(&self) -> rusqlite::Connection {
        let database = rusqlite::Connection::open(self.data_dir().join("gather.sqlite")).expect("the file");
        database.busy_timeout(std::time::Duration::from_secs(10)).expect("a time");
        database
    }

    /// Changes rows behind Gather's back.
    pub fn sql(&self, sql: &str) {
        self.database().execute_batch(sql).expect(sql);
    }

    /// A number that a query finds.
    pub fn number(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).expect(sql)
    }

    /// The texts in the first column of what a query finds.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let database = self.database();
        let mut statement = database.prepare(sql).expect(sql);
        let rows = statement.query_map([], |row| row.get(0)).expect(sql);
        rows.collect::<Result<_, _>>().expect(sql)
    }

    /// Gives an agent so many satoshi, as a deposit would.
    pub fn fund(&self, agent: &Agent, sats: i64) {
        self.sql(&format!(
            "INSERT OR IGNORE INTO accounts (agent) SELECT n FROM agents WHERE id = '{id}';
             UPDATE accounts SET balance = balance + {sats}, deposited = deposited + {sats}
             WHERE agent = (SELECT n FROM agents WHERE id = '{id}');
             UPDATE accounts SET balance = balance - {sats} WHERE name = 'outside';",
            id = agent.id
        ));
    }

    /// Does something sixteen times at once; the answers.
    pub fn at_once(&self, ask: impl Fn(&Service, usize) -> Answer + Sync) -> Vec<Answer> {
        let start = std::sync::Barrier::new(16);
        std::thread::scope(|scope| {
            let one = |i| {
                let (start, ask) = (&start, &ask);
                scope.spawn(move || {
                    start.wait();
                    ask(self, i)
                })
            };
            let threads: Vec<_> = (0..16).map(one).collect();
            threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
        })
    }

    /// Runs `axon` against this relay; its output.
    pub fn axon(&self, args: &[&str]) -> String {
        let config = self.dir.path().join("axon.toml");
        let out = Command::new(env!("CARGO_BIN_EXE_axon")).args(args).arg("--config").arg(config).output();
        let out = out.expect("the axon binary");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text")
    }

    /// Where the HTTP face is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).expect("a connection")
    }

    /// One request on a connection of its own.
    pub fn ask(&self, request: Request) -> Answer {
        Answer::from_stream(&mut self.begin(request))
    }

    /// Sends a request; its answer is still to be read.
    pub fn begin(&self, request: Request) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(&request.bytes()).expect("a request");
        stream
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(Request::new("GET", path))
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Request::new("POST", path).json(body))
    }

    /// A solved challenge: `pow_challenge` and `pow_nonce`.
    pub fn solved(&self, purpose: &str) -> (String, String) {
        let answer = self.post("/api/pow/challenge", json!({ "purpose": purpose })).expect(200);
        let (challenge, difficulty) =
            (answer["challenge"].as_str().expect("a challenge"), &answer["difficulty"]);
        let difficulty = difficulty.as_u64().and_then(|n| u8::try_from(n).ok()).expect("a difficulty");
        let nonce = (0u64..).map(|n| n.to_string()).find(|n| pow::solves(challenge, n, difficulty));
        (challenge.to_owned(), nonce.expect("there always is one"))
    }

    /// The body of a registration.
    pub fn registration(&self, key: &SigningKey) -> Value {
        let (challenge, nonce) = self.solved("register");
        json!({"name": "an agent", "public_key": pem(key), "pow_challenge": challenge, "pow_nonce": nonce})
    }

    /// A registered agent with a token.
    pub fn agent(&self, n: u8) -> Agent {
        let key = key(n);
        let answer = self.post("/api/agents/register", self.registration(&key)).expect(200);
        let id = answer["agent_id"].as_str().expect("an id").to_owned();
        let token = self.log_in(&key);
        Agent { key, id, token }
    }

    /// A nonce for this key, decoded.
    pub fn nonce(&self, key: &SigningKey) -> Vec<u8> {
        let answer = self.post("/api/agents/challenge", json!({ "public_key": pem(key) })).expect(200);
        Base64::decode_vec(answer["nonce"].as_str().expect("a nonce")).expect("base64")
    }

    pub fn log_in(&self, key: &SigningKey) -> String {
        let nonce = self.nonce(key);
        let body = json!({"public_key": pem(key), "signature": signature(key, &nonce)});
        let answer = self.post("/api/agents/authenticate", body).expect(200);
        answer["token"].as_str().expect("a token").to_owned()
    }
}

/// A registered agent.
pub struct Agent {
    pub key: SigningKey,
    pub id: String,
    pub token: String,
}

impl Agent {
    pub fn ask(&self, service: &Service, request: Request) -> Answer {
        service.ask(request.header("Authorization", &format!("Bearer {}", self.token)))
    }

    pub fn get(&self, service: &Service, path: &str) -> Answer {
        self.ask(service, Request::new("GET", path))
    }

    pub fn post(&self, service: &Service, path: &str, body: Value) -> Answer {
        self.ask(service, Request::new("POST", path).json(body))
    }
}

impl Agent {
    pub fn put(&self, service: &Service, path: &str, body: Value) -> Answer {
        self.ask(service, Request::new("PUT", path).json(body))
    }

    pub fn patch(&self, service: &Service, path: &str, body: Value) -> Answer {
        self.ask(service, Request::new("PATCH", path).json(body))
    }

    pub fn delete(&self, service: &Service, path: &str) -> Answer {
        self.ask(service, Request::new("DELETE", path))
    }

    /// The body of a post of this title, its proof of work done.
    pub fn draft(&self, service: &Service, title: &str) -> Value {
        let (challenge, nonce) = service.solved("post");
        json!({"title": title, "summary": format!("about {title}"), "body": "text", "tags": ["rust"],
               "pow_challenge": challenge, "pow_nonce": nonce})
    }

    /// A post; its id.
    pub fn writes(&self, service: &Service, title: &str, tags: &[&str]) -> String {
        let mut draft = self.draft(service, title);
        draft["tags"] = json!(tags);
        let post = self.post(service, "/api/posts", draft).expect(201);
        post["id"].as_str().expect("an id").to_owned()
    }
}

/// How many of the answers have this status.
pub fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// One property of each item of a list.
pub fn each(answer: &Value, list: &str, name: &str) -> Vec<Value> {
    let items = answer[list].as_array().unwrap_or_else(|| panic!("no list {list}: {answer}"));
    items.iter().map(|item| item[name].clone()).collect()
}

/// The key of a small number, the same in every run.
pub fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub fn pem(key: &SigningKey) -> String {
    keys::pem(&PubKey(key.verifying_key().to_bytes()))
}

/// In standard padded base64.
pub fn signature(key: &SigningKey, message: &[u8]) -> String {
    Base64::encode_string(&key.sign(message).to_bytes())
}

/// A request, byte by byte as wanted.
#[derive(Clone)]
pub struct Request {
    head: String,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Request {
        Request {
            head: format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"),
            body: None,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub fn json(self, body: Value) -> Request {
        self.header("Content-Type", "application/json").body(body.to_string().into_bytes())
    }

    pub fn body(mut self, body: Vec<u8>) -> Request {
        self.body = Some(body);
        self
    }

    fn bytes(self) -> Vec<u8> {
        let length = self.body.as_ref().map(|body| format!("Content-Length: {}\r\n", body.len()));
        let head = format!("{}{}\r\n", self.head, length.unwrap_or_default());
        [head.into_bytes(), self.body.unwrap_or_default()].concat()
    }
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Answer {
    pub fn from_stream(stream: &mut TcpStream) -> Answer {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        Answer::read(&answer)
    }

    fn read(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        Answer { status, head: head.to_lowercase(), text: dechunked(head, body) }
    }

    /// The body, with that status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.text);
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A refusal in the one form there is; where its flaws are.
    #[track_caller]
    pub fn refused(self, status: u16) -> Vec<String> {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let body = self.expect(status);
        assert_eq!(body["status"], status);
        assert!(!body["detail"].as_str().expect("a detail").is_empty());
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|e| e["location"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn dechunked(head: &str, body: &str) -> String {
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut text) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|_| size > 0) else { break };
        text.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    text
}

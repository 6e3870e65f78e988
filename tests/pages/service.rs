//! A relay process with Gather on a scratch directory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A running service; killed when dropped.
pub struct Service {
    child: Child,
    address: String,
    /// The relay's, as clients sign it.
    pub relay: String,
    gather: String,
    shards: usize,
    dir: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Service {
    /// Easy proof of work, and as much quota as a test needs.
    pub fn start() -> Service {
        Service::with("bch_address = \"bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a\"\n")
    }

    /// The same with other lines of `[gather]`.
    pub fn with(gather: &str) -> Service {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let (address, relay) = (free_address().to_string(), format!("ws://{}", free_address()));
        let child = run(&dir, &address, &relay, gather, 1);
        Service { child, address, relay, gather: gather.to_owned(), shards: 1, dir }
    }

    /// kill −9, then a new process on the same data and the same address.
    pub fn restart(&mut self) {
        self.restart_later(0);
    }

    /// The same, so many seconds later by its clock.
    pub fn restart_later(&mut self, seconds: u32) {
        self.kill();
        self.again(&format!("{}clock_offset_seconds = {seconds}\n", self.gather));
    }

    /// The same, with so many shards from now on.
    pub fn restart_with_shards(&mut self, shards: usize) {
        self.shards = shards;
        self.restart();
    }

    /// kill −9, and no new process before `begin`.
    pub fn end(&mut self) {
        self.kill();
    }

    /// A new process on the same data and the same address.
    pub fn begin(&mut self) {
        self.again(&self.gather.clone());
    }

    fn again(&mut self, gather: &str) {
        self.child = run(&self.dir, &self.address, &self.relay, gather, self.shards);
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// A file for a browser to send.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.display().to_string()
    }

    /// The key that the first start made for the operator.
    pub fn operator_pem(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("data/operator.pem")).expect("the operator's key")
    }

    /// Runs a command line of people's in a shell, in the scratch directory, with `axon` on the path;
    /// what it says.
    pub fn shell(&self, line: &str) -> String {
        let binary = std::path::Path::new(env!("CARGO_BIN_EXE_axon")).parent().expect("a directory");
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", line])
            .current_dir(self.dir.path())
            .env("PATH", path)
            .env("HOME", self.dir.path());
        let output = shell.output().expect("a shell");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        said
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Head and body of an answer, the head in lower case.
    pub fn ask(&self, method: &str, path: &str, headers: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let host = &self.address;
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        (String::from_utf8_lossy(&answer[..end]).to_lowercase(), answer[end + 4..].to_vec())
    }
}

/// One that nobody listened on a moment ago: clients sign the relay's before it is started.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address")
}

/// Services outside; tests name doubles for those that they need.
const OUTSIDE: [&str; 5] = ["chain_url", "rate_url", "gelato_product_url", "gelato_order_url", "tweets_url"];

fn run(dir: &tempfile::TempDir, listen: &str, relay: &str, gather: &str, shards: usize) -> Child {
    let config = dir.path().join("axon.toml");
    // Nobody outside is asked: what has no double is a closed port.
    let closed: String = OUTSIDE
        .into_iter()
        .filter(|key| !gather.contains(*key))
        .map(|key| format!("{key} = \"http://127.0.0.1:1\"\n"))
        .collect();
    let toml = format!(
        "[relay]\nlisten = \"{}\"\nurls = [\"{relay}\"]\ndata_dir = {:?}\n\
         durability = \"os\"\nshards = {shards}\n[http]\nlisten = \"{listen}\"\n[gather]\npow_register = 8\n\
         pow_post = 8\npow_min = 1\nfree_posts_per_week = 1000\nfree_comments_per_day = 1000\n{gather}{closed}",
        relay.trim_start_matches("ws://"),
        dir.path().join("data")
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
    assert!(line.contains(listen), "it did not start: {line:?}");
    child
}

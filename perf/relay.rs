//! The relay under test: started here, confined to its cores, with a scratch data directory that
//! goes when the run is over; or one that is running already.

use crate::conn::{Conn, Target};
use crate::failure::{Doing, Failure, Result};
use crate::keys::Identity;
use crate::{machine, tls};
use axon::base::Clock;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A start rebuilds at most a second's worth of index; the rest is for slow disks.
const START_SECONDS_MAX: u64 = 60;
/// After SIGTERM; then it is killed.
const STOP_SECONDS_MAX: u64 = 30;
/// Between two looks at a process that starts or stops.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Bytes of the relay's own messages that are quoted when it does not start.
const QUOTED_BYTES: usize = 2000;

/// How to start a relay.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    pub binary: PathBuf,
    /// Where scratch directories are made.
    pub scratch: PathBuf,
    pub cores: Vec<usize>,
    pub shards: usize,
    pub tls: bool,
    /// `fsync` or `os`.
    pub durability: String,
    /// Further keys, `section.key=value`, the value as TOML.
    pub set: Vec<(String, String)>,
    /// Environment variables, beside this process's own.
    pub env: Vec<(String, String)>,
    /// Leave the scratch directory.
    pub keep: bool,
}

/// A relay that answers.
pub struct Relay {
    pub target: Target,
    pub pid: u32,
    /// Where it answers `/metrics`, if that is known.
    pub http: Option<SocketAddr>,
    owned: Option<Owned>,
}

struct Owned {
    child: Child,
    /// Goes last: the relay writes into it until it has ended.
    scratch: Scratch,
}

/// A directory of one run.
pub struct Scratch {
    pub dir: PathBuf,
    fate: Fate,
}

/// What becomes of a directory when the run is over.
enum Fate {
    Removed,
    /// Where it is, is told.
    Kept,
    /// It is somebody else's.
    Lent,
}

impl Relay {
    /// A relay that somebody else has started. `pid` 0: on another machine, or unknown.
    /// `http`: its HTTP side, if that is known.
    ///
    /// # Errors
    /// The URL is not `ws://ADDRESS:PORT`.
    pub fn running(url: &str, pid: u32, http: Option<SocketAddr>) -> Result<Relay> {
        let authority = url.strip_prefix("ws://").unwrap_or_default();
        let host = authority.split('/').next().unwrap_or_default();
        let address = std::net::ToSocketAddrs::to_socket_addrs(host).ok().and_then(|mut all| all.next());
        let address = address.ok_or_else(|| Failure::Usage(format!("`{url}` is not ws://ADDRESS:PORT")))?;
        Ok(Relay { target: Target { address, url: url.to_owned(), tls: false }, pid, http, owned: None })
    }

    /// Starts one in `scratch` that lets `allowed` in, and waits until it answers.
    ///
    /// # Errors
    /// It ends, or does not answer in time; with what it said.
    pub fn start(
        options: &RelayOptions,
        scratch: Scratch,
        allowed: &[Identity],
        clock: &Clock,
    ) -> Result<Relay> {
        let dir = &scratch.dir;
        let (listen, http) = free_addresses()?;
        let target = Target::at(listen, options.tls);
        let config = dir.join("axon.toml");
        let mut text = config_text(options, dir, &target, http, allowed);
        if options.tls {
            let _ = writeln!(text, "[tls]\n{}", tls::put_files(dir)?.join("\n"));
        }
        fs::write(&config, text).doing("the configuration")?;
        let log = File::create(dir.join("relay.log")).doing("the relay's log file")?;
        let mut command = Command::new(&options.binary);
        command.arg("serve").arg("--config").arg(&config).stdin(Stdio::null());
        command.stdout(log.try_clone().doing("the relay's log file")?).stderr(log);
        command.envs(options.env.iter().map(|(name, value)| (name, value)));
        let child = spawn_on(&options.cores, command, &options.binary)?;
        let pid = child.id();
        let owned = Owned { child, scratch };
        let mut relay = Relay { target, pid, http: Some(http), owned: Some(owned) };
        relay.wait_until_ready(clock)?;
        Ok(relay)
    }

    fn wait_until_ready(&mut self, clock: &Clock) -> Result<()> {
        let deadline = clock.nanos() + START_SECONDS_MAX * 1_000_000_000;
        while !answers(&self.target) {
            let Some(owned) = &mut self.owned else { break };
            let ended = owned.child.try_wait().doing("the relay")?;
            if ended.is_some() || clock.nanos() > deadline {
                let state =
                    ended.map_or("does not answer".to_owned(), |status| format!("ended with {status}"));
                return Err(Failure::Relay(format!(
                    "{state}; it said:\n{}",
                    tail(&owned.scratch.dir.join("relay.log"))
                )));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Bytes in its data directory; 0 for a relay that was not started here.
    pub fn disk_bytes(&self) -> u64 {
        self.owned.as_ref().map_or(0, |owned| directory_bytes(&owned.scratch.dir.join("data")))
    }
}

impl Scratch {
    /// Makes one.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(options: &RelayOptions, clock: &Clock) -> Result<Scratch> {
        let unique = format!("axon-perf-{}-{}", std::process::id(), clock.nanos());
        let dir = options.scratch.join(unique);
        fs::create_dir_all(&dir).doing("the scratch directory")?;
        Ok(Scratch { dir, fate: if options.keep { Fate::Kept } else { Fate::Removed } })
    }

    /// A directory that stays as it is.
    pub fn lent(dir: PathBuf) -> Scratch {
        Scratch { dir, fate: Fate::Lent }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match self.fate {
            Fate::Lent => {}
            Fate::Kept => eprintln!("axon-perf: kept {}", self.dir.display()),
            Fate::Removed => {
                if let Err(error) = fs::remove_dir_all(&self.dir) {
                    eprintln!("axon-perf: {} stays: {error}", self.dir.display());
                }
            }
        }
    }
}

/// SIGTERM, a bounded wait, then SIGKILL.
impl Drop for Owned {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended just now; then there is nobody to signal.
            let _ = kill_process(pid, Signal::TERM);
        }
        let looks = STOP_SECONDS_MAX * 1000 / LOOK_AGAIN.as_millis() as u64;
        let ended = (0..looks).any(|_| {
            std::thread::sleep(LOOK_AGAIN);
            !matches!(self.child.try_wait(), Ok(None))
        });
        if !ended {
            eprintln!("axon-perf: the relay did not stop within {STOP_SECONDS_MAX} s and was killed");
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Starts a process on `cores`: it inherits the confinement of the thread that starts it.
fn spawn_on(cores: &[usize], mut command: Command, binary: &Path) -> Result<Child> {
    std::thread::scope(|scope| {
        let starter = scope.spawn(|| {
            machine::pin(cores)?;
            command.spawn().doing(&format!("starting {}", binary.display()))
        });
        starter.join().unwrap_or_else(|_| Err(Failure::Relay("the starting thread panicked".to_owned())))
    })
}

/// Two ports nobody listens on at this moment.
fn free_addresses() -> Result<(SocketAddr, SocketAddr)> {
    let bind = || TcpListener::bind("127.0.0.1:0").doing("looking for a free port");
    let (relay, http) = (bind()?, bind()?);
    Ok((relay.local_addr().doing("a free port")?, http.local_addr().doing("a free port")?))
}

fn config_text(
    options: &RelayOptions,
    dir: &Path,
    target: &Target,
    http: SocketAddr,
    allowed: &[Identity],
) -> String {
    let mut sections: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    let own = [
        ("relay.listen", format!("\"{}\"", target.address)),
        ("relay.urls", format!("[\"{}\"]", target.url)),
        ("relay.data_dir", format!("{:?}", dir.join("data").to_string_lossy())),
        ("relay.shards", options.shards.to_string()),
        ("relay.durability", format!("{:?}", options.durability)),
        ("http.listen", format!("\"{http}\"")),
    ];
    let given = options.set.iter().map(|(path, value)| (path.as_str(), value.clone()));
    for (path, value) in own.into_iter().chain(given) {
        let (section, key) = path.split_once('.').unwrap_or(("relay", path));
        // Of the same key the last one counts.
        sections.entry(section).or_default().insert(key, value);
    }
    let mut out = String::new();
    for (section, keys) in sections {
        let lines: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        // Writing to a String cannot fail.
        let _ = write!(out, "[{section}]\n{lines}");
    }
    out + &allow_tables(allowed)
}

/// The configuration's tables that let these keys in.
pub fn allow_tables(allowed: &[Identity]) -> String {
    allowed.iter().map(|key| format!("[[allow]]\npubkey = \"{}\"\nrole = \"member\"\n", key.pubkey)).collect()
}

/// Whether a plain GET gets the relay's description.
fn answers(target: &Target) -> bool {
    let ask = || -> Result<bool> {
        let stream =
            TcpStream::connect_timeout(&target.address, Duration::from_secs(1)).doing("connecting")?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).doing("SO_RCVTIMEO")?;
        let mut conn = Conn::over(stream, target)?;
        Ok(conn.describe(target)?.starts_with(b"HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(QUOTED_BYTES)..]).into_owned()
}

fn directory_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => directory_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

//! `axon demo`: a first event, from one agent to another, with nothing prepared.

use super::ending::Ending;
use super::output::{Output, event_text};
use super::{Failure, Outcome};
use crate::base::{Clock, EventId, Kind, PubKey};
use crate::client::{
    Client, Delivery, EventBuilder, Filter, KeyPair, Position, Published, Start, Subscription, Update,
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::fs::{self, DirBuilder};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// What has not been delivered by then does not come: it takes about a millisecond.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// Starts a relay, lets one agent speak and another one listen, go away and come back; says at each
/// step what happens, and the command that does it. Ended by a signal it leaves nothing behind either.
pub(super) async fn run(output: &mut Output) -> Result<Outcome, Failure> {
    // Before there is anything to clean up.
    let mut ending = Ending::new()?;
    tokio::select! {
        shown = show(output) => shown,
        name = ending.next() => Err(format!("ended by {name}").into()),
    }
}

/// Waits for nothing but in an await: dropped there, it ends what it started and removes what it wrote.
async fn show(output: &mut Output) -> Result<Outcome, Failure> {
    let scratch = Scratch::new()?;
    let relay = Relay::start(&scratch.0).await?;
    let url = relay.url.as_str();
    step(output, "relay", json!({ "url": url }), "A relay starts:", &format!("axon serve   # on {url}"))?;

    let ada = Client::new(url, KeyPair::load(&relay.operator_key)?);
    let bob = Client::new(url, KeyPair::generate()?);
    let (ada_key, bob_key) = (ada.key().pubkey(), bob.key().pubkey());
    relay.allow(&bob_key).await?;
    let text = format!("Ada runs it, with the key {}…; she lets Bob's key in:", &ada_key.to_hex()[..8]);
    let allowed = json!({ "operator": ada_key.to_hex(), "pubkey": bob_key.to_hex() });
    step(output, "allowed", allowed, &text, &format!("axon allow add {bob_key}"))?;

    let mut events = bob.subscribe(Filter::default(), Start::Beginning);
    caught_up(&mut events).await?;
    step(output, "subscribed", json!({}), "Bob follows everything:", "axon sub")?;
    publish(&ada, "hello, agents", output).await?;
    let position = receive(&mut events, output).await?;

    drop(events);
    step(output, "left", json!({}), "Bob goes away, and Ada goes on:", "")?;
    publish(&ada, "the build is green", output).await?;
    publish(&ada, "who reviews it?", output).await?;
    step(
        output,
        "back",
        json!({}),
        "Bob comes back with the position he had:",
        "axon sub --state position.json",
    )?;
    let mut events = bob.subscribe(Filter::default(), Start::At(position));
    receive(&mut events, output).await?;
    receive(&mut events, output).await?;
    drop(events);

    relay.stop().await?;
    let text = "He missed nothing and saw nothing twice. This relay is gone now; one that stays:";
    step(output, "stopped", json!({}), text, "axon serve")?;
    Ok(Outcome::Done)
}

/// What happens, and the command that does it, if there is one.
fn step(output: &mut Output, name: &str, facts: Value, text: &str, command: &str) -> io::Result<()> {
    let mut line = json!({ "step": name });
    if let (Some(line), Value::Object(facts)) = (line.as_object_mut(), facts) {
        line.extend(facts);
    }
    let typed = if command.is_empty() { String::new() } else { format!("\n    $ {command}") };
    output.either(|| line, || format!("\n{text}{typed}"))?;
    output.flush()
}

async fn publish(author: &Client, content: &str, output: &mut Output) -> Result<(), Failure> {
    let (created_at, content) = (Clock::new().unix_seconds(), content.to_owned());
    let text = format!("axon pub \"{content}\"");
    let event = EventBuilder { kind: Kind::MESSAGE, created_at, content: content.into(), tags: Vec::new() };
    let (_, event) = author.key().sign_event(&event)?;
    let Published { id } = author.publisher().await?.publish(event).await?;
    let facts = json!({ "step": "published", "id": id.to_hex() });
    output.either(|| facts, || format!("    $ {text}\n        stored on disk as {}…", short(&id)))?;
    output.flush()?;
    Ok(())
}

fn short(id: &EventId) -> String {
    id.to_hex().chars().take(16).collect()
}

async fn caught_up(events: &mut Subscription) -> Result<(), Failure> {
    while !matches!(next(events).await?, Update::CaughtUp(_)) {}
    Ok(())
}

/// Prints the next event, whose id and signature the client has verified; the position behind it.
async fn receive(events: &mut Subscription, output: &mut Output) -> Result<Position, Failure> {
    loop {
        if let Update::Event(delivery) = next(events).await? {
            output.delivery(&delivery, &received)?;
            output.flush()?;
            return delivery.position.ok_or_else(|| "the event came without a position".into());
        }
    }
}

fn received(delivery: &Delivery) -> String {
    format!("        Bob receives: {}", event_text(delivery).trim_start())
}

async fn next(events: &mut Subscription) -> Result<Update, Failure> {
    match tokio::time::timeout(DELIVERY_TIMEOUT, events.next()).await {
        Ok(Some(update)) => Ok(update?),
        Ok(None) => Err("the relay ended the subscription".into()),
        Err(_) => Err(format!("nothing came for {} seconds", DELIVERY_TIMEOUT.as_secs()).into()),
    }
}

/// A relay of this program on a port of the loopback; it does not outlive this.
struct Relay {
    process: Process,
    said: BufReader<ChildStdout>,
    data_dir: PathBuf,
    url: String,
    operator_key: PathBuf,
}

impl Relay {
    /// Returns when it serves. What it has to say against that goes to standard error.
    async fn start(dir: &Path) -> Result<Relay, Failure> {
        let data_dir = dir.join("data");
        let mut command = axon(&data_dir)?;
        command.args(["serve", "--json", "--log-level", "warn", "--set", "relay.listen=127.0.0.1:0"]);
        command.args(["--set", "relay.shards=1", "--set", "http.listen="]);
        let mut process = Process(command.stdout(Stdio::piped()).spawn()?);
        let mut said = BufReader::new(process.0.stdout.take().ok_or("the relay has no output")?);
        let (facts, said) = beside(move || {
            let mut line = String::new();
            said.read_line(&mut line).map(|_| (line, said))
        })
        .await?;
        let facts: Value = serde_json::from_str(&facts)
            .map_err(|_| "the relay did not start; it said why above, and `axon doctor` may say more")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (url, operator_key) = (text(&facts["urls"][0]), text(&facts["operator_key"]).into());
        Ok(Relay { process, said, data_dir, url, operator_key })
    }

    async fn allow(&self, pubkey: &PubKey) -> Result<(), Failure> {
        let mut command = axon(&self.data_dir)?;
        command.args(["allow", "add", &pubkey.to_hex()]).stdout(Stdio::null());
        let mut process = Process(command.stderr(Stdio::piped()).spawn()?);
        let mut stderr = process.0.stderr.take().ok_or("the command has no output")?;
        // It ends with the process.
        let said = beside(move || io::read_to_string(&mut stderr)).await?;
        if process.0.wait()?.success() { Ok(()) } else { Err(said.trim().to_owned().into()) }
    }

    async fn stop(self) -> Result<(), Failure> {
        let Relay { mut process, mut said, .. } = self;
        if let Some(pid) = rustix::process::Pid::from_raw(process.0.id().cast_signed()) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        // It says nothing more, and ends that with itself.
        beside(move || io::copy(&mut said, &mut io::sink())).await?;
        process.0.wait()?;
        Ok(())
    }
}

/// Waits for `work` on another thread, so that a signal is seen meanwhile.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// A process that is killed, and waited for, when this goes.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This program, for a relay of that data directory; what is set for others does not count, and what
/// is typed at the terminal (Ctrl-C) is for the demo alone.
fn axon(data_dir: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AXON_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).process_group(0);
    command.arg("--set").arg(format!("relay.data_dir={}", data_dir.display()));
    Ok(command)
}

/// A directory that is removed when this goes.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Scratch> {
        let dir = std::env::temp_dir().join(format!("axon-demo-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("axon: {} stays: {error}", self.0.display());
        }
    }
}

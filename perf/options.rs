//! The command line.

use crate::machine::parse_cores;
use crate::sweep::Knob;
use axon::base::Kind;
use clap::{Args, Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Drives a real relay over real sockets and measures what it costs.
#[derive(Debug, Parser)]
#[command(name = "axon-perf", version)]
pub struct Options {
    /// What to run; `all` is the canonical set.
    pub command: Command,
    /// What `sweep` runs, and whose keys `keys` prints.
    pub workload: Option<Command>,
    #[command(flatten)]
    pub knob: Knob,
    /// Stored events that `growth` goes up to, if `--seconds` is enough for them.
    #[arg(long, default_value_t = 20_000_000)]
    pub events: usize,
    /// How long `soak` lasts.
    #[arg(long, default_value_t = 10.0)]
    pub minutes: f64,
    /// Posts in the store that `gather` asks [default: 1000000]; of everything else there is as much
    /// as goes with them.
    #[arg(long)]
    pub posts: Option<usize>,
    /// Where `gather` finds that store, or makes it and leaves it.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Only those requests of `gather` whose name has this in it; several times for several. Without
    /// all of them in turn, and without the relay beside them.
    #[arg(long)]
    pub only: Vec<String>,
    #[command(flatten)]
    pub load: Load,
    #[command(flatten)]
    pub relay: RelayArgs,
    /// A size that finishes in about a second: does it work at all?
    #[arg(long)]
    pub smoke: bool,
    /// Print JSON, one object.
    #[arg(long)]
    pub json: bool,
    /// Where results are kept; a run is compared with the newest there.
    #[arg(long, default_value = "perf/results")]
    pub results: PathBuf,
    /// Write the runs as one HTML page (`all` always does, unless it is a smoke run: `report.html`
    /// beside the kept results).
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// A machine's calibration, which `validate` predicts with.
    #[arg(long, default_value = "axon-calibration.json")]
    pub calibration: PathBuf,
    /// The file that `calibrate` [default: axon-calibration.json], `validate` or `soak` writes.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Keep this run's result (`all` always does, unless it is a smoke run).
    #[arg(long)]
    pub save: bool,
}

impl Options {
    /// Where a new calibration goes.
    pub fn calibration_out(&self) -> &Path {
        self.out.as_deref().unwrap_or(&self.calibration)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Publishers, each with a window of events without an answer.
    Ingest,
    /// One publisher, every subscriber gets every event.
    Fanout,
    /// Many subscriptions on distinct tag values, each event matches one.
    Selective,
    /// Stored events read by one reader from the log's start.
    Replay,
    /// Memory of connections that are only open.
    Idle,
    /// Connections per second, with authentication.
    Connect,
    /// Subscribing and unsubscribing while events are published.
    Churn,
    /// Open loop at a fixed rate: publish to ack, publish to delivery.
    Latency,
    /// Agents that publish, follow a few filters and run jobs for each other.
    Mixed,
    /// What an event costs by connections, by subscriptions and by stored events.
    Growth,
    /// A workload with several values of one knob, beside each other.
    Sweep,
    /// The canonical set, in one table.
    All,
    /// Everyday load for `--minutes`, looked at once a second: memory and descriptors may not grow.
    Soak,
    /// Every request of Gather's with a million posts in its store, and the relay beside it.
    Gather,
    /// Writes the newest kept result as an HTML page again.
    Page,
    /// Measures what the relay's work costs on this machine, for `axon plan`; some minutes.
    Calibrate,
    /// Compares what `axon plan` predicts with four workloads that `calibrate` does not use.
    Validate,
    /// Keeps the results of the last `cargo bench` as `micro.json`.
    Micro,
    /// Prints the configuration tables that let the generator's keys in, for `--url`.
    Keys,
}

/// What is published and who reads. What is not given has the workload's own default.
#[derive(Debug, Clone, Default, Args)]
pub struct Load {
    /// `stored`, `ephemeral`, or a number.
    #[arg(long, value_parser = parse_kind)]
    pub kind: Option<u16>,
    #[arg(long)]
    pub publishers: Option<usize>,
    /// Events of one publisher without an answer.
    #[arg(long)]
    pub window: Option<usize>,
    /// Events per second in all: an open loop instead of a window.
    #[arg(long)]
    pub rate: Option<u64>,
    /// Stored events read per second beside the publishers, by a reader that comes back (ingest).
    #[arg(long)]
    pub replay_rate: Option<u64>,
    #[arg(long)]
    pub subscribers: Option<usize>,
    /// Subscriptions in all (selective, churn).
    #[arg(long)]
    pub subscriptions: Option<usize>,
    /// Connections (selective, idle, connect, churn), agents (mixed).
    #[arg(long)]
    pub connections: Option<usize>,
    /// Bytes of one event on the wire.
    #[arg(long)]
    pub size: Option<usize>,
    #[arg(long)]
    pub authors: Option<usize>,
    #[arg(long)]
    pub tags: Option<usize>,
    /// Events (or connections, or subscriptions) in all.
    #[arg(long)]
    pub count: Option<usize>,
    /// Nothing new is begun after this many seconds.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Events before measuring begins; a tenth if not given.
    #[arg(long)]
    pub warmup: Option<usize>,
    /// Sleep between events in an open loop; its wake-up is then part of the latency.
    #[arg(long)]
    pub no_spin: bool,
    /// Keys and with them events follow from this number.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Clone, Args)]
pub struct RelayArgs {
    /// The `axon` binary [default: beside this one].
    #[arg(long)]
    pub relay: Option<PathBuf>,
    /// Drive a relay that runs already (`ws://ADDRESS:PORT`); see `axon-perf keys`.
    #[arg(long)]
    pub url: Option<String>,
    /// Its process, for the CPU figures.
    #[arg(long, default_value_t = 0, requires = "url")]
    pub pid: u32,
    /// Its HTTP address (`ADDRESS:PORT`), for its CPU by stage.
    #[arg(long, requires = "url")]
    pub http: Option<SocketAddr>,
    /// Environment variables it is started with.
    #[arg(skip)]
    pub env: Vec<(String, String)>,
    /// Cores the relay is confined to, as for taskset.
    #[arg(long, default_value = "0", value_parser = Cores::parse)]
    pub server_cores: Cores,
    /// The generator's own cores: one thread each.
    #[arg(long, default_value = "1", value_parser = Cores::parse)]
    pub client_cores: Cores,
    #[arg(long, default_value_t = 1)]
    pub shards: usize,
    /// Over TLS, with a certificate of the generator's own.
    #[arg(long, conflicts_with = "url")]
    pub tls: bool,
    #[arg(long, default_value = "fsync", value_parser = ["fsync", "os"])]
    pub durability: String,
    /// A further key of the relay's configuration: `section.key=VALUE`, the value as TOML.
    #[arg(long, value_parser = parse_setting)]
    pub set: Vec<(String, String)>,
    /// Where the scratch data directory is made; its disk is what is measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub scratch: PathBuf,
    /// Leave the scratch directory.
    #[arg(long)]
    pub keep: bool,
}

/// A list of cores.
#[derive(Debug, Clone)]
pub struct Cores(pub Vec<usize>);

impl Cores {
    fn parse(text: &str) -> Result<Cores, String> {
        parse_cores(text).map(Cores)
    }
}

impl Command {
    /// Whether it is one workload with a plan, that a sweep can run.
    pub fn is_workload(self) -> bool {
        let others = [
            Command::Soak,
            Command::Gather,
            Command::Growth,
            Command::Sweep,
            Command::All,
            Command::Page,
            Command::Keys,
            Command::Micro,
        ];
        !others.contains(&self)
    }
}

fn parse_kind(text: &str) -> Result<u16, String> {
    match text {
        "stored" => Ok(Kind::MESSAGE.0),
        "ephemeral" => Ok(Kind::PROGRESS.0),
        number => number.parse().map_err(|_| "`stored`, `ephemeral`, or 0 to 65535".to_owned()),
    }
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be section.key=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

//! Flags and their help texts.

use super::admin::Settings;
use super::allow::AllowFlags;
use super::connections::{CLOSE_EXAMPLES, ConnectionsFlags, DisconnectFlags, LIST_EXAMPLES};
use super::delete::DeleteFlags;
use super::filter::{FilterFlags, tag};
use super::keygen::load_key;
use super::remote::Elsewhere;
use super::service::ServiceFlags;
use super::stat::StatFlags;
use super::tail::TailFlags;
use super::torture::TortureFlags;
use super::transfer::{ExportFlags, ImportFlags};
use super::upkeep::{BackupFlags, CheckFlags, RepairFlags, RestoreFlags};
use crate::client::{Client, Roots, RootsError};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Where a relay without a configuration listens.
pub const DEFAULT_URL: &str = "ws://127.0.0.1:7447";

/// The operator's key that a relay without a configuration makes in its working directory.
pub const DEFAULT_KEY: &str = "axon-data/operator.pem";

const LONG_ABOUT: &str = "\
Axon: a relay for signed agent events.

From nothing to a first delivered event:

  axon demo                     # a relay, two agents and what they say, step by step

The same with a relay that stays, in two terminals:

  1$ axon serve                 # makes axon-data/ with an operator key that is allowed
  2$ axon sub &                 # follows everything: stored events, then live ones
  2$ axon pub 'hello, agents'   # arrives in the line above

The social layer of the same relay, for the same key: `axon gather --help`.

More agents: `axon keygen` on theirs, `axon allow add PUBKEY` beside the relay.
With --json every command prints one JSON object per line.
Exit codes: 0 done, 1 refused or failed, 2 wrong usage.";

/// Those stand behind a command's own options.
const EVERYWHERE: &str = "Options of every command";

#[derive(Debug, Parser)]
#[command(name = "axon", version, about = "A relay for signed agent events", long_about = LONG_ABOUT)]
pub struct Cli {
    /// The relay's configuration file (TOML), for commands that act on a relay of this machine
    #[arg(long, global = true, value_name = "FILE", env = "AXON_CONFIG", help_heading = EVERYWHERE)]
    pub(super) config: Option<PathBuf>,
    /// A setting of the relay that wins over its file, for example relay.listen=0.0.0.0:7447
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = setting, help_heading = EVERYWHERE)]
    pub(super) set: Vec<(String, String)>,
    /// One JSON object per line instead of text
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// See it work: a relay in a scratch directory, and two agents who talk
    #[command(after_help = "Examples:\n  axon demo\n  axon demo --json\n\n\
        Takes a second or two, listens on a free port of this machine, and leaves nothing behind, also when Ctrl-C ends it.")]
    Demo,
    /// Run the relay
    #[command(
        after_help = "Examples:\n  axon serve\n  axon serve --config axon.toml\n  axon serve --set relay.listen=0.0.0.0:7447 --set relay.shards=2\n\n\
        Without a configuration it makes axon-data/ with an operator key that is allowed."
    )]
    Serve(ServeFlags),
    /// Make a key pair
    #[command(after_help = "Examples:\n  axon keygen\n  axon keygen --out agent.pem\n\n\
        PKCS#8 PEM, readable by its owner only. An existing file is never overwritten.")]
    Keygen(KeygenFlags),
    /// Say who may connect and publish
    #[command(after_help = "Examples:\n  axon allow list\n  axon allow add PUBKEY --name worker-7\n  \
        axon allow add PUBKEY --role auditor\n  axon allow remove PUBKEY\n  \
        axon allow list --at http://relay.example:8090 --relay-url wss://relay.example --admin-key admin.pem\n\n\
        In force at once, on a running relay and on a stopped one.")]
    Allow(AllowFlags),
    /// List the connections of a running relay: who, since when, what they follow
    #[command(after_help = LIST_EXAMPLES)]
    Connections(ConnectionsFlags),
    /// Close connections of a running relay
    #[command(after_help = CLOSE_EXAMPLES)]
    Disconnect(DisconnectFlags),
    /// Publish events
    #[command(
        after_help = "Examples:\n  axon pub 'hello'\n  axon pub --kind 5000 --tag t=translate 'guten Tag'\n  \
        printf '%s\\n' '{\"kind\":1000,\"content\":\"one\"}' '{\"content\":\"two\"}' | axon pub --json\n\n\
        Lines on stdin: {\"kind\",\"content\" or \"content_hex\" or \"content_base64\",\"tags\":[[name,value,...]],\
        \"created_at\"}, all optional; --kind and --tag are their defaults.\n\
        Prints each event's id, with --json {\"id\",\"code\"}: 200 stored, 409 stored before, others refused."
    )]
    Pub(PubFlags),
    /// Follow a filter: stored events first, then live ones
    #[command(
        after_help = "Examples:\n  axon sub --kind 1000 --live-only\n  axon sub --kind 5000-5999 --tag t=translate --json\n  \
        axon sub --state position.json --json\n\n\
        Reconnects by itself, and loses and repeats nothing. --state keeps the position over restarts of this \
        command; it is written when nothing is waiting and at least every 256 events."
    )]
    Sub(SubFlags),
    /// Watch events go by: the newest, then new ones, a line each
    #[command(after_help = super::tail::EXAMPLES)]
    Tail(TailFlags),
    /// Print stored events, then exit
    #[command(
        after_help = "Examples:\n  axon query --limit 20\n  axon query --author PUBKEY --since 1760000000\n  \
        axon query --after 0 --limit 1000 --json\n\n\
        With --after: the first --limit events behind that position, each with its own. Otherwise the newest."
    )]
    Query(QueryFlags),
    /// Describe a relay
    #[command(
        after_help = "Examples:\n  axon info\n  axon info --url ws://relay.example:7447\n  axon info --config axon.toml\n\n\
        What a relay tells everybody; with --config or --set the store's figures, from the relay of this machine; \
        with --at, from one elsewhere."
    )]
    Info(InfoFlags),
    /// Take part in Gather: feed, channels, inbox, skills, shop
    #[command(after_help = super::gather::EXAMPLES)]
    Gather(super::gather::GatherArgs),
    /// Watch a relay work: shards, log, and where its CPU time goes
    #[command(
        after_help = "Examples:\n  axon top\n  axon top --http http://127.0.0.1:8090 --interval 5\n  axon top --count 1 --json\n\n\
        Reads the relay's /metrics. The stages are measured one by one, on shards by samples; `unexplained` \
        is what the process used beyond them."
    )]
    Top(TopFlags),
    /// Say what a deployment needs: shards, cores, memory, disk, network, and what limits it
    #[command(after_help = super::plan::EXAMPLES)]
    Plan(Box<super::plan::PlanFlags>),
    /// Look whether this machine is fit for the relay, and say what to do
    #[command(after_help = "Examples:\n  axon doctor\n  axon doctor --config axon.toml --json\n\n\
        Kernel, io_uring, limits, swap, cores, disk (its sync is measured in the data directory), clock. \
        Run it as the user who runs the relay. Exit code 1 if anything fails; warnings are no failure.")]
    Doctor,
    /// Print what runs the relay as a service: a systemd unit
    #[command(after_help = "Examples:\n  axon service systemd > /etc/systemd/system/axon.service\n  \
        axon service systemd --binary /opt/axon/axon --service-config /opt/axon/axon.toml\n\n\
        For containers there is a Dockerfile beside the sources.")]
    Service(ServiceFlags),
    /// Let the running relay read its configuration again
    #[command(after_help = "Examples:\n  axon reload --config axon.toml\n  kill -HUP $(pidof axon)\n\n\
        In force when it returns, without dropping a connection: [limits] (but for seen_window_seconds and \
        seen_ids_max), [roles], [retention], [[allow]], certificate and key, log.level, relay.private_kinds and \
        relay.max_future_seconds. Other keys are named: they need a restart. If anything is wrong, nothing changes.")]
    Reload(Elsewhere),
    /// Say what is stored: by kind, author and day, and what it takes on disk
    #[command(after_help = super::stat::EXAMPLES)]
    Stat(StatFlags),
    /// Verify the store of this machine's relay, running or stopped
    #[command(
        after_help = "Examples:\n  axon check\n  axon check --deep --json\n  axon check --set relay.data_dir=/srv/axon\n\n\
        Every event parses, positions have no gap, ids and index rows are those of the events; --deep verifies \
        every id and signature on all cores. Changes nothing. Exit code 1: something is wrong."
    )]
    Check(CheckFlags),
    /// Cut the damaged log of a stopped relay at the damage
    #[command(
        after_help = "Examples:\n  axon repair          # says what would be lost\n  axon repair --yes\n\n\
        The damaged database stays beside the repaired one, as log.damaged-N. The log gets a new id, so that no \
        consumer goes on from a position of the old one. A backup may hold more: see `axon restore`."
    )]
    Repair(RepairFlags),
    /// Copy the store and its keys to a directory; again: only what is new
    #[command(
        after_help = "Examples:\n  axon backup /mnt/backup/axon\n  axon backup /mnt/backup/axon --json\n\n\
        Of a running relay, which goes on writing, or a stopped one. Prints the position up to which events are in it. \
        The directory holds private keys: keep it like them. After a repair or a restore the log is another one: its \
        backup goes to another directory, or takes the old one's place with --replace."
    )]
    Backup(BackupFlags),
    /// Make a data directory of a backup
    #[command(after_help = "Examples:\n  axon restore /mnt/backup/axon --to /srv/axon-data\n\n\
        The directory must be new or empty. The log gets a new id: consumers read it again, or go on from the \
        printed position if what they had came from the log that was saved.")]
    Restore(RestoreFlags),
    /// Delete stored events, of a running relay or a stopped one; without --yes only say what would go
    #[command(after_help = "Examples:\n  axon delete --author PUBKEY               # says what would go\n  \
        axon delete --author PUBKEY --yes\n  axon delete --kind 5000-7999 --until 1760000000 --yes\n  \
        axon delete --all --up-to 1000000 --yes\n\n\
        Events that match go with all their rows; their positions are not used again and their ids are not taken \
        again while they are remembered ([retention] tombstones_max, tombstone_seconds). Subscribers are not told. \
        For rules instead: [[retention.rules]]. Exit code 1 without --yes if something would go.")]
    Delete(DeleteFlags),
    /// Write stored events to a file or to standard output, byte for byte
    #[command(
        after_help = "Examples:\n  axon export > events\n  axon export --out events          # again: goes on where the file ends\n  \
        axon export --kind 1000-1999 --format jsonl | zstd > messages.zst\n\n\
        Of a running relay, which goes on writing, or a stopped one. Prints the position to go on from with --after, \
        on standard error if the events are on standard output. Keys and Gather's database: see `axon backup`."
    )]
    Export(ExportFlags),
    /// Bring exported events into a running relay or a stopped one
    #[command(
        after_help = "Examples:\n  axon import events\n  zstd -d < messages.zst | axon import\n  axon import events --skip 250000\n\n\
        Each event keeps its id and gets a new position, in the order of the file. Ids and signatures are verified \
        on all cores; whether its author is allowed at present is not asked. What is stored already is a duplicate, so \
        that an import that was cut off can be done again, or gone on with --skip. Exit code 1 if events were refused."
    )]
    Import(ImportFlags),
    /// Try to make a relay lose something: kills, torn and flipped files, failing and full disks
    #[command(after_help = "Examples:\n  axon torture\n  axon torture --minutes 0.2 --seed 7 --json\n\n\
        Starts a relay of its own in a scratch directory, loads it, and after each fault compares the whole store \
        with its own record of every answer. As root the disk is one in memory that is really filled; with a C \
        compiler writes and syncs fail and the clock jumps. Exit code 1: something was lost, and how to see it again.")]
    Torture(TortureFlags),
    /// A day on Gather as Markdown
    #[command(after_help = "Examples:\n  axon report\n  axon report --day 2026-03-01 > report.md\n\n\
        Posts, tags, and the events of the relay's log by kind; days are UTC.")]
    Report(ReportFlags),
    /// Print the effective configuration, every key with its meaning
    #[command(
        after_help = "Examples:\n  axon config\n  axon config --config axon.toml\n  axon config --set relay.shards=2 --json\n\n\
        Of each key the value in force, where it was said, its default, its variable, and what raising it costs."
    )]
    Config,
}

impl Cli {
    /// Which relay of this machine is meant.
    pub(super) fn settings(&self) -> Settings {
        let mut overrides = self.set.clone();
        if let Command::Serve(ServeFlags { log_format, log_level }) = &self.command {
            for (key, value) in [("log.format", log_format), ("log.level", log_level)] {
                overrides.extend(value.clone().map(|value| (key.to_owned(), value)));
            }
        }
        Settings { config: self.config.clone(), overrides }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE, for example relay.shards=2")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

#[derive(Debug, Args)]
pub(super) struct ServeFlags {
    /// How the relay logs, to standard error; as --set log.format=…
    #[arg(long, value_parser = ["text", "json"])]
    pub(super) log_format: Option<String>,
    /// What it logs: error, warn, info, debug, trace, or one per module; as --set log.level=…
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct KeygenFlags {
    /// The new file [default: ~/.config/axon/key.pem]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// Which relay, and as whom.
#[derive(Debug, Args)]
pub(super) struct RelayFlags {
    /// The relay
    #[arg(long, default_value = DEFAULT_URL, env = "AXON_URL")]
    url: String,
    /// Private key (PKCS#8 PEM) [default: axon-data/operator.pem if present, else ~/.config/axon/key.pem]
    #[arg(long, value_name = "FILE", env = "AXON_KEY")]
    key: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustFlags,
}

impl RelayFlags {
    pub(super) fn client(&self) -> Result<Client, super::Failure> {
        Ok(Client::new(&self.url, load_key(self.key.as_deref())?).roots(self.trust.roots()?))
    }
}

/// Who vouches for a relay.
#[derive(Debug, Args)]
pub(super) struct TrustFlags {
    /// For wss://: the certificate authorities to trust (PEM) [default: those that browsers trust]
    #[arg(long, value_name = "FILE", env = "AXON_CA")]
    ca: Option<PathBuf>,
}

impl TrustFlags {
    pub(super) fn roots(&self) -> Result<Roots, RootsError> {
        self.ca.as_deref().map_or_else(|| Ok(Roots::public()), Roots::from_file)
    }
}

#[derive(Debug, Args)]
pub(super) struct InfoFlags {
    #[command(flatten)]
    pub(super) elsewhere: Elsewhere,
    /// The relay
    #[arg(long, default_value = DEFAULT_URL, env = "AXON_URL")]
    pub(super) url: String,
    #[command(flatten)]
    pub(super) trust: TrustFlags,
}

#[derive(Debug, Args)]
pub(super) struct TopFlags {
    /// Where the relay serves /metrics (its http.listen)
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8090", env = "AXON_METRICS_URL")]
    pub(super) http: String,
    /// Seconds between refreshes
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(super) interval: u32,
    /// Exit after N refreshes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct ReportFlags {
    /// Where the relay serves Gather (its http.listen)
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8090", env = "AXON_METRICS_URL")]
    pub(super) http: String,
    /// The day; without it, today
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(super) day: Option<String>,
}

/// Only what a date is written with; whether it is one, the relay says.
fn day(text: &str) -> Result<String, String> {
    let dated = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    dated.then(|| text.to_owned()).ok_or_else(|| "must be YYYY-MM-DD, for example 2026-03-01".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct PubFlags {
    #[command(flatten)]
    pub(super) relay: RelayFlags,
    /// The kind of event
    #[arg(long, default_value_t = 1000)]
    pub(super) kind: u16,
    /// A tag; may be given again
    #[arg(long, value_name = "NAME=VALUE[,VALUE]", value_parser = tag)]
    pub(super) tag: Vec<(String, Vec<String>)>,
    /// The content; without it, JSON lines are read from stdin
    pub(super) content: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SubFlags {
    #[command(flatten)]
    pub(super) relay: RelayFlags,
    #[command(flatten)]
    pub(super) filter: FilterFlags,
    /// Of the stored events only the newest N
    #[arg(long, value_name = "N", conflicts_with_all = ["after", "state", "live_only"])]
    pub(super) limit: Option<u16>,
    /// Begin behind this log position
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["live_only"])]
    pub(super) after: Option<u64>,
    /// Keep the position in this file and go on from it; other start flags then count only the first time
    #[arg(long, value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// No stored events
    #[arg(long)]
    pub(super) live_only: bool,
    /// Exit after N events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct QueryFlags {
    #[command(flatten)]
    pub(super) relay: RelayFlags,
    #[command(flatten)]
    pub(super) filter: FilterFlags,
    /// At most N events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub(super) limit: Option<u32>,
    /// Begin behind this log position
    #[arg(long, value_name = "SEQ")]
    pub(super) after: Option<u64>,
}

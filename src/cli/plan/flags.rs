//! Flags of `axon plan`.

use crate::plan::{Description, Durability};
use clap::Args;
use std::path::PathBuf;

/// What is left out has the default in brackets.
#[derive(Debug, Args)]
pub(in crate::cli) struct PlanFlags {
    /// What work costs on the machine; `axon-perf calibrate` writes it
    #[arg(long, value_name = "FILE", default_value = "axon-calibration.json")]
    pub(super) calibration: PathBuf,
    /// A description with the flags' names as keys (TOML)
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Agents that take part [1]
    #[arg(long, value_name = "N")]
    agents: Option<f64>,
    /// Open connections [one for each agent]
    #[arg(long, value_name = "N")]
    connections: Option<f64>,
    /// Connections that publish [all]
    #[arg(long, value_name = "N")]
    publishers: Option<f64>,
    /// Different keys among what is published at the same time [as many as publishers]
    #[arg(long, value_name = "N")]
    authors: Option<f64>,
    /// Events published per second, by all together
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Instead of a rate: every publisher keeps so many events unanswered, as fast as it goes
    #[arg(long, value_name = "N")]
    window: Option<f64>,
    /// Events a publisher sends at once [1]
    #[arg(long, value_name = "N")]
    burst: Option<f64>,
    /// Bytes of an event's content [256]
    #[arg(long, value_name = "N")]
    content_bytes: Option<f64>,
    /// Tags of an event [2]
    #[arg(long, value_name = "N")]
    tags: Option<f64>,
    /// Part of the events, 0 to 1, of kinds that are not stored [0]
    #[arg(long, value_name = "PART")]
    ephemeral: Option<f64>,
    /// Matches: subscribers that one event reaches, on average [0]
    #[arg(long, value_name = "N")]
    deliveries: Option<f64>,
    /// Connections among which these are found; as many as deliveries: all get the same [connections]
    #[arg(long, value_name = "N")]
    readers: Option<f64>,
    /// Events in a row that reach the same readers [1]
    #[arg(long, value_name = "N")]
    reader_run: Option<f64>,
    /// Open subscriptions [one for each connection]
    #[arg(long, value_name = "N")]
    subscriptions: Option<f64>,
    /// Replay share: stored events read per second by readers that come back [0]
    #[arg(long, value_name = "N")]
    replay_rate: Option<f64>,
    /// Days of the log to have room for [30]
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<f64>,
    /// When a publish is answered: fsync or os [fsync]
    #[arg(long, value_name = "WHEN", value_parser = durability)]
    durability: Option<Durability>,
    /// Shards, 1 to 64 [the fewest that do]
    #[arg(long, value_name = "N")]
    shards: Option<f64>,
    /// Cores the relay may use [the calibrated machine's]
    #[arg(long, value_name = "N")]
    cores: Option<f64>,
    /// Memory the relay may use, GiB [the calibrated machine's]
    #[arg(long, value_name = "GIB")]
    ram_gib: Option<f64>,
    /// Time of a disk sync, microseconds [as calibrated]
    #[arg(long, value_name = "US")]
    sync_us: Option<f64>,
    /// What the disk writes, MB/s [as calibrated]
    #[arg(long, value_name = "MB")]
    disk_mb_s: Option<f64>,
    /// The network, Gbit/s in each direction [10]
    #[arg(long, value_name = "GBIT")]
    nic_gbit_s: Option<f64>,
}

impl PlanFlags {
    pub(super) fn description(&self) -> Description {
        Description {
            agents: self.agents,
            connections: self.connections,
            publishers: self.publishers,
            authors: self.authors,
            rate: self.rate,
            window: self.window,
            burst: self.burst,
            content_bytes: self.content_bytes,
            tags: self.tags,
            ephemeral: self.ephemeral,
            deliveries: self.deliveries,
            readers: self.readers,
            reader_run: self.reader_run,
            subscriptions: self.subscriptions,
            replay_rate: self.replay_rate,
            retention_days: self.retention_days,
            durability: self.durability,
            shards: self.shards,
            cores: self.cores,
            ram_gib: self.ram_gib,
            sync_us: self.sync_us,
            disk_mb_s: self.disk_mb_s,
            nic_gbit_s: self.nic_gbit_s,
        }
    }
}

fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "fsync" => Ok(Durability::Fsync),
        "os" => Ok(Durability::Os),
        _ => Err("must be fsync or os".to_owned()),
    }
}

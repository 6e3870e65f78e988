//! What is to be served, and on what machine.

use super::calibration::Calibration;
use crate::base::limits::{CONTENT_BYTES_MAX, SHARDS_MAX};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of an event without content and tags, and of one tag with a short value: maps, names,
/// id, key and signature (protocol §1).
const EVENT_BYTES: f64 = 188.0;
const TAG_BYTES: f64 = 29.0;

/// Whatever is counted: beyond this no machine is meant, and sums stay exact enough.
const COUNT_MAX: f64 = 1e9;

/// An event's bytes on the wire, nearly.
pub fn event_bytes(content_bytes: f64, tags: f64) -> f64 {
    EVENT_BYTES + content_bytes + TAG_BYTES * tags
}

/// When a publish is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// It is on disk.
    #[default]
    Fsync,
    /// The kernel has it.
    Os,
}

/// What a user says: flags or the keys of a file. What is left out has a default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub agents: Option<f64>,
    pub connections: Option<f64>,
    pub publishers: Option<f64>,
    pub authors: Option<f64>,
    pub rate: Option<f64>,
    pub window: Option<f64>,
    pub burst: Option<f64>,
    pub content_bytes: Option<f64>,
    pub tags: Option<f64>,
    pub ephemeral: Option<f64>,
    pub deliveries: Option<f64>,
    pub readers: Option<f64>,
    pub reader_run: Option<f64>,
    pub subscriptions: Option<f64>,
    pub replay_rate: Option<f64>,
    pub retention_days: Option<f64>,
    pub durability: Option<Durability>,
    pub shards: Option<f64>,
    pub cores: Option<f64>,
    pub ram_gib: Option<f64>,
    pub sync_us: Option<f64>,
    pub disk_mb_s: Option<f64>,
    pub nic_gbit_s: Option<f64>,
}

impl Description {
    /// What `over` says, and the rest as it is here.
    #[must_use]
    pub fn overridden_by(self, over: Description) -> Description {
        Description {
            agents: over.agents.or(self.agents),
            connections: over.connections.or(self.connections),
            publishers: over.publishers.or(self.publishers),
            authors: over.authors.or(self.authors),
            rate: over.rate.or(self.rate),
            window: over.window.or(self.window),
            burst: over.burst.or(self.burst),
            content_bytes: over.content_bytes.or(self.content_bytes),
            tags: over.tags.or(self.tags),
            ephemeral: over.ephemeral.or(self.ephemeral),
            deliveries: over.deliveries.or(self.deliveries),
            readers: over.readers.or(self.readers),
            reader_run: over.reader_run.or(self.reader_run),
            subscriptions: over.subscriptions.or(self.subscriptions),
            replay_rate: over.replay_rate.or(self.replay_rate),
            retention_days: over.retention_days.or(self.retention_days),
            durability: over.durability.or(self.durability),
            shards: over.shards.or(self.shards),
            cores: over.cores.or(self.cores),
            ram_gib: over.ram_gib.or(self.ram_gib),
            sync_us: over.sync_us.or(self.sync_us),
            disk_mb_s: over.disk_mb_s.or(self.disk_mb_s),
            nic_gbit_s: over.nic_gbit_s.or(self.nic_gbit_s),
        }
    }
}

/// One thing that is wrong with a description.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Violation {
    pub field: &'static str,
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.field, self.message)
    }
}

/// How publishers behave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Pace {
    /// So many events per second in all, whenever they come.
    Rate(f64),
    /// Each publisher keeps so many events unanswered, as fast as the relay goes.
    Window(f64),
}

/// A description, complete and checked: every number is finite and within its bounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deployment {
    pub connections: f64,
    pub publishers: f64,
    /// Different keys among what is published at the same time.
    pub authors: f64,
    pub(super) pace: Pace,
    /// Events a publisher sends at once.
    pub burst: f64,
    pub event_bytes: f64,
    pub tags: f64,
    /// Part of the events that is not stored.
    pub ephemeral: f64,
    /// Subscribers of one event.
    pub deliveries: f64,
    /// Connections among which these are found: as many as `deliveries` if all get the same.
    pub readers: f64,
    /// Events in a row that go to the same readers.
    pub reader_run: f64,
    pub subscriptions: f64,
    /// Events per second read from the log by readers that come back.
    pub replay_rate: f64,
    pub retention_days: f64,
    pub durability: Durability,
    /// `None`: to be chosen.
    pub shards: Option<usize>,
    pub cores: f64,
    pub ram_bytes: f64,
    pub sync_us: f64,
    pub disk_bytes_per_second: f64,
    pub nic_bytes_per_second: f64,
}

impl Deployment {
    /// Fills in defaults; what a machine has, if it is not said, is what was calibrated.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub fn new(said: &Description, calibration: &Calibration) -> Result<Deployment, Vec<Violation>> {
        let mut asked = Asked::default();
        let agents = asked.number("agents", said.agents, 1.0, 1.0, COUNT_MAX);
        let connections = asked.number("connections", said.connections, agents, 1.0, COUNT_MAX);
        let publishers = asked.number("publishers", said.publishers, connections, 1.0, connections);
        let deliveries = asked.number("deliveries", said.deliveries, 0.0, 0.0, connections);
        let content = asked.number("content_bytes", said.content_bytes, 256.0, 0.0, CONTENT_BYTES_MAX as f64);
        let tags = asked.number("tags", said.tags, 2.0, 0.0, 2_000.0);
        let facts = &calibration.facts;
        let shards = asked.number("shards", said.shards, 0.0, 1.0, SHARDS_MAX as f64);
        let deployment = Deployment {
            connections,
            publishers,
            authors: asked.number("authors", said.authors, publishers, 1.0, COUNT_MAX),
            pace: asked.pace(said),
            burst: asked.number("burst", said.burst, said.window.unwrap_or(1.0).max(1.0), 1.0, 4_096.0),
            event_bytes: event_bytes(content, tags),
            tags,
            ephemeral: asked.number("ephemeral", said.ephemeral, 0.0, 0.0, 1.0),
            deliveries,
            readers: asked.number(
                "readers",
                said.readers,
                connections,
                deliveries.max(1.0),
                connections.max(1.0),
            ),
            reader_run: asked.number("reader_run", said.reader_run, 1.0, 1.0, COUNT_MAX),
            subscriptions: asked.number("subscriptions", said.subscriptions, connections, 0.0, COUNT_MAX),
            replay_rate: asked.number("replay_rate", said.replay_rate, 0.0, 0.0, COUNT_MAX),
            retention_days: asked.number("retention_days", said.retention_days, 30.0, 0.0, 36_500.0),
            durability: said.durability.unwrap_or_default(),
            shards: said.shards.map(|_| shards as usize),
            cores: asked.number("cores", said.cores, f64::from(calibration.cores.max(1)), 1.0, 4_096.0),
            ram_bytes: asked.number("ram_gib", said.ram_gib, calibration.memory_gib.max(0.1), 0.1, 1e6)
                * f64::from(1 << 30),
            sync_us: asked.number("sync_us", said.sync_us, facts.sync_p50_us, 0.0, 1e7),
            disk_bytes_per_second: asked.number(
                "disk_mb_s",
                said.disk_mb_s,
                facts.disk_bytes_per_second / 1e6,
                0.001,
                1e9,
            ) * 1e6,
            nic_bytes_per_second: asked.number("nic_gbit_s", said.nic_gbit_s, 10.0, 0.001, 1e5) * 1.25e8,
        };
        if asked.violations.is_empty() { Ok(deployment) } else { Err(asked.violations) }
    }

    /// Events per second, if they come at a rate.
    pub fn rate(&self) -> Option<f64> {
        match self.pace {
            Pace::Rate(rate) => Some(rate),
            Pace::Window(_) => None,
        }
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Asked {
    violations: Vec<Violation>,
}

impl Asked {
    /// The number said, if it is within bounds, else the default. A default is within them.
    fn number(&mut self, field: &'static str, said: Option<f64>, default: f64, least: f64, most: f64) -> f64 {
        let Some(value) = said else { return default };
        if value >= least && value <= most {
            return value;
        }
        self.wrong(field, format!("{value} is not between {least} and {most}"));
        default
    }

    fn pace(&mut self, said: &Description) -> Pace {
        match (said.rate, said.window) {
            (Some(_), None) => Pace::Rate(self.number("rate", said.rate, 0.0, 0.0, COUNT_MAX)),
            (None, Some(_)) => Pace::Window(self.number("window", said.window, 1.0, 1.0, 4_096.0)),
            (Some(_), Some(_)) => {
                self.wrong("window", "give either it or `rate`: publishers wait, or they do not".to_owned());
                Pace::Rate(0.0)
            }
            (None, None) => {
                self.wrong("rate", "is missing: events per second, of all publishers together".to_owned());
                Pace::Rate(0.0)
            }
        }
    }

    fn wrong(&mut self, field: &'static str, message: String) {
        self.violations.push(Violation { field, message });
    }
}

//! The plan of a run: what follows from the command line.

use crate::options::{Command, Load};
use axon::base::Kind;
use serde::{Deserialize, Serialize};

/// Everything about a run but the relay: the numbers that a result is only comparable with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub command: Command,
    /// Events have these kinds in turn.
    pub kinds: Vec<u16>,
    pub publishers: usize,
    pub window: usize,
    pub rate: Option<u64>,
    pub subscribers: usize,
    pub subscriptions: usize,
    pub connections: usize,
    pub size: usize,
    pub authors: usize,
    pub tags: usize,
    pub count: usize,
    pub seconds: u64,
    pub warmup: usize,
    pub spin: bool,
    pub seed: u64,
    /// Events read from the log per second, beside the rest; 0: none.
    #[serde(default)]
    pub replay_rate: u64,
}

/// Deliveries of one fan-out run: some seconds at the rate aimed for.
const FANOUT_DELIVERIES: usize = 60_000_000;

impl Plan {
    /// The workload's defaults with what was given in their place.
    pub fn new(command: Command, load: &Load, smoke: bool) -> Plan {
        let mut plan = Plan {
            command,
            kinds: vec![Kind::MESSAGE.0],
            publishers: 1,
            window: 1024,
            rate: None,
            subscribers: 0,
            subscriptions: 0,
            connections: 1,
            size: 300,
            authors: 8,
            tags: 2,
            count: 0,
            seconds: 20,
            warmup: 0,
            spin: false,
            seed: load.seed,
            replay_rate: load.replay_rate.unwrap_or(0),
        };
        plan.apply_defaults(load);
        if smoke {
            plan.shrink();
        }
        plan.apply(load);
        plan
    }

    fn apply_defaults(&mut self, load: &Load) {
        match self.command {
            Command::Ingest => (self.publishers, self.window, self.count) = (8, 128, 300_000),
            Command::Fanout => {
                self.kinds = vec![Kind::PROGRESS.0];
                self.subscribers = load.subscribers.unwrap_or(100);
                self.count = (FANOUT_DELIVERIES / self.subscribers.max(1)).clamp(10_000, 200_000);
            }
            Command::Selective => {
                (self.subscriptions, self.connections, self.count) = (10_000, 50, 200_000);
            }
            Command::Replay => (self.publishers, self.window, self.count) = (8, 512, 1_000_000),
            Command::Idle => self.connections = 5_000,
            Command::Connect => (self.connections, self.count) = (16, 15_000),
            Command::Churn => {
                (self.connections, self.subscriptions, self.count) = (8, 128, 50_000);
                self.rate = Some(2_000);
            }
            Command::Latency => {
                (self.subscribers, self.count, self.rate) = (10, 10_000, Some(1_000));
                self.spin = true;
            }
            Command::Mixed => (self.connections, self.window, self.count) = (100, 8, 200_000),
            Command::Growth => {
                // A window, as in `ingest`: at a fixed rate the size of the batches decides, not
                // what grows. Long enough for the clock ticks, short enough for nine points
                // three times.
                (self.publishers, self.window, self.count) = (8, 128, 150_000);
            }
            Command::Sweep
            | Command::All
            | Command::Soak
            | Command::Gather
            | Command::Page
            | Command::Keys
            | Command::Micro
            | Command::Calibrate
            | Command::Validate => {}
        }
    }

    fn shrink(&mut self) {
        self.count = self.count.min(match self.command {
            Command::Latency | Command::Connect => 300,
            Command::Fanout => 2_000,
            _ => 5_000,
        });
        self.connections = self.connections.min(100);
        self.subscriptions = self.subscriptions.min(500);
        self.seconds = 2;
    }

    fn apply(&mut self, load: &Load) {
        self.kinds = load.kind.map_or_else(|| std::mem::take(&mut self.kinds), |kind| vec![kind]);
        self.rate = load.rate.or(self.rate);
        self.seconds = load.seconds.unwrap_or(self.seconds);
        for (field, given) in [
            (&mut self.publishers, load.publishers),
            (&mut self.window, load.window),
            (&mut self.subscribers, load.subscribers),
            (&mut self.subscriptions, load.subscriptions),
            (&mut self.connections, load.connections),
            (&mut self.size, load.size),
            (&mut self.authors, load.authors),
            (&mut self.tags, load.tags),
            (&mut self.count, load.count),
        ] {
            // Of everything that can be counted there is at least one, but for readers and tags.
            *field = given.unwrap_or(*field);
        }
        for field in [&mut self.publishers, &mut self.window, &mut self.connections, &mut self.authors] {
            *field = (*field).max(1);
        }
        // A selective event has the tag that selects it.
        self.tags = self.tags.max(usize::from(self.subscriptions > 0));
        if self.command == Command::Mixed {
            // A job takes two; everybody is an author and signs for himself.
            self.connections = self.connections.max(2);
            self.authors = self.connections;
        }
        self.warmup = load.warmup.unwrap_or(self.count / 10);
        self.spin &= !load.no_spin;
    }

    /// The values of the first tag.
    pub fn topics(&self) -> usize {
        match self.command {
            Command::Selective => self.subscriptions.max(1),
            _ => 1000,
        }
    }

    /// Whether none of the events is stored.
    pub fn is_ephemeral(&self) -> bool {
        self.kinds.iter().all(|kind| Kind(*kind).is_ephemeral())
    }

    /// What a result is compared by.
    pub fn name(&self, durability: &str, shards: usize) -> String {
        let what = if self.is_ephemeral() { "ephemeral" } else { durability };
        let pace = self.rate.map_or(format!("W{}", self.window), |rate| format!("{rate}/s"));
        let load = match self.command {
            Command::Ingest => format!("P{} {pace}", self.publishers),
            Command::Mixed => format!("C{} {pace}", self.connections),
            Command::Growth => {
                format!("C{} N{} {pace}", self.publishers + self.connections, self.subscriptions)
            }
            Command::Fanout | Command::Latency => format!("S{} {pace}", self.subscribers),
            Command::Selective => format!("N{} {pace}", self.subscriptions),
            Command::Replay => format!("n{}", self.count),
            Command::Idle | Command::Connect => format!("C{}", self.connections),
            Command::Churn => format!("C{} N{}", self.connections, self.subscriptions),
            Command::Sweep
            | Command::All
            | Command::Soak
            | Command::Gather
            | Command::Page
            | Command::Keys
            | Command::Micro
            | Command::Calibrate
            | Command::Validate => String::new(),
        };
        let command = format!("{:?}", self.command).to_lowercase();
        let size = if self.size == 300 { String::new() } else { format!(" {} B", self.size) };
        let replays =
            if self.replay_rate > 0 { format!(" replays {}/s", self.replay_rate) } else { String::new() };
        format!(
            "{command} {what} {load}{size}{replays}, {shards} shard{}",
            if shards == 1 { "" } else { "s" }
        )
    }
}

//! The runs of a calibration. Each differs from another in the one thing whose price it tells.

use crate::options::{Command, Load, RelayArgs};
use crate::plan::Plan;
use axon::base::Kind;
use axon::plan::sizes::INDEX_FLUSH_EVENTS;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its CPU is explained by prices.
    Price,
    /// Its memory is measured.
    Idle,
    /// The same, with subscriptions.
    Subscribed,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    pub label: &'static str,
    pub role: Role,
    pub plan: Plan,
    pub relay: RelayArgs,
}

/// Subscriptions on each of the connections whose memory is measured.
pub const SUBSCRIPTIONS_EACH: usize = 100;

/// All runs, on a relay as in `args` but for shards and durability.
pub fn runs(load: &Load, args: &RelayArgs, smoke: bool) -> Vec<Run> {
    let seed = load.seed;
    let run = |label, role, command, durability: &str, mut load: Load| {
        load.seed = seed;
        if smoke {
            load.count = load.count.map(|count| count.min(400));
            load.connections = load.connections.map(|connections| connections.min(20));
            load.subscriptions =
                load.subscriptions.map(|subscriptions| subscriptions.min(20 * SUBSCRIPTIONS_EACH));
        }
        let mut relay = args.clone();
        (relay.durability, relay.shards) = (durability.to_owned(), 1);
        Run { label, role, plan: Plan::new(command, &load, false), relay }
    };
    let price = |label, command, durability, load| run(label, Role::Price, command, durability, load);
    let mut out: Vec<Run> = INGEST
        .iter()
        .map(|ingest| price(ingest.label, Command::Ingest, ingest.durability, ingest.load()))
        .collect();
    out.extend(FANOUT.iter().map(|fanout| {
        let durability = if fanout.stored { "os" } else { "fsync" };
        price(fanout.label, Command::Fanout, durability, fanout.load())
    }));
    let selective = Load { subscriptions: Some(50_000), count: Some(MERGED), ..Load::default() };
    out.push(price("selective 50 000", Command::Selective, "os", selective));
    for (label, size, count) in [("replay, 300 bytes", 300, 200_000), ("replay, 2 000 bytes", 2_000, 50_000)]
    {
        let load = Load { size: Some(size), count: Some(count), ..Load::default() };
        out.push(price(label, Command::Replay, "os", load));
    }
    let idle = Load { connections: Some(5_000), ..Load::default() };
    out.push(run("idle connections", Role::Idle, Command::Idle, "os", idle));
    let connections = 200;
    let subscribed = Load {
        connections: Some(connections),
        subscriptions: Some(connections * SUBSCRIPTIONS_EACH),
        ..Load::default()
    };
    out.push(run("idle subscriptions", Role::Subscribed, Command::Idle, "os", subscribed));
    out
}

/// So many events fill the memtables of the index once: from then on rows are written and merged,
/// and the store is as dear as it stays.
const MERGED: usize = INDEX_FLUSH_EVENTS as usize + 10_000;

struct Ingest {
    label: &'static str,
    durability: &'static str,
    /// The events are not stored.
    ephemeral: bool,
    publishers: usize,
    window: usize,
    authors: usize,
    size: usize,
    tags: usize,
    count: usize,
}

impl Ingest {
    fn load(&self) -> Load {
        Load {
            kind: Some(if self.ephemeral { Kind::PROGRESS.0 } else { Kind::MESSAGE.0 }),
            publishers: Some(self.publishers),
            window: Some(self.window),
            authors: Some(self.authors),
            size: Some(self.size),
            tags: Some(self.tags),
            count: Some(self.count),
            ..Load::default()
        }
    }
}

const fn ingest(label: &'static str, publishers: usize, window: usize, count: usize) -> Ingest {
    Ingest {
        label,
        durability: "os",
        ephemeral: false,
        publishers,
        window,
        authors: 8,
        size: 300,
        tags: 2,
        count,
    }
}

const INGEST: &[Ingest] = &[
    ingest("os, 1 × 1", 1, 1, 8_000),
    ingest("os, 1 × 8", 1, 8, 30_000),
    ingest("os, 8 × 1", 8, 1, 20_000),
    ingest("os, 8 × 8", 8, 8, 40_000),
    ingest("os, 1 × 128", 1, 128, 50_000),
    ingest("os, 8 × 128", 8, 128, 2 * MERGED),
    ingest("os, 8 × 128, 1 200 bytes", 8, 128, MERGED).of(1_200, 2, 8),
    ingest("os, 8 × 32, 8 200 bytes", 8, 32, 30_000).of(8_200, 2, 8),
    ingest("os, 8 × 128, 8 tags", 8, 128, MERGED).of(500, 8, 8),
    ingest("fsync, 1 × 1", 1, 1, 3_000).fsync(),
    ingest("fsync, 8 × 8", 8, 8, 30_000).fsync(),
    ingest("fsync, 8 × 128", 8, 128, MERGED).fsync(),
    ingest("ephemeral, 1 × 1", 1, 1, 10_000).ephemeral(),
    ingest("ephemeral, 1 × 8", 1, 8, 30_000).ephemeral(),
    ingest("ephemeral, 8 × 8", 8, 8, 40_000).ephemeral(),
    ingest("ephemeral, 8 × 128", 8, 128, 120_000).ephemeral(),
    ingest("ephemeral, 8 × 128, 1 author", 8, 128, 60_000).ephemeral().of(300, 2, 1),
    ingest("ephemeral, 8 × 128, 64 authors", 8, 128, 60_000).ephemeral().of(300, 2, 64),
    ingest("ephemeral, 8 × 8, 1 author", 8, 8, 40_000).ephemeral().of(300, 2, 1),
    ingest("ephemeral, 8 × 32, 8 200 bytes", 8, 32, 10_000).ephemeral().of(8_200, 2, 8),
];

impl Ingest {
    const fn of(self, size: usize, tags: usize, authors: usize) -> Ingest {
        Ingest { size, tags, authors, ..self }
    }

    const fn fsync(self) -> Ingest {
        Ingest { durability: "fsync", ..self }
    }

    const fn ephemeral(self) -> Ingest {
        Ingest { ephemeral: true, ..self }
    }
}

struct Fanout {
    label: &'static str,
    stored: bool,
    subscribers: usize,
    window: usize,
    size: usize,
    count: usize,
}

impl Fanout {
    fn load(&self) -> Load {
        Load {
            kind: Some(if self.stored { Kind::MESSAGE.0 } else { Kind::PROGRESS.0 }),
            subscribers: Some(self.subscribers),
            window: Some(self.window),
            size: Some(self.size),
            count: Some(self.count),
            ..Load::default()
        }
    }
}

const fn fanout(label: &'static str, subscribers: usize, window: usize, size: usize, count: usize) -> Fanout {
    Fanout { label, stored: false, subscribers, window, size, count }
}

const FANOUT: &[Fanout] = &[
    fanout("fan-out to 10", 10, 1_024, 300, 100_000),
    fanout("fan-out to 100", 100, 1_024, 300, 80_000),
    fanout("fan-out to 1 000", 1_000, 1_024, 300, 16_000),
    fanout("fan-out to 100, 8 in flight", 100, 8, 300, 6_000),
    fanout("fan-out to 100, 2 000 bytes", 100, 128, 2_000, 20_000),
    Fanout { stored: true, ..fanout("fan-out to 100, stored", 100, 1_024, 300, 100_000) },
];

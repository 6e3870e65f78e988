//! What work there is, and which thread does it: the one table behind calibration and prediction.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whose CPU it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The shards' threads together.
    Shards,
    /// The one committer thread.
    Committer,
    /// The one indexer thread.
    Indexer,
    /// The database's threads for flushes and merges.
    Compaction,
    /// The threads that answer stored queries.
    Readers,
}

impl Part {
    /// In the order an event meets them.
    pub const ALL: [Part; 5] =
        [Part::Shards, Part::Committer, Part::Indexer, Part::Compaction, Part::Readers];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Part::Shards => "shards",
            Part::Committer => "committer",
            Part::Indexer => "indexer",
            Part::Compaction => "compaction",
            Part::Readers => "readers",
        }
    }

    /// The part a thread of that name belongs to; `None`: HTTP and others that no event meets.
    pub fn of_thread(name: &str) -> Option<Part> {
        let prefixes = [
            ("axon-shard", Part::Shards),
            ("axon-commit", Part::Committer),
            ("axon-index", Part::Indexer),
            ("axon-read", Part::Readers),
            ("rocksdb", Part::Compaction),
        ];
        prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, part)| *part)
    }
}

/// Work of the whole relay: of one second, or of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Published.
    pub events: f64,
    /// Verify batches.
    pub turns: f64,
    /// Different authors, summed over the batches.
    pub authors: f64,
    pub received_bytes: f64,
    /// A publisher's socket read, and its replies written.
    pub exchanges: f64,
    /// Events that went to the log, and their bytes and tags.
    pub stored: f64,
    pub stored_bytes: f64,
    pub stored_tags: f64,
    /// Shards woken by another thread.
    pub wakeups: f64,
    /// Events looked up among subscriptions, once for each shard that may want them, times the
    /// doublings of their number ([`doublings`]).
    pub matched: f64,
    /// Stored events of which the committer asks which shards want them, times the doublings of
    /// all subscriptions.
    pub routed: f64,
    pub deliveries: f64,
    /// Socket writes that carry live deliveries.
    pub delivery_writes: f64,
    pub sent_bytes: f64,
    pub commits: f64,
    /// Commits that waited for the disk.
    pub syncs: f64,
    /// Events read from the log, and their bytes.
    pub replayed: f64,
    pub replayed_bytes: f64,
}

/// From none to so many, how often they double: a table's next doubling is another part of it that
/// the nearer caches do not hold.
pub fn doublings(subscriptions: f64) -> f64 {
    (1.0 + subscriptions).log2()
}

/// One price.
#[derive(Debug)]
pub struct Coefficient {
    /// Its name in a calibration file.
    pub name: &'static str,
    pub part: Part,
    /// What is paid for, in CPU microseconds each.
    pub unit: &'static str,
    /// Which calibration runs tell it apart from the others.
    pub told_by: &'static str,
    /// How much of it there is.
    pub count: fn(&Counts) -> f64,
}

const fn price(
    name: &'static str,
    part: Part,
    unit: &'static str,
    told_by: &'static str,
    count: fn(&Counts) -> f64,
) -> Coefficient {
    Coefficient { name, part, unit, told_by, count }
}

/// Every price of the model.
pub const COEFFICIENTS: &[Coefficient] = &[
    price(
        "shard.event",
        Part::Shards,
        "event: decoded, hashed, its share of a batch check",
        "large windows",
        |c| c.events,
    ),
    price(
        "shard.turn",
        Part::Shards,
        "verify batch: a turn of the shard's loop",
        "1, 8 and 128 in flight",
        |c| c.turns,
    ),
    price("shard.author", Part::Shards, "different author in a batch", "1, 8 and 64 authors", |c| c.authors),
    price(
        "shard.received_byte",
        Part::Shards,
        "byte received: read, hashed",
        "300, 1 200 and 8 200 bytes",
        |c| c.received_bytes,
    ),
    price("shard.exchange", Part::Shards, "publisher's read and reply write", "1 and 8 publishers", |c| {
        c.exchanges
    }),
    price(
        "shard.stored",
        Part::Shards,
        "stored event: hand-off, outcome",
        "ephemeral beside stored kinds",
        |c| c.stored,
    ),
    price(
        "shard.wakeup",
        Part::Shards,
        "wake-up: a turn for outcomes and live events",
        "small windows, stored",
        |c| c.wakeups,
    ),
    price(
        "shard.match",
        Part::Shards,
        "event looked up among subscriptions, each doubling of them",
        "fan-out to 10, selective",
        |c| c.matched,
    ),
    price("shard.delivery", Part::Shards, "delivery: its frame", "fan-out to 10, 100, 1 000", |c| {
        c.deliveries
    }),
    price(
        "shard.delivery_write",
        Part::Shards,
        "socket write of deliveries",
        "fan-out with small windows",
        |c| c.delivery_writes,
    ),
    price(
        "shard.sent_byte",
        Part::Shards,
        "byte written to sockets",
        "fan-out of 300 and 2 000 bytes",
        |c| c.sent_bytes,
    ),
    price("shard.replayed", Part::Shards, "replayed event: its frame", "replay", |c| c.replayed),
    price("commit.commit", Part::Committer, "commit", "1, 8 and 128 in flight", |c| c.commits),
    price("commit.sync", Part::Committer, "disk sync, its CPU", "fsync beside os", |c| c.syncs),
    price(
        "commit.event",
        Part::Committer,
        "stored event: duplicate check, rows, routing",
        "large windows",
        |c| c.stored,
    ),
    price(
        "commit.match",
        Part::Committer,
        "stored event routed to shards, each doubling of the subscriptions",
        "selective",
        |c| c.routed,
    ),
    price("commit.byte", Part::Committer, "stored byte", "300, 1 200 and 8 200 bytes", |c| c.stored_bytes),
    price("index.commit", Part::Indexer, "commit that reaches the indexer", "1, 8 and 128 in flight", |c| {
        c.commits
    }),
    price("index.event", Part::Indexer, "stored event: its rows", "large windows", |c| c.stored),
    price("index.tag", Part::Indexer, "tag of a stored event", "2 and 8 tags", |c| c.stored_tags),
    price("compact.event", Part::Compaction, "stored event: merged later", "the longest runs", |c| c.stored),
    price("compact.byte", Part::Compaction, "stored byte: merged later", "300, 1 200 and 8 200 bytes", |c| {
        c.stored_bytes
    }),
    price("read.event", Part::Readers, "replayed event", "replay of 300 and 2 000 bytes", |c| c.replayed),
    price("read.byte", Part::Readers, "replayed byte", "replay of 300 and 2 000 bytes", |c| c.replayed_bytes),
];

/// CPU microseconds that so much work takes, by part. A price that `prices` lacks counts as 0;
/// a checked calibration has them all.
pub fn cpu_us(counts: &Counts, prices: &BTreeMap<String, f64>) -> BTreeMap<Part, f64> {
    let mut parts: BTreeMap<Part, f64> = Part::ALL.iter().map(|part| (*part, 0.0)).collect();
    for coefficient in COEFFICIENTS {
        let each = prices.get(coefficient.name).copied().unwrap_or(0.0);
        *parts.entry(coefficient.part).or_default() += each * (coefficient.count)(counts);
    }
    parts
}

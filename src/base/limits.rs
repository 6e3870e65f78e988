//! Every bound of the relay, in one place, each with what breaks above it.
//!
//! [`Limits`] are the configurable ones; the constants are those whose change would need
//! thought about the code. Sizes are in bytes, times in milliseconds unless the name says more.

/// Content of one event (protocol §1: 65 536). Fixed by the protocol.
pub const CONTENT_BYTES_MAX: usize = 65_536;

/// A `sub_id` (protocol §2).
pub const SUB_ID_BYTES_MAX: usize = 64;

/// A name for people, of a relay or a key; longer ones only clutter.
pub const NAME_BYTES_MAX: usize = 256;

/// Shards: one bit each in the interest table's masks.
pub const SHARDS_MAX: usize = 64;

/// Events of one verify batch: at about 5 µs each a batch holds its shard for little more than a
/// millisecond. Twice as many would save 4 % more (perf/experiments.md) and hold it for 2.4 ms.
pub const VERIFY_BATCH_EVENTS_MAX: usize = 256;

/// Bytes of one verify batch: hashing 2 MiB takes about a millisecond.
pub const VERIFY_BATCH_BYTES_MAX: usize = 2 << 20;

/// Events of one commit. Bounds the latency of the fsync that all of them wait for and the
/// memory of one batch; far above what one disk sync gathers.
pub const COMMIT_EVENTS_MAX: usize = 4_096;

/// Bytes of one commit; see [`COMMIT_EVENTS_MAX`].
pub const COMMIT_BYTES_MAX: usize = 16 << 20;

/// Committed batches waiting for one shard. A shard that is further behind serves its
/// subscriptions from the log instead.
pub const LIVE_BATCHES_PER_SHARD_MAX: usize = 256;

/// Bytes of those batches, and apart from them of ephemeral events: what a shard that does not
/// come to it can hold in memory. At least one batch always fits.
pub const LIVE_BYTES_PER_SHARD_MAX: usize = 64 << 20;

/// Events the catching-up of a subscription may take from the tail ring in one turn. More
/// would hold the shard longer than a verify batch does.
pub const CATCH_UP_EVENTS_MAX: usize = 1_024;

/// Bytes read from one connection per turn: about 600 events, so that one connection at full
/// speed cannot keep a shard from the others.
pub const READ_BYTES_PER_TURN: usize = 256 << 10;

/// The same of a connection whose messages were mostly dealt with one by one (subscriptions, pings,
/// publishes refused at sight) and not in a batch: a few hundred of them, about a millisecond. More
/// than a record of TLS, which is only opened whole.
pub const READ_BYTES_OF_SINGLES: usize = 20 << 10;

/// Entries of a shard's ring: more than the sockets that get ready in one turn. A ring of this
/// size locks up to 512 kB of memory.
pub const RING_ENTRIES: u32 = 4_096;

/// Bytes of a WebSocket or HTTP request head.
pub const REQUEST_HEAD_BYTES_MAX: usize = 8 << 10;

/// Public keys whose decompressed, checked point is kept, per verifier: about 200 B each.
pub const KEY_CACHE_MAX: usize = 65_536;

/// Events of one batch of an import: all cores judge them together, and a commit takes them.
pub const IMPORT_BATCH_EVENTS_MAX: usize = 4_096;

/// Bytes of one batch of an import; a single event may be as large as a message can be.
pub const IMPORT_BATCH_BYTES_MAX: usize = 8 << 20;

/// Connections that an operator is shown at once: more than he reads, and what a shard picks out
/// while it looks through its own.
pub const ROSTER_MAX: usize = 200;

/// The configurable limits, with safe defaults. `axon config` prints each with its cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// One WebSocket message; a longer one closes its connection.
    pub message_bytes_max: usize,
    /// Content of one event.
    pub content_bytes_max: usize,
    /// Subscriptions of one connection.
    pub subscriptions_max: usize,
    /// Entries of `ids`, `authors`, `kinds`, `kind_ranges` each, and values of all `tags` together.
    pub filter_entries_max: usize,
    /// Tag filters of one filter.
    pub filter_tags_max: usize,
    /// Publishes of one connection that have no reply on the wire yet.
    pub in_flight_max: usize,
    /// Bytes of those publishes.
    pub in_flight_bytes_max: usize,
    /// Bytes of publishes one shard has with the committer.
    pub shard_in_flight_bytes_max: usize,
    /// Bytes queued for one connection; more than [`Limits::message_bytes_max`], so that every
    /// event can be delivered.
    pub queue_bytes_max: usize,
    /// Bytes queued for all connections of a shard.
    pub shard_queue_bytes_max: usize,
    /// How far an event's `created_at` may be ahead of the relay's clock, in seconds.
    pub max_future_seconds: i64,
    /// How long an ephemeral id is remembered, in seconds.
    pub seen_window_seconds: i64,
    /// Ephemeral ids remembered; above it the window shrinks.
    pub seen_ids_max: usize,
    /// Time from accept to a verified login.
    pub auth_timeout_ms: u64,
    /// Time between pings.
    pub ping_interval_ms: u64,
    /// A connection without any sign of life for this long is closed.
    pub idle_timeout_ms: u64,
    /// A socket that takes no byte for this long is closed.
    pub stall_timeout_ms: u64,
    /// Time a refused connection's input is discarded before it is closed.
    pub linger_ms: u64,
    /// Open connections.
    pub connections_max: usize,
    /// Connections that have not logged in; beyond it the oldest of them ends.
    pub half_open_max: usize,
    /// Open connections of one address, or one /64 of IPv6; 0: no limit.
    pub connections_per_address_max: usize,
    /// Of those, connections that have not logged in; 0: no limit.
    pub half_open_per_address_max: usize,
    /// The two above do not count connections from this machine.
    pub exempt_loopback: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes_max: 1 << 20,
            content_bytes_max: CONTENT_BYTES_MAX,
            subscriptions_max: 256,
            filter_entries_max: 1_024,
            filter_tags_max: 16,
            in_flight_max: 4_096,
            in_flight_bytes_max: 4 << 20,
            shard_in_flight_bytes_max: 64 << 20,
            queue_bytes_max: 2 << 20,
            shard_queue_bytes_max: 256 << 20,
            max_future_seconds: 900,
            seen_window_seconds: 900,
            seen_ids_max: 4 << 20,
            auth_timeout_ms: 10_000,
            ping_interval_ms: 30_000,
            idle_timeout_ms: 60_000,
            stall_timeout_ms: 60_000,
            linger_ms: 2_000,
            connections_max: 100_000,
            half_open_max: 8_192,
            connections_per_address_max: 1_024,
            half_open_per_address_max: 64,
            exempt_loopback: true,
        }
    }
}

//! What the relay holds by its defaults, in bytes, and its threads. The planner names no other room,
//! so each number stands here once more: tests beside the code that it is taken from compare them.

const MIB: f64 = 1_048_576.0;

/// `store.cache_bytes`: blocks of all families, their indexes and filters included.
pub const CACHE_BYTES: f64 = 256.0 * MIB;
/// `store.ring_events_max` and `store.ring_bytes_max`, whichever comes first.
pub const RING_EVENTS: f64 = 131_072.0;
pub const RING_BYTES: f64 = 128.0 * MIB;
/// An event in the ring, beyond its bytes and the places of its tags: its head, its two counts,
/// its id and key, what the allocator rounds up.
pub const RING_EVENT_BYTES: f64 = 120.0;
pub const RING_TAG_BYTES: f64 = 14.0;

/// `store.reader_threads`.
pub const READER_THREADS: f64 = 2.0;
/// `store.background_threads`, of which one flushes.
pub const MERGE_THREADS: f64 = 3.0;

/// Memtables of one family at once: one fills, another is being flushed.
pub const MEMTABLES: f64 = 2.0;
/// `store.log_memtable_bytes`, `store.ids_memtable_bytes`, `store.index_memtable_bytes`.
pub const LOG_MEMTABLE_BYTES: f64 = 32.0 * MIB;
pub const IDS_MEMTABLE_BYTES: f64 = 16.0 * MIB;
pub const INDEX_MEMTABLE_BYTES: f64 = 32.0 * MIB;
/// `store.index_flush_events`: index families are flushed after so many events, which is before
/// their memtables are full but where events have many tags.
pub const INDEX_FLUSH_EVENTS: f64 = 262_144.0;
/// Index families with one row for each event: author, kind, author and kind. A fourth has one
/// for each tag; the fifth, one for 4 096 events, is too small to count.
pub const INDEX_ROWS: f64 = 3.0;
/// An index row in a memtable: 28 bytes with its lengths, the list's links, in steps of 16.
pub const INDEX_ROW_BYTES: f64 = 49.0;

/// What each id in the log keeps in the block cache: its filter's 16 bits, its part of an index block.
pub const ID_HELD_BYTES: f64 = 2.25;
/// Ids of deleted events are merged away when they are such a part of those that are left.
pub const IDS_DELETED_SHARE: f64 = 0.25;

/// A remembered ephemeral id, in a table that has just grown.
pub const SEEN_ID_BYTES: f64 = 40.0;
/// A second that has ids, in one of so many parts of the set.
pub const SEEN_SECOND_BYTES: f64 = 150.0;
pub const SEEN_PARTITIONS: f64 = 64.0;

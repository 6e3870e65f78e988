//! What the store takes from configuration. `app` translates; nothing here reads a file.

use super::purge::Retention;
use std::path::PathBuf;

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk: one sync for all that waited.
    Fsync,
    /// The operating system has it: survives a killed process, not a power cut.
    Os,
}

/// Where the log lies and what it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// The relay's data directory; the store keeps to `log/` inside it.
    pub dir: PathBuf,
    pub durability: Durability,
    /// Block cache for all families. More keeps more of the indexes and of the recent log from
    /// being read and decompressed again.
    pub cache_bytes: usize,
    /// Memtable of the log. A start after a crash replays up to two of these from the
    /// write-ahead log, at about 100 MB/s.
    pub log_memtable_bytes: usize,
    /// Memtable of the id index. Larger means fewer, larger merges of random keys.
    pub ids_memtable_bytes: usize,
    /// Memtable of each index family. The explicit flush every `index_flush_events` usually
    /// comes first; this bounds events with very many tags.
    pub index_memtable_bytes: usize,
    /// Threads RocksDB may use for flushes and merges. With one that merges, a merge of
    /// gigabytes would keep the small ones waiting; more than one work only under pressure.
    pub background_threads: usize,
    /// Threads that answer queries.
    pub reader_threads: usize,
    /// Files kept open at once.
    pub open_files_max: usize,
    /// Events in the tail ring. Must hold a run of the indexer and what is committed while it
    /// is written, or the committer waits for the indexer.
    pub ring_events_max: usize,
    /// Bytes in the tail ring; see `ring_events_max`.
    pub ring_bytes_max: usize,
    /// Events the indexer writes at once. Larger runs sort better and cost less per event;
    /// queries look at what is not indexed yet one by one.
    pub index_run_events: usize,
    /// Bytes of events after which a run is written although it has fewer events.
    pub index_run_bytes: usize,
    /// How long the first event of an unfinished run waits for the indexer.
    pub index_delay_ms: u64,
    /// Events after which index rows are flushed to disk: what a start after a crash has to
    /// index again, at about 3 µs per event.
    pub index_flush_events: u64,
    /// Room on the disk that publishes leave free: what is in the memtables must fit, and what a
    /// merge needs for a while.
    pub reserve_bytes: u64,
    /// How long a query may hold a reader thread before it goes to the back of the queue.
    pub slice_nanos: u64,
    /// What may be forgotten; a running store can be told otherwise.
    pub retention: Retention,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            dir: PathBuf::from("axon-data"),
            durability: Durability::Fsync,
            cache_bytes: 256 << 20,
            log_memtable_bytes: 32 << 20,
            ids_memtable_bytes: 16 << 20,
            index_memtable_bytes: 32 << 20,
            background_threads: 4,
            reader_threads: 2,
            open_files_max: 4_096,
            ring_events_max: 131_072,
            ring_bytes_max: 128 << 20,
            index_run_events: 32_768,
            index_run_bytes: 32 << 20,
            index_delay_ms: 100,
            index_flush_events: 262_144,
            reserve_bytes: 256 << 20,
            slice_nanos: 2_000_000,
            retention: Retention::default(),
        }
    }
}

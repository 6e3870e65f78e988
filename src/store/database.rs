//! RocksDB as this room uses it: the options of each family, and reads and writes by family.

use super::families::{Family, INDEX_FAMILIES, MARK_KEY};
use super::purge::{LEDGER_GONE, decode_gone};
use super::{StoreError, StoreOptions, unfinished, wal};
use crate::base::Seq;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB, DBCompactionStyle,
    DBCompressionType, DBRecoveryMode, FlushOptions, Options, Snapshot, UniversalCompactOptions, WriteBatch,
    WriteOptions, checkpoint::Checkpoint,
};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Log bytes of one compressed block: large enough to compress and to replay well, small
/// enough for a point look-up.
const LOG_BLOCK_BYTES: usize = 16 << 10;

/// Index bytes of one compressed block: rows are small and neighbours are read together.
const INDEX_BLOCK_BYTES: usize = 8 << 10;

/// Memtable of the families that hold a few rows: the allowlist and what is known of the log.
const FEW_ROWS_MEMTABLE_BYTES: usize = 1 << 20;

/// The memtable's share that its own bloom filter of ids takes: most ids are new, and are then
/// not looked for in it.
const IDS_MEMTABLE_BLOOM_SHARE: f64 = 0.05;

/// Bytes of a new file after which they are sent to disk, so that its end finds little to sync.
const SYNC_STEP_BYTES: u64 = 1 << 20;

/// Bits per id in the bloom filter: one false look-up in two thousand. Nearly every id is new
/// and is looked for in every run, and a false answer costs a block read from a file.
const IDS_BLOOM_BITS: f64 = 16.0;

/// Sorted runs of about one size that are merged into one. A row is written again once per power
/// of this; every run is one more place where a query or a new id has to look.
const RUNS_PER_MERGE: i32 = 8;

/// Runs from which writes are slowed down, and at which they stop: what comes while a merge of
/// many minutes is under way must fit below.
const RUNS_SLOWED: i32 = 5 * RUNS_PER_MERGE;
const RUNS_MAX: i32 = 8 * RUNS_PER_MERGE;

/// Size of all runs but the oldest, as a percentage of it, from which all are merged into one.
/// There is little to gain by it where nothing is overwritten, and so it is what the merges by
/// size leave anyway.
const RUNS_SIZE_PERCENT_MAX: i32 = 100 * RUNS_PER_MERGE;

/// First and last key of a stretch of rows.
pub(super) type KeyRange = (Vec<u8>, Vec<u8>);

/// No key sorts behind it: the longest is a tag and an id.
pub(super) const LAST_KEY: [u8; 33] = [u8::MAX; 33];

/// RocksDB's own diary: kept short, beside the data.
const DIARY_BYTES_MAX: usize = 4 << 20;
const DIARY_FILES_MAX: usize = 4;

/// The open database.
pub(super) struct Database {
    db: DB,
    dir: PathBuf,
    cache: Cache,
}

impl Database {
    /// Opens (or makes) the database of a data directory.
    pub(super) fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let dir = options.dir.join("log");
        unfinished::refuse_restore(&options.dir)?;
        unfinished::refuse_repair(&options.dir)?;
        std::fs::create_dir_all(&dir).map_err(|source| StoreError::Directory { dir: dir.clone(), source })?;
        Database::open_with(options, dir, true)
    }

    /// Opens the database of a data directory, which must be there.
    pub(super) fn open_existing(options: &StoreOptions) -> Result<Self, StoreError> {
        Database::open_with(options, options.dir.join("log"), false)
    }

    fn open_with(options: &StoreOptions, dir: PathBuf, create: bool) -> Result<Self, StoreError> {
        unfinished::refuse_headless(&dir)?;
        wal::inspect(&dir)?;
        let cache = block_cache(options);
        let families = Family::ALL.map(|family| {
            ColumnFamilyDescriptor::new(family.name(), family_options(family, options, &cache))
        });
        let db = DB::open_cf_descriptors(&database_options(options, create), &dir, families)
            .map_err(|e| refusal(&dir, e))?;
        Ok(Database { db, dir, cache })
    }

    /// Opens the database in `dir` for reading alone; nothing on disk changes.
    pub(super) fn open_read_only(options: &StoreOptions, dir: &Path) -> Result<Self, StoreError> {
        unfinished::refuse_headless(dir)?;
        wal::inspect(dir)?;
        let cache = block_cache(options);
        let families = Family::ALL.map(|family| {
            ColumnFamilyDescriptor::new(family.name(), family_options(family, options, &cache))
        });
        let db = DB::open_cf_descriptors_read_only(&database_options(options, false), dir, families, false)
            .map_err(|e| refusal(dir, e))?;
        Ok(Database { db, dir: dir.to_owned(), cache })
    }

    /// Keeps every relay from the database in `dir` until the file is dropped.
    pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
        let path = dir.join("LOCK");
        let opened = File::options().write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|source| StoreError::Directory { dir: dir.to_owned(), source })?;
        let locked = rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
        locked.map(|()| file).map_err(|_| StoreError::InUse { dir: dir.to_owned() })
    }

    /// Puts the whole state, as files that never change, into `dir`, which must not exist and
    /// must be on the same disk.
    pub(super) fn checkpoint(&self, dir: &Path) -> Result<(), StoreError> {
        Checkpoint::new(&self.db).and_then(|it| it.create_checkpoint(dir)).map_err(|e| self.error(e))
    }

    /// Where it lies.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// RocksDB's own handle, for iterators and properties.
    pub(super) fn raw(&self) -> &DB {
        &self.db
    }

    /// Bytes in the block cache.
    pub(super) fn cache_bytes(&self) -> usize {
        self.cache.get_usage()
    }

    pub(super) fn cf(&self, family: Family) -> &ColumnFamily {
        match self.db.cf_handle(family.name()) {
            Some(cf) => cf,
            None => unreachable!("the database was opened with every family"),
        }
    }

    pub(super) fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get_cf(self.cf(family), key).map_err(|e| self.error(e))
    }

    pub(super) fn put_synced(&self, family: Family, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.db.put_cf_opt(self.cf(family), key, value, &synced()).map_err(|e| self.error(e))
    }

    pub(super) fn delete_synced(&self, family: Family, key: &[u8]) -> Result<(), StoreError> {
        self.db.delete_cf_opt(self.cf(family), key, &synced()).map_err(|e| self.error(e))
    }

    /// Writes a batch to the write-ahead log and the memtables.
    pub(super) fn write_logged(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.db.write(batch).map_err(|e| self.error(e))
    }

    /// Syncs the write-ahead log to disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(|e| self.error(e))
    }

    /// Writes a batch to the memtables only; it is on disk after the family's next flush.
    pub(super) fn write_unlogged(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.db.write_without_wal(batch).map_err(|e| self.error(e))
    }

    /// Moves the memtables of these families to disk; returns at once unless `wait`.
    pub(super) fn flush(&self, families: &[Family], wait: bool) -> Result<(), StoreError> {
        let mut options = FlushOptions::default();
        options.set_wait(wait);
        let families: Vec<&ColumnFamily> = families.iter().map(|family| self.cf(*family)).collect();
        self.db.flush_cfs_opt(&families, &options).map_err(|e| self.error(e))
    }

    /// The last position of the log, also if its event was deleted.
    pub(super) fn head(&self) -> Result<Seq, StoreError> {
        let gone = self.get(Family::Meta, LEDGER_GONE)?;
        let floor = gone.map_or(Ok(Seq::ZERO), |row| decode_gone(&row).map(|(floor, ..)| floor))?;
        let mut iter = self.db.raw_iterator_cf(self.cf(Family::Log));
        iter.seek_to_last();
        iter.status().map_err(|e| self.error(e))?;
        iter.key().map_or(Ok(Seq::ZERO), read_seq).map(|last| last.max(floor))
    }

    /// Drops the files of the log that hold nothing but positions below `first`, all of which
    /// are deleted. With a file that says so of an event could go what keeps an older file, which
    /// has that event and others, from showing it: so one row says it of all of them, before
    /// and, should that row itself have been moved into a dropped file, again afterwards.
    pub(super) fn drop_log_before(&self, first: u64) -> Result<(), StoreError> {
        let log = self.cf(Family::Log);
        let (from, last) = (0u64.to_be_bytes(), first.saturating_sub(1).to_be_bytes());
        let delete = || {
            let mut batch = WriteBatch::default();
            batch.delete_range_cf(log, from, first.to_be_bytes());
            self.write_logged(batch).and_then(|()| self.sync())
        };
        delete()?;
        self.db.delete_file_in_range_cf(log, from, last).map_err(|e| self.error(e))?;
        delete()
    }

    /// Merges everything from one key to another, so that deleted rows take no room. Blocks
    /// until it is done; nobody else waits.
    pub(super) fn merge(&self, family: Family, from: &[u8], to: &[u8]) {
        let mut options = CompactOptions::default();
        options.set_exclusive_manual_compaction(false);
        self.db.compact_range_cf_opt(self.cf(family), Some(from), Some(to), &options);
    }

    /// First and last key of each of a family's lowest files, ascending.
    pub(super) fn files(&self, family: Family) -> Result<Vec<KeyRange>, StoreError> {
        let files = self.db.live_files().map_err(|e| self.error(e))?;
        let of_family = || files.iter().filter(|file| file.column_family_name == family.name());
        let lowest = of_family().map(|file| file.level).max();
        let lowest = of_family().filter(|file| Some(file.level) == lowest);
        let mut keys: Vec<_> =
            lowest.filter_map(|file| Some((file.start_key.clone()?, file.end_key.clone()?))).collect();
        keys.sort();
        // What lies between two files belongs to the first, and what lies outside to its neighbour.
        let starts: Vec<Vec<u8>> = keys.iter().skip(1).map(|(start, _)| start.clone()).collect();
        for ((_, end), next) in keys.iter_mut().zip(starts) {
            *end = next;
        }
        if let Some((start, _)) = keys.first_mut() {
            start.clear();
        }
        if let Some((_, end)) = keys.last_mut() {
            *end = LAST_KEY.to_vec();
        }
        Ok(keys)
    }

    /// RocksDB's estimate of a family's rows; 0 if it gives none.
    pub(super) fn rows_estimate(&self, family: Family) -> u64 {
        let rows = self.db.property_int_value_cf(self.cf(family), "rocksdb.estimate-num-keys");
        rows.ok().flatten().unwrap_or(0)
    }

    /// Drops an index family and makes it anew, empty.
    pub(super) fn recreate(&mut self, family: Family, options: &StoreOptions) -> Result<(), StoreError> {
        let made = self
            .db
            .drop_cf(family.name())
            .and_then(|()| self.db.create_cf(family.name(), &family_options(family, options, &self.cache)));
        made.map_err(|e| self.error(e))
    }

    pub(super) fn error(&self, error: rocksdb::Error) -> StoreError {
        StoreError::Storage { dir: self.dir.clone(), message: error.into_string() }
    }
}

/// The position up to which an index family is complete, as `snapshot` sees it.
pub(super) fn mark(db: &Database, snapshot: &Snapshot<'_>, family: Family) -> Result<Seq, StoreError> {
    let row = snapshot.get_pinned_cf(db.cf(family), MARK_KEY).map_err(|e| db.error(e))?;
    row.map_or(Ok(Seq::ZERO), |row| read_seq(&row))
}

/// Reads a position from its eight bytes.
pub(super) fn read_seq(bytes: &[u8]) -> Result<Seq, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::Damaged { what: format!("a position of {} bytes", bytes.len()) })?;
    Ok(Seq(u64::from_be_bytes(bytes)))
}

fn refusal(dir: &Path, error: rocksdb::Error) -> StoreError {
    let (dir, message) = (dir.to_owned(), error.into_string());
    if message.contains("While lock file") || message.contains("lock hold by current process") {
        StoreError::InUse { dir }
    } else if message.contains("Column family not found") {
        StoreError::Older { dir }
    } else {
        StoreError::Storage { dir, message }
    }
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn database_options(options: &StoreOptions, create: bool) -> Options {
    // The database must not go on by itself after an error of the disk: see `mend`.
    let mut db = match Options::default().get_options_from_string("max_bgerror_resume_count=0") {
        Ok(options) => options,
        Err(_) => unreachable!("RocksDB knows this option"),
    };
    db.create_if_missing(create);
    db.create_missing_column_families(true);
    // Only what a crash can tear may be missing. The default would open silently without
    // everything behind a damaged record.
    db.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    db.set_max_background_jobs(clamp_i32(options.background_threads.max(2)));
    db.set_max_open_files(clamp_i32(options.open_files_max));
    // Bounds what a start has to replay: beyond it the family that lags is flushed.
    db.set_max_total_wal_size(2 * options.log_memtable_bytes as u64);
    // One thread writes the log; a second one, rarely, keys and index rows.
    db.set_allow_concurrent_memtable_write(false);
    db.set_enable_write_thread_adaptive_yield(false);
    db.set_bytes_per_sync(SYNC_STEP_BYTES);
    db.set_max_log_file_size(DIARY_BYTES_MAX);
    db.set_keep_log_file_num(DIARY_FILES_MAX);
    db.set_stats_dump_period_sec(0);
    db.set_stats_persist_period_sec(0);
    db
}

/// Few, large shards: an LRU cache has 64, which the filters of the ids (megabytes each) overfill
/// by two falling on one.
fn block_cache(options: &StoreOptions) -> Cache {
    let any_charge = 0;
    Cache::new_hyper_clock_cache(options.cache_bytes, any_charge)
}

fn family_options(family: Family, options: &StoreOptions, cache: &Cache) -> Options {
    let mut cf = Options::default();
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_format_version(6);
    cf.set_compression_type(DBCompressionType::Lz4);
    cf.set_level_compaction_dynamic_level_bytes(true);
    match family {
        Family::Log => {
            table.set_block_size(LOG_BLOCK_BYTES);
            cf.set_write_buffer_size(options.log_memtable_bytes);
        }
        Family::Ids | Family::Deleted => {
            table.set_bloom_filter(IDS_BLOOM_BITS, false);
            // Ids do not compress.
            cf.set_compression_type(DBCompressionType::None);
            cf.set_memtable_whole_key_filtering(true);
            cf.set_memtable_prefix_bloom_ratio(IDS_MEMTABLE_BLOOM_SHARE);
            cf.set_write_buffer_size(options.ids_memtable_bytes);
            merge_by_size(&mut cf);
        }
        _ if INDEX_FAMILIES.contains(&family) => {
            table.set_block_size(INDEX_BLOCK_BYTES);
            cf.set_write_buffer_size(options.index_memtable_bytes);
            merge_by_size(&mut cf);
        }
        _ => cf.set_write_buffer_size(FEW_ROWS_MEMTABLE_BYTES),
    }
    cf.set_block_based_table_factory(&table);
    cf
}

/// Where keys come in no order, levels would write every row again for every flush that meets it.
/// Runs of like size are merged instead ("tiered", as in O'Neil et al., The Log-Structured
/// Merge-Tree, 1996).
fn merge_by_size(cf: &mut Options) {
    let mut universal = UniversalCompactOptions::default();
    universal.set_min_merge_width(RUNS_PER_MERGE);
    universal.set_max_size_amplification_percent(RUNS_SIZE_PERCENT_MAX);
    cf.set_compaction_style(DBCompactionStyle::Universal);
    cf.set_universal_compaction_options(&universal);
    cf.set_level_zero_file_num_compaction_trigger(RUNS_PER_MERGE);
    cf.set_level_zero_slowdown_writes_trigger(RUNS_SLOWED);
    cf.set_level_zero_stop_writes_trigger(RUNS_MAX);
}

fn clamp_i32(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

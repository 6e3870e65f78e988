//! What the planner says that a store holds in memory and starts in threads, against the store.

use super::*;
use crate::plan::sizes;
use families::{Family, row_key};
use rocksdb::WriteBatch;

#[test]
fn the_planner_counts_with_the_stores_defaults() {
    let options = StoreOptions::default();
    for (counted, default) in [
        (sizes::CACHE_BYTES, options.cache_bytes),
        (sizes::RING_EVENTS, options.ring_events_max),
        (sizes::RING_BYTES, options.ring_bytes_max),
        (sizes::LOG_MEMTABLE_BYTES, options.log_memtable_bytes),
        (sizes::IDS_MEMTABLE_BYTES, options.ids_memtable_bytes),
        (sizes::INDEX_MEMTABLE_BYTES, options.index_memtable_bytes),
        (sizes::INDEX_FLUSH_EVENTS, options.index_flush_events as usize),
        (sizes::READER_THREADS, options.reader_threads),
        (sizes::MERGE_THREADS + 1.0, options.background_threads),
    ] {
        assert_eq!(counted, default as f64);
    }
}

/// The sum of a property of a family's files.
fn of_files(db: &Database, family: Family, name: &str) -> f64 {
    let all = db.raw().property_value_cf(db.cf(family), "rocksdb.aggregated-table-properties");
    let all = all.unwrap().expect("RocksDB knows this property");
    let value = all.split(';').find(|part| part.trim().starts_with(name)).expect(name);
    value.rsplit('=').next().unwrap().trim().parse().expect(name)
}

#[test]
fn rows_and_filters_take_as_much_as_the_planner_counts() {
    const ROWS: u64 = 200_000;
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { dir: dir.path().to_owned(), ..StoreOptions::default() };
    let db = Database::open(&options).unwrap();
    // Ids have no order: hashes of numbers, in the way that real ones are hashes.
    let mut batch = WriteBatch::default();
    for n in 0..ROWS {
        batch.put_cf(db.cf(Family::Kind), row_key(1_000, n).to_be_bytes(), [0; 2]);
        let hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        batch.put_cf(db.cf(Family::Ids), [hash; 4].concat(), n.to_be_bytes());
    }
    db.write_unlogged(batch).unwrap();
    let held = db.raw().property_int_value_cf(db.cf(Family::Kind), "rocksdb.cur-size-active-mem-table");
    // Memory is taken by the megabyte.
    let counted = ROWS as f64 * sizes::INDEX_ROW_BYTES;
    let held = held.unwrap().expect("RocksDB knows this property") as f64;
    assert!((held - counted).abs() <= 1_048_576.0, "{held}, counted {counted}");
    db.flush(&[Family::Ids], true).unwrap();
    let (filter, index) =
        (of_files(&db, Family::Ids, "filter block"), of_files(&db, Family::Ids, "index block"));
    let (each, counted) = ((filter + index) / ROWS as f64, sizes::ID_HELD_BYTES);
    assert!(each <= counted && each > counted * 0.9, "{filter} {index}, counted {counted} for each");
}

/// An event of the ring: its buffer behind two counts, its id, its key and where the buffer is.
#[test]
fn an_event_in_the_ring_takes_as_much_as_the_planner_counts() {
    let head = 16;
    let beside = (size_of::<Envelope>() + 2 * size_of::<usize>() + head) as f64;
    assert!(beside <= sizes::RING_EVENT_BYTES && beside > sizes::RING_EVENT_BYTES - 16.0, "{beside}");
}

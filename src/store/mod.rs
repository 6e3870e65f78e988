//! The log on RocksDB.

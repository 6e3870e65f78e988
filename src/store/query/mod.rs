//! Queries: planning, scanning in slices, and the threads that do it.
//!
//! A page is the same whatever plan, slice or state of the index it was read with; the oracle
//! is `log::MemLog::page`.

mod blocks;
mod cursor;
mod facts;
mod kinds;
mod merge;
mod plan;
mod pool;
mod scan;
#[cfg(test)]
mod tests;
mod view;

pub(super) use kinds::KindSet;
pub(super) use pool::{Task, start};
pub(super) use scan::{Scan, Slice};

//! Who wants an event: the interest table between shards and each shard's filter index.
//!
//! Both file a filter under its most selective condition and look an event up by the same
//! terms (`terms.rs`); what differs is the answer. [`InterestTable`] is shared by all threads and
//! says which *shards* may have a matching filter: it may err, but only on the side of asking
//! one shard too many. [`FilterIndex`] belongs to one shard and says exactly which of its
//! *subscriptions* match.
//!
//! This room sends nothing and owns no bytes; it never blocks or locks.
//!
//! # What others rely on
//!
//! * **No false negative.** A shard first makes a filter known ([`Interest::add`]), then reads
//!   the head of the log as `P`. The committer first publishes a head, then asks for
//!   [`InterestTable::mask`]. All four are SeqCst, so in their one total order either the
//!   committer's look comes after the bits, or the shard's reading of the head comes after the
//!   publishing and `P` covers the event. `tests/loom` checks this in every interleaving.
//! * **Bits outlive the filter.** A shard takes a subscription out of its index first and
//!   calls [`Interest::remove`] afterwards.
//! * **Once.** [`FilterIndex::matches`] names a key at most once per event.

mod index;
mod interest;
mod slots;
mod terms;
#[cfg(test)]
mod tests;

pub use index::FilterIndex;
pub use interest::{Interest, InterestTable};

/// The atomics that [`slots`] works on; the model in `tests/loom` puts its own here.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
}

//! Taking events out of the log: by retention, in the background, and at an operator's word.
//!
//! Events go a slice at a time: one batch that takes their rows out of the log, `ids` and the
//! index families, and says so in the [`Ledger`]: which positions hold no event any more, up to
//! where which kinds were purged, which ids may not come again. So at any moment, whatever is
//! killed, an event is there with all its rows or gone with all of them, and a gap is explained.
//! Only what every index family has is taken; what is newer waits for the indexer.
//!
//! Between two slices the thread rests, in proportion to the time the slice took, so that
//! commits and queries have the database to themselves for most of the time.
//!
//! The room on disk comes back in two ways, see `reclaim`.

mod clock;
mod gaps;
mod ledger;
mod reclaim;
mod remove;
mod retain;
mod rules;
mod slice;
mod tally;
mod tombstones;

pub(super) use gaps::Gaps;
#[cfg(test)]
pub(super) use ledger::encode_gone;
pub(super) use ledger::{GONE as LEDGER_GONE, Ledger, decode_gone};
pub(super) use reclaim::reclaim_now;
pub(super) use remove::remove;
pub use remove::{Removal, Removed};
#[cfg(test)]
pub(super) use retain::look_now;
pub(super) use retain::{Nudge, start};
pub use rules::{Retention, Rule};
pub(super) use tombstones::{copy_rows, find, verify_rows};

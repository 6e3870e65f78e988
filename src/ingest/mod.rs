//! The one door for events and keys.
//!
//! Whatever wants to enter the relay, from a socket, over HTTP or from a file, passes
//! [`Door::judge`], and every check of protocol §4 is behind it, in the protocol's order: form,
//! content size, clock, tags, id, author, signature, duplicate. Logins pass [`Door::login`],
//! changes of the allowlist pass [`Keys`]; what an operator brings in from a file passes an
//! [`Importer`], which leaves out what is about authors and the time. This room knows no connection and no transport.
//! What a key may use up is in its [`Pass`]: whoever takes events from somebody charges him
//! with [`Pass::charge_publish`] before they are judged.
//!
//! # What others rely on
//!
//! * **No verdict without every check.** A [`Verdict::Stored`] or [`Verdict::Ephemeral`] carries
//!   the only kind of envelope that may be submitted or fanned out.
//! * **An ephemeral event passes once**, over all doors of one [`Gate`], for as long as it can be
//!   accepted at all: what the [`SeenSet`] has forgotten is too old to come back.
//! * **A removal is complete when [`Keys::remove`] returns**: the row is durable, no later
//!   position has that author, and the publishers have been told.

mod allowlist;
mod door;
mod gate;
mod import;
mod keys;
mod pass;
mod passes;
mod seen;
mod storms;

pub use allowlist::{Allowlist, Grant, ListedKey, Source};
pub use door::{Arrival, Door, Verdict};
pub use gate::Gate;
pub use import::{Importer, Vetted};
pub use keys::{GrantChanges, KeyChanges, Keys, KeysError, Publishers};
pub use pass::{Pass, RoleRules, Rules, Seat};
pub use seen::{Seen, SeenSet};

#[cfg(test)]
mod tests;

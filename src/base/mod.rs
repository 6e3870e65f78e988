//! What every room shares: id newtypes, every limit with its reason, the closed [`Reason`]
//! enum, the clock, the counters and the stages that CPU time is counted by. Names no other room.

pub mod admin;
pub mod calendar;
pub mod clock;
mod closing;
pub mod counters;
mod ids;
mod kind;
pub mod limits;
mod quota;
mod reason;
pub mod stages;

pub use clock::{Clock, Millis, Now};
pub use closing::{Closing, Closings};
pub use ids::{EventId, LogId, PubKey, Seq, Signature};
pub use kind::Kind;
pub use limits::Limits;
pub use quota::{Bucket, KeyLimit, KeyLimits, KeyOverrides, Rate};
pub use reason::Reason;
pub use stages::{Stage, Stopwatch};

/// What every nonce of Gather's login begins with. The same key signs event ids and relay
/// logins, which are 32 bytes; a nonce with this prefix is longer and can be neither. Whoever
/// signs nothing else cannot be made to sign an event.
pub const GATHER_NONCE_PREFIX: &[u8; 15] = b"gather-auth-v1\0";

/// Before the old key, where a new key agrees to become an agent's; another one than a login's, so
/// that nobody who is asked to log in agrees to that.
pub const GATHER_KEY_CHANGE_PREFIX: &[u8; 14] = b"gather-key-v1\0";

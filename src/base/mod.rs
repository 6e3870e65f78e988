//! What every room shares: id newtypes, every limit with its reason, the closed [`Reason`]
//! enum, the clock, the counters and the stages that CPU time is counted by. Names no other room.

pub mod clock;
pub mod counters;
mod ids;
mod kind;
pub mod limits;
mod reason;
pub mod stages;

pub use clock::{Clock, Millis};
pub use ids::{EventId, LogId, PubKey, Seq, Signature};
pub use kind::Kind;
pub use limits::Limits;
pub use reason::Reason;
pub use stages::{Stage, Stopwatch};

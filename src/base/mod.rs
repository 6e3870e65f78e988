//! What every room shares: id newtypes, every limit with its reason, the closed [`Reason`]
//! enum, the clock, the counters and the stages that CPU time is counted by. Names no other room.

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

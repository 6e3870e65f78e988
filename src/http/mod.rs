//! Health, metrics and the control socket, on a thread and a tokio runtime of their own.
//!
//! Two doors. The public one (TCP) answers `GET /healthz` and `GET /metrics` to whoever reaches
//! it; other routes (Gather's) may be served beside them. The control door is a Unix socket in the
//! data directory that only its owner may open; through it the command line changes the allowlist of a running relay.
//! What the handlers need is handed in: nothing here reaches into a shard or a session, and
//! keys change only through [`KeyAdmin`], the same road every other caller takes.
//!
//! Cancelled futures are harmless here: a handler owns no state, and a key change runs to its
//! end on its blocking thread even when the one who asked has gone.

mod client;
mod connections;
mod control;
mod health;
mod metrics;
mod process;
mod public;
mod remote;
mod serve;

pub use client::{ControlClient, ControlError};
pub use connections::ConnectionAdmin;
pub use control::{
    CONTROL_SOCKET, Checkpoints, ControlOptions, EventAdmin, Info, KeyAdmin, KeyEntry, Reload,
};
pub use health::{Health, Status};
pub use process::{cpu_seconds, resident_bytes};
pub use public::{Beside, MoreHealth, MoreMetrics, PublicOptions};
pub use remote::{IsAdmins, Remember, RemoteOptions, admin_router};
pub use serve::{HttpThread, Peer};

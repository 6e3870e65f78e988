//! The workloads: one file for each that is not publishing alone.

mod churn;
mod connect;
mod idle;
mod mixed;
mod publish;
mod replay;
mod returning;

pub use churn::churn;
pub use connect::connect;
pub use idle::idle;
pub use mixed::mixed;
pub use publish::publish;
pub use replay::replay;

//! The workloads: one file for each that is not publishing alone.

mod churn;
mod connect;
mod idle;
mod publish;
mod replay;
mod returning;

pub use churn::churn;
pub use connect::connect;
pub use idle::idle;
pub use publish::publish;
pub use replay::replay;

//! The capacity planner: from the description of a deployment and a machine's calibration to
//! shards, cores, memory, disk, network and latency, and to what limits them.
//!
//! Pure arithmetic: no I/O, no clock, no relay. Every room is asked for by numbers:
//!
//! * [`Deployment`]: what is to be served, checked.
//! * [`Calibration`]: what one unit of work costs on a machine. `axon-perf calibrate` measures it;
//!   there are no such figures in the source.
//! * [`Counts`]: how much of each unit of work a load makes. The relay works in batches, and how
//!   large they are follows from the load itself (`batches`); that is the heart of the model.
//! * [`Plan`]: counts times costs, by thread, and what else the load needs.
//!
//! The relay's CPU is linear in its counts ([`COEFFICIENTS`]); the same table is what the
//! calibration is fitted with.

mod batches;
mod calibration;
mod capacity;
mod coefficients;
mod deployment;
mod memory;
mod outcome;
mod resources;
pub mod sizes;
#[cfg(test)]
mod tests;

pub use batches::Batches;
pub use calibration::{Calibration, CalibrationError, FORMAT, Facts, Residual};
pub use capacity::{Limit, Use};
pub use coefficients::{COEFFICIENTS, Coefficient, Counts, Part, cpu_us, doublings};
pub use deployment::{Deployment, Description, Durability, Violation, event_bytes};
pub use memory::{Memory, Setting};
pub use outcome::{Cores, CurvePoint, Latency, Load, Plan, plan, predict};
pub use resources::{Disk, Network};

//! `axon torture`: tries to make a relay lose something.
//!
//! A relay of this very program runs in a scratch directory; publishers and subscribers load it
//! while it is killed, its disk fails or fills, its files are torn and flipped and its clock
//! jumps. Everything answered is in a record of our own, and after each fault the store is read
//! back through the relay and compared with it.
//!
//! A client and a driver of processes: it names no room of the relay itself.

mod bring;
mod disk;
mod faults;
mod follow;
mod judge;
mod load;
mod plan;
mod record;
mod relay;
mod run;
mod stretch;
mod verify;

pub use run::{Figures, Options, run};

use thiserror::Error;

/// Why torture has ended early.
#[derive(Debug, Error)]
pub enum TortureError {
    /// The relay broke a promise: what was found, and how to see it again.
    #[error(
        "round {round}, after {fault}: {what}\nagain: axon torture --seed {seed}; its files are in {dir}"
    )]
    Broken { round: u64, fault: &'static str, what: String, seed: u64, dir: String },
    /// Somebody has had enough; everything was taken away.
    #[error("interrupted")]
    Interrupted,
    /// It could not be carried out.
    #[error("{what}: {source}")]
    System { what: String, source: std::io::Error },
}

/// A promise that does not hold, in words.
pub(crate) type Broken = String;

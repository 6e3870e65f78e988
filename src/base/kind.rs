//! Event kinds and what the relay does differently for some of them (protocol §9).

use std::ops::RangeInclusive;

/// What an event is about. The relay treats only two ranges specially.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kind(pub u16);

impl Kind {
    /// Who an agent says it is.
    pub const PROFILE: Kind = Kind(0);
    /// A public message.
    pub const MESSAGE: Kind = Kind(1000);
    /// An encrypted direct message.
    pub const DM: Kind = Kind(2000);
    /// A sign of life or progress; never stored.
    pub const PROGRESS: Kind = Kind(3000);
    /// Somebody wants work done.
    pub const JOB_REQUEST: Kind = Kind(5000);
    /// The work's result.
    pub const JOB_RESULT: Kind = Kind(6000);
    /// News about a job that is under way.
    pub const JOB_FEEDBACK: Kind = Kind(7000);

    /// Kinds that are fanned out and never written to disk.
    pub const EPHEMERAL: RangeInclusive<u16> = 3000..=3999;
    /// Kinds that only their author and those named in a `p` tag may read.
    pub const PRIVATE: RangeInclusive<u16> = 2000..=2999;

    /// Fanned out, never stored.
    pub fn is_ephemeral(self) -> bool {
        Self::EPHEMERAL.contains(&self.0)
    }

    /// Delivered only to its author, its `p` keys and auditors.
    pub fn is_private(self) -> bool {
        Self::PRIVATE.contains(&self.0)
    }
}

//! Which fault comes next, and what it leaves to be expected.

use rand::RngExt;
use rand::rngs::StdRng;

/// What is done to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// kill −9 under load.
    Kill,
    /// kill −9 while it starts, a few times.
    KillStart,
    /// kill −9 while files are merged.
    KillMerge,
    /// kill −9 while retention deletes.
    KillPurge,
    /// Writes or syncs fail while it starts; it may refuse, or come back by itself.
    FailStart,
    /// kill −9 while a backup is made.
    KillBackup,
    /// kill −9, and an unfinished write at the end of the write-ahead log.
    TornTail,
    /// kill −9, and one bit of the write-ahead log flipped: it must refuse to start. Then the
    /// bit is put right.
    FlippedBit,
    /// The same among the last bytes, which the kill may have torn: it must refuse, or start and
    /// have lost nothing that was answered.
    FlippedEnd,
    /// SIGTERM: it must end by itself and well.
    Terminate,
    /// Every write fails for a while.
    WriteError,
    /// Every sync fails for a while.
    SyncError,
    /// The disk is full for a while.
    FullDisk,
    /// The wall clock is somewhere else for a while, sometimes over a kill and a start.
    ClockJump,
}

impl Fault {
    /// Each with its share of the rounds.
    const SHARES: [(Fault, u32); 14] = [
        (Fault::Kill, 10),
        (Fault::KillStart, 4),
        (Fault::KillMerge, 4),
        (Fault::KillPurge, 4),
        (Fault::FailStart, 1),
        (Fault::KillBackup, 1),
        (Fault::TornTail, 3),
        (Fault::FlippedBit, 2),
        (Fault::FlippedEnd, 2),
        (Fault::Terminate, 1),
        (Fault::WriteError, 1),
        (Fault::SyncError, 1),
        (Fault::FullDisk, 1),
        (Fault::ClockJump, 1),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::KillStart => "kill during start-up",
            Fault::KillMerge => "kill during a merge",
            Fault::KillPurge => "kill during retention",
            Fault::FailStart => "failures during start-up",
            Fault::KillBackup => "kill during a backup",
            Fault::TornTail => "torn tail",
            Fault::FlippedBit => "flipped bit",
            Fault::FlippedEnd => "flipped bit at the end",
            Fault::Terminate => "SIGTERM",
            Fault::WriteError => "failed writes",
            Fault::SyncError => "failed syncs",
            Fault::FullDisk => "full disk",
            Fault::ClockJump => "clock jump",
        }
    }

    /// The fault of a round: each once at first, so that a short run has them all.
    pub(super) fn choose(round: u64, rng: &mut StdRng) -> Fault {
        if let Some((fault, _)) = usize::try_from(round).ok().and_then(|i| Fault::SHARES.get(i)) {
            return *fault;
        }
        let total: u32 = Fault::SHARES.iter().map(|(_, share)| share).sum();
        let mut at = rng.random_range(0..total);
        for (fault, share) in Fault::SHARES {
            if at < share {
                return fault;
            }
            at -= share;
        }
        Fault::Kill
    }
}

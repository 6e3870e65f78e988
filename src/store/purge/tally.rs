//! How many events of some kinds there are, and their bytes: counted once, and from then on
//! kept with every deletion, so that nothing is counted twice, whatever is killed.

use crate::base::Seq;

/// The events of some kinds up to a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) kinds: Vec<(u16, u16)>,
    /// Everything up to here is counted.
    pub(super) to: Seq,
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Tally {
    pub(super) fn new(kinds: &[(u16, u16)]) -> Self {
        Tally { kinds: kinds.to_vec(), to: Seq::ZERO, events: 0, bytes: 0 }
    }

    /// An event is there no more.
    pub(super) fn take_away(&mut self, seq: Seq, kind: u16, bytes: u64) {
        if seq <= self.to && self.kinds.iter().any(|(lo, hi)| (*lo..=*hi).contains(&kind)) {
            self.events = self.events.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// The number of ranges u16, each as two u16; `to`, events and bytes as u64.
    pub(super) fn encode(&self, row: &mut Vec<u8>) {
        // A rule has few: bounded where the configuration is read.
        row.extend_from_slice(&(self.kinds.len() as u16).to_be_bytes());
        for (lo, hi) in &self.kinds {
            row.extend_from_slice(&lo.to_be_bytes());
            row.extend_from_slice(&hi.to_be_bytes());
        }
        for n in [self.to.0, self.events, self.bytes] {
            row.extend_from_slice(&n.to_be_bytes());
        }
    }

    /// Reads one, and moves `row` behind it.
    pub(super) fn decode(row: &mut &[u8]) -> Option<Tally> {
        let count = take(row).map(u16::from_be_bytes)?;
        let mut kinds = Vec::new();
        for _ in 0..count {
            kinds.push((u16::from_be_bytes(take(row)?), u16::from_be_bytes(take(row)?)));
        }
        let [to, events, bytes] = [take(row)?, take(row)?, take(row)?].map(u64::from_be_bytes);
        Some(Tally { kinds, to: Seq(to), events, bytes })
    }
}

/// The next bytes of a row.
pub(super) fn take<const N: usize>(row: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = row.split_first_chunk()?;
    *row = rest;
    Some(*taken)
}

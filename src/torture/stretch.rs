//! The kinds of a run's events, and how much of them retention leaves.

use crate::client::Filter;

/// Authors; each has a kind of its own in every stretch.
pub(super) const AUTHORS: u8 = 4;

/// Events of [`Stretch::Counted`] that stay: about as many as come in the time of a round, so that
/// the purge is at work all the time, and what it has left can be read back after every fault.
pub(super) const COUNT_MAX: u64 = 2_000;

/// Bytes of [`Stretch::Weighed`] that stay: about as many events.
pub(super) const BYTES_MAX: u64 = 600_000;

/// What retention does with some kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    /// Everything stays.
    Kept,
    /// The newest stay, by their number.
    Counted,
    /// The newest stay, by their bytes.
    Weighed,
}

impl Stretch {
    /// Those with a rule.
    pub(super) const RULED: [Stretch; 2] = [Stretch::Counted, Stretch::Weighed];

    /// The stretch of an author's event of that number: half of them stay.
    pub(super) fn of(number: u64) -> Stretch {
        match number % 4 {
            0 => Stretch::Counted,
            1 => Stretch::Weighed,
            _ => Stretch::Kept,
        }
    }

    /// The kind of an author's events.
    pub(super) fn kind(self, author: u8) -> u16 {
        self.first() + u16::from(author)
    }

    /// Everything of the stretch.
    pub(super) fn filter(self) -> Filter {
        Filter { kind_ranges: vec![(self.first(), self.last())], ..Filter::default() }
    }

    fn first(self) -> u16 {
        match self {
            Stretch::Kept => 1_000,
            Stretch::Counted => 1_100,
            Stretch::Weighed => 1_200,
        }
    }

    fn last(self) -> u16 {
        self.kind(AUTHORS - 1)
    }
}

/// The rules as the relay's configuration has them. The purge looks all the time and hardly rests;
/// ids of deleted events are forgotten soon, so that this goes on, too.
pub(super) fn rules() -> String {
    let kinds = |stretch: Stretch| format!("kinds = [\"{}-{}\"]", stretch.first(), stretch.last());
    format!(
        "[retention]\ninterval_ms = 10\nshare_percent = 90\ntombstones_max = 5000\n\
         [[retention.rules]]\n{}\ncount_max = {COUNT_MAX}\n\
         [[retention.rules]]\n{}\nbytes_max = {BYTES_MAX}\n",
        kinds(Stretch::Counted),
        kinds(Stretch::Weighed)
    )
}

//! What was read back, compared with our own record: what must be there, what may be gone, and
//! how far. Nothing here asks a relay.
//!
//! Of what stays, everything that was answered or delivered is there. Of what is under a rule
//! everything behind the purge mark is, and no more is gone than the rule wants. An event that
//! was answered and never seen has no known position; but its author's events have ascending ones,
//! so it lies behind the mark if one sent before it does.

use super::Broken;
use super::follow::Told;
use super::record::{Fate, Record, Sent};
use super::stretch::{AUTHORS, BYTES_MAX, COUNT_MAX, Stretch};
use crate::base::{EventId, Seq};

/// One stored event, as far as the comparison needs it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) seq: Seq,
    pub(super) id: EventId,
    pub(super) author: u8,
    pub(super) number: u64,
    pub(super) len: u32,
    pub(super) answered: bool,
}

/// Everything of a stretch that is stored behind a position; under a rule behind its mark, which
/// is everything.
#[derive(Debug, Clone)]
pub(super) struct Readback {
    pub(super) stretch: Stretch,
    pub(super) after: Seq,
    /// The log's end.
    pub(super) head: Seq,
    pub(super) rows: Vec<Row>,
}

impl Readback {
    pub(super) fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| u64::from(row.len)).sum()
    }
}

/// What one look has found; of what stays, it may be only the newest.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) look: u32,
    pub(super) kept: Readback,
    /// As in [`Stretch::RULED`].
    pub(super) ruled: [Readback; 2],
}

impl View {
    pub(super) fn head(&self) -> Seq {
        self.kept.head
    }

    pub(super) fn stretches(&self) -> impl Iterator<Item = &Readback> {
        std::iter::once(&self.kept).chain(&self.ruled)
    }

    pub(super) fn of(&self, stretch: Stretch) -> &Readback {
        match stretch {
            Stretch::Kept => &self.kept,
            Stretch::Counted => &self.ruled[0],
            Stretch::Weighed => &self.ruled[1],
        }
    }

    /// Compares it with the record; how many events the rules have taken away, if all was looked at.
    pub(super) fn judge(&self, record: &Record) -> Result<Option<u64>, Broken> {
        let reaches = Stretch::RULED.map(|stretch| self.reach(stretch));
        let mut gone = [Gone::default(); 2];
        // What has come in behind the look is of no concern to it.
        let missed = |sent: &Sent| sent.look != self.look && sent.seq <= self.head();
        for (id, sent) in record.lock().iter().filter(|(_, sent)| missed(sent)) {
            let lost = match sent.stretch() {
                Stretch::Kept => sent.seq == Seq::ZERO || sent.seq > self.kept.after,
                ruled => {
                    let at = usize::from(ruled == Stretch::Weighed);
                    gone[at].add(sent);
                    match sent.seq {
                        Seq::ZERO => sent.number > reaches[at][usize::from(sent.author)],
                        seq => seq > self.ruled[at].after,
                    }
                }
            };
            if lost && sent.is_owed() {
                let Sent { author, number, seq, .. } = sent;
                return Err(format!(
                    "{id}, number {number} of author {author}, was answered or seen at {seq} and is not there"
                ));
            }
        }
        self.took_no_more_than_ruled(&gone)?;
        self.explains_every_gap(&gone)
    }

    /// For each author the first number that is known to stand behind the mark of a stretch.
    fn reach(&self, stretch: Stretch) -> [u64; AUTHORS as usize] {
        let mark = self.of(stretch).after;
        let mut reach = [u64::MAX; AUTHORS as usize];
        for row in self.stretches().flat_map(|readback| &readback.rows) {
            if row.answered && row.seq > mark {
                let first = &mut reach[usize::from(row.author)];
                *first = row.number.min(*first);
            }
        }
        reach
    }

    fn took_no_more_than_ruled(&self, gone: &[Gone; 2]) -> Result<(), Broken> {
        let [counted, weighed] = &self.ruled;
        let (events, bytes) = (counted.rows.len() as u64, weighed.bytes());
        if gone[0].owed > 0 && events < COUNT_MAX {
            return Err(format!("retention has left {events} events of a rule's {COUNT_MAX}"));
        }
        if gone[1].owed > 0 && bytes + u64::from(gone[1].len_max) <= BYTES_MAX {
            return Err(format!("retention has left {bytes} bytes of a rule's {BYTES_MAX}"));
        }
        Ok(())
    }

    /// Positions without an event are below a mark, and as many as there are events gone.
    fn explains_every_gap(&self, gone: &[Gone; 2]) -> Result<Option<u64>, Broken> {
        let mut held: Vec<Seq> = self.stretches().flat_map(|r| &r.rows).map(|row| row.seq).collect();
        held.sort_unstable();
        let mark = self.ruled.iter().map(|readback| readback.after).max().unwrap_or_default();
        let complete = mark.max(self.kept.after);
        let mut expected = complete.next();
        for seq in held.iter().copied().filter(|seq| *seq > complete) {
            if seq != expected {
                return Err(format!("nothing is at {expected}, which is behind every mark"));
            }
            expected = expected.next();
        }
        if expected <= self.head() {
            return Err(format!("the log ends with {}, and nothing is at {expected}", self.head()));
        }
        if self.kept.after > Seq::ZERO {
            return Ok(None);
        }
        let (empty, [a, b]) = (self.head().0 - held.len() as u64, gone);
        if !(a.owed + b.owed..=a.sent + b.sent).contains(&empty) {
            return Err(format!(
                "{empty} positions are empty; {} events are gone for certain, {} at most",
                a.owed + b.owed,
                a.sent + b.sent
            ));
        }
        Ok(Some(empty))
    }

    /// Whether a subscriber was given what is there of its stretch, and nothing else if it stays.
    pub(super) fn is_told(&self, stretch: Stretch, told: &Told) -> Result<(), Broken> {
        let readback = self.of(stretch);
        let from = told.events.partition_point(|(seq, _)| *seq <= readback.after);
        let to = told.events.partition_point(|(seq, _)| *seq <= readback.head);
        let mut given = told.events[from..to].iter();
        for row in &readback.rows {
            match given.next() {
                Some(event) if *event == (row.seq, row.id) => {}
                other => return Err(format!("was given {other:?} where {} at {} was due", row.id, row.seq)),
            }
        }
        given.next().map_or(Ok(()), |(seq, id)| Err(format!("was given {id} at {seq}, which is not there")))
    }

    /// Whether the subscribers of the ruled stretches were told of every event that does not stay,
    /// or that it may be gone; only if all was looked at.
    pub(super) fn has_no_hole(&self, told: [&Told; 2]) -> Result<(), Broken> {
        if self.kept.after > Seq::ZERO {
            return Ok(());
        }
        let given = told.iter().flat_map(|told| told.events.iter().map(|(seq, _)| *seq));
        let mut held: Vec<Seq> = given.chain(self.kept.rows.iter().map(|row| row.seq)).collect();
        held.sort_unstable();
        let mut held = held.into_iter().peekable();
        let mut seq = Seq::ZERO.next();
        while seq <= self.head() {
            if held.next_if_eq(&seq).is_none() && !told.iter().any(|told| told.has_gap_at(seq)) {
                return Err(format!("nobody was given {seq}, and nobody was told that it is gone"));
            }
            seq = seq.next();
        }
        Ok(())
    }
}

/// Events of a ruled stretch that are not there.
#[derive(Debug, Clone, Copy, Default)]
struct Gone {
    /// That were answered or seen.
    owed: u64,
    /// That may ever have been there.
    sent: u64,
    /// The longest of them.
    len_max: u32,
}

impl Gone {
    fn add(&mut self, sent: &Sent) {
        self.owed += u64::from(sent.is_owed());
        self.sent += u64::from(sent.fate != Fate::Refused);
        self.len_max = self.len_max.max(sent.len);
    }
}

#[cfg(test)]
mod tests;

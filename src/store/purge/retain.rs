//! The thread that keeps to the retention rules: looks at each from time to time, and deletes
//! what is over, a slice at a time. It also notes how far the log is at which moment, forgets
//! old tombstones, has room given back, and removes checkpoints that were left behind.

use super::super::shared::Shared;
use super::super::{StoreError, spawn};
use super::reclaim::Debris;
use super::rules::Rule;
use super::slice::{self, SLICE_EVENTS};
use super::tally::Tally;
use crate::base::Seq;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Events counted between two rests; their bytes are bounded as those of a slice are.
const COUNTED_EVENTS: usize = 2_048;

/// What the thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Nudge {
    /// Look at the rules now: they have changed.
    Look,
    /// Give back the room of everything that was deleted, however little it is.
    Clear,
}

/// Starts the thread; it ends when the sender is dropped.
pub(in crate::store) fn start(shared: &Arc<Shared>) -> Result<(Sender<Nudge>, JoinHandle<()>), StoreError> {
    let (sender, inbox) = unbounded();
    let (shared, debris) = (Arc::clone(shared), Debris::new(shared));
    let keeper = Keeper { shared: Arc::clone(&shared), inbox, debris, stopped: false };
    Ok((sender, spawn("axon-purge", &shared, move || keeper.serve())?))
}

/// How long a piece of work takes, and how long a rest it earns.
pub(super) struct Pace<'a> {
    shared: &'a Shared,
    begin_nanos: u64,
}

impl<'a> Pace<'a> {
    pub(super) fn begin(shared: &'a Shared) -> Self {
        Pace { shared, begin_nanos: shared.clock.nanos() }
    }

    /// The rest after it.
    pub(super) fn rest(&self) -> Duration {
        let share = self.shared.retention().share_percent.clamp(1, 100);
        let worked = self.shared.clock.nanos().saturating_sub(self.begin_nanos);
        Duration::from_nanos(worked.saturating_mul(100 - share) / share)
    }
}

struct Keeper {
    shared: Arc<Shared>,
    inbox: Receiver<Nudge>,
    debris: Debris,
    stopped: bool,
}

impl Keeper {
    fn serve(mut self) {
        while !self.stopped {
            let interval_ms = self.shared.retention().interval_ms;
            if interval_ms == 0 {
                self.stopped = self.inbox.recv().is_err();
                continue;
            }
            let (options, now) = (&self.shared.options, self.shared.clock.now());
            if let Err(error) = self.shared.checkpoints.remove_abandoned(options, now) {
                tracing::error!(%error, "a checkpoint stays");
            }
            if let Err(error) = self.look() {
                tracing::error!(%error, "retention goes on at its next turn");
            }
            self.rest(Duration::from_millis(interval_ms));
        }
    }

    /// Waits, at most for so long.
    fn rest(&mut self, duration: Duration) {
        match self.inbox.recv_timeout(duration) {
            Ok(Nudge::Clear) => self.debris.clear_all(),
            Ok(Nudge::Look) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.stopped = true,
        }
    }

    /// Does one piece of work after the other, with rests in between, for as long as there is
    /// more and the store goes on.
    fn repeat(
        &mut self,
        mut work: impl FnMut(&mut Self, &Shared) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        while !self.stopped && shared.failure().is_none() {
            let pace = Pace::begin(&shared);
            if !work(self, &shared)? {
                break;
            }
            self.rest(pace.rest());
        }
        Ok(())
    }

    /// One turn: everything that is over now goes.
    fn look(&mut self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        if shared.failure().is_some() {
            return Ok(());
        }
        let (at, head) = (shared.clock.read(), shared.tail.head());
        shared.wait_indexed(head)?;
        let retention = shared.retention();
        let now = shared.ledger().time(&at);
        slice::note(&shared, |ledger| {
            ledger.clock.note(now, head);
            // Nothing is counted for rules that are no longer there.
            let counts = |tally: &Tally| retention.rules.iter().any(|r| r.counts() && r.kinds == tally.kinds);
            ledger.tallies.retain(counts);
            ledger.unsaved = false;
        })?;
        self.repeat(|_, shared| slice::forget_old(shared))?;
        for rule in &retention.rules {
            let filter = Arc::new(rule.filter());
            if rule.counts() {
                let end = shared.indexed();
                self.repeat(|_, shared| count_some(shared, rule, &filter, end))?;
            }
            self.repeat(|_, shared| purge_some(shared, rule, &filter, now))?;
        }
        shared.counters.purge_looked_at.set(at.unix_seconds.unsigned_abs());
        self.repeat(|keeper, shared| keeper.debris.clear_some(shared))
    }
}

impl Shared {
    /// What is counted for a rule, if anything was yet.
    fn tally(&self, rule: &Rule) -> Option<Tally> {
        self.ledger().tallies.iter().find(|tally| tally.kinds == rule.kinds).cloned()
    }
}

type SharedFilter = Arc<crate::filter::Filter>;

/// Counts some more of a rule's events up to `end`; whether there is more.
fn count_some(shared: &Shared, rule: &Rule, filter: &SharedFilter, end: Seq) -> Result<bool, StoreError> {
    // What is deleted meanwhile would be counted all the same.
    let _turn = shared.purging();
    let mut tally = shared.tally(rule).unwrap_or_else(|| Tally::new(&rule.kinds));
    if tally.to >= end {
        return Ok(false);
    }
    let page = slice::page(shared, filter, (tally.to, end), COUNTED_EVENTS)?;
    tally.events += page.entries.len() as u64;
    tally.bytes += page.bytes.len() as u64;
    tally.to = page.covered;
    let more = tally.to < end;
    let mut ledger = shared.ledger();
    ledger.tallies.retain(|tally| tally.kinds != rule.kinds);
    ledger.tallies.push(tally);
    // It is on disk with the next thing that is written: what is there until then holds, too.
    ledger.unsaved = true;
    Ok(more)
}

/// Deletes the oldest of a rule's events that are over, a slice of them; whether there may be
/// more.
fn purge_some(shared: &Shared, rule: &Rule, filter: &SharedFilter, now: i64) -> Result<bool, StoreError> {
    let _turn = shared.purging();
    let tally = if rule.counts() { shared.tally(rule) } else { None };
    let (mut events, mut bytes, counted) = tally.map_or((0, 0, Seq::ZERO), |t| (t.events, t.bytes, t.to));
    let is_over = |events, bytes| {
        rule.count_max.is_some_and(|max| events > max) || rule.bytes_max.is_some_and(|max| bytes > max)
    };
    let (from, old) = {
        let ledger = shared.ledger();
        let since = rule.age_seconds_max.map(|age| now.saturating_sub_unsigned(age));
        let old = since.map_or(Seq::ZERO, |since| ledger.clock.reached(since));
        (ledger.marks.lowest(&rule.kinds), old.min(shared.indexed()))
    };
    let to = if is_over(events, bytes) { counted } else { old };
    if from >= to {
        return Ok(false);
    }
    let page = slice::page(shared, filter, (from, to), SLICE_EVENTS)?;
    let over = page.iter().take_while(|(seq, wire)| {
        let goes = *seq <= old || is_over(events, bytes);
        events = events.saturating_sub(1);
        bytes = bytes.saturating_sub(wire.len() as u64);
        goes
    });
    let over: Vec<(Seq, &[u8])> = over.collect();
    if over.is_empty() {
        return Ok(false);
    }
    slice::delete(shared, over.into_iter(), Some(&rule.kinds))?;
    Ok(true)
}

/// One look at the rules, here and now; `clear` gives all the room back, too.
#[cfg(test)]
pub(in crate::store) fn look_now(shared: &Arc<Shared>, clear: bool) {
    let (_sender, inbox) = unbounded();
    let mut keeper =
        Keeper { shared: Arc::clone(shared), inbox, debris: Debris::new(shared), stopped: false };
    if clear {
        keeper.debris.clear_all();
    }
    keeper.look().expect("a store that goes on");
}

//! What one allowed key may do and how much of it: its role, its limits, and the meters that
//! all its connections share.

use crate::base::{Bucket, KeyLimit, KeyLimits, Kind, Rate, Reason};
use crate::log::Role;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// What an unanswered look into the log costs at least: a Subscribe that finds nothing has
/// made the disk work all the same.
const REPLAY_BYTES_MIN: u64 = 4_096;

/// What every key of one role may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleRules {
    pub limits: KeyLimits,
    /// Inclusive ranges of the kinds it may sign; empty: all.
    pub kinds: Arc<[(u16, u16)]>,
}

/// The rules of every role. The default limits nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules([Arc<RoleRules>; Role::ALL.len()]);

impl Rules {
    /// The rules of a role.
    pub fn of(&self, role: Role) -> &Arc<RoleRules> {
        &self.0[role as usize]
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, role: Role) -> &mut RoleRules {
        Arc::make_mut(&mut self.0[role as usize])
    }
}

/// One key's entry in force. A change of the allowlist makes a new one with the same meters.
/// There may be 100 000 of them, of whom few are there at a time: what most have in common is
/// shared, and who was never there has no meters.
#[derive(Debug)]
pub struct Pass {
    role: Role,
    /// Its role's, unless it has limits of its own.
    rules: Arc<RoleRules>,
    meters: Arc<OnceLock<Box<Meters>>>,
}

/// What is counted for a key, on a cache line of its own: shards write it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Meters {
    publishes: Bucket,
    bytes: Bucket,
    replay: Bucket,
    connections: AtomicU64,
    subscriptions: AtomicU64,
}

impl Pass {
    /// A pass whose meters go on from `before`, the same key's earlier one.
    pub(super) fn new(role: Role, rules: Arc<RoleRules>, before: Option<&Pass>) -> Pass {
        let meters = before.map_or_else(Arc::default, |before| Arc::clone(&before.meters));
        Pass { role, rules, meters }
    }

    /// The key's role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its limits: its role's, or its own.
    pub fn limits(&self) -> &KeyLimits {
        &self.rules.limits
    }

    /// Whether it may sign events of that kind.
    pub fn may_sign(&self, kind: Kind) -> bool {
        let kinds = &self.rules.kinds;
        kinds.is_empty() || kinds.iter().any(|&(lo, hi)| (lo..=hi).contains(&kind.0))
    }

    /// Whether both grant the same.
    pub(super) fn grants_as(&self, other: &Pass) -> bool {
        self.role == other.role && self.rules == other.rules
    }

    /// Takes one publish of so many bytes out of the key's budget, before anything about the
    /// event is looked at: what is refused later was paid for, too.
    ///
    /// # Errors
    /// [`Reason::OverRate`]; nothing was taken.
    pub fn charge_publish(&self, now_nanos: u64, bytes: usize) -> Result<(), Reason> {
        let Meters { publishes, bytes: volume, .. } = self.meters();
        self.take(KeyLimit::PublishesPerSecond, publishes, now_nanos, 1)?;
        self.take(KeyLimit::BytesPerSecond, volume, now_nanos, bytes as u64).inspect_err(|_| {
            if let Some(rate) = self.rate(KeyLimit::PublishesPerSecond) {
                publishes.give_back(rate, 1);
            }
        })
    }

    /// Whether stored events may be read for this key now.
    pub fn may_replay(&self, now_nanos: u64) -> bool {
        let rate = self.rate(KeyLimit::ReplayBytesPerSecond);
        rate.is_none_or(|rate| !self.meters().replay.is_in_debt(rate, now_nanos))
    }

    /// So many bytes of stored events were read for this key.
    pub fn charge_replay(&self, now_nanos: u64, bytes: usize) {
        if let Some(rate) = self.rate(KeyLimit::ReplayBytesPerSecond) {
            self.meters().replay.charge(rate, now_nanos, REPLAY_BYTES_MIN.max(bytes as u64));
        }
    }

    fn meters(&self) -> &Meters {
        self.meters.get_or_init(Box::default)
    }

    fn rate(&self, limit: KeyLimit) -> Option<Rate> {
        match self.limits().get(limit) {
            0 => None,
            per_second => Some(Rate::per_second(per_second)),
        }
    }

    fn take(&self, limit: KeyLimit, bucket: &Bucket, now_nanos: u64, n: u64) -> Result<(), Reason> {
        let Some(rate) = self.rate(limit) else { return Ok(()) };
        bucket.take(rate, now_nanos, n).map_err(|wait_nanos| Reason::OverRate {
            limit,
            value: rate.units,
            retry_ms: wait_nanos.div_ceil(1_000_000),
        })
    }
}

/// One logged-in connection's share of its key; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    pass: Arc<Pass>,
    subscriptions: u64,
}

impl Seat {
    /// Takes a connection of that key.
    ///
    /// # Errors
    /// [`Reason::KeyConnections`].
    pub(super) fn take(pass: Arc<Pass>) -> Result<Seat, Reason> {
        let limit = pass.limits().get(KeyLimit::Connections);
        let open = pass.meters().connections.fetch_add(1, Ordering::Relaxed);
        // From here on dropping it gives the connection back.
        let seat = Seat { pass, subscriptions: 0 };
        if limit != 0 && open >= limit { Err(Reason::KeyConnections { limit }) } else { Ok(seat) }
    }

    /// What its key may do.
    pub fn pass(&self) -> &Pass {
        &self.pass
    }

    /// The key's entry has changed.
    pub fn renew(&mut self, pass: Arc<Pass>) {
        if Arc::ptr_eq(&self.pass.meters, &pass.meters) {
            self.pass = pass;
        } else {
            // Removed and allowed again meanwhile: what is open counts for the new entry.
            self.leave();
            pass.meters().connections.fetch_add(1, Ordering::Relaxed);
            pass.meters().subscriptions.fetch_add(self.subscriptions, Ordering::Relaxed);
            self.pass = pass;
        }
    }

    /// Counts a subscription, also if that is one too many.
    ///
    /// # Errors
    /// [`Reason::OverLimit`]: over the limit of the key.
    pub fn open_subscription(&mut self) -> Result<(), Reason> {
        self.subscriptions += 1;
        let limit = self.pass.limits().get(KeyLimit::Subscriptions);
        let have = self.pass.meters().subscriptions.fetch_add(1, Ordering::Relaxed) + 1;
        if limit != 0 && have > limit {
            return Err(Reason::OverLimit { field: "subscriptions of this key", have, limit });
        }
        Ok(())
    }

    /// One counted subscription has ended.
    pub fn close_subscription(&mut self) {
        self.subscriptions -= 1;
        self.pass.meters().subscriptions.fetch_sub(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        self.pass.meters().connections.fetch_sub(1, Ordering::Relaxed);
        self.pass.meters().subscriptions.fetch_sub(self.subscriptions, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_never_there_has_no_meters_and_a_change_keeps_those_there_are() {
        let mut rules = Rules::default();
        rules.of_mut(Role::Agent).limits.set(KeyLimit::PublishesPerSecond, 1);
        let rules = || Arc::clone(rules.of(Role::Agent));
        let before = Pass::new(Role::Agent, rules(), None);
        let after = Pass::new(Role::Agent, rules(), Some(&before));
        assert!(before.may_sign(Kind(7)) && before.limits().get(KeyLimit::PublishesPerSecond) == 1);
        assert!(before.meters.get().is_none());
        // The first use is counted for both, whichever of them it was.
        assert_eq!(after.charge_publish(1_000_000_000, 100), Ok(()));
        assert!(before.charge_publish(1_000_000_000, 100).is_err());
        // What a key of 100 000 costs beside its entry in the map.
        assert!(size_of::<Pass>() <= 24 && size_of::<OnceLock<Box<Meters>>>() <= 16);
    }
}

//! What all doors of a relay share.

use super::storms::Storms;
use super::{Allowlist, SeenSet};
use crate::base::{Limits, Reason};
use crate::event::EventView;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The allowlist, the seen set, the storm breaker, the limits and the relay's names; one per relay.
pub struct Gate {
    pub(super) allowlist: Arc<Allowlist>,
    pub(super) seen: SeenSet,
    pub(super) storms: Storms,
    limits: ArcSwap<Limits>,
    /// What clients may sign in a login.
    pub(super) urls: Vec<String>,
}

impl Gate {
    /// A gate with an empty seen set. `urls` are the names clients know the relay by.
    pub fn new(allowlist: Arc<Allowlist>, limits: Limits, urls: Vec<String>) -> Self {
        let seen = SeenSet::new(limits.seen_ids_max, limits.seen_window_seconds);
        Gate { allowlist, seen, storms: Storms::new(), limits: ArcSwap::from_pointee(limits), urls }
    }

    /// Judges by other limits from now on; those of the seen set stay as they were.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    /// Content size, then the author's clock.
    pub(super) fn check_bounds(&self, unix_now: i64, event: &EventView<'_>) -> Result<(), Reason> {
        let limits = self.limits.load();
        let (have, limit) = (event.content.len(), limits.content_bytes_max);
        if have > limit {
            return Err(Reason::ContentTooLarge { have: have as u64, limit: limit as u64 });
        }
        let (ahead_seconds, limit) = (event.created_at.saturating_sub(unix_now), limits.max_future_seconds);
        if ahead_seconds > limit {
            return Err(Reason::TooFarAhead { ahead_seconds, limit });
        }
        Ok(())
    }
}

//! What all doors of a relay share.

use super::storms::Storms;
use super::{Allowlist, SeenSet};
use crate::base::{Limits, Reason};
use crate::event::EventView;
use std::sync::Arc;

/// The allowlist, the seen set, the storm breaker, the limits and the relay's names; one per relay.
pub struct Gate {
    pub(super) allowlist: Arc<Allowlist>,
    pub(super) seen: SeenSet,
    pub(super) storms: Storms,
    pub(super) limits: Limits,
    /// What clients may sign in a login.
    pub(super) urls: Vec<String>,
}

impl Gate {
    /// A gate with an empty seen set. `urls` are the names clients know the relay by.
    pub fn new(allowlist: Arc<Allowlist>, limits: Limits, urls: Vec<String>) -> Self {
        let seen = SeenSet::new(limits.seen_ids_max, limits.seen_window_seconds);
        Gate { allowlist, seen, storms: Storms::new(), limits, urls }
    }

    /// Content size, then the author's clock.
    pub(super) fn check_bounds(&self, unix_now: i64, event: &EventView<'_>) -> Result<(), Reason> {
        let (have, limit) = (event.content.len(), self.limits.content_bytes_max);
        if have > limit {
            return Err(Reason::ContentTooLarge { have: have as u64, limit: limit as u64 });
        }
        let (ahead_seconds, limit) =
            (event.created_at.saturating_sub(unix_now), self.limits.max_future_seconds);
        if ahead_seconds > limit {
            return Err(Reason::TooFarAhead { ahead_seconds, limit });
        }
        Ok(())
    }
}

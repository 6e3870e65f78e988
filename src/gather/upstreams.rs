//! How the services outside do, as the last calls showed it.

use super::rules::time::Time;
use crate::base::Clock;
use serde::Serialize;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use utoipa::ToSchema;

/// A service outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    Chain,
    Rate,
    Print,
    Tweets,
}

impl Upstream {
    /// Each of them, in the order of the enum.
    pub const ALL: [Upstream; 4] = [Upstream::Chain, Upstream::Rate, Upstream::Print, Upstream::Tweets];

    /// Its name in health and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Upstream::Chain => "chain",
            Upstream::Rate => "rate",
            Upstream::Print => "print",
            Upstream::Tweets => "tweets",
        }
    }
}

/// What the calls came to.
#[derive(Debug)]
pub struct Upstreams {
    clock: Clock,
    off: Vec<Upstream>,
    calls: [Calls; Upstream::ALL.len()],
}

/// Moments are milliseconds since the epoch; 0: never.
#[derive(Debug, Default)]
struct Calls {
    answered: AtomicI64,
    failed: AtomicI64,
    failures: AtomicU64,
}

/// How a service outside does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UpstreamHealth {
    /// `chain`, `rate`, `print` or `tweets`.
    pub name: &'static str,
    /// `off`: not configured; `unused`: not asked since the start; `ok` or `failing`: as the last
    /// call went.
    pub state: &'static str,
    /// When it last answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub answered: Option<Time>,
    /// When a call last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub failed: Option<Time>,
    /// Calls that failed since the start.
    pub failures: u64,
}

impl Upstreams {
    /// None has been asked; those of `off` are not configured.
    pub fn new(clock: Clock, off: Vec<Upstream>) -> Upstreams {
        Upstreams { clock, off, calls: Default::default() }
    }

    /// Notes how a call went.
    pub fn note(&self, upstream: Upstream, answered: bool) {
        let calls = &self.calls[upstream as usize];
        let now = self.clock.unix_millis();
        if answered {
            calls.answered.store(now, Ordering::Relaxed);
        } else {
            calls.failed.store(now, Ordering::Relaxed);
            calls.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How each of them does.
    pub fn report(&self) -> Vec<UpstreamHealth> {
        Upstream::ALL.into_iter().map(|upstream| self.of(upstream)).collect()
    }

    fn of(&self, upstream: Upstream) -> UpstreamHealth {
        let Calls { answered, failed, failures } = &self.calls[upstream as usize];
        let (answered, failed) = (answered.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
        let state = match () {
            () if self.off.contains(&upstream) => "off",
            () if answered == 0 && failed == 0 => "unused",
            () if answered > failed => "ok",
            () => "failing",
        };
        let moment = |at: i64| (at > 0).then_some(Time(at));
        UpstreamHealth {
            name: upstream.name(),
            state,
            answered: moment(answered),
            failed: moment(failed),
            failures: failures.load(Ordering::Relaxed),
        }
    }
}

//! What a BCH is worth: asked when it is needed and not fresh, kept while it is not too old (W45).

use super::Context;
use super::rules::money::Decimal;
use super::rules::time::Time;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So long a known rate is used without asking.
const FRESH_SECONDS: i64 = 300;
/// So long it is used while the service does not answer; then there is none.
const USABLE_SECONDS: i64 = 86_400;
/// Between two times of asking, so that an outage does not hold every request up.
const ASK_AGAIN_SECONDS: i64 = 15;

/// The rate that is known.
#[derive(Debug, Default)]
pub struct Known {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<(Decimal, Time)>,
    asked: Option<Time>,
}

impl Known {
    /// Dollars for one BCH, if that is known.
    pub fn usd_per_bch(&self, now: Time) -> Option<Decimal> {
        let known = self.lock().known;
        known.filter(|(_, at)| within(*at, now, USABLE_SECONDS)).map(|(rate, _)| rate)
    }

    /// Whether somebody should ask now; whoever is told so does.
    fn begin(&self, now: Time) -> bool {
        let mut state = self.lock();
        let fresh = state.known.is_some_and(|(_, at)| within(at, now, FRESH_SECONDS));
        if fresh || state.asked.is_some_and(|at| within(at, now, ASK_AGAIN_SECONDS)) {
            return false;
        }
        state.asked = Some(now);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sees to it that the rate is known, if it can be. Never fails: without a rate the fixed fees
/// hold.
pub async fn refresh(context: &Context) {
    let now = context.now();
    if !context.rate.begin(now) {
        return;
    }
    match context.ports.rate.usd_per_bch().await {
        Ok(rate) if rate.is_positive() => context.rate.lock().known = Some((rate, now)),
        Ok(_) => tracing::warn!("the exchange rate is zero; it is not used"),
        Err(error) => tracing::warn!(%error, "the exchange rate is not renewed"),
    }
}

fn within(at: Time, now: Time, seconds: i64) -> bool {
    (at..at.plus_seconds(seconds)).contains(&now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_fresh_for_minutes_and_usable_for_a_day() {
        let known = Known::default();
        let at = |seconds: i64| Time(0).plus_seconds(seconds);
        assert!(known.begin(at(0)), "nothing is known");
        assert!(!known.begin(at(14)), "somebody asks already");
        assert!(known.begin(at(15)));
        let rate = Decimal::parse("400").unwrap();
        known.lock().known = Some((rate, at(15)));
        assert!(!known.begin(at(314)) && known.begin(at(315)));
        assert_eq!(known.usd_per_bch(at(86_414)), Some(rate));
        assert_eq!(known.usd_per_bch(at(86_415)), None, "W45");
    }
}

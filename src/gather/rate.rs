//! What a BCH is worth: asked when it is needed and not fresh, kept while it is not too old (W45).

use super::Context;
use super::rules::money::Decimal;
use super::rules::time::Time;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{self, Wake};
use std::thread::{self, Thread};
use std::time::Duration;

/// So long a known rate is used without asking.
const FRESH_SECONDS: i64 = 300;
/// So long it is used while the service does not answer; then there is none.
const USABLE_SECONDS: i64 = 86_400;
/// Between two times of asking, so that an outage does not hold every request up.
const ASK_AGAIN_SECONDS: i64 = 15;
/// So long the follower of the log waits for an answer; what is pushed waits with it.
const FOLLOWER_PATIENCE: Duration = Duration::from_millis(500);

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
        if !state.is_due(now) {
            return false;
        }
        state.asked = Some(now);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_due(&self, now: Time) -> bool {
        let fresh = self.known.is_some_and(|(_, at)| within(at, now, FRESH_SECONDS));
        !fresh && !self.asked.is_some_and(|at| within(at, now, ASK_AGAIN_SECONDS))
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

/// As [`refresh`], for the follower of the log, which is no future. It does not wait long: a
/// service that does not answer must not hold up what all others are to hear.
pub(super) fn refresh_for_follower(context: &Arc<Context>) {
    if !context.rate.lock().is_due(context.now()) {
        return;
    }
    let (done, answered) = mpsc::channel();
    let asking = Arc::clone(context);
    let body = move || {
        block_on(refresh(&asking));
        // Whoever asked may have gone on.
        let _ = done.send(());
    };
    match thread::Builder::new().name("axon-gather-r".to_owned()).spawn(body) {
        // In time or not: the rate that is known then counts.
        Ok(_) => drop(answered.recv_timeout(FOLLOWER_PATIENCE)),
        Err(error) => tracing::warn!(%error, "the exchange rate is not renewed"),
    }
}

/// Runs a future on a thread of its own.
fn block_on(future: impl Future<Output = ()>) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = task::Context::from_waker(&waker);
    let mut future = pin!(future);
    while future.as_mut().poll(&mut context).is_pending() {
        thread::park();
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

//! Does Gather under load hold up the relay? Publish to delivery at a modest rate, with requests
//! beside it and without, in turn.

use super::calls::Call;
use super::client::Http;
use super::drive::{self, Tally};
use super::text::Draws;
use crate::conn::Conn;
use crate::failure::{Failure, Result};
use crate::flow::{Flow, Gate, Pace, Publisher};
use crate::keys::Identity;
use crate::machine;
use crate::meter::Meter;
use crate::readers::{Reader, Share, histogram};
use crate::relay::Relay;
use crate::report::Latency;
use crate::script::{Script, Shape};
use axon::base::{Clock, Kind};
use axon::filter::Filter;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Events per second.
pub const EVENTS_RATE: u64 = 500;
/// Requests per second beside them.
pub const REQUESTS_RATE: u64 = 100;
const SUBSCRIBERS: usize = 10;

/// How the relay does, alone and beside Gather's work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Beside {
    /// Microseconds from publishing to delivery.
    pub alone: Latency,
    pub beside: Latency,
    /// Of the requests meanwhile.
    pub requests: Latency,
    pub requests_per_second: u64,
    pub events_per_second: u64,
}

/// The relay, and who publishes.
pub struct Scene<'a> {
    pub relay: &'a Relay,
    pub http: SocketAddr,
    pub identities: &'a [Identity],
    pub cores: &'a [usize],
    pub clock: Clock,
}

impl Scene<'_> {
    /// `rounds` times both, of `seconds` each.
    ///
    /// # Errors
    /// A connection broke.
    pub fn compare(&self, calls: &[Call<'_>], seconds: u64, rounds: usize) -> Result<Beside> {
        let mut all = [histogram(), histogram(), histogram()];
        for round in 0..rounds {
            let (delivery, _) = self.play(&[], seconds, 2 * round)?;
            let requests = drive::mixed(
                calls,
                &mut Draws(round as u64),
                (REQUESTS_RATE * seconds) as usize,
                &mut Http::connect(self.http)?,
            )?;
            let (beside, answered) = self.play(&requests, seconds, 2 * round + 1)?;
            let answered = answered.map_or_else(histogram, |tally| tally.latency);
            for (sum, part) in all.iter_mut().zip([delivery, beside, answered]) {
                // The same bounds everywhere, so that adding cannot fail.
                let _ = sum.add(part);
            }
        }
        let latency = |histogram: &Histogram<u64>| {
            Latency::of(histogram).ok_or_else(|| Failure::Usage("nothing was timed".to_owned()))
        };
        let [alone, beside, requests] = &all;
        Ok(Beside {
            alone: latency(alone)?,
            beside: latency(beside)?,
            requests: latency(requests)?,
            requests_per_second: REQUESTS_RATE,
            events_per_second: EVENTS_RATE,
        })
    }

    /// Publishes, and meanwhile asks; for the time number `turn`.
    fn play(
        &self,
        requests: &[drive::Asked],
        seconds: u64,
        turn: usize,
    ) -> Result<(Histogram<u64>, Option<Tally>)> {
        let kind = Kind::MESSAGE;
        let created_at = self.clock.unix_seconds();
        let shape = Shape { kinds: vec![kind.0], size: 300, tags: 2, topics: 64, created_at };
        let count = (EVENTS_RATE * seconds) as usize;
        let script = Script::write(&shape, self.identities, turn * count, 1, count)?;
        let open =
            |number: usize| Conn::open(&self.relay.target, &self.identities[number % self.identities.len()]);
        let reader = |number| {
            let mut conn = open(number)?;
            conn.subscribe(&[Filter { kinds: vec![kind.0], since: Some(created_at), ..Filter::default() }])?;
            Ok(Reader { conn, timed: Some(Share::ALL) })
        };
        let never = AtomicBool::new(false);
        let flow = Flow {
            readers: (0..SUBSCRIBERS).map(reader).collect::<Result<_>>()?,
            publishers: vec![Publisher::new(open(0)?, &script)],
            pace: Pace::Rate(EVENTS_RATE),
            gate: Gate::Replies,
            deliveries_per_event: Some(SUBSCRIBERS as f64),
            warmup: count / 10,
            seconds_max: seconds + 5,
            spin: false,
            cores: self.cores,
            stop: &never,
        };
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let asking = (!requests.is_empty()).then(|| {
                scope.spawn(|| {
                    machine::pin(self.cores)?;
                    drive::open(self.http, requests, REQUESTS_RATE, &over, &self.clock)
                })
            });
            let outcome = flow.run(&mut Meter::new(self.clock, 0, &[])?);
            over.store(true, Ordering::Relaxed);
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Tally>>| {
                thread.join().map_err(|_| Failure::Usage("the asking thread panicked".to_owned()))?
            };
            let tally = asking.map(join).transpose()?;
            let outcome = outcome?;
            match outcome.errors + outcome.missing {
                0 => Ok((outcome.delivery, tally)),
                _ => Err(Failure::Protocol(format!(
                    "beside Gather: {} errors, {} deliveries missing: {}",
                    outcome.errors,
                    outcome.missing,
                    outcome.first_error.unwrap_or_default()
                ))),
            }
        })
    }
}

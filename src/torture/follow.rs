//! Subscribers that stall, drop out and come back.

use super::Broken;
use super::record::Record;
use super::stretch::Stretch;
use crate::base::{EventId, Seq};
use crate::client::{Client, Start, Subscription, Update};
use futures_util::StreamExt as _;
use rand::RngExt;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// What a subscriber was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Events, as they came: ascending.
    pub(super) events: Vec<(Seq, EventId)>,
    /// Positions behind the first and up to the second of which it was told that they may be
    /// gone: ascending.
    pub(super) gaps: Vec<(Seq, Seq)>,
}

impl Told {
    /// The last position it knows about.
    fn position(&self) -> Seq {
        let (event, gap) = (self.events.last().map(|e| e.0), self.gaps.last().map(|gap| gap.1));
        event.max(gap).unwrap_or(Seq::ZERO)
    }

    /// Whether it was told that what was here may be gone.
    pub(super) fn has_gap_at(&self, seq: Seq) -> bool {
        let behind = self.gaps.partition_point(|(_, to)| *to < seq);
        self.gaps.get(behind).is_some_and(|(from, _)| *from < seq)
    }
}

/// A subscriber's stretch, and what it was told of it.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) stretch: Stretch,
    pub(super) told: Arc<Mutex<Told>>,
}

impl History {
    pub(super) fn new(stretch: Stretch) -> History {
        History { stretch, told: Arc::default() }
    }
}

/// Somebody who wants all of a stretch.
pub(super) struct Follower {
    pub(super) client: Client,
    pub(super) rng: StdRng,
    pub(super) history: History,
    pub(super) record: Arc<Record>,
}

impl Follower {
    /// Follows it for ever, stalls, and now and then drops out and goes on behind what it has.
    pub(super) async fn follow(mut self) -> Result<(), Broken> {
        loop {
            let last = self.history.told.lock().await.position();
            let updates = self.client.subscribe(self.history.stretch.filter(), Start::After(last));
            self.read(updates).await?;
        }
    }

    async fn read(&mut self, mut updates: Subscription) -> Result<(), Broken> {
        let patience = self.rng.random_range(200..20_000);
        for _ in 0..patience {
            match updates.next().await {
                Some(Ok(Update::Event(delivery))) => {
                    let seq = delivery.position.ok_or("a stored event without a position")?.seq;
                    let event = delivery.event;
                    let sent = self.record.seen(0, seq, event.id, &event.wire);
                    let sent = sent.map_err(|what| format!("a subscriber: {what}"))?;
                    let mut told = self.history.told.lock().await;
                    if seq <= told.position() || sent.stretch() != self.history.stretch {
                        return Err(format!(
                            "a subscriber at {} was given {} at {seq}",
                            told.position(),
                            event.id
                        ));
                    }
                    told.events.push((seq, event.id));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    let mut told = self.history.told.lock().await;
                    let from = told.position();
                    match error.complete_behind() {
                        Some(to) if to > from && self.history.stretch != Stretch::Kept => {
                            told.gaps.push((from, to));
                        }
                        _ if error.is_final() => return Err(format!("a subscriber at {from}: {error}")),
                        // Refused because the log could not be read: it comes back.
                        _ => {}
                    }
                    return Ok(());
                }
                None => return Ok(()),
            }
            if self.rng.random_ratio(1, 4_000) {
                tokio::time::sleep(Duration::from_millis(self.rng.random_range(10..300))).await;
            }
        }
        Ok(())
    }
}

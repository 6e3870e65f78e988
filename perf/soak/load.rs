//! Everyday load: publishers at a fixed rate, followers, connections that come and go, readers of
//! the recent log. Each goes on for ever and tells what it did.

use crate::failure::{Failure, Result};
use crate::readers::histogram;
use axon::base::{Clock, Kind, Seq};
use axon::client::{Client, EventBuilder, Filter, KeyPair, Start, SubscribeError, TagFilter, Update};
use futures_util::StreamExt;
use hdrhistogram::Histogram;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

const PUBLISHERS: usize = 4;
const FOLLOWERS: usize = 8;
/// Publishers, followers, one that comes and goes, one that reads again.
pub const KEYS: usize = PUBLISHERS + FOLLOWERS + 2;

/// Values of the tag that followers choose by.
const TOPICS: u64 = 16;

/// Bytes of an event's content: the time it was made, and filling.
const CONTENT_BYTES: usize = 200;

/// Every so many events of a publisher one is ephemeral, and one is private.
const EPHEMERAL_EVERY: u64 = 10;
const PRIVATE_EVERY: u64 = 25;

/// Between two connections that only look at the newest events, and between two readings.
const VISIT_EVERY: Duration = Duration::from_millis(250);
const REREAD_EVERY: Duration = Duration::from_secs(5);
const REREAD_EVENTS: u64 = 5_000;
const NEWEST: u16 = 20;

/// Answers a publisher waits for at once; at a modest rate this is never reached.
const UNANSWERED_MAX: usize = 1_024;

/// What was done since it was last looked at.
pub struct Done {
    pub published: AtomicU64,
    pub delivered: AtomicU64,
    pub errors: AtomicU64,
    /// Nanoseconds from sending to Ok, and from making to delivery.
    pub ack: Mutex<Histogram<u64>>,
    pub delivery: Mutex<Histogram<u64>>,
}

pub struct Load {
    pub done: Arc<Done>,
    tasks: Vec<JoinHandle<std::result::Result<(), String>>>,
}

impl Load {
    pub fn start(url: &str, seed: u64, rate: u64, clock: Clock) -> Load {
        let done = Arc::new(Done {
            published: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            ack: Mutex::new(histogram()),
            delivery: Mutex::new(histogram()),
        });
        let client = |index: usize| Client::new(url, key(seed, index)).verify_events(false);
        let mut tasks = Vec::new();
        for index in 0..PUBLISHERS {
            let pause = Duration::from_nanos(1_000_000_000 * PUBLISHERS as u64 / rate.max(1));
            tasks.push(tokio::spawn(publish(client(index), pause, clock, Arc::clone(&done))));
        }
        for index in 0..FOLLOWERS {
            let topics = (index as u64..TOPICS).step_by(FOLLOWERS).map(topic).collect();
            let tags = vec![TagFilter { name: "t".to_owned(), values: topics }];
            let filter = Filter { tags, ..Filter::default() };
            tasks.push(tokio::spawn(follow(client(PUBLISHERS + index), filter, clock, Arc::clone(&done))));
        }
        tasks.push(tokio::spawn(visit(client(KEYS - 2), Arc::clone(&done))));
        tasks.push(tokio::spawn(read_again(client(KEYS - 1), Arc::clone(&done))));
        Load { done, tasks }
    }

    /// # Errors
    /// A part of the load has ended: none may.
    pub async fn check(&mut self) -> Result<()> {
        let Some(at) = self.tasks.iter().position(JoinHandle::is_finished) else { return Ok(()) };
        let why = match self.tasks.swap_remove(at).await {
            Ok(Ok(())) => "a part of the load has ended".to_owned(),
            Ok(Err(why)) => why,
            Err(error) => error.to_string(),
        };
        Err(Failure::Broken(why))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The key pair that [`Identity`](crate::keys::Identity) has under this number.
fn key(seed: u64, index: usize) -> KeyPair {
    let mut hash = Sha256::new_with_prefix(b"axon-perf");
    hash.update(seed.to_be_bytes());
    hash.update((index as u64).to_be_bytes());
    KeyPair::from_seed(&hash.finalize().into())
}

fn topic(number: u64) -> String {
    format!("soak-{number}")
}

async fn publish(
    client: Client,
    pause: Duration,
    clock: Clock,
    done: Arc<Done>,
) -> std::result::Result<(), String> {
    let publisher = client.publisher().await.map_err(|error| format!("a publisher: {error}"))?;
    let (receipts, mut inbox) = tokio::sync::mpsc::channel(UNANSWERED_MAX);
    let answered = Arc::clone(&done);
    let answers = tokio::spawn(async move {
        while let Some((receipt, sent)) = inbox.recv().await {
            let receipt: axon::client::Receipt = receipt;
            match receipt.await {
                Ok(_) => record(&answered.ack, clock.nanos() - sent),
                Err(error) => return Err(format!("an event was refused: {error}")),
            }
        }
        Ok(())
    });
    let mut beat = tokio::time::interval(pause);
    for number in 0u64.. {
        beat.tick().await;
        if answers.is_finished() {
            break;
        }
        let (_, wire) = client.key().sign_event(&event(number, clock)).map_err(|error| error.to_string())?;
        let sent = clock.nanos();
        let receipt = publisher.send(wire).await.map_err(|error| format!("a publisher: {error}"))?;
        done.published.fetch_add(1, Ordering::Relaxed);
        if receipts.send((receipt, sent)).await.is_err() {
            break;
        }
    }
    answers.await.map_err(|error| error.to_string())?
}

fn event(number: u64, clock: Clock) -> EventBuilder {
    let kind = match number {
        n if n % EPHEMERAL_EVERY == 1 => Kind::PROGRESS,
        n if n % PRIVATE_EVERY == 2 => Kind::DM,
        _ => Kind::MESSAGE,
    };
    let mut content = clock.nanos().to_be_bytes().to_vec();
    content.resize(CONTENT_BYTES, number as u8);
    let tags = vec![("t".to_owned(), vec![topic(number % TOPICS)])];
    EventBuilder { kind, created_at: clock.unix_seconds(), content, tags }
}

async fn follow(
    client: Client,
    filter: Filter,
    clock: Clock,
    done: Arc<Done>,
) -> std::result::Result<(), String> {
    let mut updates = client.subscribe(filter, Start::Now);
    while let Some(update) = updates.next().await {
        match update.map_err(|error| format!("a follower: {error}"))? {
            Update::Event(delivery) => {
                done.delivered.fetch_add(1, Ordering::Relaxed);
                let made = delivery.event.content.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
                record(&done.delivery, clock.nanos().saturating_sub(made));
            }
            Update::CaughtUp(_) => {}
            Update::Retrying { .. } => drop(done.errors.fetch_add(1, Ordering::Relaxed)),
        }
    }
    Ok(())
}

/// Connects, looks at the newest events, leaves.
async fn visit(client: Client, done: Arc<Done>) -> std::result::Result<(), String> {
    loop {
        tokio::time::sleep(VISIT_EVERY).await;
        let updates = client.subscribe(Filter::default(), Start::Newest(NEWEST));
        read(updates, &done, |_| ()).await.map_err(|error| format!("a visitor: {error}"))?;
    }
}

/// Reads what is newest again and again, further on each time.
async fn read_again(client: Client, done: Arc<Done>) -> std::result::Result<(), String> {
    let mut after = 0;
    loop {
        tokio::time::sleep(REREAD_EVERY).await;
        let mut head = after;
        let updates = client.subscribe(Filter::default(), Start::After(Seq(after)));
        let read = read(updates, &done, |seq| head = head.max(seq)).await;
        read.map_err(|error| format!("a reader: {error}"))?;
        after = head.saturating_sub(REREAD_EVENTS);
    }
}

/// Up to the end of what is stored.
async fn read(
    mut updates: axon::client::Subscription,
    done: &Done,
    mut on: impl FnMut(u64),
) -> std::result::Result<(), SubscribeError> {
    while let Some(update) = updates.next().await {
        match update? {
            Update::Event(delivery) => {
                done.delivered.fetch_add(1, Ordering::Relaxed);
                on(delivery.position.map_or(0, |position| position.seq.0));
            }
            Update::CaughtUp(_) => break,
            Update::Retrying { .. } => drop(done.errors.fetch_add(1, Ordering::Relaxed)),
        }
    }
    Ok(())
}

fn record(histogram: &Mutex<Histogram<u64>>, nanos: u64) {
    histogram.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(nanos);
}

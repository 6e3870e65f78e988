//! Publishers that never stop, and the subscribers beside them.

use super::Broken;
use super::follow::{Follower, History};
use super::record::{Fate, Record, Sent};
use super::stretch::{AUTHORS, Stretch};
use crate::base::{Clock, EventId, Kind};
use crate::client::{Client, EventBuilder, KeyPair, PublishError, Receipt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What subscribers follow.
const FOLLOWED: [Stretch; 4] = [Stretch::Kept, Stretch::Kept, Stretch::Counted, Stretch::Weighed];

/// Values of the tag `t`.
pub(super) const TOPICS: u64 = 7;

const RECEIPTS_MAX: usize = 1_024;
const CONTENT_BYTES_MAX: usize = 160;

/// While the relay is away, or refuses.
const PAUSE: Duration = Duration::from_millis(20);

/// A minute: nothing waits that long for its answer.
const ANSWER_PAUSES_MAX: u32 = 3_000;

pub(super) fn key(seed: u64, author: u8) -> KeyPair {
    let mut bytes = [author; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    KeyPair::from_seed(&bytes)
}

/// The topic of an author's event of that number.
pub(super) fn topic(number: u64) -> String {
    format!("x{}", number % TOPICS)
}

/// The load of one run.
pub(super) struct Load {
    pub(super) record: Arc<Record>,
    pub(super) histories: Vec<History>,
    pace: Arc<Pace>,
    tasks: Vec<JoinHandle<Result<(), Broken>>>,
}

impl Load {
    /// Starts all of them; publishers wait for [`Load::resume`].
    pub(super) fn start(url: &str, seed: u64) -> Load {
        let record = Arc::new(Record::default());
        let pace = Arc::new(Pace::default());
        let mut tasks = Vec::new();
        for author in 0..AUTHORS {
            let publisher = Author {
                client: Client::new(url, key(seed, author)),
                author,
                rng: StdRng::seed_from_u64(seed ^ u64::from(author)),
                record: Arc::clone(&record),
                pace: Arc::clone(&pace),
            };
            tasks.push(tokio::spawn(publisher.publish()));
        }
        let histories: Vec<History> = FOLLOWED.map(History::new).to_vec();
        for (number, history) in (0..).zip(&histories) {
            let follower = Follower {
                client: Client::new(url, key(seed, number)).verify_events(false),
                rng: StdRng::seed_from_u64(seed ^ 0x5afe ^ u64::from(number)),
                history: history.clone(),
                record: Arc::clone(&record),
            };
            tasks.push(tokio::spawn(follower.follow()));
        }
        Load { record, histories, pace, tasks }
    }

    pub(super) fn resume(&self) {
        self.pace.publishing.store(true, Ordering::SeqCst);
    }

    /// No further event is sent; returns when every answer has come that will come.
    pub(super) async fn pause(&self) -> Result<(), Broken> {
        self.pace.publishing.store(false, Ordering::SeqCst);
        for _ in 0..ANSWER_PAUSES_MAX {
            if self.pace.unanswered.load(Ordering::SeqCst) == 0 {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err("a publish is neither answered nor lost".to_owned())
    }

    /// A promise that a publisher or subscriber saw broken.
    pub(super) async fn broken(&mut self) -> Option<Broken> {
        let ended = self.tasks.iter().position(JoinHandle::is_finished)?;
        match self.tasks.swap_remove(ended).await {
            Ok(Ok(())) => Some("a publisher or subscriber has ended".to_owned()),
            Ok(Err(broken)) => Some(broken),
            Err(error) => Some(format!("a publisher or subscriber: {error}")),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Whether publishers publish, and how many events wait for an answer.
#[derive(Debug, Default)]
struct Pace {
    publishing: AtomicBool,
    unanswered: AtomicU64,
}

impl Pace {
    /// Counts an event that may be sent now. Counted first, so that whoever has seen none after
    /// stopping the publishers sees none later.
    fn begin(&self) -> bool {
        self.unanswered.fetch_add(1, Ordering::SeqCst);
        let publishing = self.publishing.load(Ordering::SeqCst);
        if !publishing {
            self.end();
        }
        publishing
    }

    fn end(&self) {
        self.unanswered.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Author {
    client: Client,
    author: u8,
    rng: StdRng,
    record: Arc<Record>,
    pace: Arc<Pace>,
}

impl Author {
    async fn publish(mut self) -> Result<(), Broken> {
        let mut number = 0u64;
        loop {
            tokio::time::sleep(PAUSE).await;
            let Ok(publisher) = self.client.publisher().await else { continue };
            let (receipts, inbox) = mpsc::channel(RECEIPTS_MAX);
            let calm = Arc::new(AtomicBool::new(true));
            let answers = Answers { pace: Arc::clone(&self.pace), calm: Arc::clone(&calm) };
            let reading = tokio::spawn(answers.read(inbox, Arc::clone(&self.record)));
            while !reading.is_finished() {
                if !calm.swap(true, Ordering::Relaxed) || !self.pace.begin() {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                number += 1;
                let (id, wire) = self.event(number).map_err(|error| error.to_string())?;
                self.record.sent(id, Sent::new(self.author, number, &wire));
                // Only an attempt shows that a connection is over.
                let sent = match publisher.send(wire).await {
                    Ok(receipt) => receipts.send(receipt).await.is_ok(),
                    Err(_) => false,
                };
                if !sent {
                    self.pace.end();
                    break;
                }
            }
            drop(receipts);
            reading.await.map_err(|error| error.to_string())??;
        }
    }

    fn event(&mut self, number: u64) -> Result<(EventId, Vec<u8>), crate::client::SignError> {
        let mut content: Vec<u8> = number.to_be_bytes().to_vec();
        let extra = self.rng.random_range(0..CONTENT_BYTES_MAX);
        content.extend((0..extra).map(|_| self.rng.random::<u8>()));
        let tags = vec![("t".to_owned(), vec![topic(number)])];
        let kind = Kind(Stretch::of(number).kind(self.author));
        let created_at = Clock::new().unix_seconds();
        self.client.key().sign_event(&EventBuilder { kind, created_at, content, tags })
    }
}

/// What a publisher is told by its answers.
struct Answers {
    pace: Arc<Pace>,
    /// Taken away by a refusal that calls for a pause.
    calm: Arc<AtomicBool>,
}

impl Answers {
    async fn read(self, mut inbox: mpsc::Receiver<Receipt>, record: Arc<Record>) -> Result<(), Broken> {
        while let Some(receipt) = inbox.recv().await {
            let answer = receipt.await;
            match answer {
                Ok(published) => record.answered(&published.id, Fate::Stored),
                Err(PublishError::Refused { id, code: 409, .. }) => record.answered(&id, Fate::Stored),
                Err(PublishError::Refused { code: 503, .. }) => self.calm.store(false, Ordering::Relaxed),
                // The relay's clock is wrong at times.
                Err(PublishError::Refused { id, code: 400, .. }) => record.answered(&id, Fate::Refused),
                Err(PublishError::Refused { id, code, message }) => {
                    return Err(format!("{id} was answered {code}: {message}"));
                }
                // Lost with its connection.
                Err(_) => {}
            }
            self.pace.end();
        }
        Ok(())
    }
}

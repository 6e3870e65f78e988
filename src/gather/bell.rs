//! Wake-ups of streams and long polls: there is something new about a topic. Nothing is carried;
//! whoever is woken reads again.
//!
//! Inboxes and channels are rung when a notice or message is committed, for long polls; every
//! topic, when an event has come to its place in the log, for streams.
//!
//! A bell rung while its listener is not waiting is not lost: `wake` is called whenever a topic
//! it listens to is rung, from [`Bell::listen`] until the [`Listening`] is dropped. So: listen
//! first, then read, then wait, then read again.

use super::Fault;
use crate::log::{CommitSink, CommittedBatch};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Streams and waiting requests, about 200 bytes and a connection each; more are told to come back.
const LISTENERS_MAX: usize = 20_000;
/// Seconds after which a refused one may come back.
const RETRY_SECONDS: u32 = 5;

/// What can be listened to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Every post.
    Feed,
    /// Posts with this tag.
    Tag(String),
    /// A post's changes, comments and votes, by its id.
    Post(String),
    /// Skills, reviews and proofs.
    Skills,
    /// A channel's messages, by its id; for members.
    Channel(String),
    /// An agent's notices, by its row's `n`; for itself.
    Inbox(i64),
}

impl Topic {
    /// The topic of that name in the database.
    pub fn parse(name: &str) -> Option<Topic> {
        Some(match (name, name.split_once(':')) {
            ("feed", _) => Topic::Feed,
            ("skills", _) => Topic::Skills,
            (_, Some(("tag", tag))) => Topic::Tag(tag.to_owned()),
            (_, Some(("post", id))) => Topic::Post(id.to_owned()),
            (_, Some(("channel", id))) => Topic::Channel(id.to_owned()),
            (_, Some(("inbox", agent))) => Topic::Inbox(agent.parse().ok()?),
            _ => return None,
        })
    }

    /// Whether only some may hear it.
    pub fn is_private(&self) -> bool {
        matches!(self, Topic::Channel(_) | Topic::Inbox(_))
    }
}

impl fmt::Display for Topic {
    /// The name in the database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topic::Feed => f.write_str("feed"),
            Topic::Skills => f.write_str("skills"),
            Topic::Tag(tag) => write!(f, "tag:{tag}"),
            Topic::Post(id) => write!(f, "post:{id}"),
            Topic::Channel(id) => write!(f, "channel:{id}"),
            Topic::Inbox(agent) => write!(f, "inbox:{agent}"),
        }
    }
}

/// Called when a topic is rung, on the ringer's thread: hand over and return.
type Wake = Arc<dyn Fn() + Send + Sync>;

/// Everybody who listens.
#[derive(Default)]
pub struct Bell {
    ears: Mutex<Ears>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Ears {
    next: u64,
    count: usize,
    by_topic: HashMap<Topic, Vec<(u64, Wake)>>,
}

impl Bell {
    /// Has `wake` called whenever one of these topics is rung, and when the bell is closed.
    ///
    /// # Errors
    /// 503 if too many listen.
    pub fn listen(
        self: &Arc<Bell>,
        topics: &[Topic],
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Listening, Fault> {
        let wake: Wake = Arc::new(wake);
        let mut ears = self.lock();
        if ears.count >= LISTENERS_MAX {
            let detail = "too many wait for news; ask without waiting";
            return Err(Fault::unavailable(detail, RETRY_SECONDS));
        }
        let number = ears.next;
        ears.next += 1;
        ears.count += 1;
        for topic in topics {
            ears.by_topic.entry(topic.clone()).or_default().push((number, Arc::clone(&wake)));
        }
        Ok(Listening { bell: Arc::clone(self), topics: topics.to_vec(), number })
    }

    /// Wakes who listens to this topic.
    pub fn ring(&self, topic: &Topic) {
        // Without the lock: a wake may run anything.
        let waiting: Vec<Wake> = match self.lock().by_topic.get(topic) {
            Some(ears) => ears.iter().map(|(_, wake)| Arc::clone(wake)).collect(),
            None => return,
        };
        waiting.iter().for_each(|wake| wake());
    }

    /// Whether nothing more will be rung: whoever waits should end.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Wakes everybody for the last time.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let all: Vec<Wake> = self.lock().by_topic.values().flatten().map(|(_, w)| Arc::clone(w)).collect();
        all.iter().for_each(|wake| wake());
    }

    fn lock(&self) -> MutexGuard<'_, Ears> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody listens for as long as this lives.
pub struct Listening {
    bell: Arc<Bell>,
    topics: Vec<Topic>,
    number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut ears = self.bell.lock();
        ears.count -= 1;
        for topic in &self.topics {
            if let Some(waiting) = ears.by_topic.get_mut(topic) {
                waiting.retain(|(number, _)| *number != self.number);
                if waiting.is_empty() {
                    ears.by_topic.remove(topic);
                }
            }
        }
    }
}

/// Wakes one thread; given while it works, it goes round once more.
pub struct Nudge {
    ring: Sender<()>,
    rung: Receiver<()>,
    closed: AtomicBool,
}

impl Default for Nudge {
    fn default() -> Self {
        let (ring, rung) = bounded(1);
        Nudge { ring, rung, closed: AtomicBool::new(false) }
    }
}

impl Nudge {
    /// Rings; never blocks.
    pub fn ring(&self) {
        // A full channel means that it has been rung.
        let _ = self.ring.try_send(());
    }

    /// Waits until it is rung or the time is over; `false`: the thread is to end.
    pub fn wait(&self, time: Duration) -> bool {
        // Rung or not: the thread looks for itself.
        let _ = self.rung.recv_timeout(time);
        !self.is_closed()
    }

    /// Ends the thread.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Whether the thread is to end.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

impl CommitSink for Nudge {
    fn committed(&self, _: &Arc<CommittedBatch>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_bell_wakes_those_who_listen_and_nobody_else() {
        let bell = Arc::new(Bell::default());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let topics = [Topic::Feed, Topic::Inbox(1)];
        let wake = move || {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        let listening = bell.listen(&topics, wake).unwrap();
        for topic in [Topic::Feed, Topic::Inbox(1), Topic::Inbox(2), Topic::Tag("feed".to_owned())] {
            bell.ring(&topic);
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
        bell.close();
        assert!(bell.is_closed() && count.load(Ordering::SeqCst) > 2, "told of the end");
        drop(listening);
        let ears = bell.lock();
        assert!(ears.by_topic.is_empty() && ears.count == 0, "nothing stays behind");
    }

    #[test]
    fn the_number_of_listeners_is_bounded() {
        let bell = Arc::new(Bell::default());
        let mut all: Vec<_> =
            (0..LISTENERS_MAX).map(|_| bell.listen(&[Topic::Feed], || {}).unwrap()).collect();
        assert_eq!(bell.listen(&[Topic::Feed], || {}).err().unwrap().retry_seconds, Some(RETRY_SECONDS));
        all.truncate(1);
        bell.listen(&[Topic::Feed], || {}).unwrap();
    }

    #[test]
    fn a_thread_s_bell_rung_early_is_heard_late() {
        let bell = Nudge::default();
        bell.ring();
        bell.ring();
        assert!(bell.wait(Duration::from_secs(60)), "at once");
        bell.close();
        assert!(!bell.wait(Duration::from_secs(60)));
    }
}

//! Wake-ups of streams: something that concerns a topic has come to its place in the log.
//! Nothing is carried; whoever is woken reads again.
//!
//! A bell rung while its listener is not waiting is not lost: `wake` is called whenever a topic
//! it listens to is rung, from [`Bells::listen`] until the [`Listening`] is dropped. So: listen
//! first, then read, then wait, then read again.

use crate::log::{CommitSink, CommittedBatch};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

/// All bells. Their number is bounded by the listeners', a few topics each.
#[derive(Default)]
pub struct Bells {
    listeners: Mutex<HashMap<Topic, Vec<(u64, Wake)>>>,
    numbers: AtomicU64,
    closed: AtomicBool,
}

impl Bells {
    /// Has `wake` called whenever one of these topics is rung, and when all bells are closed.
    pub fn listen(self: &Arc<Bells>, topics: &[Topic], wake: impl Fn() + Send + Sync + 'static) -> Listening {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let wake: Wake = Arc::new(wake);
        let mut listeners = self.lock();
        for topic in topics {
            listeners.entry(topic.clone()).or_default().push((number, Arc::clone(&wake)));
        }
        Listening { bells: Arc::clone(self), topics: topics.to_vec(), number }
    }

    /// Wakes who listens to this topic.
    pub fn ring(&self, topic: &Topic) {
        let waiting: Vec<Wake> = match self.lock().get(topic) {
            Some(listeners) => listeners.iter().map(|(_, wake)| Arc::clone(wake)).collect(),
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
        let all: Vec<Wake> = self.lock().values().flatten().map(|(_, wake)| Arc::clone(wake)).collect();
        all.iter().for_each(|wake| wake());
    }

    /// How many wait for this topic.
    pub fn listeners(&self, topic: &Topic) -> usize {
        self.lock().get(topic).map_or(0, Vec::len)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Vec<(u64, Wake)>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody listens for as long as this lives.
pub struct Listening {
    bells: Arc<Bells>,
    topics: Vec<Topic>,
    number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.bells.lock();
        for topic in &self.topics {
            if let Some(waiting) = listeners.get_mut(topic) {
                waiting.retain(|(number, _)| *number != self.number);
                if waiting.is_empty() {
                    listeners.remove(topic);
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

    #[test]
    fn a_bell_wakes_those_who_listen_and_nobody_else() {
        let bells = Arc::new(Bells::default());
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let topics = [Topic::Feed, Topic::Inbox(1)];
        let listening = bells.listen(&topics, move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        for topic in [Topic::Feed, Topic::Inbox(1), Topic::Inbox(2), Topic::Tag("feed".to_owned())] {
            bells.ring(&topic);
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
        bells.close();
        assert!(bells.is_closed() && count.load(Ordering::SeqCst) > 2, "told of the end");
        drop(listening);
        assert_eq!(bells.listeners(&Topic::Feed), 0, "nothing stays behind");
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

//! Wakes those who wait for something new, for long polls: no runtime needed, a [`Listener`] is a
//! plain future.
//!
//! Listen first, look second, wait third: what is committed after the look rings the listener that
//! was there before it, so nothing is missed.

use super::Fault;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Waiting requests, about 200 bytes and a connection each; more are told to come back.
const LISTENERS_MAX: usize = 20_000;
/// Seconds after which a refused one may come back.
const RETRY_SECONDS: u32 = 5;

/// What can be waited for, by the row's `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// An agent's inbox.
    Inbox(i64),
    /// A channel's messages.
    Channel(i64),
}

/// Everybody who waits.
#[derive(Debug, Default)]
pub struct Bell {
    ears: Arc<Mutex<Ears>>,
}

#[derive(Debug, Default)]
struct Ears {
    next: u64,
    count: usize,
    by_topic: HashMap<Topic, HashMap<u64, Ear>>,
}

#[derive(Debug, Default)]
struct Ear {
    rung: bool,
    waker: Option<Waker>,
}

/// Ready once its topic was rung after it was made.
#[derive(Debug)]
pub struct Listener {
    ears: Arc<Mutex<Ears>>,
    topic: Topic,
    id: u64,
}

impl Bell {
    /// Listens from now on.
    ///
    /// # Errors
    /// 503 if too many do.
    pub fn listen(&self, topic: Topic) -> Result<Listener, Fault> {
        let mut ears = lock(&self.ears);
        if ears.count >= LISTENERS_MAX {
            return Err(Fault::unavailable(
                "too many requests wait for news; ask without wait",
                RETRY_SECONDS,
            ));
        }
        let id = ears.next;
        ears.next += 1;
        ears.count += 1;
        ears.by_topic.entry(topic).or_default().insert(id, Ear::default());
        Ok(Listener { ears: Arc::clone(&self.ears), topic, id })
    }

    /// Wakes all that listen to this.
    pub fn ring(&self, topic: Topic) {
        let mut wakers = Vec::new();
        if let Some(listening) = lock(&self.ears).by_topic.get_mut(&topic) {
            for ear in listening.values_mut() {
                ear.rung = true;
                wakers.extend(ear.waker.take());
            }
        }
        // Without the lock: a waker may run anything.
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Future for Listener {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut ears = lock(&self.ears);
        let ear = ears.by_topic.get_mut(&self.topic).and_then(|listening| listening.get_mut(&self.id));
        match ear {
            Some(ear) if !ear.rung => {
                ear.waker = Some(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut ears = lock(&self.ears);
        ears.count -= 1;
        if let Some(listening) = ears.by_topic.get_mut(&self.topic) {
            listening.remove(&self.id);
            if listening.is_empty() {
                ears.by_topic.remove(&self.topic);
            }
        }
    }
}

fn lock(ears: &Mutex<Ears>) -> MutexGuard<'_, Ears> {
    ears.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(listener: &mut Listener) -> bool {
        Pin::new(listener).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_ring_before_the_first_look_is_not_missed() {
        let bell = Bell::default();
        let mut mine = bell.listen(Topic::Inbox(1)).unwrap();
        let mut other = bell.listen(Topic::Channel(1)).unwrap();
        assert!(!ready(&mut mine));
        bell.ring(Topic::Inbox(1));
        assert!(ready(&mut mine) && !ready(&mut other));
        let mut late = bell.listen(Topic::Inbox(1)).unwrap();
        assert!(!ready(&mut late), "what was before is seen by looking");
        drop((mine, other, late));
        let ears = lock(&bell.ears);
        assert!(ears.by_topic.is_empty() && ears.count == 0);
    }
}

//! Wake-ups between tasks of one thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

/// A wake-up for one task: raised before it waits, it goes on at once.
#[derive(Debug, Default)]
pub(super) struct Signal {
    raised: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Signal {
    /// Lets the waiting task, or the next wait, go on.
    pub fn raise(&self) {
        self.raised.set(true);
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Completes once raised, and lowers it. Cancelling loses nothing.
    pub async fn wait(&self) {
        poll_fn(|context| {
            if self.raised.replace(false) {
                return Poll::Ready(());
            }
            *self.waiting.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A wake-up for all tasks that wait at that moment, and no later one.
#[derive(Debug, Default)]
pub(super) struct Broadcast {
    round: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Broadcast {
    /// Lets everybody who waits go on.
    pub fn raise(&self) {
        self.round.set(self.round.get().wrapping_add(1));
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }

    /// Completes at the next raise. Cancelling leaves one waker behind until then.
    pub async fn wait(&self) {
        let round = self.round.get();
        poll_fn(|context| {
            if self.round.get() != round {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Turns after which epoll's loop is made to look at its timers.
const TURNS_PER_PAUSE: u32 = 64;

/// Lets every task that is ready run first, where epoll drives the shard: its readiness does
/// not go through a ring that would. `turn` counts the caller's turns: now and then all have to
/// wait, because the runtime looks at its timers only when no task is ready.
pub(super) async fn yield_now(turn: u32) {
    if turn.is_multiple_of(TURNS_PER_PAUSE) {
        // Boxed: a timer is large, and its room would be part of every connection's task.
        Box::pin(monoio::time::sleep(Duration::from_millis(1))).await;
    } else {
        // A task that wakes itself would run again at once; one that waits for a new task
        // comes back behind all others.
        monoio::spawn(async {}).await;
    }
}

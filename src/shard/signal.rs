//! A wake-up between tasks of one thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Raised by one side, awaited by any number of tasks; whoever awaits it after it was raised
/// goes on at once, and one of them lowers it.
#[derive(Debug, Default)]
pub(super) struct Signal {
    raised: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    /// Wakes everybody who waits, or the next one who does.
    pub fn raise(&self) {
        self.raised.set(true);
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }

    /// Completes once raised, and lowers it. Cancelling leaves a waker behind that is woken
    /// once for nothing.
    pub async fn wait(&self) {
        poll_fn(|context| {
            if self.raised.replace(false) {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

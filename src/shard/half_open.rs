//! Connections without a login: a bounded number, the oldest making room.
//!
//! Refusing newcomers instead would let whoever holds all places keep everybody else out for as
//! long as he comes back in time. This way an honest client gets in as long as it logs in
//! faster than strangers turn all the places over.

use super::socket::Socket;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

/// One shard's connections without a login, by age.
#[derive(Default)]
pub(super) struct HalfOpen {
    sockets: RefCell<BTreeMap<u64, Weak<Socket>>>,
    next: Cell<u64>,
}

/// A connection's place among them; left when dropped.
pub(super) struct Waiting {
    half_open: Rc<HalfOpen>,
    number: u64,
}

impl HalfOpen {
    /// Takes a new connection in; if that makes more than `max`, the oldest end for it.
    pub fn enter(self: &Rc<Self>, socket: &Rc<Socket>, max: usize) -> Waiting {
        let number = self.next.replace(self.next.get() + 1);
        self.sockets.borrow_mut().insert(number, Rc::downgrade(socket));
        while let Some(oldest) = self.pop_beyond(max) {
            if let Some(oldest) = oldest.upgrade() {
                oldest.displaced.set(true);
                oldest.shutdown();
            }
        }
        Waiting { half_open: Rc::clone(self), number }
    }

    fn pop_beyond(&self, max: usize) -> Option<Weak<Socket>> {
        let mut sockets = self.sockets.borrow_mut();
        if sockets.len() > max { sockets.pop_first().map(|(_, oldest)| oldest) } else { None }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.half_open.sockets.borrow_mut().remove(&self.number);
    }
}

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
pub(super) struct HalfOpen {
    sockets: RefCell<BTreeMap<u64, Weak<Socket>>>,
    next: Cell<u64>,
    max: usize,
}

/// A connection's place among them; left when dropped.
pub(super) struct Waiting {
    half_open: Rc<HalfOpen>,
    number: u64,
}

impl HalfOpen {
    /// Room for `max` of them.
    pub fn new(max: usize) -> Rc<Self> {
        Rc::new(HalfOpen { sockets: RefCell::default(), next: Cell::new(0), max })
    }

    /// Takes a new connection in; the oldest ends for it if there are too many.
    pub fn enter(self: &Rc<Self>, socket: &Rc<Socket>) -> Waiting {
        let number = self.next.replace(self.next.get() + 1);
        let mut sockets = self.sockets.borrow_mut();
        sockets.insert(number, Rc::downgrade(socket));
        let oldest = if sockets.len() > self.max { sockets.pop_first() } else { None };
        drop(sockets);
        if let Some(oldest) = oldest.and_then(|(_, oldest)| oldest.upgrade()) {
            oldest.displaced.set(true);
            oldest.shutdown();
        }
        Waiting { half_open: Rc::clone(self), number }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.half_open.sockets.borrow_mut().remove(&self.number);
    }
}

//! The connections of a shard, at stable places.

use crate::base::Millis;
use crate::ingest::Seat;
use crate::session::Session;
use crate::wire::Assembler;
use std::collections::VecDeque;

/// A connection's place in its shard. Not used again before everything that was published
/// or asked from there has been answered, so an answer can never reach a later connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnIndex(pub u32);

/// What a shard keeps per connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub session: Session,
    pub assembler: Assembler,
    /// When it was upgraded, in nanoseconds; no two of a shard have the same.
    pub opened: u64,
    /// Its share of its key, once it has logged in.
    pub seat: Option<Seat>,
    /// Publishes without an outcome, and queries the log has not answered.
    pub unanswered: u32,
    /// Its signatures are verified apart from the others' until then.
    pub suspect_until: Millis,
    /// Bytes counted into the shard's queue budget.
    pub counted_bytes: usize,
    /// In the list of connections to flush.
    pub dirty: bool,
    /// Most messages of its last read were dealt with one by one.
    pub sends_singles: bool,
    /// Its reader waits until the session takes more.
    pub paused: bool,
    /// In the queue of connections that had their share of a turn.
    pub hungry: bool,
    /// In the list of connections that wait for their key's replay budget.
    pub paced: bool,
    /// In the list of connections that wait for the committer.
    pub held_back: bool,
    /// The socket took less than it was offered and has not said that it takes more.
    pub blocked: bool,
    /// The socket is gone; the place is kept until everything is answered.
    pub gone: bool,
}

/// The connections by place. Places are reused first in, first out.
#[derive(Debug, Default)]
pub(super) struct Conns {
    slots: Vec<Option<Box<Conn>>>,
    free: VecDeque<u32>,
    open: usize,
    last_opened: u64,
}

impl Conns {
    /// A new one, which was upgraded now.
    pub fn insert(&mut self, session: Session, now_nanos: u64) -> ConnIndex {
        self.last_opened = now_nanos.max(self.last_opened + 1);
        let conn = Box::new(Conn {
            session,
            assembler: Assembler::default(),
            opened: self.last_opened,
            seat: None,
            unanswered: 0,
            suspect_until: Millis::default(),
            counted_bytes: 0,
            dirty: false,
            sends_singles: false,
            paused: false,
            hungry: false,
            paced: false,
            held_back: false,
            blocked: false,
            gone: false,
        });
        self.open += 1;
        match self.free.pop_front() {
            Some(place) => {
                self.slots[place as usize] = Some(conn);
                ConnIndex(place)
            }
            None => {
                self.slots.push(Some(conn));
                ConnIndex(self.slots.len() as u32 - 1)
            }
        }
    }

    pub fn get(&self, index: ConnIndex) -> Option<&Conn> {
        self.slots.get(index.0 as usize)?.as_deref()
    }

    pub fn get_mut(&mut self, index: ConnIndex) -> Option<&mut Conn> {
        self.slots.get_mut(index.0 as usize)?.as_deref_mut()
    }

    /// Frees the place of a connection that is gone and fully answered.
    pub fn release(&mut self, index: ConnIndex) {
        if self.get(index).is_some_and(|conn| conn.gone && conn.unanswered == 0) {
            self.slots[index.0 as usize] = None;
            self.free.push_back(index.0);
            self.open -= 1;
        }
    }

    /// Places in use.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Places there are.
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    pub fn indexes(&self) -> impl Iterator<Item = ConnIndex> + use<> {
        (0..self.slots.len() as u32).map(ConnIndex)
    }
}

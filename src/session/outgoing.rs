//! The bytes one connection still has to send.

use crate::base::Millis;

/// A queue of whole frames, of which the socket may have taken a part.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    /// Already sent.
    start: usize,
    /// When the socket last took a byte, or the queue was last empty.
    progress: Millis,
}

impl Outgoing {
    /// Bytes not sent yet.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether everything was sent.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// What to send next.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Where frames are appended.
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// An empty queue is about to be filled: a stall is counted from now.
    pub fn begin(&mut self, now: Millis) {
        self.progress = now;
    }

    /// The socket took `n` bytes.
    pub fn advance(&mut self, now: Millis, n: usize) {
        self.start += n;
        assert!(self.start <= self.bytes.len(), "more was sent than was queued");
        if n > 0 || self.is_empty() {
            self.progress = now;
        }
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > self.bytes.len() / 2 {
            // Moving the smaller half keeps the cost per byte constant.
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// How long the socket has taken nothing though there was something.
    pub fn stalled_ms(&self, now: Millis) -> u64 {
        if self.is_empty() { 0 } else { now.since(self.progress) }
    }

    /// Frees what an idle connection does not need; whoever gets events takes it again at the next.
    pub fn shrink(&mut self, now: Millis) {
        if self.is_empty() {
            (self.progress, self.bytes, self.start) = (now, Vec::new(), 0);
        }
    }
}

//! The network: one bounded pipe per connection, relay to client. What clients send is handed
//! to the core directly.

use axon::session::Ending;
use axon::shard::{ConnIndex, Net, Sent};

#[derive(Default)]
pub struct Pipe {
    bytes: Vec<u8>,
    capacity: usize,
    /// Took less than it was offered: the core has to hear when it takes more.
    pub short: bool,
    /// The core has called `resume`.
    pub resumed: bool,
    pub closed: Option<Ending>,
    /// The longest offer since this was last looked at.
    pub offered_max: usize,
}

/// A shard's pipes by connection.
#[derive(Default)]
pub struct Pipes(Vec<Pipe>);

impl Pipes {
    pub fn open(&mut self, index: ConnIndex, capacity: usize) {
        let place = index.0 as usize;
        if place >= self.0.len() {
            self.0.resize_with(place + 1, Pipe::default);
        }
        self.0[place] = Pipe { capacity, ..Pipe::default() };
    }

    pub fn pipe(&mut self, index: ConnIndex) -> &mut Pipe {
        &mut self.0[index.0 as usize]
    }
}

impl Pipe {
    pub fn take(&mut self, bytes_max: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(bytes_max.min(self.bytes.len()));
        std::mem::replace(&mut self.bytes, rest)
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Net for Pipes {
    fn send(&mut self, index: ConnIndex, bytes: &[u8]) -> Sent {
        let pipe = self.pipe(index);
        assert!(pipe.closed.is_none(), "bytes for a connection that was closed");
        assert!(!pipe.short, "bytes for a pipe that has not said that it takes more");
        pipe.offered_max = pipe.offered_max.max(bytes.len());
        let n = bytes.len().min(pipe.capacity - pipe.bytes.len());
        pipe.bytes.extend_from_slice(&bytes[..n]);
        pipe.short = n < bytes.len();
        Sent::Took(n)
    }

    fn opened(&mut self, _: ConnIndex) {}

    fn resume(&mut self, index: ConnIndex) {
        self.pipe(index).resumed = true;
    }

    fn close(&mut self, index: ConnIndex, ending: Ending) {
        self.pipe(index).closed.get_or_insert(ending);
    }
}

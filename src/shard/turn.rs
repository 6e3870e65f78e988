//! The end of a turn: ready replies are written, the log is asked for what subscriptions need,
//! bytes go out, and what has ended is closed.

use super::conns::ConnIndex;
use super::core::{Core, Net, Sent};
use crate::base::{Closing, Now, Stage};
use crate::session::Ending;

impl<N: Net> Core<N> {
    pub(super) fn mark_dirty(&mut self, index: ConnIndex) {
        if let Some(conn) = self.conns.get_mut(index).filter(|conn| !conn.dirty) {
            conn.dirty = true;
            self.dirty.push(index);
        }
    }

    /// Writes ready replies, asks the log for what subscriptions need, sends, and ends what
    /// has ended, for every connection that something happened to.
    pub fn end_turn(&mut self, now: Now) {
        self.watch.enter(Stage::Encode);
        if self.submitted_bytes < self.terms.limits.shard_in_flight_bytes_max {
            for index in std::mem::take(&mut self.held_back) {
                if let Some(conn) = self.conns.get_mut(index) {
                    conn.held_back = false;
                }
                self.mark_dirty(index);
            }
        }
        while let Some(index) = self.dirty.pop() {
            let Some(conn) = self.conns.get_mut(index) else { continue };
            conn.dirty = false;
            if conn.gone {
                continue;
            }
            conn.session.write_replies();
            conn.session.close_if_answered();
            self.feed(now, index);
        }
    }

    /// Sends what is queued, as far as the socket takes it.
    pub(super) fn flush(&mut self, now: Now, index: ConnIndex) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        if conn.session.queued_bytes() > 0 && !conn.blocked {
            self.ports.counters.writes.add(1);
            let stage = self.watch.enter(Stage::Send);
            let sent = self.net.send(index, conn.session.out().pending());
            self.watch.enter(stage);
            match sent {
                Sent::Took(n) => {
                    self.ports.counters.bytes_out.add(n as u64);
                    conn.session.sent(now.ms, n);
                    conn.blocked = conn.session.queued_bytes() > 0;
                }
                // A reader that waits for the queue to shrink has to see the end.
                Sent::Gone => conn.session.abort(Closing::Gone),
            }
        }
        self.account(index);
        let Some(conn) = self.conns.get_mut(index) else { return };
        match conn.session.ending() {
            Some(Ending::Abort) => self.net.close(index, Ending::Abort),
            Some(Ending::Closing) if conn.session.queued_bytes() == 0 => {
                self.net.close(index, Ending::Closing)
            }
            _ if conn.paused && !conn.session.is_paused() => {
                conn.paused = false;
                self.net.resume(index);
            }
            _ => {}
        }
    }

    /// Brings the shard's queue budget up to date with one connection.
    pub(super) fn account(&mut self, index: ConnIndex) {
        if let Some(conn) = self.conns.get_mut(index) {
            let bytes = conn.session.queued_bytes() + self.net.held_bytes(index);
            self.queued_bytes = self.queued_bytes - conn.counted_bytes + bytes;
            conn.counted_bytes = bytes;
        }
    }
}

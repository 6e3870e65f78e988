//! The session and time: keep-alive, limits on waiting, draining, ending.

use super::machine::{Admission, Ending, Session, State};
use super::replies::About;
use crate::base::{Closing, Millis, Reason};
use crate::wire::{CloseCode, put_close, put_ping};

impl Session {
    /// Called about once a second.
    /// Whether there is something to send or to end.
    pub fn tick(&mut self, now: Millis) -> bool {
        let limits = &self.terms.limits;
        let (idle_ms, ping_ms, stall_ms) =
            (limits.idle_timeout_ms, limits.ping_interval_ms, limits.stall_timeout_ms);
        let auth_ms = limits.auth_timeout_ms;
        self.replies.shrink();
        self.out.shrink(now);
        if self.is_paused() {
            // We are the ones who do not read.
            self.last_alive = now;
        }
        if self.out.stalled_ms(now) >= stall_ms {
            self.abort(Closing::Stalled);
        }
        match self.state {
            State::Leaving(_) | State::Ended(_) => {
                // A peer that takes a byte now and then may not stay for ever.
                let since = *self.leaving_since.get_or_insert(now);
                if now.since(since) >= stall_ms {
                    self.abort(Closing::Stalled);
                }
                return true;
            }
            State::AwaitingAuth { since, .. } if now.since(since) >= auth_ms => {
                self.end_with(Reason::AuthTimeout { limit_ms: auth_ms });
            }
            State::Open { .. } if now.since(self.last_alive) >= idle_ms => self.abort(Closing::Idle),
            State::Open { .. } if now.since(self.last_ping) >= ping_ms => {
                self.last_ping = now;
                put_ping(self.out.end());
            }
            State::AwaitingAuth { .. } | State::Open { .. } => {}
        }
        !self.out.is_empty() || self.ending().is_some()
    }

    /// The socket took `n` bytes of the queue. A queue that had to wait and shrinks is a sign
    /// of life: the peer has taken what was before it.
    pub fn sent(&mut self, now: Millis, n: usize) {
        if n > 0 && self.waited {
            self.last_alive = now;
        }
        self.out.advance(now, n);
        self.waited = !self.out.is_empty();
    }

    /// The key's entry has changed. A page that is under way was chosen for the old one and is
    /// asked for again if it could hold other events now.
    pub fn readmit(&mut self, changed: Admission) {
        let State::Open { admission } = &mut self.state else { return };
        let before = std::mem::replace(admission, changed);
        if before.access == changed.access {
            return;
        }
        if let Some((index, _)) = self.reading {
            self.subs.renew(index);
        }
    }

    /// The relay is stopping: the session closes when nothing is in flight any more.
    pub fn drain(&mut self) {
        self.draining = true;
        self.close_if_answered();
    }

    /// While leaving or draining: closes once every reply has been queued.
    pub fn close_if_answered(&mut self) {
        let code = match self.state {
            State::Leaving(code) => code,
            State::AwaitingAuth { .. } | State::Open { .. } if self.draining => CloseCode::GoingAway,
            _ => return,
        };
        if self.replies.len() == 0 {
            self.closing.get_or_insert(Closing::Stopping);
            put_close(self.out.end(), code);
            self.state = State::Ended(Ending::Closing);
        }
    }

    /// Why the connection has ended, now that it has; without a reason of ours its peer is gone.
    pub fn closing(&self) -> Closing {
        self.closing.unwrap_or(Closing::Gone)
    }

    /// The socket is gone or given up: nothing more can be said.
    pub fn abort(&mut self, closing: Closing) {
        self.closing.get_or_insert(closing);
        self.state = State::Ended(Ending::Abort);
    }

    /// Queues an Error, which takes its place behind the replies that are due, then closes.
    pub fn end_with(&mut self, reason: Reason) {
        self.refuse(About::Nothing, reason);
        let code = match reason {
            Reason::MessageTooLarge { .. } => CloseCode::TooLarge,
            _ => CloseCode::Policy,
        };
        self.leave(code, Closing::of(reason));
    }

    /// An operator ends the connection: what is due is answered first, unless he says it again.
    pub fn dismiss(&mut self) {
        if self.is_listening() {
            self.leave(CloseCode::GoingAway, Closing::Dismissed);
        } else {
            self.abort(Closing::Dismissed);
        }
    }

    pub(super) fn leave(&mut self, code: CloseCode, closing: Closing) {
        if self.is_listening() {
            self.closing.get_or_insert(closing);
            self.state = State::Leaving(code);
            self.close_if_answered();
        }
    }
}

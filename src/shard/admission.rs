//! Who is behind a connection and what that key may use up: logins, changes of the allowlist,
//! and the price of every publish and subscription.

use super::conns::{Conn, ConnIndex};
use super::core::{Core, Net};
use crate::base::{KeyLimit, Now, PubKey, Reason, Signature, Stage};
use crate::event::scan_id;
use crate::filter::ReadAccess;
use crate::ingest::{KeyChanges, Pass};
use crate::log::Role;
use crate::session::{Admission, Terms};
use std::sync::Arc;

impl<N: Net> Core<N> {
    /// Checks a login and answers it.
    pub(super) fn login(&mut self, index: ConnIndex, nonce: &[u8; 32], pubkey: PubKey, sig: &Signature) {
        let stage = self.watch.enter(Stage::Verify);
        let outcome = self.door.login(nonce, &pubkey, sig);
        self.watch.enter(stage);
        let Some(conn) = self.conns.get_mut(index) else { return };
        match outcome {
            Ok(seat) => {
                conn.session.logged_in(pubkey, Ok(admission(self.private_kinds, pubkey, seat.pass())));
                conn.seat = Some(seat);
                self.net.opened(index);
            }
            Err(reason) => {
                self.ports.counters.count_over_limit(reason);
                conn.session.logged_in(pubkey, Err(reason));
            }
        }
    }

    /// A publish waits for its verdict, if the connection's key can pay for it. It pays before
    /// anything about the event is looked at, so that bad events are its own loss.
    pub(super) fn publish(&mut self, now: Now, index: ConnIndex, number: u64, event: &[u8]) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        let paid = match (&conn.seat, self.draining) {
            (_, Some(_)) => Err(Reason::ShuttingDown),
            (Some(seat), _) => seat.pass().charge_publish(now.nanos, event.len()),
            // Only an open session publishes, and it has a seat.
            (None, _) => Ok(()),
        };
        match paid {
            Ok(()) => {
                // Until its verdict the place must not pass to another connection.
                conn.unanswered += 1;
                let suspect = now.ms < conn.suspect_until;
                self.arrivals.push(index, number, event, suspect, now.nanos);
            }
            Err(reason) => {
                self.ports.counters.count_publish(reason.code());
                self.ports.counters.count_over_limit(reason);
                conn.session.settle(number, Err((scan_id(event), reason)));
            }
        }
    }

    /// The entries of these keys are others now, or (`None`) they have none any more.
    pub(super) fn keys_changed(&mut self, changes: &KeyChanges) {
        for index in self.conns.indexes() {
            let Some(conn) = self.conns.get_mut(index) else { continue };
            let Some((pubkey, pass)) = conn.session.pubkey().and_then(|key| changes.get_key_value(key))
            else {
                continue;
            };
            match pass {
                Some(pass) => {
                    conn.session.readmit(admission(self.private_kinds, *pubkey, pass));
                    if let Some(seat) = &mut conn.seat {
                        seat.renew(Arc::clone(pass));
                    }
                }
                None => conn.session.end_with(Reason::KeyRemoved),
            }
            self.mark_dirty(index);
        }
    }

    /// All go on under these terms, also those that have logged in.
    pub(super) fn set_terms(&mut self, terms: Arc<Terms>, private_kinds: bool) {
        self.private_kinds = private_kinds;
        for index in self.conns.indexes() {
            let Some(conn) = self.conns.get_mut(index) else { continue };
            conn.session.set_terms(Arc::clone(&terms));
            if let (Some(pubkey), Some(seat)) = (conn.session.pubkey().copied(), &conn.seat) {
                conn.session.readmit(admission(private_kinds, pubkey, seat.pass()));
            }
            self.mark_dirty(index);
        }
        self.terms = terms;
    }
}

impl Conn {
    /// Whether its key may have one subscription more; it is counted in any case.
    pub fn open_subscription(&mut self) -> Result<(), Reason> {
        self.seat.as_mut().map_or(Ok(()), |seat| seat.open_subscription())
    }

    /// So many bytes of stored events were read for it.
    pub fn charge_replay(&self, now: Now, bytes: usize) {
        if let Some(seat) = &self.seat {
            seat.pass().charge_replay(now.nanos, bytes);
        }
    }

    /// A counted subscription has ended.
    pub fn close_subscription(&mut self) {
        if let Some(seat) = &mut self.seat {
            seat.close_subscription();
        }
    }
}

/// What a key may read and ask.
fn admission(private_kinds: bool, pubkey: PubKey, pass: &Pass) -> Admission {
    let sees_all = !private_kinds || pass.role() == Role::Auditor;
    let entries = pass.limits().get(KeyLimit::FilterEntries);
    Admission {
        access: if sees_all { ReadAccess::All } else { ReadAccess::As(pubkey) },
        filter_entries_max: usize::try_from(entries).unwrap_or(usize::MAX),
    }
}

//! How many connections each address has: one host must not take the places of all others.

use crate::base::{Closing, Limits};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The connections by address. An entry lives as long as one of its connections, so there are
/// never more entries than connections. Locked once per connection and login, by nobody else.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    counts: Mutex<HashMap<IpAddr, Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    open: usize,
    /// Of those, the ones without a login.
    half_open: usize,
}

/// One connection's place; given back when dropped.
pub(super) struct AddressPlace {
    addresses: Arc<Addresses>,
    network: IpAddr,
    half_open: bool,
}

impl Addresses {
    /// A place for a connection from there; `None`: that address is not counted.
    pub fn admit(self: &Arc<Self>, peer: IpAddr, limits: &Limits) -> Result<Option<AddressPlace>, Closing> {
        let network = network(peer);
        if limits.exempt_loopback && network.is_loopback() {
            return Ok(None);
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let there = counts.get(&network);
        let (open, half_open) = there.map_or((0, 0), |there| (there.open, there.half_open));
        let is_over = |have: usize, max: usize| max != 0 && have >= max;
        if is_over(open, limits.connections_per_address_max) {
            return Err(Closing::AddressFull);
        }
        if is_over(half_open, limits.half_open_per_address_max) {
            return Err(Closing::AddressHalfOpen);
        }
        let there = counts.entry(network).or_default();
        there.open += 1;
        there.half_open += 1;
        Ok(Some(AddressPlace { addresses: Arc::clone(self), network, half_open: true }))
    }

    fn change(&self, network: IpAddr, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut there) = counts.entry(network) {
            change(there.get_mut());
            if there.get().open == 0 {
                there.remove();
            }
        }
    }
}

impl AddressPlace {
    /// The connection has logged in.
    pub fn logged_in(&mut self) {
        if std::mem::take(&mut self.half_open) {
            self.addresses.change(self.network, |there| there.half_open -= 1);
        }
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        self.logged_in();
        self.addresses.change(self.network, |there| there.open -= 1);
    }
}

/// What counts as one address: an IPv4 address, also in its IPv6 form, or the /64 that a host of
/// IPv6 is given and can choose from.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(open_max: usize, half_open_max: usize, exempt_loopback: bool) -> Limits {
        Limits {
            connections_per_address_max: open_max,
            half_open_per_address_max: half_open_max,
            exempt_loopback,
            ..Limits::default()
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_counted_given_back_and_forgotten() {
        let (addresses, limits) = (Arc::<Addresses>::default(), limits(3, 2, true));
        let admit = |text| addresses.admit(ip(text), &limits).map(Option::unwrap);
        let mut first = admit("192.0.2.1").ok().unwrap();
        let second = admit("192.0.2.1").ok().unwrap();
        assert_eq!(admit("192.0.2.1").err(), Some(Closing::AddressHalfOpen));
        assert!(admit("192.0.2.2").is_ok());
        first.logged_in();
        let third = admit("::ffff:192.0.2.1").ok().unwrap();
        assert_eq!(admit("192.0.2.1").err(), Some(Closing::AddressFull));
        drop((first, second));
        assert!(admit("192.0.2.1").is_ok());
        drop(third);
        assert!(addresses.counts.lock().unwrap().is_empty());
    }

    #[test]
    fn a_64_is_one_address_and_loopback_is_none() {
        let (addresses, loose) = (Arc::<Addresses>::default(), limits(1, 0, true));
        let admit = |text| addresses.admit(ip(text), &loose);
        let place = admit("2001:db8::1").ok().flatten();
        assert!(place.is_some());
        assert_eq!(admit("2001:db8::ffff:2").err(), Some(Closing::AddressFull));
        assert!(admit("2001:db8:0:1::1").is_ok_and(|place| place.is_some()));
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!((0..3).all(|_| admit(loopback).is_ok_and(|place| place.is_none())));
        }
        let strict = limits(1, 0, false);
        let place = addresses.admit(ip("::1"), &strict);
        assert!(place.is_ok() && addresses.admit(ip("::1"), &strict).is_err());
    }
}

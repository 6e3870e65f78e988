//! What Gather is given while it is filled: nobody outside, and a relay that is not there yet.

use axon::base::{Clock, PubKey};
use axon::gather::ports::{
    Attributes, Chain, ChainTx, Later, PortError, Ports, PrintOrder, PrintService, PrintState, Rate,
    RelayDoor, Tweet, Tweets,
};
use axon::gather::rules::money::Decimal;
use axon::gather::upstreams::Upstreams;
use std::sync::Arc;

/// Answers nobody.
struct Away;

fn away<T>() -> Later<'static, T> {
    Box::pin(async { Err(PortError::Unreachable("a service that is not there")) })
}

/// Registered keys stay noted as waiting; the relay lets them in at its first start.
impl RelayDoor for Away {
    fn admit(&self, _: &PubKey, _: &str) -> Result<(), String> {
        Err("there is no relay yet".to_owned())
    }

    fn expel(&self, _: &PubKey) -> Result<(), String> {
        Err("there is no relay yet".to_owned())
    }

    fn allowed(&self, _: &PubKey) -> bool {
        false
    }

    fn is_admin(&self, _: &PubKey) -> bool {
        false
    }
}

impl Tweets for Away {
    fn tweet<'a>(&'a self, _: &'a str) -> Later<'a, Tweet> {
        away()
    }
}

impl Chain for Away {
    fn transaction<'a>(&'a self, _: &'a str) -> Later<'a, ChainTx> {
        away()
    }
}

impl Rate for Away {
    fn usd_per_bch(&self) -> Later<'_, Decimal> {
        away()
    }
}

impl PrintService for Away {
    fn values<'a>(&'a self, _: &'a str, _: &'a Attributes, _: &'a str) -> Later<'a, Vec<String>> {
        away()
    }

    fn product_uid<'a>(&'a self, _: &'a str, _: &'a Attributes) -> Later<'a, Option<String>> {
        away()
    }

    fn cost_usd<'a>(&'a self, _: &'a str) -> Later<'a, Decimal> {
        away()
    }

    fn place<'a>(&'a self, _: &'a PrintOrder) -> Later<'a, String> {
        away()
    }

    fn placed<'a>(&'a self, _: &'a str) -> Later<'a, Option<String>> {
        away()
    }

    fn state<'a>(&'a self, _: &'a str) -> Later<'a, PrintState> {
        away()
    }
}

/// Nobody, everywhere.
pub fn ports(clock: Clock) -> Ports {
    let away = Arc::new(Away);
    Ports {
        chain: away.clone(),
        rate: away.clone(),
        relay: away.clone(),
        tweets: away.clone(),
        print: away,
        upstreams: Arc::new(Upstreams::new(clock, Vec::new())),
    }
}

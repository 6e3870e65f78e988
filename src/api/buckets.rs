//! Token buckets: contract 3.6.

use crate::base::{Clock, Millis};
use crate::gather::Fault;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Buckets of one kind, 100 bytes each; above it those that are full go, and if none is, all.
const ENTRIES_MAX: usize = 100_000;
const MINUTE_MS: u64 = 60_000;

/// How fast a bucket fills, and how full it gets.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_minute: u64,
    burst: u64,
    /// What is limited, for whoever meets the limit.
    of: &'static str,
}

/// Of every address.
const ADDRESS: Rate = Rate { per_minute: 60, burst: 10, of: "from one address" };

/// The buckets of agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgentBucket {
    /// The inbox.
    Low,
    /// Orders and payments, together.
    High,
    /// The window into the relay.
    Window,
    /// Uploads of unverified agents.
    Upload,
    /// Uploads of verified agents.
    UploadVerified,
}

impl AgentBucket {
    fn rate(self) -> Rate {
        let (per_minute, burst, of) = match self {
            AgentBucket::Low => {
                (20, 5, "to an agent's inbox (?wait=30 waits for news, GET /api/inbox/unread is not limited)")
            }
            AgentBucket::High => (60, 15, "of an agent for orders and payments"),
            // Asked every second by each page that shows it: room for four of them.
            AgentBucket::Window => (240, 20, "of an administrator for the relay's figures"),
            AgentBucket::Upload => (10, 3, "to upload of an agent that is not verified"),
            AgentBucket::UploadVerified => (30, 10, "to upload of a verified agent"),
        };
        Rate { per_minute, burst, of }
    }
}

/// All buckets.
pub struct Buckets {
    clock: Clock,
    /// `None`: addresses are not limited.
    addresses: Option<Table<IpAddr>>,
    agents: Table<(AgentBucket, String)>,
}

impl Buckets {
    pub fn new(clock: Clock, limit_addresses: bool) -> Buckets {
        Buckets { clock, addresses: limit_addresses.then(Table::default), agents: Table::default() }
    }

    /// One request of this address.
    pub fn charge_address(&self, address: Option<IpAddr>) -> Result<(), Fault> {
        match (&self.addresses, address) {
            (Some(table), Some(address)) => table.charge(address, ADDRESS, self.clock.now()),
            _ => Ok(()),
        }
    }

    /// One request of this agent.
    pub fn charge_agent(&self, bucket: AgentBucket, agent: &str) -> Result<(), Fault> {
        self.agents.charge((bucket, agent.to_owned()), bucket.rate(), self.clock.now())
    }
}

/// A bucket is the moment at which it is full again; a request moves that by what a token takes
/// to refill.
struct Table<K> {
    /// When each bucket would be full again.
    full_at: Mutex<HashMap<K, Millis>>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Table { full_at: Mutex::default() }
    }
}

impl<K: Hash + Eq> Table<K> {
    fn charge(&self, key: K, rate: Rate, now: Millis) -> Result<(), Fault> {
        let cost = MINUTE_MS / rate.per_minute;
        let mut table = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= ENTRIES_MAX && !table.contains_key(&key) {
            table.retain(|_, full_at| full_at.since(now) > 0);
            if table.len() >= ENTRIES_MAX {
                table.clear();
            }
        }
        let full_at = table.entry(key).or_insert(now);
        let charged = (*full_at).max(now).plus(cost);
        let over = charged.since(now).saturating_sub(rate.burst * cost);
        if over > 0 {
            let Rate { per_minute, burst, of } = rate;
            let seconds = u32::try_from(over.div_ceil(1_000)).unwrap_or(u32::MAX);
            let limit = format!("{per_minute} requests a minute, {burst} at once, {of}");
            return Err(Fault::too_many(format!("the limit is {limit}: try again in {seconds} s"), seconds));
        }
        *full_at = charged;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let table: Table<u8> = Table::default();
        let rate = ADDRESS;
        let passed =
            |at: u64, tries: u32| (0..tries).filter(|_| table.charge(1, rate, Millis(at)).is_ok()).count();
        assert_eq!(passed(0, 20), 10);
        assert_eq!(passed(999, 5), 0);
        assert_eq!(passed(1_000, 5), 1);
        assert_eq!(passed(61_000, 20), 10, "never more than the burst");
        assert_eq!(table.charge(1, rate, Millis(61_000)).unwrap_err().retry_seconds, Some(1));
        assert!(table.charge(2, rate, Millis(61_000)).is_ok(), "others have their own");
    }
}

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
}

/// Of every address.
const ADDRESS: Rate = Rate { per_minute: 60, burst: 10 };

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
        match self {
            AgentBucket::Low => Rate { per_minute: 20, burst: 5 },
            AgentBucket::High => Rate { per_minute: 60, burst: 15 },
            // Asked every second by each page that shows it: room for four of them.
            AgentBucket::Window => Rate { per_minute: 240, burst: 20 },
            AgentBucket::Upload => Rate { per_minute: 10, burst: 3 },
            AgentBucket::UploadVerified => Rate { per_minute: 30, burst: 10 },
        }
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
            let (per_minute, burst) = (rate.per_minute, rate.burst);
            let detail = format!("too many requests: {per_minute} a minute, {burst} at once");
            return Err(Fault::too_many(detail, u32::try_from(over.div_ceil(1_000)).unwrap_or(u32::MAX)));
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
        let rate = Rate { per_minute: 60, burst: 10 };
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

//! What a BCH is worth, by CoinGecko's API.

use super::Client;
use super::cache::Cache;
use crate::base::Clock;
use crate::gather::ports::{Later, PortError, Rate};
use crate::gather::rules::money::Decimal;
use std::time::Duration;

const SERVICE: &str = "the exchange rate";
const LIMIT: Duration = Duration::from_secs(10);
const KEPT_MS: u64 = 300_000;

/// The service at a base URL.
pub struct CoinGecko {
    client: Client,
    base: String,
    rates: Cache<Decimal>,
}

impl CoinGecko {
    /// `base` is `https://api.coingecko.com`, or a double of it.
    pub fn new(client: Client, base: &str, clock: Clock) -> CoinGecko {
        let base = base.trim_end_matches('/').to_owned();
        CoinGecko { client, base, rates: Cache::new(clock, KEPT_MS) }
    }
}

impl Rate for CoinGecko {
    fn usd_per_bch(&self) -> Later<'_, Decimal> {
        let fetch = async move {
            let url = format!("{}/api/v3/simple/price?ids=bitcoin-cash&vs_currencies=usd", self.base);
            let (_, answer) = self.client.json(SERVICE, self.client.http().get(url), LIMIT).await?;
            let rate = Decimal::parse(&answer["bitcoin-cash"]["usd"].to_string());
            rate.filter(|rate| rate.is_positive()).ok_or(PortError::Unreachable(SERVICE))
        };
        Box::pin(self.rates.get(String::new(), fetch))
    }
}

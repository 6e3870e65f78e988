//! What a BCH is worth, by CoinGecko's simple price.

use super::Client;
use crate::gather::ports::{Later, PortError, Rate};
use crate::gather::rules::money::Decimal;
use std::time::Duration;

const SERVICE: &str = "the exchange rate";
const LIMIT: Duration = Duration::from_secs(10);

/// The price service at a base URL.
#[derive(Debug, Clone)]
pub struct SimplePrice {
    client: Client,
    base: String,
}

impl SimplePrice {
    /// `base` is `https://api.coingecko.com`, or a double of it.
    pub fn new(client: Client, base: &str) -> SimplePrice {
        SimplePrice { client, base: base.trim_end_matches('/').to_owned() }
    }
}

impl Rate for SimplePrice {
    fn usd_per_bch(&self) -> Later<'_, Decimal> {
        Box::pin(async move {
            let url = format!("{}/api/v3/simple/price?ids=bitcoin-cash&vs_currencies=usd", self.base);
            let (status, answer) = self.client.json(SERVICE, self.client.http().get(url), LIMIT).await?;
            let price = answer["bitcoin-cash"]["usd"].as_number().filter(|_| status.is_success());
            // A price with an exponent or a sign is none.
            let rate = price.and_then(|price| Decimal::parse(&price.to_string()));
            rate.filter(|rate| rate.is_positive()).ok_or(PortError::Unreachable(SERVICE))
        })
    }
}

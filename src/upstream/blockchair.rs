//! The chain, by Blockchair's API.

use super::Client;
use crate::gather::ports::{Chain, ChainFault, Output, Outputs};
use crate::gather::rules::money::Sats;
use std::time::Duration;

const SERVICE: &str = "the chain service";
const LIMIT: Duration = Duration::from_secs(10);
const PREFIX: &str = "bitcoincash:";

/// The service at a base URL.
#[derive(Debug, Clone)]
pub struct Blockchair {
    client: Client,
    base: String,
}

impl Blockchair {
    /// `base` is `https://api.blockchair.com`, or a double of it.
    pub fn new(client: Client, base: &str) -> Blockchair {
        Blockchair { client, base: base.trim_end_matches('/').to_owned() }
    }
}

impl Chain for Blockchair {
    fn outputs_to<'a>(&'a self, tx: &'a str, address: &'a str) -> Outputs<'a> {
        Box::pin(async move {
            let url = format!("{}/bitcoin-cash/dashboards/transaction/{tx}", self.base);
            let answer = self.client.json(SERVICE, self.client.http().get(url), LIMIT).await;
            let (status, answer) = answer.map_err(|_| ChainFault::Unreachable)?;
            if status.as_u16() == 404 {
                return Err(ChainFault::Unknown);
            }
            if !status.is_success() || !answer.is_object() {
                return Err(ChainFault::Unreachable);
            }
            let found = &answer["data"][tx];
            if !found.is_object() {
                return Err(ChainFault::Unknown);
            }
            if found["transaction"]["block_id"].as_i64().unwrap_or(0) <= 0 {
                return Err(ChainFault::Unconfirmed);
            }
            let ours = address.strip_prefix(PREFIX).unwrap_or(address);
            let outputs = found["outputs"].as_array().into_iter().flatten().enumerate();
            let paid = outputs.filter(|(_, output)| output["recipient"] == ours);
            Ok(paid
                .filter_map(|(vout, output)| {
                    let amount = output["value"].as_i64().filter(|amount| *amount > 0)?;
                    Some(Output { vout: u32::try_from(vout).ok()?, amount: Sats(amount) })
                })
                .collect())
        })
    }
}

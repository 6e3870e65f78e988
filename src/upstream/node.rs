//! Transactions, by the operator's own Bitcoin Cash node: JSON-RPC `getrawtransaction`, verbose.
//! The node needs an index of all transactions (`txindex=1`).

use super::Client;
use super::client::serves;
use super::script;
use crate::gather::ports::{Chain, ChainOutput, ChainTx, Later, PortError};
use crate::gather::rules::money::{SATS_MAX, SATS_PER_BCH, Sats};
use serde_json::{Value, json};
use std::time::Duration;

const SERVICE: &str = "the BCH node";
const LIMIT: Duration = Duration::from_secs(10);
/// What the node says of a transaction it does not know.
const UNKNOWN_TX: i64 = -5;

/// A node.
#[derive(Clone)]
pub struct Node {
    client: Client,
    url: String,
    user: String,
    password: String,
}

impl Node {
    /// The node whose RPC interface is at `url`.
    pub fn new(client: Client, url: &str, user: &str, password: &str) -> Node {
        let (url, user, password) = (url.to_owned(), user.to_owned(), password.to_owned());
        Node { client, url, user, password }
    }
}

impl Chain for Node {
    fn transaction<'a>(&'a self, id: &'a str) -> Later<'a, ChainTx> {
        Box::pin(async move {
            let call =
                json!({"jsonrpc": "1.0", "id": "axon", "method": "getrawtransaction", "params": [id, true]});
            let mut request = self.client.http().post(&self.url).json(&call);
            if !self.user.is_empty() {
                request = request.basic_auth(&self.user, Some(&self.password));
            }
            // An error of the call comes as status 500 with a JSON body, and this one is no trouble.
            let code = |answer: &Value| answer["error"]["code"].as_i64();
            let well = |status, answer: &Value| serves(status) || code(answer) == Some(UNKNOWN_TX);
            let (_, answer) = self.client.judged(SERVICE, request, LIMIT, well).await?;
            match code(&answer) {
                Some(UNKNOWN_TX) => Err(PortError::Unknown(SERVICE)),
                Some(_) => Err(PortError::Unreachable(SERVICE)),
                None => read(&answer["result"]).ok_or(PortError::Unreachable(SERVICE)),
            }
        })
    }
}

fn read(result: &Value) -> Option<ChainTx> {
    // Missing until a block holds it.
    let confirmed = result["confirmations"].as_i64().unwrap_or(0) > 0;
    let output = |output: &Value| {
        let script = &output["scriptPubKey"];
        // One name in old versions, another in new ones.
        let address =
            script["address"].as_str().or_else(|| match script["addresses"].as_array()?.as_slice() {
                [one] => one.as_str(),
                _ => None,
            });
        Some(ChainOutput {
            index: output["n"].as_u64().and_then(|n| u32::try_from(n).ok())?,
            address: address.map(script::bare).unwrap_or_default(),
            value: sats(output["value"].as_f64()?)?,
            memo: script["hex"].as_str().and_then(script::memo),
        })
    };
    let outputs = result["vout"].as_array()?.iter().map(output).collect::<Option<_>>()?;
    Some(ChainTx { confirmed, outputs })
}

/// BCH as the node's JSON number. Up to 21 million with 8 decimals a double is exact to a
/// hundredth of a satoshi, so rounding gives the number that was meant.
fn sats(bch: f64) -> Option<Sats> {
    let sats = (bch * SATS_PER_BCH as f64).round();
    (0.0..=SATS_MAX as f64).contains(&sats).then_some(Sats(sats as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_amount_is_read_to_the_satoshi() {
        for amount in [0, 1, 29, 57, 123_456_789, SATS_MAX - 1, SATS_MAX] {
            let text = Sats(amount).to_string();
            let number: f64 = serde_json::from_str(&text).unwrap();
            assert_eq!(sats(number), Some(Sats(amount)), "{text}");
        }
        assert_eq!((sats(-1.0), sats(f64::NAN), sats(2.2e7)), (None, None, None));
    }

    #[test]
    fn both_names_of_an_address_are_known() {
        let result = json!({"confirmations": 1, "vout": [
            {"n": 0, "value": 0.1, "scriptPubKey": {"addresses": ["bitcoincash:qa"], "hex": "76"}},
            {"n": 1, "value": 0.2, "scriptPubKey": {"address": "bitcoincash:qb", "hex": "76"}},
            {"n": 2, "value": 0.3, "scriptPubKey": {"addresses": ["x", "y"], "hex": "51"}},
        ]});
        let addresses: Vec<_> = read(&result).unwrap().outputs.into_iter().map(|o| o.address).collect();
        assert_eq!(addresses, ["qa", "qb", ""]);
        assert_eq!(read(&json!({"vout": [{"value": 1}]})), None);
    }
}

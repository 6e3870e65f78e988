//! Transactions, by Blockchair's dashboards.

use super::Client;
use super::script;
use crate::gather::ports::{Chain, ChainOutput, ChainTx, Later, PortError};
use crate::gather::rules::money::{SATS_MAX, Sats};
use serde_json::Value;
use std::time::Duration;

const SERVICE: &str = "the block explorer";
const LIMIT: Duration = Duration::from_secs(10);

/// The explorer at a base URL.
#[derive(Debug, Clone)]
pub struct Explorer {
    client: Client,
    base: String,
}

impl Explorer {
    /// `base` is `https://api.blockchair.com`, or a double of it.
    pub fn new(client: Client, base: &str) -> Explorer {
        Explorer { client, base: base.trim_end_matches('/').to_owned() }
    }
}

impl Chain for Explorer {
    fn transaction<'a>(&'a self, id: &'a str) -> Later<'a, ChainTx> {
        Box::pin(async move {
            let url = format!("{}/bitcoin-cash/dashboards/transaction/{id}", self.base);
            let (status, answer) = self.client.json(SERVICE, self.client.http().get(url), LIMIT).await?;
            let known = &answer["data"][id];
            match (status.as_u16(), answer.get("data")) {
                // It says "not found" by 404, or by 200 without data.
                (404, _) => Err(PortError::Unknown(SERVICE)),
                (200, Some(_)) if !known.is_object() => Err(PortError::Unknown(SERVICE)),
                (200, Some(_)) => read(known).ok_or(PortError::Unreachable(SERVICE)),
                // Their trouble is no verdict on the payment (W19).
                _ => Err(PortError::Unreachable(SERVICE)),
            }
        })
    }
}

fn read(known: &Value) -> Option<ChainTx> {
    let confirmed = known["transaction"]["block_id"].as_i64()? > 0;
    let outputs = known["outputs"].as_array()?.iter().zip(0u32..);
    let output = |(output, place): (&Value, u32)| {
        let index = output["index"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(place);
        let value = output["value"].as_i64().filter(|sats| (0..=SATS_MAX).contains(sats))?;
        let address = output["recipient"].as_str().unwrap_or_default();
        let memo = output["script_hex"].as_str().and_then(script::memo);
        Some(ChainOutput { index, address: script::bare(address), value: Sats(value), memo })
    };
    Some(ChainTx { confirmed, outputs: outputs.map(output).collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_dashboard_is_read_strictly() {
        let good = json!({
            "transaction": {"block_id": 800_000},
            "outputs": [
                {"index": 1, "recipient": "bitcoincash:qx", "value": 5, "script_hex": "76a9"},
                {"recipient": "", "value": 0, "script_hex": "6a0a6761746865723a616263"},
            ],
        });
        let tx = read(&good).unwrap();
        assert!(tx.confirmed);
        assert_eq!(
            (tx.outputs[0].index, tx.outputs[0].address.as_str(), tx.outputs[0].value),
            (1, "qx", Sats(5))
        );
        assert_eq!(tx.outputs[1].memo.as_deref(), Some("gather:abc"));
        for (path, strange) in
            [("/transaction/block_id", json!("x")), ("/outputs/0/value", json!(-1)), ("/outputs", json!({}))]
        {
            let mut bad = good.clone();
            *bad.pointer_mut(path).unwrap() = strange;
            assert_eq!(read(&bad), None, "{path}");
        }
        let mut waiting = good;
        waiting["transaction"]["block_id"] = json!(-1);
        assert!(!read(&waiting).unwrap().confirmed);
    }
}

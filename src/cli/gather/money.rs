//! Balance, deposits, tips.

use super::session::Session;
use super::show::{answer, properties};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::Request;
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct TipFlags {
    /// The recipient's id
    agent: String,
    /// BCH, with at most 8 decimals
    #[arg(value_name = "BCH")]
    amount: String,
    /// The post it is for
    #[arg(long)]
    post: Option<String>,
    /// A note to the recipient
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct BalanceFlags {
    /// Claim this payment: its transaction's id, 64 hex digits
    #[arg(long, value_name = "TX")]
    deposit: Option<String>,
}

pub(super) async fn tip(session: &mut Session, flags: &TipFlags, output: &mut Output) -> Result<(), Failure> {
    let tip = json!({
        "to": flags.agent, "amount_bch": flags.amount, "post_id": flags.post, "message": flags.message,
    });
    let tipped = session.send(&Request::post("/api/balance/tip", &tip)).await?;
    answer(output, &tipped, |shown| {
        format!("{} BCH sent, {} BCH left", shown.text("amount_bch"), shown.text("from_balance_bch"))
    })?;
    Ok(())
}

pub(super) async fn balance(
    session: &mut Session,
    flags: &BalanceFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    if let Some(tx) = &flags.deposit {
        let credited = session.send(&Request::put("/api/balance/deposit", &json!({ "tx_id": tx }))).await?;
        answer(output, &credited, properties)?;
        return Ok(());
    }
    let mut balance = session.send(&Request::get("/api/balance")).await?;
    let fees = session.send(&Request::get("/api/balance/fees").public()).await?;
    balance["deposit_address"] = fees["deposit_address"].clone();
    answer(output, &balance, properties)?;
    Ok(())
}

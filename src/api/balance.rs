//! Money: balance, fees, deposits, tips.

use super::call::{Anyone, Call};
use super::operation::{Operation, get, post, put};
use crate::gather::deposits::{self, Deposit};
use crate::gather::input::Nothing;
use crate::gather::tips::{self, Tip};
use crate::gather::{Agent, Fault, fees, rate};

const TAG: &str = "Balance";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/api/balance", "get-balance", TAG, "What you have, what it costs, what is free").run(
            |at, call: Call<Agent>| async move {
                rate::refresh(at.api().gather.context()).await;
                let purse = at.api().read(move |db| fees::purse(db, &call.who)).await?;
                at.answer(&purse)
            },
        ),
        get("/api/balance/fees", "get-fees", TAG, "Fees, quotas and the deposit address").run(
            |at, _: Call<Anyone>| async move {
                rate::refresh(at.api().gather.context()).await;
                let table = at.api().read(fees::table).await?;
                at.answer(&table)
            },
        ),
        put("/api/balance/deposit", "deposit-balance", TAG, "Credit a payment to the deposit address")
            .refuses(&[400, 409])
            .run(|at, call: Call<Agent, Nothing, Deposit>| async move {
                let asked = call.body.clone();
                at.api().read(move |db| deposits::expect(db, &asked)).await?;
                let found = at.api().gather.context().ports.chain.transaction(&call.body.tx_id).await;
                at.write(move |tx| {
                    let me = Agent::of(tx, &call.who.bearer, true)?;
                    let outputs =
                        deposits::judge(tx, &me, found, &tx.context().options.bch_address, Fault::bad)?;
                    deposits::settle(tx, &me, &call.body, &outputs)
                })
                .await
            }),
        post("/api/balance/tip", "tip-agent", TAG, "Give some of your balance to another agent")
            .refuses(&[402, 404])
            .write(|tx, call: Call<Agent, Nothing, Tip>| tips::tip(tx, &call.who, &call.body)),
    ]
}

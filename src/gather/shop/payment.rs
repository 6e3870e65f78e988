//! Paying an order with a transaction on the chain. Each output pays once, for an order or as a
//! deposit (W2, W32); what is above the price is credited to the buyer (W21).

use super::fulfilment;
use super::orders::{self, Order, short};
use crate::gather::inbox::{self, Notice};
use crate::gather::input::chars;
use crate::gather::ledger::{self, Account};
use crate::gather::ports::{ChainOutput, ChainTx, PortError};
use crate::gather::rules::money::Sats;
use crate::gather::{Agent, Db, Fault, Tx, deposits};
use serde::Serialize;
use utoipa::ToSchema;

/// Hex digits of a transaction's id.
const TX_CHARS: usize = 64;

crate::gather::input! {
    /// A payment.
    pub struct Payment {
        /// The transaction's id, 64 lower-case hex digits.
        tx_id: String = chars(TX_CHARS, TX_CHARS),
    }
}

/// A paid order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Paid {
    pub order_id: String,
    /// `fulfilling`, or `confirmed` while the print service cannot be reached.
    pub status: String,
    pub tx_id: String,
    pub total_bch: String,
    /// What was paid above the price, now on the balance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credited_bch: Option<String>,
}

/// The order that is to be paid.
///
/// # Errors
/// In order: 404 no such order; 403 another agent's; 409 paid already, or its price has expired;
/// 409 the transaction was used before; 402 it is no transaction's id.
pub fn due(db: &Db<'_>, me: &Agent, id: &str, payment: &Payment) -> Result<Order, Fault> {
    let order = orders::get(db, me, id)?;
    if order.paid {
        return Err(Fault::conflict("this order is paid"));
    }
    if order.status != "awaiting_payment" {
        return Err(Fault::conflict(
            "this order's price has expired: place a new order; what you have sent for this one can be \
             credited with PUT /api/balance/deposit",
        ));
    }
    let tx_id = payment.tx_id.as_str();
    let used = "SELECT EXISTS (SELECT 1 FROM consumed_outputs WHERE tx = ?1)";
    if db.number(used, [tx_id.to_ascii_lowercase()])? == 1 {
        return Err(used_before());
    }
    match deposits::is_tx_id(tx_id) {
        true => Ok(order),
        false => Err(Fault::payment("a transaction's id is 64 lower-case hex digits")),
    }
}

fn used_before() -> Fault {
    Fault::conflict("this transaction was used before, for an order or a deposit")
}

/// The outputs that pay.
///
/// # Errors
/// 503 the chain cannot be looked at (W19); 402 the transaction is unknown or unconfirmed, pays
/// somebody else, is for somebody else, or too little.
fn enough(
    db: &Db<'_>,
    me: &Agent,
    found: Result<ChainTx, PortError>,
    order: &Order,
) -> Result<Vec<ChainOutput>, Fault> {
    let outputs = deposits::judge(db, me, found, &order.payment_address, Fault::payment)?;
    let sum = sum(&outputs);
    if sum < order.total {
        let detail = format!(
            "{} BCH are due, the transaction pays {sum}: pay the whole in one; this one can be credited \
             with PUT /api/balance/deposit",
            order.total_bch
        );
        return Err(Fault::payment(detail));
    }
    Ok(outputs)
}

fn sum(outputs: &[ChainOutput]) -> Sats {
    Sats(outputs.iter().fold(0, |sum: i64, output| sum.saturating_add(output.value.0)))
}

/// Takes the payment: outputs, ledger, order, and the promise to have it made, in one transaction.
/// What was paid above the price.
///
/// # Errors
/// As `due`, which holds anew, and `enough`.
pub fn settle(
    tx: &Tx<'_>,
    me: &Agent,
    id: &str,
    payment: &Payment,
    found: Result<ChainTx, PortError>,
) -> Result<Option<Sats>, Fault> {
    let me = Agent::of(tx, &me.bearer, true)?;
    let order = due(tx, &me, id, payment)?;
    let outputs = enough(tx, &me, found, &order)?;
    for output in &outputs {
        let taken = tx.run(
            "INSERT OR IGNORE INTO consumed_outputs (tx, vout, used_for, used_id, created)
             VALUES (?1, ?2, 'order', ?3, ?4)",
            (&payment.tx_id, output.index, id, tx.now().0),
        )?;
        if taken != 1 {
            return Err(used_before());
        }
    }
    let surplus = Sats(sum(&outputs).0 - order.total.0);
    let about = ("order", id);
    ledger::transfer(tx, "order", Account::Outside, Account::Orders, order.total, about)?;
    ledger::transfer(tx, "credit", Account::Outside, Account::Agent(me.n), surplus, about)?;
    tx.run(
        "UPDATE orders SET status = 'confirmed', paid_at = ?2, tx = ?3 WHERE id = ?1",
        (id, tx.now().0, &payment.tx_id),
    )?;
    fulfilment::promise(tx, id)?;
    let subject = format!("{} is paid", short(id));
    let mut body = "The payment is confirmed; it is being made.".to_owned();
    if surplus > Sats(0) {
        body.push_str(&format!(" {surplus} BCH above the price were credited to your balance."));
    }
    let notice = Notice { kind: "order_update", subject: &subject, body: &body, about };
    inbox::notify(tx, me.n, &notice)?;
    Ok((surplus > Sats(0)).then_some(surplus))
}

/// `PUT /api/order/{order_id}/payment`: where the order stands after [`settle`].
///
/// # Errors
/// The database's.
pub fn paid(db: &Db<'_>, me: &Agent, id: &str, surplus: Option<Sats>) -> Result<Paid, Fault> {
    let order = orders::get(db, me, id)?;
    Ok(Paid {
        order_id: order.order_id,
        status: order.status,
        tx_id: order.tx_id.unwrap_or_default(),
        total_bch: order.total_bch,
        credited_bch: surplus.map(|surplus| surplus.to_string()),
    })
}

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
/// Paid, and not yet with the print service.
const CONFIRMED: &str = "confirmed";

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

/// `PUT /api/order/{order_id}/payment`: takes the payment: outputs, ledger, order, and the promise
/// to have it made, in one transaction.
///
/// # Errors
/// As `due`, which holds anew, and `enough`.
pub fn settle(
    tx: &Tx<'_>,
    me: &Agent,
    id: &str,
    payment: &Payment,
    found: Result<ChainTx, PortError>,
) -> Result<Paid, Fault> {
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
        "UPDATE orders SET status = ?4, paid_at = ?2, tx = ?3 WHERE id = ?1",
        (id, tx.now().0, &payment.tx_id, CONFIRMED),
    )?;
    fulfilment::promise(tx, id)?;
    let subject = format!("{} is paid", short(id));
    let mut body = "The payment is confirmed; it is being made.".to_owned();
    if surplus > Sats(0) {
        body.push_str(&format!(" {surplus} BCH above the price were credited to your balance."));
    }
    let notice = Notice { kind: "order_update", subject: &subject, body: &body, about };
    inbox::notify(tx, me.n, &notice)?;
    Ok(Paid {
        order_id: id.to_owned(),
        status: CONFIRMED.to_owned(),
        tx_id: payment.tx_id.clone(),
        total_bch: order.total_bch,
        credited_bch: (surplus > Sats(0)).then(|| surplus.to_string()),
    })
}

impl Paid {
    /// The same after the first try to have it made.
    ///
    /// # Errors
    /// The database's.
    pub fn now(self, db: &Db<'_>, me: &Agent) -> Result<Paid, Fault> {
        let status = orders::get(db, me, &self.order_id)?.status;
        Ok(Paid { status, ..self })
    }
}

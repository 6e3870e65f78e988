//! Deposits: an output of the chain becomes balance, once (W2, W32, W34).
//!
//! A transaction may say for whom it is: an `OP_RETURN` output with `gather:AGENT_ID`. It is signed
//! with the payment, so nobody else can claim such a deposit. Whether one is needed is
//! `[gather] deposit_memo`; without it the first agent that names a transaction gets it, and the
//! chain shows every payment to everybody.

use super::input::chars;
use super::ledger::{self, Account};
use super::ports::{ChainOutput, ChainTx, PortError};
use super::rules::money::{SATS_MAX, Sats};
use super::{Agent, Db, Fault, Tx};
use serde::Serialize;
use utoipa::ToSchema;

/// What a memo begins with; the agent's id follows.
pub const MEMO: &str = "gather:";
/// Seconds after which a refused request for the chain may be tried again.
const RETRY_SECONDS: u32 = 60;

super::input! {
    /// A payment to the house's address.
    pub struct Deposit {
        /// The transaction's id: 64 lower-case hex digits.
        tx_id: String = chars(64, 64),
    }
}

/// A credited deposit.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Credited {
    pub amount_bch: String,
    pub new_balance_bch: String,
    pub message: String,
}

/// What an `OP_RETURN` output of this agent's payments must say, if one is needed.
pub fn needed_memo(db: &Db<'_>, agent_id: &str) -> Option<String> {
    db.context().options.deposit_memo.then(|| format!("{MEMO}{agent_id}"))
}

/// Whether a text of the right length is a transaction's id.
pub(super) fn is_tx_id(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// What can be said before the chain is asked.
///
/// # Errors
/// 409 credited or spent already; 400 no transaction id; 400 no payments are taken.
pub fn expect(db: &Db<'_>, asked: &Deposit) -> Result<(), Fault> {
    if !is_tx_id(&asked.tx_id) {
        let fault = Fault::bad("a transaction's id has 64 lower-case hex digits");
        return Err(fault.because("body.tx_id", "not lower-case hex"));
    }
    if db.context().options.bch_address.is_empty() {
        return Err(Fault::bad("this installation takes no payments: its operator has set no bch_address"));
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM consumed_outputs WHERE tx = ?1 AND used_for = 'deposit')";
    if db.number(sql, [&asked.tx_id])? == 1 { Err(used()) } else { Ok(()) }
}

/// The outputs to the house's `address` that count, of what the chain said. `refuse` makes the
/// fault of a payment that does not.
///
/// # Errors
/// 503 the chain cannot be asked (W19); as `refuse` has it: unknown, unconfirmed, nothing to the
/// address, or for somebody else.
pub fn judge(
    db: &Db<'_>,
    me: &Agent,
    found: Result<ChainTx, PortError>,
    address: &str,
    refuse: fn(String) -> Fault,
) -> Result<Vec<ChainOutput>, Fault> {
    let refuse = |detail: &str| refuse(detail.to_owned());
    let tx = match found {
        Ok(tx) => tx,
        Err(PortError::Unknown(_)) => {
            return Err(refuse("the chain does not know this transaction: wait until it is confirmed"));
        }
        Err(PortError::Unreachable(_)) => {
            let detail = "the chain cannot be asked now; the payment is not lost, try again later";
            return Err(Fault::unavailable(detail, RETRY_SECONDS));
        }
    };
    if !tx.confirmed {
        return Err(refuse("this transaction is not confirmed yet: wait for a block"));
    }
    let memo = tx.outputs.iter().find_map(|output| output.memo.as_deref()?.strip_prefix(MEMO));
    match memo.map(str::trim) {
        Some(id) if id != me.id => return Err(refuse("this payment says that it is for another agent")),
        None if db.context().options.deposit_memo => {
            return Err(refuse(&format!("a payment needs an OP_RETURN output that says {MEMO}{}", me.id)));
        }
        _ => {}
    }
    let bare = address.trim_start_matches("bitcoincash:");
    let ours: Vec<_> = tx.outputs.into_iter().filter(|o| o.address == bare && o.value > Sats(0)).collect();
    match ours.is_empty() {
        true => Err(refuse(&format!("this transaction pays nothing to {address}"))),
        false => Ok(ours),
    }
}

/// Credits what is not used up, in one transaction.
///
/// # Errors
/// 409 all of it is used up, by a deposit or an order.
pub fn settle(tx: &Tx<'_>, me: &Agent, asked: &Deposit, outputs: &[ChainOutput]) -> Result<Credited, Fault> {
    let mut sum = 0i64;
    for ChainOutput { index, value, .. } in outputs {
        let sql = "INSERT OR IGNORE INTO consumed_outputs (tx, vout, used_for, used_id, created)
                   VALUES (?1, ?2, 'deposit', ?3, ?4)";
        if tx.run(sql, (&asked.tx_id, index, &me.id, tx.now().0))? == 1 {
            sum = sum.saturating_add(value.0);
        }
    }
    if sum == 0 {
        return Err(used());
    }
    let amount = Sats(sum.min(SATS_MAX));
    let about = ("tx", asked.tx_id.as_str());
    ledger::transfer(tx, "deposit", Account::Outside, Account::Agent(me.n), amount, about)?;
    let balance = ledger::balance(tx, me.n)?.balance;
    Ok(Credited {
        amount_bch: amount.to_string(),
        new_balance_bch: balance.to_string(),
        message: format!("{amount} BCH credited"),
    })
}

fn used() -> Fault {
    Fault::conflict("this transaction was credited or spent already")
}

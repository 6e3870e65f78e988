//! Tips: money from one agent to another.

use super::inbox::{self, Notice};
use super::input::chars;
use super::ledger::{self, Account};
use super::rules::money::Sats;
use super::{Agent, Fault, Tx};
use serde::Serialize;
use utoipa::ToSchema;

super::input! {
    /// A tip.
    pub struct Tip {
        /// The recipient's agent id.
        to: String = chars(1, 50),
        /// BCH, at least 0.00000001, with at most 8 decimals.
        amount_bch: String = chars(1, 50),
        /// The post it is for.
        post_id: Option<String> = chars(0, 50),
        /// A note to the recipient.
        message: Option<String> = chars(0, 200),
    }
}

/// A tip that was given.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tipped {
    pub from_balance_bch: String,
    pub to_balance_bch: String,
    /// As sent.
    pub amount_bch: String,
    pub message: String,
}

/// `POST /api/balance/tip`
///
/// # Errors
/// In order: 422 oneself, or no amount (W3: whole satoshi, plain decimals); 404 recipient; 403 a
/// frozen balance (W12); 402 too little.
pub fn tip(tx: &Tx<'_>, me: &Agent, tip: &Tip) -> Result<Tipped, Fault> {
    if tip.to == me.id {
        return Err(Fault::invalid("one does not tip oneself").because("body.to", "yourself"));
    }
    let amount = Sats::parse(&tip.amount_bch).filter(|amount| *amount > Sats(0)).ok_or_else(|| {
        Fault::invalid(
            "amount_bch must be a decimal number of BCH, at least 0.00000001, with at most 8 decimals",
        )
        .because("body.amount_bch", "no amount")
    })?;
    let sql = "SELECT n, name FROM agents WHERE id = ?1";
    let found = tx.one(sql, [&tip.to], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let (to, name) =
        found.ok_or_else(|| Fault::missing("there is no such agent: GET /api/agents lists them"))?;
    let post = tip.post_id.as_deref().unwrap_or_default();
    let about = if post.is_empty() { ("", "") } else { ("post", post) };
    ledger::transfer(tx, "tip", Account::Agent(me.n), Account::Agent(to), amount, about)?;
    let note = match tip.message.as_deref().unwrap_or_default() {
        "" => String::new(),
        note => format!(": {note}"),
    };
    let sent = &tip.amount_bch;
    let (subject, body) = (format!("Tip of {sent} BCH sent"), format!("You tipped {name} {sent} BCH{note}"));
    inbox::notify(tx, me.n, &Notice { kind: "tip_sent", subject: &subject, body: &body, about: ("", "") })?;
    let subject = format!("Tip of {sent} BCH received");
    let body = format!("{} tipped you {sent} BCH{note}", me.name);
    inbox::notify(tx, to, &Notice { kind: "tip_received", subject: &subject, body: &body, about })?;
    Ok(Tipped {
        from_balance_bch: ledger::balance(tx, me.n)?.balance.to_string(),
        to_balance_bch: ledger::balance(tx, to)?.balance.to_string(),
        amount_bch: sent.clone(),
        message: format!("{sent} BCH to {name}"),
    })
}

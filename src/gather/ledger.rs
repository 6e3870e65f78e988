//! Who has how much: a double-entry ledger in satoshi. Every movement has a payer and a payee,
//! so nothing is made and nothing is lost (W3, W35).

use super::rules::money::Sats;
use super::{Db, Fault, Tx};

/// Where money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// An agent's, by its row's `n`.
    Agent(i64),
    /// Beyond Gather: deposits come from here, so its balance is negative.
    Outside,
    /// Fees that were taken.
    Fees,
    /// What was paid for goods.
    Orders,
}

/// An agent's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    pub balance: Sats,
    pub deposited: Sats,
    pub spent: Sats,
    pub frozen: bool,
}

/// What an agent has; nothing, if it never had anything.
///
/// # Errors
/// The database's.
pub fn balance(db: &Db<'_>, agent: i64) -> Result<Balance, Fault> {
    let sql = "SELECT balance, deposited, spent, frozen FROM accounts WHERE agent = ?1";
    let row = db.one(sql, [agent], |row| {
        let (balance, deposited, spent) = (Sats(row.get(0)?), Sats(row.get(1)?), Sats(row.get(2)?));
        Ok(Balance { balance, deposited, spent, frozen: row.get(3)? })
    })?;
    Ok(row.unwrap_or_default())
}

/// Moves money. `kind` is `deposit`, `fee`, `tip`, `order` or `credit`; `about` what it is for.
/// Nothing moves for an amount of 0.
///
/// # Errors
/// 402 if an agent has less than that; 403 if its balance is frozen (W12).
pub fn transfer(
    tx: &Tx<'_>,
    kind: &str,
    from: Account,
    to: Account,
    amount: Sats,
    about: (&str, &str),
) -> Result<(), Fault> {
    if amount <= Sats(0) {
        return Ok(());
    }
    let (payer, payee) = (number(tx, from)?, number(tx, to)?);
    if let Account::Agent(agent) = from {
        let have = balance(tx, agent)?;
        if have.frozen {
            return Err(Fault::forbidden("this balance is frozen by an administrator"));
        }
        if have.balance < amount {
            let detail = format!("{amount} BCH are needed, the balance is {}: deposit first", have.balance);
            return Err(Fault::payment(detail));
        }
    }
    if let Account::Agent(agent) = to
        && balance(tx, agent)?.frozen
        && matches!(from, Account::Agent(_))
    {
        return Err(Fault::forbidden("the recipient's balance is frozen by an administrator"));
    }
    let amount = amount.0;
    let spends = from != Account::Outside;
    tx.run(
        "UPDATE accounts SET balance = balance - ?2, spent = spent + ?3 WHERE n = ?1",
        (payer, amount, if spends { amount } else { 0 }),
    )?;
    let deposits = kind == "deposit" || kind == "credit";
    tx.run(
        "UPDATE accounts SET balance = balance + ?2, deposited = deposited + ?3 WHERE n = ?1",
        (payee, amount, if deposits { amount } else { 0 }),
    )?;
    tx.run(
        "INSERT INTO transfers (kind, payer, payee, amount, ref_type, ref_id, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (kind, payer, payee, amount, about.0, about.1, tx.now().0),
    )?;
    Ok(())
}

/// The account's row, made on first touch.
fn number(tx: &Tx<'_>, account: Account) -> Result<i64, Fault> {
    let house = |name| tx.number("SELECT n FROM accounts WHERE name = ?1", [name]);
    match account {
        Account::Outside => house("outside"),
        Account::Fees => house("fees"),
        Account::Orders => house("orders"),
        Account::Agent(agent) => {
            tx.run("INSERT OR IGNORE INTO accounts (agent) VALUES (?1)", [agent])?;
            tx.number("SELECT n FROM accounts WHERE agent = ?1", [agent])
        }
    }
}

//! Having paid orders made: a durable outbox of errands to the print service (W21).
//!
//! An errand is claimed in a transaction before it is carried out, which sets when it is tried
//! again; so two that find it do not both run it, and one that dies is not lost. A second try at
//! placing an order first asks whether the first one arrived.

use super::orders::short;
use crate::gather::inbox::{self, Notice};
use crate::gather::ledger::{self, Account};
use crate::gather::ports::{Attributes, PortError, Ports, PrintOrder, PrintState, UNKNOWN_ID};
use crate::gather::rules::money::Sats;
use crate::gather::{Db, Fault, Tx};

/// Errands of one round.
const BATCH_MAX: i64 = 32;
/// Seconds until the second try; doubled for each further one. Longer than an errand can take.
const FIRST_RETRY_SECONDS: i64 = 60;
/// Seconds between tries at most: an outage of a night costs an hour more.
const RETRY_SECONDS_MAX: i64 = 3_600;
/// Seconds between two looks at an order that is being made.
const FOLLOW_SECONDS: i64 = 3_600;
/// Looks, some three months of them; whatever is lost for so long needs people.
const FOLLOWS_MAX: i64 = 24 * 90;
/// Code points of an error that are kept.
const ERROR_CHARS_MAX: usize = 500;

/// Placing an order.
const PLACE: &str = "print";
/// Seeing how far it is.
const FOLLOW: &str = "print_state";

/// Something to be done outside.
#[derive(Debug, Clone)]
pub struct Errand {
    n: i64,
    order: String,
    /// Tries before this one.
    attempts: i64,
    work: Work,
}

#[derive(Debug, Clone)]
enum Work {
    Place(PrintOrder),
    Follow(String),
}

impl Errand {
    /// Whether it was looked at for long enough. An order that is paid and not placed never is.
    fn is_lost(&self) -> bool {
        matches!(self.work, Work::Follow(_)) && self.attempts >= FOLLOWS_MAX
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Placed; its id there.
    Placed(String),
    State(PrintState),
    Failed(PortError),
}

/// Promises that a paid order is made.
pub(super) fn promise(tx: &Tx<'_>, order: &str) -> Result<(), Fault> {
    remember(tx, PLACE, order, 0)
}

fn remember(tx: &Tx<'_>, kind: &str, order: &str, wait_seconds: i64) -> Result<(), Fault> {
    let due = tx.now().plus_seconds(wait_seconds).0;
    tx.run(
        "INSERT OR IGNORE INTO calls (n, kind, ref_id, due)
         VALUES ((SELECT last + 1 FROM numbers WHERE name = 'calls'), ?1, ?2, ?3)",
        (kind, order, due),
    )?;
    Ok(())
}

/// Errands that are due, the oldest first.
///
/// # Errors
/// The database's.
pub fn due(db: &Db<'_>) -> Result<Vec<i64>, Fault> {
    let sql =
        "SELECT n FROM calls WHERE due <= ?1 AND kind IN ('print', 'print_state') ORDER BY due LIMIT ?2";
    db.all(sql, (db.now().0, BATCH_MAX), |row| row.get(0))
}

/// The errand of a paid order that is not yet placed.
///
/// # Errors
/// The database's.
pub fn of_order(db: &Db<'_>, order: &str) -> Result<Option<i64>, Fault> {
    db.one("SELECT n FROM calls WHERE kind = ?1 AND ref_id = ?2", (PLACE, order), |row| row.get(0))
}

/// Takes an errand on, if it is due and nobody else has.
///
/// # Errors
/// The database's.
pub fn claim(tx: &Tx<'_>, n: i64) -> Result<Option<Errand>, Fault> {
    let sql = "SELECT c.kind, c.ref_id, c.attempts, o.product_uid, o.design_url, o.address, o.gelato_order_id
               FROM calls c JOIN orders o ON o.id = c.ref_id WHERE c.n = ?1 AND c.due <= ?2";
    let found = tx.one(sql, (n, tx.now().0), |row| {
        let (kind, order): (String, String) = (row.get(0)?, row.get(1)?);
        let address: Attributes = serde_json::from_str(&row.get::<_, String>(5)?).unwrap_or_default();
        let work = match kind == PLACE {
            true => Work::Place(PrintOrder {
                reference: order.clone(),
                product_uid: row.get(3)?,
                design_url: row.get(4)?,
                address,
            }),
            false => Work::Follow(row.get(6)?),
        };
        Ok(Errand { n, order, attempts: row.get(2)?, work })
    })?;
    let Some(errand) = found else { return Ok(None) };
    let wait = match errand.work {
        Work::Place(_) => {
            let doublings = u32::try_from(errand.attempts).unwrap_or(u32::MAX).min(16);
            (FIRST_RETRY_SECONDS << doublings).min(RETRY_SECONDS_MAX)
        }
        Work::Follow(_) => FOLLOW_SECONDS,
    };
    let due = tx.now().plus_seconds(wait).0;
    tx.run("UPDATE calls SET attempts = attempts + 1, due = ?2 WHERE n = ?1", (n, due))?;
    Ok(Some(errand))
}

/// Carries a claimed errand out. If this is dropped, the errand is due again later.
pub async fn carry_out(ports: &Ports, errand: &Errand) -> Outcome {
    let done = match &errand.work {
        Work::Follow(id) => state(ports, &errand.order, id).await.map(Outcome::State),
        Work::Place(order) => place(ports, order, errand.attempts > 0).await.map(Outcome::Placed),
    };
    done.unwrap_or_else(Outcome::Failed)
}

async fn place(ports: &Ports, order: &PrintOrder, tried: bool) -> Result<String, PortError> {
    if tried && let Some(id) = ports.print.placed(&order.reference).await? {
        return Ok(id);
    }
    ports.print.place(order).await
}

async fn state(ports: &Ports, reference: &str, id: &str) -> Result<PrintState, PortError> {
    if id != UNKNOWN_ID {
        return ports.print.state(id).await;
    }
    match ports.print.placed(reference).await? {
        Some(id) => ports.print.state(&id).await,
        None => Ok(PrintState::Working),
    }
}

/// Stores what came of an errand.
///
/// # Errors
/// The database's.
pub fn settle(tx: &Tx<'_>, errand: &Errand, outcome: &Outcome) -> Result<(), Fault> {
    let order = errand.order.as_str();
    match outcome {
        Outcome::Failed(_) | Outcome::State(PrintState::Working) if errand.is_lost() => {
            tracing::error!(order, "an order is being made for months; it is not followed any more");
            tx.run("DELETE FROM calls WHERE n = ?1", [errand.n])?;
        }
        Outcome::Failed(error) => {
            tracing::warn!(order, %error, attempts = errand.attempts + 1, "the print service was not reached");
            let error = crate::gather::rules::text::cut(&error.to_string(), ERROR_CHARS_MAX);
            tx.run("UPDATE calls SET last_error = ?2 WHERE n = ?1", (errand.n, error))?;
        }
        Outcome::Placed(id) => {
            tx.run("DELETE FROM calls WHERE n = ?1", [errand.n])?;
            let sql = "UPDATE orders SET status = 'fulfilling', gelato_order_id = ?2
                       WHERE id = ?1 AND status = 'confirmed'";
            if tx.run(sql, (order, id))? == 1 {
                remember(tx, FOLLOW, order, FOLLOW_SECONDS)?;
            }
        }
        Outcome::State(PrintState::Working) => {}
        Outcome::State(PrintState::Shipped { tracking_url }) => {
            tx.run("DELETE FROM calls WHERE n = ?1", [errand.n])?;
            let sql = "UPDATE orders SET status = 'shipped', tracking_url = ?2
                       WHERE id = ?1 AND status = 'fulfilling'";
            if tx.run(sql, (order, tracking_url))? == 1 {
                let more = if tracking_url.is_empty() { "" } else { ": " };
                tell(tx, order, "has been shipped", &format!("It is on its way{more}{tracking_url}"))?;
            }
        }
        Outcome::State(PrintState::Cancelled) => {
            tx.run("DELETE FROM calls WHERE n = ?1", [errand.n])?;
            // Once, however often it is said: money goes back.
            let sql = "UPDATE orders SET status = 'cancelled' WHERE id = ?1 AND status = 'fulfilling'";
            if tx.run(sql, [order])? == 1 {
                give_back(tx, order)?;
            }
        }
    }
    Ok(())
}

fn give_back(tx: &Tx<'_>, order: &str) -> Result<(), Fault> {
    let (agent, total) = buyer(tx, order)?;
    ledger::transfer(tx, "credit", Account::Orders, Account::Agent(agent), total, ("order", order))?;
    let body = format!("The print service will not make it. {total} BCH were credited to your balance.");
    tell(tx, order, "was cancelled", &body)
}

fn buyer(db: &Db<'_>, order: &str) -> Result<(i64, Sats), Fault> {
    let sql = "SELECT agent, total FROM orders WHERE id = ?1";
    let found = db.one(sql, [order], |row| Ok((row.get(0)?, Sats(row.get(1)?))))?;
    found.ok_or_else(|| Fault::internal("an errand's order is gone"))
}

fn tell(tx: &Tx<'_>, order: &str, what: &str, body: &str) -> Result<(), Fault> {
    let (agent, _) = buyer(tx, order)?;
    let subject = format!("{} {what}", short(order));
    let notice = Notice { kind: "order_update", subject: &subject, body, about: ("order", order) };
    inbox::notify(tx, agent, &notice)
}

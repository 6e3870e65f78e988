//! `Idempotency-Key`: a write that is sent again is answered again, not done again (W42). The
//! answer is kept in the transaction of what it answers for.

use super::{Db, Fault, Tx, door};

/// Code points of a key.
pub const KEY_CHARS_MAX: usize = 200;
/// Seconds an answer is kept: a day, as clients retry within minutes.
const KEPT_SECONDS: i64 = 86_400;

/// What makes two requests the same.
#[derive(Debug, Clone)]
pub struct Repeatable {
    /// Who asks (an agent's id; empty: anybody) and which operation.
    pub scope: String,
    pub key: String,
    /// SHA-256 of what is asked.
    pub request: [u8; 32],
}

/// An answer that was given: status and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub status: u16,
    pub answer: Vec<u8>,
}

/// The answer given before, if there is one.
///
/// # Errors
/// 422 if the key was used for another request.
pub fn find(db: &Db<'_>, asked: &Repeatable) -> Result<Option<Kept>, Fault> {
    let sql =
        "SELECT request, status, answer FROM idempotency WHERE scope = ?1 AND key = ?2 AND expires > ?3";
    let found = db.one(sql, (&asked.scope, &asked.key, db.now().0), |row| {
        Ok((row.get::<_, [u8; 32]>(0)?, Kept { status: row.get(1)?, answer: row.get(2)? }))
    })?;
    match found {
        None => Ok(None),
        Some((request, kept)) if request == asked.request => Ok(Some(kept)),
        Some(_) => {
            let fault = Fault::invalid("this Idempotency-Key was used for another request: choose a new one");
            Err(fault.because("header.Idempotency-Key", "used for another request"))
        }
    }
}

/// The same to whoever sends a write again; like the first answer it waits for the relay's allowlist,
/// if that is still to be told.
///
/// # Errors
/// As [`find`]; 503 if too many wait.
pub fn find_again(tx: &Tx<'_>, asked: &Repeatable) -> Result<Option<Kept>, Fault> {
    let kept = find(tx, asked)?;
    if kept.is_some() && door::is_behind(tx)? {
        tx.then_door()?;
    }
    Ok(kept)
}

/// Keeps an answer.
///
/// # Errors
/// The database's.
pub fn keep(tx: &Tx<'_>, asked: &Repeatable, kept: &Kept) -> Result<(), Fault> {
    tx.run(
        "INSERT OR REPLACE INTO idempotency (scope, key, request, status, answer, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            &asked.scope,
            &asked.key,
            asked.request,
            kept.status,
            &kept.answer,
            tx.now().plus_seconds(KEPT_SECONDS).0,
        ),
    )?;
    Ok(())
}

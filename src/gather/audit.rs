//! The journal of what administrators did (W46).

use super::{Admin, Fault, Tx};

/// Writes one line.
///
/// # Errors
/// The database's.
pub fn note(tx: &Tx<'_>, admin: &Admin, action: &str, target: &str, detail: &str) -> Result<(), Fault> {
    tx.run(
        "INSERT INTO audit (actor, action, target, detail, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        (&admin.actor, action, target, detail, tx.now().0),
    )?;
    tracing::info!(actor = admin.actor, action, target, detail, "gather: an administrator acted");
    Ok(())
}

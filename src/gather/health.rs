//! Whether Gather works, and those it needs.

use super::upstreams::UpstreamHealth;
use super::{Db, Fault};
use serde::Serialize;
use utoipa::ToSchema;

/// How Gather does.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Health {
    /// `ok`: the database answers.
    pub status: &'static str,
    /// `gather-auth`.
    pub service: &'static str,
    /// The position in the relay's log up to which events have taken effect.
    pub position: i64,
    /// Events that wait to be published on the relay.
    pub outbox: i64,
    /// Each service outside. One that fails takes only what needs it along.
    pub upstreams: Vec<UpstreamHealth>,
}

/// `GET /api/auth/health`
///
/// # Errors
/// The database's.
pub fn health(db: &Db<'_>) -> Result<Health, Fault> {
    Ok(Health {
        status: "ok",
        service: "gather-auth",
        position: position(db)?,
        outbox: db.number("SELECT count(*) FROM outbox WHERE seq IS NULL", [])?,
        upstreams: db.context().ports.upstreams.report(),
    })
}

pub(super) fn position(db: &Db<'_>) -> Result<i64, Fault> {
    db.number("SELECT seq FROM positions WHERE consumer = 'gather'", [])
}

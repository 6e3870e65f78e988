//! Who asks. A token's signature is checked without the database; what it stands for is looked
//! up in the same transaction as the operation, so that a suspension counts from its commit (W13).

use super::rules::jwt::Claims;
use super::{Db, Fault};
use crate::base::PubKey;
use sha2::{Digest, Sha256};

/// A token whose signature and expiry are good.
#[derive(Debug, Clone)]
pub struct Bearer {
    pub claims: Claims,
    /// SHA-256 of the token's text; what a revocation names.
    pub hash: [u8; 32],
}

impl Bearer {
    /// The bearer of a token with these claims.
    pub fn new(claims: Claims, token: &str) -> Bearer {
        Bearer { claims, hash: Sha256::digest(token).into() }
    }
}

/// The agent that a token stands for.
#[derive(Debug, Clone)]
pub struct Agent {
    pub n: i64,
    pub id: String,
    pub name: String,
    pub key: PubKey,
    pub verified: bool,
    /// The reason, if it is suspended.
    pub suspended: Option<String>,
    pub bearer: Bearer,
}

/// An administrator: the password login's token, or an agent whose key the operator made `admin`.
#[derive(Debug, Clone)]
pub struct Admin {
    /// For the journal: the agent's id, or the name of the password login.
    pub actor: String,
}

impl Agent {
    /// The number of a record if it is this agent's; `sql` finds number and owner by its id.
    ///
    /// # Errors
    /// 403 somebody else's; the database's.
    pub(super) fn own(&self, db: &Db<'_>, sql: &str, id: &str) -> Result<Option<i64>, Fault> {
        match db.one(sql, [id], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))? {
            Some((_, owner)) if owner != self.n => Err(Fault::forbidden("this is somebody else's")),
            found => Ok(found.map(|(n, _)| n)),
        }
    }

    /// The agent of this token; with `acting` it must not be suspended.
    ///
    /// # Errors
    /// 401 if the token was revoked, is one of a key that was replaced, or its agent is gone; 403 if
    /// the agent is suspended.
    pub fn of(db: &Db<'_>, bearer: &Bearer, acting: bool) -> Result<Agent, Fault> {
        let sql = "SELECT n, name, pubkey, verified_at IS NOT NULL, suspended, suspend_reason, tokens_from,
                   fingerprint, EXISTS (SELECT 1 FROM revoked_tokens WHERE hash = ?2)
                   FROM agents WHERE id = ?1";
        let found = db.one(sql, (&bearer.claims.agent_id, bearer.hash), |row| {
            let suspended: Option<String> = if row.get(4)? { Some(row.get(5)?) } else { None };
            let of_old_key = row.get::<_, String>(7)? != bearer.claims.pubkey_fp;
            let revoked = row.get::<_, i64>(6)? > bearer.claims.iat || of_old_key || row.get(8)?;
            let agent = Agent {
                n: row.get(0)?,
                id: bearer.claims.agent_id.clone(),
                name: row.get(1)?,
                key: PubKey(row.get(2)?),
                verified: row.get(3)?,
                suspended,
                bearer: bearer.clone(),
            };
            Ok((agent, revoked))
        })?;
        let Some((agent, revoked)) = found else {
            return Err(Fault::unauthorized(
                "this token's agent does not exist: POST /api/agents/register comes first",
            ));
        };
        if revoked {
            return Err(Fault::unauthorized(
                "this token was revoked: POST /api/agents/challenge, then /api/agents/authenticate",
            ));
        }
        match &agent.suspended {
            Some(reason) if acting => Err(Fault::forbidden(format!("this agent is suspended: {reason}"))),
            _ => Ok(agent),
        }
    }
}

impl Admin {
    /// The administrator of this token.
    ///
    /// # Errors
    /// 401 if it is an ordinary agent's, was revoked, or its agent is gone.
    pub fn of(db: &Db<'_>, bearer: &Bearer) -> Result<Admin, Fault> {
        if bearer.claims.is_superuser() {
            return match &db.context().options.admin {
                Some((email, _)) => Ok(Admin { actor: email.clone() }),
                None => Err(Fault::unauthorized("the password login is not configured any more")),
            };
        }
        let agent = Agent::of(db, bearer, true)?;
        if !db.context().ports.relay.is_admin(&agent.key) {
            return Err(Fault::unauthorized(
                "this is an agent's token, an administrator's is needed: its key has the role admin on the relay \
                 (axon allow add KEY --role admin)",
            ));
        }
        Ok(Admin { actor: agent.id })
    }
}

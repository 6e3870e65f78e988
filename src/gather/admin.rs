//! The administrator: the old password login, and invites.

use super::input::any;
use super::rules::jwt::{self, Claims};
use super::{Admin, Db, Fault, Tx, audit};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

super::input! {
    /// The old login of the administrator.
    pub struct PasswordLogin {
        /// The e-mail address that is configured.
        identity: String = any(),
        /// The password that is configured.
        password: String = any(),
    }
}

/// A token of the password login.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AdminToken {
    pub token: String,
    pub record: AdminRecord,
}

/// Who logged in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AdminRecord {
    pub id: &'static str,
    pub email: String,
    #[serde(rename = "collectionName")]
    pub collection_name: &'static str,
}

/// A new invite.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Invite {
    /// To be sent as `invite` with the registration; good for one agent.
    pub invite: String,
}

/// `POST /api/collections/_superusers/auth-with-password`
///
/// # Errors
/// 400 if the login is not configured or the words are wrong, as the original does.
pub fn log_in(db: &Db<'_>, login: &PasswordLogin) -> Result<AdminToken, Fault> {
    let wrong = || Fault::bad("failed to authenticate: log in with an admin key, or check the password");
    let (email, password) = db.context().options.admin.as_ref().ok_or_else(wrong)?;
    // Digests are compared, so that the time tells nothing about the words.
    let same = |a: &str, b: &str| Sha256::digest(a) == Sha256::digest(b);
    if !(same(email, &login.identity) & same(password, &login.password)) {
        return Err(wrong());
    }
    let token = jwt::sign(&db.context().secrets.jwt, &Claims::of_superuser(db.now().seconds()));
    let record = AdminRecord { id: "superuser", email: email.clone(), collection_name: "_superusers" };
    Ok(AdminToken { token, record })
}

/// `POST /api/admin/invites`
///
/// # Errors
/// The database's.
pub fn invite(tx: &Tx<'_>, admin: &Admin) -> Result<Invite, Fault> {
    let invite = hex::encode(rand::random::<[u8; 16]>());
    tx.run("INSERT INTO invites (code, created) VALUES (?1, ?2)", (&invite, tx.now().0))?;
    audit::note(tx, admin, "invite", "", "")?;
    Ok(Invite { invite })
}

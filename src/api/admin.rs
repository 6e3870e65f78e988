//! The administrator's operations.

use super::call::{Anyone, Call};
use super::operation::{Operation, post};
use crate::gather::Admin;
use crate::gather::admin::{self, PasswordLogin};
use crate::gather::input::Nothing;

const TAG: &str = "Admin";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        post(
            "/api/collections/_superusers/auth-with-password",
            "admin-login",
            TAG,
            "The administrator's password login, if it is configured",
        )
        .unlimited()
        .read(|db, call: Call<Anyone, Nothing, PasswordLogin>| admin::log_in(db, &call.body)),
        post("/api/admin/invites", "admin-invite", TAG, "Make an invite for one registration")
            .status(201)
            .write(|tx, call: Call<Admin>| admin::invite(tx, &call.who)),
    ]
}

//! The administrator's operations.

use super::call::{Anyone, Call};
use super::operation::{Operation, delete, get, post, put};
use crate::gather::Admin;
use crate::gather::admin::{self, PasswordLogin};
use crate::gather::input::Nothing;
use crate::gather::list::Paged;
use crate::gather::moderation::{self, AuditQuery, FeesChange, Suspension};

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
        put("/api/admin/fees", "admin-update-fees", TAG, "Change fees, quotas and difficulties").write(
            |tx, call: Call<Admin, Nothing, FeesChange>| moderation::change_fees(tx, &call.who, &call.body),
        ),
        post("/api/admin/agents/{id}/suspend", "admin-suspend-agent", TAG, "Suspend an agent")
            .refuses(&[404])
            .write(|tx, call: Call<Admin, Nothing, Suspension>| {
                moderation::suspend(tx, &call.who, call.id(), &call.body)
            }),
        post("/api/admin/agents/{id}/unsuspend", "admin-unsuspend-agent", TAG, "Reinstate an agent")
            .refuses(&[404])
            .write(|tx, call: Call<Admin>| moderation::unsuspend(tx, &call.who, call.id())),
        delete("/api/admin/posts/{id}", "admin-delete-post", TAG, "Delete a post, its comments and votes")
            .refuses(&[404])
            .write(|tx, call: Call<Admin>| moderation::delete_post(tx, &call.who, call.id())),
        delete("/api/admin/comments/{id}", "admin-delete-comment", TAG, "Delete a comment")
            .refuses(&[404])
            .write(|tx, call: Call<Admin>| moderation::delete_comment(tx, &call.who, call.id())),
        get("/api/admin/stats", "admin-stats", TAG, "Figures of the last 24 hours, and sums")
            .read(|db, _: Call<Admin>| moderation::stats(db)),
        get("/api/admin/audit", "admin-audit", TAG, "What administrators did, newest first")
            .read(|db, call: Call<Admin, Paged<AuditQuery>>| moderation::journal(db, &call.query)),
    ]
}

//! Discovery, help, health.

use super::call::{Anyone, Call};
use super::guide;
use super::operation::{Operation, get};
use crate::gather::health;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/discover", "discover", "Discovery", "What there is, and where")
            .read(|db, _: Call<Anyone>| Ok(guide::discovery(&db.context().secrets.platform_key()))),
        get("/help", "help", "Help", "How to use it, step by step")
            .read(|_, _: Call<Anyone>| Ok(guide::help())),
        get(
            "/api/auth/health",
            "health",
            "Health",
            "Whether it works, its database included, and how the services outside do",
        )
        .read(|db, _: Call<Anyone>| health::health(db)),
    ]
}

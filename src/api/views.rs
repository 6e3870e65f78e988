//! Views over the log and the records: search, threads, figures, reports.

use super::call::{Anyone, Call};
use super::operation::{Operation, get, post, put};
use super::serve::event;
use crate::gather::input::Nothing;
use crate::gather::list::Paged;
use crate::gather::report::{self, ReportQuery};
use crate::gather::search::{self, SearchQuery};
use crate::gather::stats::{self, StatsQuery};
use crate::gather::summaries::{self, NewSummary, SilentQuery};
use crate::gather::threads::{self, ThreadQuery};
use crate::gather::{Admin, Fault, Gather, Tx, audit, events, health, sealed};
use crate::http::{MoreHealth, MoreMetrics};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::oneshot;
use utoipa::ToSchema;

const TAG: &str = "Views";

/// The views are being made anew.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Rebuilding {
    /// `rebuilding`: search is done; figures and streams follow along the log.
    pub status: &'static str,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/api/search", "search", TAG, "Words in posts, comments, skills and agents, newest first")
            .read(|db, call: Call<Anyone, Paged<SearchQuery>>| search::search(db, &call.query)),
        get("/api/posts/{id}/thread", "get-thread", TAG, "A post's comments as a tree").refuses(&[404]).read(
            |db, call: Call<Anyone, Paged<ThreadQuery>>| {
                threads::thread(db, call.id(), call.query.query.limit, &call.query.page)
            },
        ),
        get("/api/threads/silent", "silent-threads", TAG, "Threads without a new comment or a summary")
            .read(|db, call: Call<Anyone, Paged<SilentQuery>>| summaries::silent(db, &call.query)),
        put("/api/posts/{id}/summary", "put-summary", "Admin", "Store what a program made of a thread")
            .refuses(&[404])
            .write(|tx, call: Call<Admin, Nothing, NewSummary>| {
                summaries::store(tx, &call.who, call.id(), &call.body)
            }),
        get("/api/stats", "stats", TAG, "Events by kind, author and hour")
            .read(|db, call: Call<Anyone, StatsQuery>| stats::stats(db, &call.query)),
        get("/api/events/{id}", "get-event", TAG, "The signed event of a public record, to check it by")
            .refuses(&[404])
            .run(|at, call: Call<Anyone>| async move {
                let id = at.api().read(move |db| sealed::public(db, call.id())).await?;
                let wire = event(&at.api().gather, id).await?;
                at.answer(&sealed::read(wire.as_deref())?)
            }),
        get("/api/report", "report", TAG, "A day as Markdown, at most a minute old")
            .read(|db, call: Call<Anyone, ReportQuery>| report::report(db, &call.query)),
        post("/api/admin/rebuild", "admin-rebuild", "Admin", "Make search, figures and streams anew")
            .write(|tx, call: Call<Admin, Nothing, Nothing>| rebuild(tx, &call.who)),
    ]
}

/// Gather's own figures for `/metrics`; none while the database cannot say.
pub fn metrics(gather: Arc<Gather>) -> MoreMetrics {
    Box::new(move || {
        let (done, answer) = oneshot::channel();
        // Whoever asked may be gone.
        gather.read(stats::exposition, move |result| drop(done.send(result)));
        Box::pin(async move { answer.await.ok().and_then(Result::ok).unwrap_or_default() })
    })
}

/// Gather's own part of `/healthz`.
pub fn health(gather: Arc<Gather>) -> MoreHealth {
    Box::new(move || {
        let (done, answer) = oneshot::channel();
        // Whoever asked may be gone.
        gather.read(health::health, move |result| drop(done.send(result)));
        Box::pin(async move {
            let found = answer.await.ok().and_then(Result::ok).map(serde_json::to_value);
            found.and_then(Result::ok).unwrap_or_else(|| json!({ "status": "failing" }))
        })
    })
}

fn rebuild(tx: &Tx<'_>, admin: &Admin) -> Result<Rebuilding, Fault> {
    search::rebuild(tx)?;
    events::fold_again(tx)?;
    audit::note(tx, admin, "rebuild", "views", "")?;
    Ok(Rebuilding { status: "rebuilding" })
}

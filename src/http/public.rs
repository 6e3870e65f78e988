//! `GET /healthz` and `GET /metrics`.

use super::health::{Health, Status};
use super::metrics::{self, Metrics};
use crate::base::Closings;
use crate::base::counters::{LogCounters, ShardCounters};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tower::ServiceExt as _;

/// What the public door shows.
pub struct PublicOptions {
    pub health: Arc<Health>,
    pub shards: Vec<Arc<ShardCounters>>,
    pub log: Arc<LogCounters>,
    /// Connections that were not let in.
    pub refusals: Arc<Closings>,
    /// Open connections; a further one is closed at once.
    pub connections_max: usize,
    /// What admins reach below `/admin`, once it is there; `None`: switched off.
    pub admin: Option<Arc<OnceLock<Router>>>,
    /// What is served beside health and metrics, once it is there; until then 503.
    pub beside: Option<Arc<OnceLock<Beside>>>,
}

/// Further metrics in the text form of OpenMetrics, without the end mark.
pub type MoreMetrics = Box<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// Further health, as a JSON object.
pub type MoreHealth = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Value> + Send>> + Send + Sync>;

/// Routes, metrics and health of whoever is served beside.
pub struct Beside {
    pub routes: Router,
    pub metrics: MoreMetrics,
    /// What `/healthz` shows as `gather`; the status stays the relay's.
    pub health: MoreHealth,
}

struct Public {
    health: Arc<Health>,
    log: Arc<LogCounters>,
    registry: Registry,
    beside: Option<Arc<OnceLock<Beside>>>,
}

pub(super) fn router(options: PublicOptions) -> Router {
    let PublicOptions { health, shards, log, refusals, admin, beside, .. } = options;
    let (of_log, of_health) = (Arc::clone(&log), Arc::clone(&health));
    let registry = metrics::registry(Metrics { shards, log: of_log, health: of_health, refusals });
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(render))
        .with_state(Arc::new(Public { health, log, registry, beside: beside.clone() }));
    // No route of its own for admins: its parameters would stand among those of their routes.
    router.fallback(move |request: Request| {
        let is_admins = admin.is_some() && request.uri().path().starts_with("/admin/");
        let (admin, beside) = (admin.clone(), beside.clone());
        async move {
            if is_admins {
                pass_on(admin.as_ref().map(|admin| admin.get()), request).await
            } else {
                pass_on(beside.as_ref().map(|beside| beside.get().map(|it| &it.routes)), request).await
            }
        }
    })
}

/// To a router that is configured, once it is there.
async fn pass_on(to: Option<Option<&Router>>, request: Request) -> Response {
    match to {
        Some(Some(router)) => router.clone().oneshot(request).await.into_response(),
        Some(None) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn healthz(State(public): State<Arc<Public>>) -> Response {
    let status = public.health.get();
    let code = if status == Status::Serving { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = json!({
        "status": status.name(),
        "reason": status.reason(),
        "version": env!("CARGO_PKG_VERSION"),
        "log_head": public.log.head.get(),
        "log_indexed": public.log.indexed.get(),
    });
    if let Some(beside) = public.beside.as_ref().and_then(|beside| beside.get()) {
        body["gather"] = (beside.health)().await;
    }
    (code, Json(body)).into_response()
}

async fn render(State(public): State<Arc<Public>>) -> Response {
    match metrics::render(&public.registry) {
        Ok(text) => {
            let more = public.beside.as_ref().and_then(|beside| beside.get());
            let text = match more {
                Some(beside) => metrics::joined(text, &(beside.metrics)().await),
                None => text,
            };
            ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

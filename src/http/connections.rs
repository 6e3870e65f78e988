//! The relay's connections, for its operator: who is there, and an end of one.

use super::control::{ControlOptions, answer, bad_request, pubkey};
use crate::base::PubKey;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

/// Looks at the connections of the running relay. Calls block until its shards have answered.
pub trait ConnectionAdmin: Send + Sync {
    /// `{open, matching, connections}`: those with the most bytes queued, of a key or of all.
    fn list(&self, key: Option<&PubKey>) -> Value;
    /// Ends a connection and says whose it was; `None`: there is none of that id any more.
    fn close(&self, id: &str) -> Option<Value>;
}

pub(super) fn router(options: ControlOptions) -> Router {
    Router::new()
        .route("/connections", get(all))
        .route("/connections/{of}", get(of_key).delete(close))
        .with_state(options)
}

async fn all(State(options): State<ControlOptions>) -> Response {
    answer(move || Ok(Json(options.connections.list(None)).into_response())).await
}

async fn of_key(State(options): State<ControlOptions>, Path(text): Path<String>) -> Response {
    answer(move || {
        let key = pubkey(&text).map_err(bad_request)?;
        Ok(Json(options.connections.list(Some(&key))).into_response())
    })
    .await
}

async fn close(State(options): State<ControlOptions>, Path(id): Path<String>) -> Response {
    answer(move || match options.connections.close(&id) {
        Some(whose) => Ok(Json(whose).into_response()),
        None => Err((StatusCode::NOT_FOUND, "there is no such connection (any more)".to_owned())),
    })
    .await
}

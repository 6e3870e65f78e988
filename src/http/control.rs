//! The control socket: the allowlist and the figures of a running relay, for its operator.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /keys` | - | 200, list of `{pubkey, role, name, limits}` |
//! | `POST /keys` | `{pubkey, role, name, limits}` | 204; 400 if a field is wrong |
//! | `DELETE /keys/{pubkey}` | - | 204; 404 if the key was not allowed |
//! | `GET /connections`, `GET /connections/{pubkey}` | - | 200, the relay's, or a key's |
//! | `DELETE /connections/{id}` | - | 200, whose it was; 404 if there is none |
//! | `GET /info` | - | 200, the relay's description and figures |
//! | `POST /checkpoints` | - | 200, `{path}` of a directory with the store's files of now |
//! | `DELETE /checkpoints/{name}` | - | 204, removed or not there |
//! | `POST /deletions` | a step, see `app::deletion` | 200, what it has deleted or found; 400 if a field is wrong |
//! | `POST /reclaim` | - | 204, the room of deleted events is given back in the background |
//! | `POST /events` | events, each after its length, u32 | 200, what became of them; 400 of a batch that is cut off |
//! | `POST /reload` | - | 200, what a reload of the configuration changed; 400 if it is wrong |
//!
//! Errors are `{"error": text}`; 500 carries the store's own message, which stays between the
//! relay and its operator.

use super::connections::{self, ConnectionAdmin};
use crate::base::limits::{IMPORT_BATCH_BYTES_MAX, NAME_BYTES_MAX};
use crate::base::{KeyLimit, KeyOverrides, PubKey};
use crate::log::Role;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The socket's file name in the data directory.
pub const CONTROL_SOCKET: &str = "control.sock";

/// A batch of an import; one event may be as large as the largest message.
const BATCH_BYTES_MAX: usize = IMPORT_BATCH_BYTES_MAX + (65 << 20);

/// One key of the allowlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    pub pubkey: PubKey,
    pub role: Role,
    /// A name for people; may be empty.
    pub name: String,
    /// What it says instead of its role's limits.
    pub limits: KeyOverrides,
}

/// Changes the allowlist of the running relay. Calls may block; an error is a text for the
/// operator.
pub trait KeyAdmin: Send + Sync {
    /// Every allowed key.
    ///
    /// # Errors
    /// The store's own message.
    fn list(&self) -> Result<Vec<KeyEntry>, String>;
    /// Allows a key, or changes its role, name and limits. In force when it returns.
    ///
    /// # Errors
    /// The store's own message.
    fn add(&self, entry: &KeyEntry) -> Result<(), String>;
    /// Removes a key; `false` if it was not allowed. When it returns no later event has that
    /// author.
    ///
    /// # Errors
    /// The store's own message.
    fn remove(&self, pubkey: &PubKey) -> Result<bool, String>;
}

/// Makes the answer to `GET /info`; may block.
pub type Info = dyn Fn() -> serde_json::Value + Send + Sync;

/// Makes the files of a running store available to a backup or a check. Calls may block.
pub trait Checkpoints: Send + Sync {
    /// Makes a checkpoint and says where it is.
    ///
    /// # Errors
    /// The store's own message.
    fn make(&self) -> Result<PathBuf, String>;
    /// Removes the checkpoint of that name.
    ///
    /// # Errors
    /// The store's own message.
    fn remove(&self, name: &str) -> Result<(), String>;
}

/// Deletes and imports events of the running relay. Calls may block; an error is a text for the
/// operator.
pub trait EventAdmin: Send + Sync {
    /// One step of a deletion, or of its trial.
    ///
    /// # Errors
    /// The field that is wrong, or the store's own message.
    fn remove(&self, request: &serde_json::Value) -> Result<serde_json::Value, String>;
    /// Gives the room of deleted events back, in the background.
    fn reclaim(&self);
    /// Takes a batch of events, and says what became of them.
    ///
    /// # Errors
    /// A batch that cannot be read, or the store's own message.
    fn import(&self, batch: &[u8]) -> Result<serde_json::Value, String>;
}

/// Reloads the configuration: what that changed, or why it changed nothing; may block.
pub type Reload = dyn Fn() -> Result<serde_json::Value, String> + Send + Sync;

/// What the control door works on.
#[derive(Clone)]
pub struct ControlOptions {
    pub keys: Arc<dyn KeyAdmin>,
    pub connections: Arc<dyn ConnectionAdmin>,
    pub checkpoints: Arc<dyn Checkpoints>,
    pub info: Arc<Info>,
    pub reload: Arc<Reload>,
    pub events: Arc<dyn EventAdmin>,
}

/// A [`KeyEntry`] as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyJson {
    pubkey: String,
    role: String,
    #[serde(default)]
    name: String,
    /// By name, see [`KeyLimit`].
    #[serde(default)]
    limits: BTreeMap<String, u64>,
}

impl From<&KeyEntry> for KeyJson {
    fn from(entry: &KeyEntry) -> Self {
        KeyJson {
            pubkey: entry.pubkey.to_hex(),
            role: entry.role.name().to_owned(),
            name: entry.name.clone(),
            limits: entry.limits.iter().map(|(limit, n)| (limit.name().to_owned(), n)).collect(),
        }
    }
}

impl TryFrom<KeyJson> for KeyEntry {
    type Error = String;

    fn try_from(json: KeyJson) -> Result<Self, String> {
        let pubkey = pubkey(&json.pubkey)?;
        let roles = Role::ALL.map(Role::name).join(", ");
        let role = Role::from_name(&json.role).ok_or_else(|| format!("role: must be one of {roles}"))?;
        if json.name.len() > NAME_BYTES_MAX {
            return Err(format!("name: at most {NAME_BYTES_MAX} bytes are allowed"));
        }
        Ok(KeyEntry { pubkey, role, name: json.name, limits: overrides(&json.limits)? })
    }
}

/// Where a checkpoint is, as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CheckpointJson {
    pub(super) path: PathBuf,
}

fn overrides(json: &BTreeMap<String, u64>) -> Result<KeyOverrides, String> {
    let mut overrides = KeyOverrides::default();
    for (name, &value) in json {
        let known = || KeyLimit::ALL.map(KeyLimit::name).join(", ");
        let limit = KeyLimit::from_name(name).ok_or_else(|| format!("limits: must be among {}", known()))?;
        let most = limit.value_max();
        if value > most {
            return Err(format!("limits.{limit}: must be at most {most}"));
        }
        overrides.set(limit, value);
    }
    Ok(overrides)
}

pub(super) fn pubkey(text: &str) -> Result<PubKey, String> {
    PubKey::from_hex(text).ok_or_else(|| "pubkey: must be 64 hex digits".to_owned())
}

pub(super) fn router(options: ControlOptions) -> Router {
    let local = Router::new()
        .route("/checkpoints", post(make_checkpoint))
        .route("/checkpoints/{name}", delete(remove_checkpoint))
        .route("/deletions", post(remove_events))
        .route("/reclaim", post(reclaim))
        .route("/events", post(import).layer(DefaultBodyLimit::max(BATCH_BYTES_MAX)))
        .with_state(options.clone());
    administration(options).merge(local)
}

/// Those routes that make sense from another machine, too.
pub(super) fn administration(options: ControlOptions) -> Router {
    Router::new()
        .route("/keys", get(list).post(add))
        .route("/keys/{pubkey}", delete(remove))
        .route("/info", get(info))
        .route("/reload", post(reload))
        .with_state(options.clone())
        .merge(connections::router(options))
}

async fn list(State(options): State<ControlOptions>) -> Response {
    answer(move || {
        let keys = options.keys.list().map_err(internal)?;
        let keys: Vec<KeyJson> = keys.iter().map(KeyJson::from).collect();
        Ok(Json(keys).into_response())
    })
    .await
}

async fn add(State(options): State<ControlOptions>, body: Result<Json<KeyJson>, JsonRejection>) -> Response {
    let entry = body.map_err(|error| error.body_text()).and_then(|Json(key)| KeyEntry::try_from(key));
    answer(move || {
        options.keys.add(&entry.map_err(bad_request)?).map_err(internal)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

async fn remove(State(options): State<ControlOptions>, Path(text): Path<String>) -> Response {
    answer(move || {
        let pubkey = pubkey(&text).map_err(bad_request)?;
        match options.keys.remove(&pubkey).map_err(internal)? {
            true => Ok(StatusCode::NO_CONTENT.into_response()),
            false => Err((StatusCode::NOT_FOUND, "this key is not on the allowlist".to_owned())),
        }
    })
    .await
}

async fn info(State(options): State<ControlOptions>) -> Response {
    answer(move || Ok(Json((options.info)()).into_response())).await
}

async fn make_checkpoint(State(options): State<ControlOptions>) -> Response {
    answer(move || {
        let path = options.checkpoints.make().map_err(internal)?;
        Ok(Json(CheckpointJson { path }).into_response())
    })
    .await
}

async fn remove_checkpoint(State(options): State<ControlOptions>, Path(name): Path<String>) -> Response {
    answer(move || {
        options.checkpoints.remove(&name).map_err(internal)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

async fn remove_events(
    State(options): State<ControlOptions>,
    body: Result<Json<serde_json::Value>, JsonRejection>,
) -> Response {
    let request = body.map_err(|error| error.body_text());
    answer(move || {
        let request = request.map_err(bad_request)?.0;
        Ok(Json(options.events.remove(&request).map_err(bad_request)?).into_response())
    })
    .await
}

async fn reclaim(State(options): State<ControlOptions>) -> Response {
    options.events.reclaim();
    StatusCode::NO_CONTENT.into_response()
}

async fn import(State(options): State<ControlOptions>, batch: Result<Bytes, BytesRejection>) -> Response {
    let batch = batch.map_err(|error| error.body_text());
    answer(move || {
        let batch = batch.map_err(bad_request)?;
        Ok(Json(options.events.import(&batch).map_err(bad_request)?).into_response())
    })
    .await
}

async fn reload(State(options): State<ControlOptions>) -> Response {
    answer(move || Ok(Json((options.reload)().map_err(bad_request)?).into_response())).await
}

pub(super) type Refusal = (StatusCode, String);

pub(super) fn bad_request(text: String) -> Refusal {
    (StatusCode::BAD_REQUEST, text)
}

fn internal(text: String) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, text)
}

/// Runs `work`, which may block, beside the runtime's own thread.
pub(super) async fn answer(work: impl FnOnce() -> Result<Response, Refusal> + Send + 'static) -> Response {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(internal(format!("the request failed: {error}")))).unwrap_or_else(
        |(code, text)| {
            tracing::warn!(code = code.as_u16(), text, "control request refused");
            (code, Json(json!({ "error": text }))).into_response()
        },
    )
}

//! The other end of the control socket, for the command line.

use super::control::{CONTROL_SOCKET, CheckpointJson, KeyEntry, KeyJson};
use crate::base::PubKey;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::net::UnixStream;

/// Bytes of an answer: an allowlist of some 100 000 keys.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// A change of a key waits for the commits before it; longer than this the relay is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a control request has no good answer.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Nobody listens: the relay of this data directory is not running.
    #[error("no relay is running on {}", .0.display())]
    NotRunning(PathBuf),
    /// The socket is there but cannot be used.
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// The relay's own refusal.
    #[error("{message}")]
    Refused { status: u16, message: String },
    /// The conversation broke off or made no sense.
    #[error("the relay's answer cannot be read: {0}")]
    Broken(String),
}

/// Talks to a running relay through its control socket, one connection per request.
#[derive(Debug, Clone)]
pub struct ControlClient {
    path: PathBuf,
}

impl ControlClient {
    /// A client for the relay of that data directory. Nothing is opened yet.
    pub fn new(data_dir: &Path) -> Self {
        ControlClient { path: data_dir.join(CONTROL_SOCKET) }
    }

    /// Every allowed key.
    ///
    /// # Errors
    /// See [`ControlError`]; so for the other requests.
    pub async fn keys(&self) -> Result<Vec<KeyEntry>, ControlError> {
        let keys: Vec<KeyJson> = self.ask(Method::GET, "/keys", Bytes::new()).await.and_then(decode)?;
        keys.into_iter().map(|key| KeyEntry::try_from(key).map_err(ControlError::Broken)).collect()
    }

    /// Allows a key, or changes its role and name.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn add_key(&self, entry: &KeyEntry) -> Result<(), ControlError> {
        let body = serde_json::to_vec(&KeyJson::from(entry)).map_err(broken)?;
        self.ask(Method::POST, "/keys", body.into()).await.map(drop)
    }

    /// Removes a key; `false` if it was not allowed.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn remove_key(&self, pubkey: &PubKey) -> Result<bool, ControlError> {
        match self.ask(Method::DELETE, &format!("/keys/{pubkey}"), Bytes::new()).await {
            Ok(_) => Ok(true),
            Err(ControlError::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The relay's connections, or a key's.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn connections(&self, key: Option<&PubKey>) -> Result<serde_json::Value, ControlError> {
        let target = key.map_or_else(|| "/connections".to_owned(), |key| format!("/connections/{key}"));
        self.ask(Method::GET, &target, Bytes::new()).await.and_then(decode)
    }

    /// Ends a connection and says whose it was; `None` if it is gone.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn disconnect(&self, id: &str) -> Result<Option<serde_json::Value>, ControlError> {
        match self.ask(Method::DELETE, &format!("/connections/{id}"), Bytes::new()).await {
            Ok(body) => decode(body).map(Some),
            Err(ControlError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The relay's description and figures.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn info(&self) -> Result<serde_json::Value, ControlError> {
        self.ask(Method::GET, "/info", Bytes::new()).await.and_then(decode)
    }

    /// Makes a checkpoint of the running store and says where it is.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn make_checkpoint(&self) -> Result<PathBuf, ControlError> {
        let made: CheckpointJson =
            self.ask(Method::POST, "/checkpoints", Bytes::new()).await.and_then(decode)?;
        Ok(made.path)
    }

    /// Removes the checkpoint of that name.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn remove_checkpoint(&self, name: &str) -> Result<(), ControlError> {
        self.ask(Method::DELETE, &format!("/checkpoints/{name}"), Bytes::new()).await.map(drop)
    }

    /// Has the relay reload its configuration; what that changed.
    ///
    /// # Errors
    /// The relay's refusal names everything that is wrong; nothing has changed then.
    pub async fn reload(&self) -> Result<serde_json::Value, ControlError> {
        self.ask(Method::POST, "/reload", Bytes::new()).await.and_then(decode)
    }

    /// One step of a deletion; what it has deleted or found.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn remove(&self, request: &serde_json::Value) -> Result<serde_json::Value, ControlError> {
        let body = serde_json::to_vec(request).map_err(broken)?;
        self.ask(Method::POST, "/deletions", body.into()).await.and_then(decode)
    }

    /// Has the room of deleted events given back.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn reclaim(&self) -> Result<(), ControlError> {
        self.ask(Method::POST, "/reclaim", Bytes::new()).await.map(drop)
    }

    /// Brings a batch of events in; what became of them.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub async fn import(&self, batch: Vec<u8>) -> Result<serde_json::Value, ControlError> {
        self.ask(Method::POST, "/events", batch.into()).await.and_then(decode)
    }

    async fn ask(&self, method: Method, target: &str, body: Bytes) -> Result<Bytes, ControlError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.unreachable(error))?;
        tokio::time::timeout(ANSWER_TIMEOUT, exchange(stream, method, target, body))
            .await
            .map_err(|_| ControlError::Broken(format!("none within {} s", ANSWER_TIMEOUT.as_secs())))?
    }

    fn unreachable(&self, error: io::Error) -> ControlError {
        let path = self.path.clone();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NotRunning(path),
            _ => ControlError::Io { path, error },
        }
    }
}

/// One request and its whole answer on a fresh connection.
async fn exchange(
    stream: UnixStream,
    method: Method,
    target: &str,
    body: Bytes,
) -> Result<Bytes, ControlError> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(broken)?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| ControlError::Broken(error.to_string()))?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(refusal(status, &body)) }
    };
    // The connection ends by itself once `answer` has dropped the sender.
    let (answer, _) = futures_util::future::join(answer, connection).await;
    answer
}

fn refusal(status: StatusCode, body: &[u8]) -> ControlError {
    let error = serde_json::from_slice::<serde_json::Value>(body).ok();
    let text = error.as_ref().and_then(|error| error["error"].as_str());
    let message = text.map_or_else(|| status.to_string(), str::to_owned);
    ControlError::Refused { status: status.as_u16(), message }
}

fn decode<T: DeserializeOwned>(body: Bytes) -> Result<T, ControlError> {
    serde_json::from_slice(&body).map_err(broken)
}

fn broken(error: impl std::error::Error) -> ControlError {
    ControlError::Broken(error.to_string())
}

//! The one HTTP client: rustls, time limits, bounded answers.

use crate::gather::ports::PortError;
use crate::gather::upstreams::{Upstream, Upstreams};
use reqwest::{RequestBuilder, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Bytes of an answer; those we ask for have some kilobytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
const USER_AGENT: &str = "Gather/1.0";

/// Why there is no client.
#[derive(Debug, Error)]
#[error("the HTTPS client cannot be made: {0}")]
pub struct ClientError(String);

/// Makes requests of one service; copies share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    health: Arc<Upstreams>,
    of: Upstream,
}

impl Client {
    /// A client that trusts the web's usual certificate authorities. How calls go is noted in
    /// `health`, as those of the chain's service; see [`to`](Self::to).
    ///
    /// # Errors
    /// The TLS library refuses its own defaults.
    pub fn new(health: &Arc<Upstreams>) -> Result<Client, ClientError> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder().user_agent(USER_AGENT).tls_backend_preconfigured(tls).build();
        let http = http.map_err(|error| ClientError(error.to_string()))?;
        Ok(Client { http, health: Arc::clone(health), of: Upstream::Chain })
    }

    /// The same, for calls to this service.
    #[must_use]
    pub fn to(&self, of: Upstream) -> Client {
        Client { of, ..self.clone() }
    }

    /// The underlying client, to begin a request with.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends a request to `service` and reads the answer as JSON, with its status.
    ///
    /// # Errors
    /// [`PortError::Unreachable`] without an answer in time, or if it is too long.
    pub async fn json(
        &self,
        service: &'static str,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<(StatusCode, Value), PortError> {
        self.judged(service, request, limit, |status, _| serves(status)).await
    }

    /// The same for a service whose statuses do not say whether it does well; `well` does.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub async fn judged(
        &self,
        service: &'static str,
        request: RequestBuilder,
        limit: Duration,
        well: impl Fn(StatusCode, &Value) -> bool,
    ) -> Result<(StatusCode, Value), PortError> {
        let result = self.ask(service, request, limit).await;
        self.health.note(self.of, result.as_ref().is_ok_and(|(status, answer)| well(*status, answer)));
        result
    }

    async fn ask(
        &self,
        service: &'static str,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<(StatusCode, Value), PortError> {
        let unreachable = |error: &dyn std::fmt::Display| {
            tracing::warn!(service, %error, "an upstream call failed");
            PortError::Unreachable(service)
        };
        let mut response = request.timeout(limit).send().await.map_err(|error| unreachable(&error))?;
        let (status, mut body) = (response.status(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(unreachable(&"the answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }
}

/// Whether a status is an answer: not their trouble, and not a refusal of our key or pace.
pub(super) fn serves(status: StatusCode) -> bool {
    !status.is_server_error() && !matches!(status.as_u16(), 401 | 402 | 403 | 429)
}

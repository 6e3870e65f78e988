//! The control socket's operations over the network, for keys with the role `admin`. Off unless
//! configured.
//!
//! Below `/admin` on the public door: `/keys`, `/info` and `/reload` as on the control socket, but no
//! checkpoints, whose files lie on the relay's machine, and nothing that takes events away or in. Each request is signed (see [`AdminRequest`]):
//! there is no token that could be read on the way, kept, or stand in a log. A signature holds for one
//! relay, one request and a minute, and once; since the memory of that does not outlive the process, none
//! that was signed before its start is taken. Whoever reads along learns what is asked and answered;
//! he can neither change nor repeat it.

use super::control::{self, ControlOptions};
use crate::base::admin::{ADMIN_WINDOW_SECONDS, AdminProof, AdminRequest};
use crate::base::{Clock, PubKey, Signature};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a request's body: the longest is an entry of the allowlist.
const BODY_BYTES_MAX: usize = 16 << 10;

/// Requests remembered, so that none counts twice: of all admins within two minutes.
const REQUESTS_MAX: usize = 4_096;

/// Whether the key is an admin's and has signed this digest; may cost a signature check.
pub type IsAdmins = dyn Fn(&PubKey, &[u8; 32], &Signature) -> bool + Send + Sync;

/// What the admins' door works on.
pub struct RemoteOptions {
    pub control: ControlOptions,
    /// What admins may call this relay.
    pub urls: Vec<String>,
    pub is_admins: Arc<IsAdmins>,
    pub clock: Clock,
}

struct Guard {
    urls: Vec<String>,
    is_admins: Arc<IsAdmins>,
    clock: Clock,
    /// Unix seconds of the start.
    since: i64,
    /// Digests of requests that were let in, and their times.
    seen: Mutex<HashMap<[u8; 32], i64>>,
}

/// The routes below `/admin`.
pub fn admin_router(options: RemoteOptions) -> Router {
    let RemoteOptions { control, urls, is_admins, clock } = options;
    let since = clock.unix_seconds();
    let guard = Arc::new(Guard { urls, is_admins, clock, since, seen: Mutex::default() });
    let routes = control::administration(control).layer(middleware::from_fn_with_state(guard, check));
    Router::new().nest("/admin", routes)
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is broken off or too long");
    };
    match guard.admit(&parts, &body) {
        Ok(()) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(StatusCode::TOO_MANY_REQUESTS) => {
            refused(StatusCode::TOO_MANY_REQUESTS, "too many admin requests in two minutes")
        }
        // Which part of it is wrong is nobody's business but an admin's.
        Err(code) => refused(
            code,
            "no admin of this relay has signed this request since its start and within a minute of its clock",
        ),
    }
}

fn refused(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}

impl Guard {
    fn admit(&self, parts: &Parts, body: &[u8]) -> Result<(), StatusCode> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let proof = header.and_then(AdminProof::parse).ok_or(StatusCode::UNAUTHORIZED)?;
        let now = self.clock.unix_seconds();
        let is_old = now.abs_diff(proof.unix_seconds) > ADMIN_WINDOW_SECONDS.unsigned_abs();
        if is_old || proof.unix_seconds < self.since {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let digest = |url: &String| {
            let request = AdminRequest { url, method: parts.method.as_str(), target, body };
            request.digest(proof.unix_seconds, &proof.nonce)
        };
        let mut digests = self.urls.iter().map(digest);
        let signed = digests.find(|digest| (self.is_admins)(&proof.pubkey, digest, &proof.sig));
        self.once(signed.ok_or(StatusCode::UNAUTHORIZED)?, proof.unix_seconds, now)
    }

    fn once(&self, digest: [u8; 32], at: i64, now: i64) -> Result<(), StatusCode> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains_key(&digest) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        if seen.len() >= REQUESTS_MAX {
            seen.retain(|_, at| now.saturating_sub(*at) <= ADMIN_WINDOW_SECONDS);
        }
        if seen.len() >= REQUESTS_MAX {
            return Err(StatusCode::TOO_MANY_REQUESTS);
        }
        seen.insert(digest, at);
        Ok(())
    }
}

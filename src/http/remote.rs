//! The control socket's operations over the network, for keys with the role `admin`. Off unless
//! configured.
//!
//! Below `/admin` on the public door: `/keys`, `/info` and `/reload` as on the control socket, but no
//! checkpoints, whose files lie on the relay's machine, and nothing that takes events away or in. Each
//! request is signed (see [`AdminRequest`]): there is no token that could be read on the way, kept, or stand in a log. A signature holds for one
//! relay, one request and a minute, and once. The memory of the requests that were let in does not outlive
//! the process, but the time of the latest does: it is on disk before anything is done. After a start none
//! is taken that is as old as that, or older than the start. Whoever reads along learns what is asked and
//! answered; he can neither change nor repeat it.

use super::control::{self, ControlOptions, Refusal};
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

/// Keeps the unix seconds of a request beyond the end of the process; may block. An error is the
/// store's own message.
pub type Remember = dyn Fn(i64) -> Result<(), String> + Send + Sync;

/// What the admins' door works on.
pub struct RemoteOptions {
    pub control: ControlOptions,
    /// What admins may call this relay.
    pub urls: Vec<String>,
    pub is_admins: Arc<IsAdmins>,
    /// What was remembered last, before this start; `None`: nothing yet.
    pub latest: Option<i64>,
    pub remember: Arc<Remember>,
    pub clock: Clock,
}

struct Guard {
    urls: Vec<String>,
    is_admins: Arc<IsAdmins>,
    remember: Arc<Remember>,
    clock: Clock,
    /// Unix seconds; what is older may have been done before the start.
    since: i64,
    seen: Mutex<Seen>,
}

/// The requests that were let in.
#[derive(Default)]
struct Seen {
    /// Their digests and times.
    times: HashMap<[u8; 32], i64>,
    /// The latest time of those that are forgotten: if the clock is set back they do not come again.
    forgotten: Option<i64>,
    /// The latest time that is on disk.
    latest: Option<i64>,
}

impl Seen {
    fn forget_before(&mut self, unix_seconds: i64) {
        let old = self.times.values().copied().filter(|at| *at < unix_seconds).max();
        self.forgotten = self.forgotten.max(old);
        self.times.retain(|_, at| *at >= unix_seconds);
    }
}

/// A request that an admin has signed and that is not too old.
struct Signed {
    digest: [u8; 32],
    unix_seconds: i64,
    /// It changes something.
    is_order: bool,
}

/// The routes below `/admin`.
pub fn admin_router(options: RemoteOptions) -> Router {
    let RemoteOptions { control, urls, is_admins, latest, remember, clock } = options;
    let start = clock.unix_seconds();
    let since = latest.map_or(start, |latest| start.max(latest.saturating_add(1)));
    if since - start > ADMIN_WINDOW_SECONDS {
        tracing::warn!(
            seconds = since - start,
            "the clock was set back: for so long no request of an admin is taken over HTTP"
        );
    }
    let seen = Mutex::new(Seen { latest, ..Seen::default() });
    let guard = Arc::new(Guard { urls, is_admins, remember, clock, since, seen });
    let routes = control::administration(control).layer(middleware::from_fn_with_state(guard, check));
    Router::new().nest("/admin", routes)
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is broken off or too long");
    };
    let let_in = match guard.signed(&parts, &body) {
        // The disk is waited for beside the runtime's own thread.
        Some(signed) => tokio::task::spawn_blocking(move || guard.once(&signed)).await,
        None => Ok(Err(no_admins())),
    };
    match let_in {
        Ok(Ok(())) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err((code, text))) => refused(code, &text),
        Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR, "the request failed"),
    }
}

/// Which part of it is wrong is nobody's business but an admin's.
fn no_admins() -> Refusal {
    let text = "no admin of this relay has signed this request within a minute of its clock, after its start, \
                and later than the last one before that";
    (StatusCode::UNAUTHORIZED, text.to_owned())
}

fn refused(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}

impl Guard {
    fn signed(&self, parts: &Parts, body: &[u8]) -> Option<Signed> {
        let header = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let AdminProof { pubkey, unix_seconds, nonce, sig } = AdminProof::parse(header)?;
        let off_seconds = self.clock.unix_seconds().abs_diff(unix_seconds);
        if off_seconds > ADMIN_WINDOW_SECONDS.unsigned_abs() || unix_seconds < self.since {
            return None;
        }
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let digest = |url: &String| {
            let request = AdminRequest { url, method: parts.method.as_str(), target, body };
            request.digest(unix_seconds, &nonce)
        };
        let mut digests = self.urls.iter().map(digest);
        let digest = digests.find(|digest| (self.is_admins)(&pubkey, digest, &sig))?;
        Some(Signed { digest, unix_seconds, is_order: !parts.method.is_safe() })
    }

    /// Lets it in if it is the first one, and if it will not be let in again either. May block.
    fn once(&self, signed: &Signed) -> Result<(), Refusal> {
        let now = self.clock.unix_seconds();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_forgotten = seen.forgotten.is_some_and(|forgotten| signed.unix_seconds <= forgotten);
        if is_forgotten || seen.times.contains_key(&signed.digest) {
            return Err(no_admins());
        }
        if seen.times.len() >= REQUESTS_MAX {
            seen.forget_before(now.saturating_sub(ADMIN_WINDOW_SECONDS));
        }
        if seen.times.len() >= REQUESTS_MAX {
            let text = "too many admin requests in two minutes";
            return Err((StatusCode::TOO_MANY_REQUESTS, text.to_owned()));
        }
        if seen.latest.is_none_or(|latest| latest < signed.unix_seconds) {
            match (self.remember)(signed.unix_seconds) {
                Ok(()) => seen.latest = Some(signed.unix_seconds),
                Err(error) if signed.is_order => {
                    let text = format!("nothing is done that cannot be remembered: {error}");
                    return Err((StatusCode::SERVICE_UNAVAILABLE, text));
                }
                // A question does no harm, and what is wrong with the disk is worth asking.
                Err(_) => {}
            }
        }
        seen.times.insert(signed.digest, signed.unix_seconds);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    #[test]
    fn an_order_is_let_in_once_its_time_is_on_disk_and_a_question_always() {
        let (works, kept) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let (disk, file) = (Arc::clone(&works), Arc::clone(&kept));
        let remember = move |unix_seconds| {
            let works = disk.load(Ordering::Relaxed);
            works.then(|| file.store(unix_seconds, Ordering::Relaxed)).ok_or_else(|| "disk full".to_owned())
        };
        let guard = Guard {
            urls: Vec::new(),
            is_admins: Arc::new(|_, _, _| true),
            remember: Arc::new(remember),
            clock: Clock::new(),
            since: 0,
            seen: Mutex::default(),
        };
        let at = |unix_seconds, n, is_order| {
            let let_in = guard.once(&Signed { digest: [n; 32], unix_seconds, is_order });
            (let_in.map_err(|(code, _)| code.as_u16()), kept.load(Ordering::Relaxed))
        };
        assert_eq!(at(100, 1, true), (Err(503), 0));
        assert_eq!(at(100, 2, false), (Ok(()), 0));
        works.store(true, Ordering::Relaxed);
        assert_eq!(at(100, 1, true), (Ok(()), 100), "it was not let in before");
        assert_eq!(at(100, 1, true), (Err(401), 100));
        works.store(false, Ordering::Relaxed);
        assert_eq!(at(99, 3, true), (Ok(()), 100), "what is as old is refused after a restart in any case");
        assert_eq!(at(101, 4, true), (Err(503), 100));
    }

    #[test]
    fn what_is_forgotten_does_not_come_again() {
        let mut seen = Seen::default();
        seen.times.extend([([1; 32], 10), ([2; 32], 20), ([3; 32], 30)]);
        seen.forget_before(25);
        assert_eq!((seen.forgotten, seen.times.len()), (Some(20), 1));
        seen.forget_before(25);
        assert_eq!(seen.forgotten, Some(20));
        let guard = Guard {
            urls: Vec::new(),
            is_admins: Arc::new(|_, _, _| true),
            remember: Arc::new(|_| Ok(())),
            clock: Clock::new(),
            since: 0,
            seen: Mutex::new(seen),
        };
        let once = |unix_seconds| guard.once(&Signed { digest: [4; 32], unix_seconds, is_order: true });
        assert!(once(20).is_err() && once(21).is_ok());
    }
}

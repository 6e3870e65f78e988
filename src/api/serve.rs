//! What every request passes, and the ways from there to the database.

use super::body;
use super::buckets::Buckets;
use super::call::Tier;
use super::operation::Operation;
use super::problem;
use crate::base::{Clock, EventId};
use crate::gather::auth::Bearer;
use crate::gather::idempotency::{KEY_CHARS_MAX, Repeatable};
use crate::gather::input::{check_body, check_query};
use crate::gather::rules::jwt;
use crate::gather::{Db, Fault, FaultKind, Flaw, Gather, Tx};
use crate::http::Peer;
use axum::RequestPartsExt as _;
use axum::extract::{RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::Response;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The header by which a write may be repeated.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What the HTTP face works on.
pub struct ApiOptions {
    pub gather: Arc<Gather>,
    /// Whether addresses are limited (contract 3.6).
    pub limit_addresses: bool,
    /// Proxies whose `X-Real-IP` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    pub clock: Clock,
}

/// What all operations, and the pages, share.
pub struct Api {
    pub gather: Arc<Gather>,
    pub(super) buckets: Buckets,
    trusted_proxies: Vec<IpAddr>,
}

/// A request whose form was checked.
pub struct Sent {
    pub(super) bearer: Option<Bearer>,
    pub(super) query: Map<String, Value>,
    pub(super) body: Map<String, Value>,
    pub(super) path: Vec<String>,
    pub(super) repeat: Option<Repeatable>,
    /// Where a stream goes on.
    pub(super) resume: Option<String>,
}

/// Answers one request.
pub(super) async fn respond(api: Arc<Api>, operation: Arc<Operation>, request: Request) -> Response {
    let answer = async {
        let sent = examine(&api, &operation, request).await?;
        (operation.run)(Arc::clone(&api), sent).await
    };
    match answer.await {
        Ok(response) => response,
        Err(fault) => problem::response(&fault),
    }
}

async fn examine(api: &Api, operation: &Operation, request: Request) -> Result<Sent, Fault> {
    let (mut parts, body) = request.into_parts();
    let draft = &operation.draft;
    // Where an agent has a bucket of its own instead, whoever is none pays from the address's.
    let nobody = draft.bucket.is_some() && api.bearer(&parts.headers).is_none();
    if draft.limited || nobody {
        api.charge(&parts)?;
    }
    let mut flaws = Vec::new();
    let token = authorization(&parts.headers, operation.tier, &mut flaws);
    let key = idempotency_key(&parts, &mut flaws);
    let path = path(&mut parts).await?;
    let query = check_query(&operation.query, &query(&parts), &mut flaws);
    let body = match &operation.body {
        None => Map::new(),
        Some((_, fields)) => match body::read(&parts.headers, body).await {
            Ok(sent) => check_body(fields, &sent, &mut flaws),
            Err(fault) => {
                flaws.extend(fault.flaws);
                return Err(Fault { flaws, ..fault });
            }
        },
    };
    if !flaws.is_empty() {
        return Err(Fault::flawed(FaultKind::Invalid, flaws));
    }
    let bearer = bearer(api, token.as_deref(), operation.tier)?;
    let agent = bearer.as_ref().map_or("", |bearer| bearer.claims.sub.as_str());
    if let Some(bucket) = draft.bucket {
        api.buckets.charge_agent(bucket, agent)?;
    }
    let repeat = key.map(|key| {
        let asked = serde_json::to_vec(&(&path, &query, &body)).unwrap_or_default();
        let request = Sha256::digest(asked).into();
        Repeatable { scope: format!("{agent} {}", draft.id), key, request }
    });
    let resume = parts.headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Sent { bearer, query, body, path, repeat, resume })
}

/// The token's text. A missing header is a flaw like any other, not a 401 (contract 1.3).
fn authorization(headers: &HeaderMap, tier: Tier, flaws: &mut Vec<Flaw>) -> Option<String> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.filter(|text| !text.is_empty());
    if sent.is_none() && matches!(tier, Tier::Agent | Tier::Admin | Tier::Present) {
        flaws.push(Flaw {
            message: "required header parameter is missing: send Authorization: Bearer TOKEN".to_owned(),
            location: "header.Authorization".to_owned(),
            value: None,
        });
    }
    Some(sent?.strip_prefix("Bearer ").unwrap_or(sent?).to_owned())
}

/// The token of a route that is no operation.
///
/// # Errors
/// 401, also for a missing header.
pub(super) fn token(api: &Api, headers: &HeaderMap) -> Result<Bearer, Fault> {
    let token = authorization(headers, Tier::Optional, &mut Vec::new()).unwrap_or_default();
    let bearer = bearer(api, Some(&token), Tier::Agent)?;
    bearer.ok_or_else(|| Fault::unauthorized("a token is needed"))
}

fn bearer(api: &Api, token: Option<&str>, tier: Tier) -> Result<Option<Bearer>, Fault> {
    let context = api.gather.context();
    let claims = token.and_then(|token| jwt::verify(&context.secrets.jwt, token, context.now().seconds()));
    let bearer = claims.zip(token).map(|(claims, token)| Bearer::new(claims, token));
    match tier {
        Tier::Public | Tier::Present => Ok(None),
        Tier::Agent | Tier::Admin if bearer.is_none() => Err(Fault::unauthorized(
            "the token is not valid or has expired: POST /api/agents/challenge, then /api/agents/authenticate",
        )),
        _ => Ok(bearer),
    }
}

fn idempotency_key(parts: &Parts, flaws: &mut Vec<Flaw>) -> Option<String> {
    let value = parts.headers.get(IDEMPOTENCY_KEY).filter(|_| !parts.method.is_safe())?;
    let visible = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = value.to_str().ok().filter(visible).filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len()));
    if key.is_none() {
        flaws.push(Flaw {
            message: format!("expected 1 to {KEY_CHARS_MAX} visible ASCII characters"),
            location: "header.Idempotency-Key".to_owned(),
            value: None,
        });
    }
    key.map(str::to_owned)
}

/// What makes a request to a route that is no operation the same as another one of `agent`'s:
/// its key, and `asked`.
///
/// # Errors
/// 422 a key that is none.
pub(super) fn repeatable(
    parts: &Parts,
    agent: &str,
    route: &str,
    asked: &[&[u8]],
) -> Result<Option<Repeatable>, Fault> {
    let mut flaws = Vec::new();
    let key = idempotency_key(parts, &mut flaws);
    if !flaws.is_empty() {
        return Err(Fault::flawed(FaultKind::Invalid, flaws));
    }
    let mut hash = Sha256::new();
    for part in asked {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let request = hash.finalize().into();
    Ok(key.map(|key| Repeatable { scope: format!("{agent} {route}"), key, request }))
}

async fn path(parts: &mut Parts) -> Result<Vec<String>, Fault> {
    let params = parts.extract::<RawPathParams>().await;
    let params = params.map_err(|_| Fault::missing("the path is not UTF-8"))?;
    Ok(params.iter().map(|(_, value)| value.to_owned()).collect())
}

fn query(parts: &Parts) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        pairs.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    pairs
}

impl Api {
    pub fn new(options: ApiOptions) -> Api {
        let ApiOptions { gather, limit_addresses, trusted_proxies, clock } = options;
        Api { gather, buckets: Buckets::new(clock, limit_addresses), trusted_proxies }
    }

    /// Takes a request from its address's bucket.
    ///
    /// # Errors
    /// 429 if it is empty.
    pub fn charge(&self, parts: &Parts) -> Result<(), Fault> {
        self.buckets.charge_address(self.address(parts))
    }

    fn address(&self, parts: &Parts) -> Option<IpAddr> {
        let peer = parts.extensions.get::<Peer>()?.0?;
        let forwarded = parts.headers.get(REAL_IP).filter(|_| self.trusted_proxies.contains(&peer));
        Some(forwarded.and_then(|value| value.to_str().ok()?.trim().parse().ok()).unwrap_or(peer))
    }

    /// The bearer of a request's token, if there is one and its signature and expiry are good.
    pub fn bearer(&self, headers: &HeaderMap) -> Option<Bearer> {
        let token = authorization(headers, Tier::Optional, &mut Vec::new())?;
        bearer(self, Some(&token), Tier::Optional).ok().flatten()
    }

    /// Runs `work` on a reader.
    ///
    /// # Errors
    /// Its own; 503 if too many wait.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        ask(&self.gather, work).await
    }

    /// Runs `work` in a transaction; returns when it is on disk.
    ///
    /// # Errors
    /// Its own; 503 if too many wait.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        change(&self.gather, work).await
    }
}

/// The wire bytes of an event of a public kind, if the relay's log has it.
pub(super) async fn event(gather: &Gather, id: EventId) -> Result<Option<Vec<u8>>, Fault> {
    let (done, answer) = oneshot::channel();
    // Whoever asked may be gone.
    gather.event(id, move |result| drop(done.send(result)));
    answer.await.unwrap_or_else(|_| Err(Fault::unavailable("the service is stopping", 5)))
}

/// Runs `work` on a reader of Gather's.
pub(super) async fn ask<T: Send + 'static>(
    gather: &Gather,
    work: impl FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (done, answer) = oneshot::channel();
    // Whoever asked may be gone.
    gather.read(work, move |result| drop(done.send(result)));
    answer.await.unwrap_or_else(|_| Err(Fault::unavailable("the service is stopping", 5)))
}

/// Runs `work` in a transaction of Gather's; returns when it is on disk.
pub(super) async fn change<T: Send + 'static>(
    gather: &Gather,
    work: impl FnOnce(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (done, answer) = oneshot::channel();
    // Whoever asked may be gone.
    gather.write(work, move |result| drop(done.send(result)));
    answer.await.unwrap_or_else(|_| Err(Fault::unavailable("the service is stopping", 5)))
}

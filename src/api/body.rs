//! Reading a JSON body: contract 1.1.

use crate::gather::{Fault, FaultKind, Flaw};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;
use serde_json::Value;
use std::error::Error as _;
use std::time::Duration;
use tokio::time::timeout;

/// A body of this size or more is refused.
const BODY_BYTES_LIMIT: usize = 1 << 20;
/// A body that takes longer is refused.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The body as JSON.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Value, Fault> {
    if !is_json(headers) {
        return Err(whole(FaultKind::MediaType, "send application/json"));
    }
    let read = timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES_LIMIT - 1)).await;
    let bytes = read.map_err(|_| Fault::new(FaultKind::Slow, "the body did not arrive within 5 seconds"))?;
    let bytes = bytes.map_err(|error| match error.source().is_some_and(|e| e.is::<LengthLimitError>()) {
        true => {
            Fault::new(FaultKind::TooLarge, format!("a body must have less than {BODY_BYTES_LIMIT} bytes"))
        }
        false => Fault::bad("the body broke off"),
    })?;
    if bytes.is_empty() {
        return Err(whole(FaultKind::Bad, "a request body is required"));
    }
    serde_json::from_slice(&bytes).map_err(|error| whole(FaultKind::Bad, error.to_string()))
}

fn whole(kind: FaultKind, message: impl Into<String>) -> Fault {
    Fault::flawed(kind, vec![Flaw { message: message.into(), location: "body".to_owned(), value: None }])
}

/// `application/json`, anything `…+json`, or no type at all.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim().to_lowercase();
    kind.is_empty() || kind == "application/json" || kind.ends_with("+json")
}

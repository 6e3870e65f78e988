//! Every error in one form: problem+json (RFC 9457, W27).

use crate::gather::{Fault, FaultKind, Flaw};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// The answer to a fault.
pub(super) fn response(fault: &Fault) -> Response {
    let status = status(fault.kind);
    let mut body = Map::new();
    body.insert("title".into(), status.canonical_reason().unwrap_or_default().into());
    body.insert("status".into(), status.as_u16().into());
    body.insert("detail".into(), fault.detail.as_str().into());
    if !fault.flaws.is_empty() {
        body.insert("errors".into(), fault.flaws.iter().map(flaw).collect());
    }
    let kind = HeaderValue::from_static("application/problem+json");
    let mut response =
        (status, [(header::CONTENT_TYPE, kind)], Value::Object(body).to_string()).into_response();
    if let Some(seconds) = fault.retry_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn flaw(flaw: &Flaw) -> Value {
    let mut error = json!({ "message": flaw.message });
    if !flaw.location.is_empty() {
        error["location"] = flaw.location.as_str().into();
    }
    if let Some(value) = &flaw.value {
        error["value"] = value.clone();
    }
    error
}

/// The status of each kind of fault.
pub fn status(kind: FaultKind) -> StatusCode {
    match kind {
        FaultKind::Bad => StatusCode::BAD_REQUEST,
        FaultKind::Unauthorized => StatusCode::UNAUTHORIZED,
        FaultKind::Payment => StatusCode::PAYMENT_REQUIRED,
        FaultKind::Forbidden => StatusCode::FORBIDDEN,
        FaultKind::Missing => StatusCode::NOT_FOUND,
        FaultKind::Method => StatusCode::METHOD_NOT_ALLOWED,
        FaultKind::Slow => StatusCode::REQUEST_TIMEOUT,
        FaultKind::Conflict => StatusCode::CONFLICT,
        FaultKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FaultKind::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        FaultKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        FaultKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        FaultKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        FaultKind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        FaultKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

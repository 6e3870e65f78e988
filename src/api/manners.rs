//! What every answer has: fixed headers, CORS, an id, and errors in one form.

use super::problem;
use crate::gather::{Fault, FaultKind};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::request_id::{MakeRequestId, RequestId};

const FIXED: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    (header::X_XSS_PROTECTION, "1; mode=block"),
    (header::VARY, "Origin"),
];

/// Wraps every request of the face.
pub(super) async fn keep(request: Request, next: Next) -> Response {
    let from_origin = request.headers().contains_key(header::ORIGIN);
    let mut response = match request.method() == Method::OPTIONS {
        true => preflight(request.headers()),
        false => with_problem(next.run(request).await),
    };
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.append(name, HeaderValue::from_static(value));
    }
    if from_origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

fn preflight(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let methods = HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(headers) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
    }
    response
}

/// The router's own 405 has no body; it gets ours and keeps its `Allow`.
fn with_problem(response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let detail = "this path exists, but not for this method: see the Allow header";
    let mut response = problem::response(&Fault::new(FaultKind::Method, detail));
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// A path that is none of ours.
pub(super) async fn unknown_path() -> Response {
    problem::response(&Fault::missing("there is no such path: GET /help lists all"))
}

/// Sixteen random hex digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&format!("{:016x}", rand::random::<u64>())).ok().map(RequestId::new)
    }
}

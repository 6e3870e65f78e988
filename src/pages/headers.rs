//! What a browser may do with a page, and from where something may be written.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const FIXED: [(HeaderName, &str); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    ),
    (HeaderName::from_static("origin-agent-cluster"), "?1"),
];
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What pages may load: what comes from here, and a connection to the relay. No script, style or
/// event handler in the page itself, no frames, no forms to elsewhere.
pub(super) fn policy(relay_url: &str) -> HeaderValue {
    // Only the origin of the relay's address counts; one that is no URL is left out.
    let relay = relay_url.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("ws" | "wss")));
    let relay = relay.and_then(|uri| Some(format!(" {}://{}", uri.scheme_str()?, uri.authority()?)));
    let policy = format!(
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'{}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        relay.unwrap_or_default()
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// What the viewer of the operations may load: what comes from here, and the pictures and styles
/// that its own script makes. It shows our own document only, and asks nobody else.
pub(super) fn viewer_policy() -> HeaderValue {
    HeaderValue::from_static(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
}

/// Around every page and file: refuses writes from other origins, and adds the headers. The operations
/// behind them are open to pages of other origins, as the contract says: what they do hangs on a token,
/// which a browser does not send by itself and only the page that asked for it has.
pub(super) async fn guard(policy: HeaderValue, request: Request, next: Next) -> Response {
    let response = match from_here(&request) {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, "this may only be sent from a page of this service").into_response(),
    };
    dressed(response, policy)
}

/// With all headers.
pub(super) fn dressed(mut response: Response, policy: HeaderValue) -> Response {
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.append(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    }
    response
}

/// Whether a request comes from one of our own pages, or only reads.
fn from_here(request: &Request) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return true;
    }
    let headers = request.headers();
    let said = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match said(&FETCH_SITE) {
        Some(site) => site == "same-origin",
        None => said(&header::ORIGIN).is_none_or(|origin| is_host(origin, headers)),
    }
}

fn is_host(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    host.is_some_and(|host| origin.split_once("://").is_some_and(|(_, of)| of == host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn the_policy_names_the_relay_and_nothing_foreign() {
        let policy = |url: &str| super::policy(url).to_str().unwrap().to_owned();
        assert!(
            policy("wss://relay.example:7447/x").contains("connect-src 'self' wss://relay.example:7447;")
        );
        for bad in ["", "relay", "javascript:1", "wss://a;script-src *"] {
            let policy = policy(bad);
            assert!(policy.contains("connect-src 'self'; base-uri"), "{bad}: {policy}");
        }
    }

    #[test]
    fn only_our_own_pages_write() {
        let request = |method: &str, pairs: &[(&str, &str)]| {
            let mut builder = Request::builder().method(method).uri("/").header("host", "here:1");
            for (name, value) in pairs {
                builder = builder.header(*name, *value);
            }
            builder.body(Body::empty()).unwrap()
        };
        for (method, pairs, good) in [
            ("GET", &[("sec-fetch-site", "cross-site")][..], true),
            ("POST", &[("sec-fetch-site", "same-origin")], true),
            ("POST", &[("sec-fetch-site", "same-site")], false),
            ("POST", &[("sec-fetch-site", "cross-site"), ("origin", "http://here:1")], false),
            ("DELETE", &[("origin", "http://elsewhere")], false),
            ("POST", &[("origin", "http://here:1")], true),
            ("POST", &[("origin", "null")], false),
            ("POST", &[], true),
        ] {
            assert_eq!(from_here(&request(method, pairs)), good, "{method} {pairs:?}");
        }
    }
}

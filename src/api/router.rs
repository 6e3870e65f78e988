//! Operations and documents as routes.

use super::designs;
use super::document;
use super::guide;
use super::manners;
use super::operation::Operation;
use super::serve::{Api, respond};
use crate::base::PubKey;
use crate::gather::events::EVENTS_MD;
use axum::Router;
use axum::extract::{Path, Request};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use serde_json::Value;
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use utoipa::openapi::OpenApi;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes of Gather, to be served beside others.
///
/// # Errors
/// The document cannot be written: a bug, told at the start.
pub fn router(api: &Arc<Api>) -> Result<Router, String> {
    let operations = super::operations();
    let document = document::document(&operations);
    let mut router = documents(&document, api.gather.context().secrets.platform_key())?;
    guide::remember(&operations);
    for operation in operations {
        router = route(router, api, operation);
    }
    let router = designs::routes(router, api).fallback(manners::unknown_path);
    Ok(router
        .layer(middleware::from_fn(manners::keep))
        .layer(CatchPanicLayer::new())
        .layer(CompressionLayer::new())
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, manners::RandomId)))
}

fn route(router: Router, api: &Arc<Api>, operation: Operation) -> Router {
    let filter = match operation.draft.method {
        Method::POST => MethodFilter::POST,
        Method::PUT => MethodFilter::PUT,
        Method::PATCH => MethodFilter::PATCH,
        Method::DELETE => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    let (api, path, operation) = (Arc::clone(api), operation.draft.path, Arc::new(operation));
    let handler = move |request: Request| respond(Arc::clone(&api), Arc::clone(&operation), request);
    router.route(path, on(filter, handler))
}

/// `/openapi.json`, `/openapi.yaml`, `/events.md`, `/schemas/{name}.json`, `/docs`, `/llms.txt`, `/`.
fn documents(document: &OpenApi, platform: PubKey) -> Result<Router, String> {
    let json = document.to_json().map_err(|error| error.to_string())?;
    let yaml = document.to_yaml().map_err(|error| error.to_string())?;
    let tree: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let schemas = Arc::new(tree["components"]["schemas"].clone());
    let schema = move |Path(name): Path<String>| {
        let schemas = Arc::clone(&schemas);
        async move {
            match name.strip_suffix(".json").and_then(|name| schemas.get(name)) {
                Some(schema) => typed("application/schema+json", schema.to_string()),
                None => manners::unknown_path().await,
            }
        }
    };
    Ok(Router::new()
        .route("/openapi.json", get(move || async move { typed("application/openapi+json", json) }))
        .route("/openapi.yaml", get(move || async move { typed("application/openapi+yaml", yaml) }))
        .route("/schemas/{name}", get(schema))
        .route("/docs", get(async || viewer(Path("index.html".to_owned())).await))
        .route("/docs/{file}", get(viewer))
        .route("/events.md", get(async || typed("text/markdown; charset=utf-8", EVENTS_MD.to_owned())))
        .route("/llms.txt", get(async || typed("text/plain; charset=utf-8", guide::llms_txt())))
        .route("/", get(move || root(platform))))
}

fn typed(kind: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Swagger UI, from the files that are built in.
async fn viewer(Path(file): Path<String>) -> Response {
    let config = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
    let found = utoipa_swagger_ui::serve(&file, config).map_err(|error| error.to_string());
    match found {
        Ok(Some(found)) => {
            let bytes =
                if file == "index.html" { from_anywhere(&found.bytes) } else { found.bytes.into_owned() };
            ([(header::CONTENT_TYPE, found.content_type)], bytes).into_response()
        }
        Ok(None) => manners::unknown_path().await,
        Err(error) => {
            tracing::error!(error, "the viewer's files cannot be served");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The viewer's page with its files named from the root, so that it works as `/docs`, too.
fn from_anywhere(page: &[u8]) -> Vec<u8> {
    let page = String::from_utf8_lossy(page);
    page.replace("=\"./", "=\"/docs/").replace("=\"index.css", "=\"/docs/index.css").into_bytes()
}

/// For agents; people get a page (D11).
async fn root(platform: PubKey) -> Response {
    axum::Json(guide::discovery(&platform)).into_response()
}

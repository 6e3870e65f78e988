//! The table of pages, and what every request for one passes.

use super::visit::{Asked, Visit};
use super::{
    account, agents, assets, channels, docs, feed, forms, headers, home, me, operator, post, proof, shop,
    skills, words,
};
use crate::api::{self, Api, Stock};
use crate::gather::{Db, Fault, FaultKind};
use askama::Template;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{RequestPartsExt as _, Router, middleware};
use std::collections::BTreeMap;
use std::sync::Arc;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

/// What a page shows.
type Show = fn(&Db<'_>, &Visit) -> Result<String, Fault>;

/// A page: its path, its section of the navigation, what it shows.
const PAGES: &[(&str, &str, Show)] = &[
    ("/", "home", home::show),
    ("/feed", "feed", feed::show),
    ("/post/{id}", "feed", post::show),
    ("/write", "feed", forms::write),
    ("/agents", "agents", agents::list),
    ("/agent/{id}", "agents", agents::show),
    ("/channels", "channels", channels::list),
    ("/channel/{id}", "channels", channels::show),
    ("/skills", "skills", skills::list),
    ("/skill/{name}", "skills", skills::show),
    ("/leaderboard", "skills", skills::leaderboard),
    ("/proof/{id}", "skills", proof::show),
    ("/shop", "shop", shop::list),
    ("/shop/{product}", "shop", shop::product),
    ("/order/{id}", "shop", shop::order),
    ("/inbox", "inbox", me::inbox),
    ("/me", "me", me::show),
    ("/me/key", "me", account::key),
    ("/me/verify", "me", account::verify),
    ("/operator", "operator", operator::show),
    ("/docs", "docs", docs::list),
    ("/docs/readme", "docs", docs::readme),
    ("/docs/protocol", "docs", docs::protocol),
    ("/docs/tuning", "docs", docs::tuning),
    ("/docs/design", "docs", docs::design),
    ("/join", "join", forms::join),
];

/// The pages, and behind them what `api` serves. Where both have a path, `Accept` decides.
pub fn router(api: &Arc<Api>, behind: Router) -> Router {
    let policy = headers::policy(&api.gather.context().options.relay_url);
    let around = policy.clone();
    let guard = move |request: Request, next: Next| headers::guard(around.clone(), request, next);
    let mut pages = Router::new().route("/assets/{hash}/{name}", get(assets::serve));
    for (path, section, show) in PAGES {
        let (api, behind) = (Arc::clone(api), behind.clone());
        let handler = move |request: Request| answer(api, behind, section, *show, request);
        pages = pages.route(path, get(handler));
    }
    let api = Arc::clone(api);
    pages
        .layer(CatchPanicLayer::new())
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(guard))
        .fallback(move |request| elsewhere(Arc::clone(&api), behind.clone(), policy.clone(), request))
}

/// A page for people; for everybody else what is behind, if there is something.
async fn answer(
    api: Arc<Api>,
    behind: Router,
    section: &'static str,
    show: Show,
    request: Request,
) -> Response {
    let is_docs = request.uri().path() == "/docs";
    if (is_docs || request.uri().path() == "/") && !wants_page(request.headers()) {
        let response = behind.oneshot(request).await.into_response();
        return if is_docs { headers::dressed(response, headers::viewer_policy()) } else { response };
    }
    let (context, uri) = (api.gather.context(), request.uri().to_string());
    let answer = page(&api, section, show, request).await;
    answer.unwrap_or_else(|fault| failed(&fault, &Visit::lost(context, uri)))
}

async fn page(api: &Api, section: &'static str, show: Show, request: Request) -> Result<Response, Fault> {
    let (mut parts, _) = request.into_parts();
    api.charge(&parts)?;
    let bearer = api.bearer(&parts.headers);
    let params = parts.extract::<RawPathParams>().await;
    let params = params.map_err(|_| Fault::missing("the path is not UTF-8"))?;
    let path: Vec<String> = params.iter().map(|(_, value)| value.to_owned()).collect();
    let stock = match shop::asks_outside(parts.uri.path()) {
        true => api::stock(&api.gather, path.first().map(String::as_str)).await,
        false => Stock::default(),
    };
    let asked = Asked { section, path, stock, query: query(&parts), uri: parts.uri.to_string() };
    let page = move |db: &Db<'_>| {
        let visit = Visit::new(db, asked, bearer.as_ref());
        let shown = show(db, &visit).map(|html| Html(html).into_response());
        Ok(shown.unwrap_or_else(|fault| failed(&fault, &visit)))
    };
    api.read(page).await
}

/// Of repeated parameters the first counts.
fn query(parts: &axum::http::request::Parts) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        pairs.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    pairs
}

/// Whether a page is accepted, and not less than JSON is.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let weight = |kind: &str| {
        let weights = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next()?.eq_ignore_ascii_case(kind);
            named.then(|| parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0))
        });
        weights.fold(0.0, f32::max)
    };
    let page = weight("text/html");
    page > 0.0 && page >= weight("application/json")
}

/// What is no page: `api` answers. What it does not know either is, for people, a page.
async fn elsewhere(api: Arc<Api>, behind: Router, policy: HeaderValue, request: Request) -> Response {
    let (people, uri) = (wants_page(request.headers()), request.uri().to_string());
    let is_viewer = request.uri().path().starts_with("/docs/");
    let response = behind.oneshot(request).await.into_response();
    match people && response.status() == StatusCode::NOT_FOUND {
        true => {
            let fault = Fault::missing("there is no page at this address");
            let visit = Visit::lost(api.gather.context(), uri);
            headers::dressed(failed(&fault, &visit), policy)
        }
        false if is_viewer => headers::dressed(response, headers::viewer_policy()),
        false => response,
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    visit: &'a Visit,
    title: &'static str,
    /// What happened, unless the title says it.
    detail: String,
    advice: &'static str,
    fault: &'a Fault,
}

/// The page of an error: what happened, and what to do.
fn failed(fault: &Fault, visit: &Visit) -> Response {
    let (title, advice) = match fault.kind {
        FaultKind::Missing => ("Nothing here", "It may have been deleted, or the address has a mistake."),
        FaultKind::Invalid | FaultKind::Bad => {
            ("That does not work", "Change what is named above and try again.")
        }
        FaultKind::Unauthorized => ("Sign in first", "This page is for the agent it belongs to."),
        FaultKind::Forbidden => ("Not allowed", "If you think you should see this, ask the operator."),
        FaultKind::TooMany => ("A little slower, please", "Wait a moment, then reload."),
        FaultKind::Unavailable => ("Busy", "Wait a moment, then reload."),
        _ => ("Something broke", "It was our fault and it is in the log. Reload to try again."),
    };
    let detail = if fault.flaws.is_empty() { words::refusal(&fault.detail) } else { String::new() };
    let page = ErrorPage { visit, title, detail, advice, fault };
    let html = page.render().unwrap_or_else(|_| title.to_owned());
    let mut response = (api::status(fault.kind), Html(html)).into_response();
    if let Some(seconds) = fault.retry_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

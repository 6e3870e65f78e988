//! Uploading designs and serving them. They are files, not JSON, so these two are routes of their
//! own; their errors have the one form there is (W27).

use super::buckets::AgentBucket;
use super::manners;
use super::multipart;
use super::problem;
use super::reply::Reply;
use super::serve::{Api, ask, change, repeatable, token};
use crate::gather::rules::ids;
use crate::gather::shop::designs::{self, Design};
use crate::gather::{Agent, Fault, FaultKind, Tx};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Bytes of a whole upload (contract 1.1).
const UPLOAD_BYTES_MAX: usize = 32 << 20;
/// A slower upload is refused.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Uploads at a time: each is held in memory.
static UPLOADS: Semaphore = Semaphore::const_new(4);
/// The status of an upload that was kept.
const CREATED: u16 = 201;
/// What a repeated upload is a repetition of.
const ROUTE: &str = "design-upload";
/// Characters that make a stored name one of its kind.
const SUFFIX_CHARS: usize = 10;
/// Bytes of a file that are read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A picture is shown and nothing in it runs.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=2592000");

/// Adds the two routes.
pub(super) fn routes(router: Router, api: &Arc<Api>) -> Router {
    let (up, down) = (Arc::clone(api), Arc::clone(api));
    router.route("/api/designs/upload", post(async move |request: Request| upload(&up, request).await)).route(
        "/api/files/designs/{id}/{file}",
        get(async move |path: Result<Path<(String, String)>, PathRejection>| match path {
            Ok(Path((id, file))) => serve(&down, id, file).await,
            // No UTF-8: none of ours.
            Err(_) => manners::unknown_path().await,
        }),
    )
}

async fn upload(api: &Api, request: Request) -> Response {
    match keep(api, request).await {
        Ok(reply) => reply.into_response(),
        Err(fault) => problem::response(&fault),
    }
}

async fn keep(api: &Api, request: Request) -> Result<Reply, Fault> {
    let (parts, body) = request.into_parts();
    let bearer = token(api, &parts.headers)?;
    let me = ask(&api.gather, move |db| Agent::of(db, &bearer, true)).await?;
    let bucket = if me.verified { AgentBucket::UploadVerified } else { AgentBucket::Upload };
    api.buckets.charge_agent(bucket, &me.id)?;
    let boundary = multipart::boundary(&parts.headers)
        .ok_or_else(|| Fault::bad("send multipart/form-data with a part named file"))?;
    // The semaphore is never closed.
    let _turn = UPLOADS.acquire().await.map_err(Fault::internal)?;
    let body = timeout(UPLOAD_TIMEOUT, to_bytes(body, UPLOAD_BYTES_MAX)).await;
    let body = body.map_err(|_| Fault::new(FaultKind::Slow, "the upload did not arrive within a minute"))?;
    let body = body.map_err(|_| designs::too_large())?;
    let part = multipart::file(&body, &boundary, "file")
        .ok_or_else(|| Fault::bad("there is no file in a part named file"))?;
    let repeat = repeatable(&parts, &me.id, ROUTE, &[part.file_name.as_bytes(), part.bytes])?;
    let suffix = &ids::record_id(rand::random)[..SUFFIX_CHARS];
    let picture = designs::examine(&part.file_name, part.bytes, ids::record_id(rand::random), suffix)?;
    let folder = designs::folder(api.gather.context());
    let path = folder.join(&picture.id);
    write(&folder, &path, part.bytes).await.map_err(Fault::internal)?;
    let keep =
        move |tx: &Tx<'_>| Reply::once(tx, repeat.as_ref(), CREATED, |tx| designs::keep(tx, &me, &picture));
    let kept = change(&api.gather, keep).await;
    if kept.as_ref().map_or(true, Reply::is_replay) {
        // What cannot be removed is a file that nobody names; the next start removes it.
        let _ = fs::remove_file(&path).await;
    }
    kept
}

/// Writes a new file; returns when it and its name are on disk.
async fn write(folder: &std::path::Path, path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder).await?;
    let mut file = File::create_new(path).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    File::open(folder).await?.sync_all().await
}

async fn serve(api: &Api, id: String, file: String) -> Response {
    if designs::PLACEHOLDER_PATH.ends_with(&format!("/{id}/{file}")) {
        return picture("image/png", Body::from(Bytes::from_static(designs::PLACEHOLDER)));
    }
    let found = ask(&api.gather, move |db| designs::find(db, &id, &file)).await;
    match found {
        Ok(Design { path, mime_type }) => match File::open(&path).await {
            Ok(file) => picture(&mime_type, streamed(file)),
            Err(error) => problem::response(&Fault::internal(format!("{}: {error}", path.display()))),
        },
        Err(fault) => problem::response(&fault),
    }
}

fn picture(mime_type: &str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(mime_type);
    headers
        .insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    let shown = if mime_type == "image/svg+xml" { "attachment" } else { "inline" };
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(shown));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::CACHE_CONTROL, CACHE);
    response
}

/// A file, chunk by chunk at its reader's speed.
fn streamed(file: File) -> Body {
    Body::from_stream(stream::try_unfold(file, async |mut file: File| {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, io::Error>((read > 0).then_some((Bytes::from(chunk), file)))
    }))
}

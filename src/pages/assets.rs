//! The files a browser needs beside the pages, built in.
//!
//! They are served under a path that holds a hash of all of them, so a browser may keep each for
//! ever, and scripts find each other by their plain names.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::LazyLock;

macro_rules! files {
    ($($name:literal)*) => { [$(($name, include_bytes!(concat!("assets/", $name)).as_slice())),*] };
}

/// Every file of `assets/`.
const FILES: &[(&str, &[u8])] = &files![
    "actions.js" "api.js" "app.css" "app.js" "bytes.js" "chat.js" "dialog.js" "ed25519.js" "element.js"
    "events.js" "icons.svg" "identity.js" "keys.js" "live.js" "mark.svg" "market.js" "members.js" "morph.js"
    "msgpack.js" "navigate.js" "operator.js" "pow.js" "pow-worker.js" "proof.js" "relay.js" "review-form.js" "rotation.js" "session.js" "shop.js"
    "signed.js" "time.js" "toast.js" "verify.js" "watch.js"
];

/// Hex digits of the hash in the path.
const HASH_DIGITS: usize = 12;

struct File {
    kind: &'static str,
    plain: Bytes,
    /// `None`: not smaller.
    gzip: Option<Bytes>,
}

struct Assets {
    hash: String,
    files: HashMap<&'static str, File>,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (name, bytes) in FILES {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    let mut hash = hex::encode(hash.finalize());
    hash.truncate(HASH_DIGITS);
    let file = |bytes: &'static [u8], name: &str| {
        let packed = gzip(bytes).filter(|packed| packed.len() < bytes.len());
        File { kind: kind(name), plain: Bytes::from_static(bytes), gzip: packed.map(Bytes::from) }
    };
    let files = FILES.iter().map(|(name, bytes)| (*name, file(bytes, name))).collect();
    Assets { hash, files }
});

/// Where a file is found.
pub(super) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", ASSETS.hash)
}

/// Where the scripts are that `app.js` needs, so that a browser asks for all of them at once and not
/// for each one's imports when it has come.
pub(super) fn modules() -> &'static [String] {
    static MODULES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut names = vec!["app.js"];
        let mut next = 0;
        while let Some(name) = names.get(next) {
            for import in imports(name) {
                if !names.contains(&import) {
                    names.push(import);
                }
            }
            next += 1;
        }
        names.into_iter().skip(1).map(path).collect()
    });
    &MODULES
}

/// The files that a script imports when it is loaded.
fn imports(name: &str) -> Vec<&'static str> {
    let script = FILES.iter().find(|(other, _)| *other == name);
    let text = script.and_then(|(_, bytes)| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    text.split("from './").skip(1).filter_map(|import| import.split('\'').next()).collect()
}

/// `GET /assets/{hash}/{name}`
pub(super) async fn serve(Path((hash, name)): Path<(String, String)>, asked: HeaderMap) -> Response {
    // A page of an older process asks for what is gone: it is told so, and not another version.
    let Some(file) = ASSETS.files.get(name.as_str()).filter(|_| hash == ASSETS.hash) else {
        return (StatusCode::NOT_FOUND, "this file is of another version: reload the page").into_response();
    };
    let takes_gzip = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let takes_gzip = takes_gzip.is_some_and(|value| value.contains("gzip"));
    let packed = file.gzip.as_ref().filter(|_| takes_gzip);
    let mut response = Response::new(Body::from(packed.unwrap_or(&file.plain).clone()));
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, file.kind);
    set(header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    set(header::VARY, "Accept-Encoding");
    if packed.is_some() {
        set(header::CONTENT_ENCODING, "gzip");
    }
    response
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_built_in() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages/assets");
        let entries = std::fs::read_dir(folder).unwrap();
        let there: BTreeSet<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let known: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(there, known);
        assert!(FILES.iter().all(|(name, _)| kind(name) != "application/octet-stream"));
    }

    #[test]
    fn scripts_import_only_files_that_exist() {
        let mut found = 0;
        for (name, _) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
            for file in imports(name) {
                assert!(ASSETS.files.contains_key(file), "{name} imports {file}");
                found += 1;
            }
        }
        assert!(found > 50, "{found}");
        let every = modules();
        assert!(every.contains(&path("msgpack.js")), "through relay.js");
        assert!(!every.contains(&path("operator.js")), "only administrators load it");
        let once: BTreeSet<&String> = every.iter().collect();
        assert_eq!(once.len(), every.len());
    }
}

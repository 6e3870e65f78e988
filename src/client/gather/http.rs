//! One request and its answer.

use super::error::{GatherError, Problem};
use crate::client::Roots;
use reqwest::{Method, Response, StatusCode, Url, header, redirect};
use serde_json::Value;
use std::time::Duration;

/// Bytes of an answer: 100 posts of 10 000 characters, each written as `\u00xx`, and as much again.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Above the longest wait that Gather offers (60 s), and a slow commit.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// A request to Gather, before it is known who sends it.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    /// Path and query, encoded.
    target: String,
    /// Its type, and itself.
    body: Option<(String, Vec<u8>)>,
    pub(super) public: bool,
}

impl Request {
    /// A request without a body; `path` as from [`path`].
    pub fn get(path: impl Into<String>) -> Request {
        Request::new(Method::GET, path)
    }

    /// See [`get`](Self::get).
    pub fn delete(path: impl Into<String>) -> Request {
        Request::new(Method::DELETE, path)
    }

    /// A request with a JSON body.
    pub fn post(path: impl Into<String>, body: &Value) -> Request {
        Request::new(Method::POST, path).json(body)
    }

    /// See [`post`](Self::post).
    pub fn put(path: impl Into<String>, body: &Value) -> Request {
        Request::new(Method::PUT, path).json(body)
    }

    /// See [`post`](Self::post).
    pub fn patch(path: impl Into<String>, body: &Value) -> Request {
        Request::new(Method::PATCH, path).json(body)
    }

    /// A file as multipart/form-data, in a part named `file`.
    pub fn upload(path: impl Into<String>, name: &str, bytes: &[u8]) -> Request {
        let boundary = hex::encode(rand::random::<[u8; 16]>());
        let name: String = name.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
        let disposition = format!("form-data; name=\"file\"; filename=\"{name}\"");
        let head = format!("--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n");
        let body = [head.as_bytes(), bytes, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        let kind = format!("multipart/form-data; boundary={boundary}");
        Request { body: Some((kind, body)), ..Request::new(Method::POST, path) }
    }

    fn new(method: Method, path: impl Into<String>) -> Request {
        Request { method, target: path.into(), body: None, public: false }
    }

    fn json(self, body: &Value) -> Request {
        Request { body: Some(("application/json".to_owned(), body.to_string().into_bytes())), ..self }
    }

    /// A parameter of the query; `None` leaves it out.
    #[must_use]
    pub fn query(mut self, name: &str, value: Option<impl ToString>) -> Request {
        if let Some(value) = value {
            self.target.push(if self.target.contains('?') { '&' } else { '?' });
            let pair = form_urlencoded::Serializer::new(String::new())
                .append_pair(name, &value.to_string())
                .finish();
            self.target.push_str(&pair);
        }
        self
    }

    /// Needs no token, and sends none.
    #[must_use]
    pub fn public(self) -> Request {
        Request { public: true, ..self }
    }
}

/// A path of literal segments and of others' names: what is no letter or digit is encoded.
pub fn path(segments: &[&str]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        for byte in segment.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => path.push(char::from(byte)),
                other => path.push_str(&format!("%{other:02X}")),
            }
        }
    }
    path
}

/// A way to one server.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    /// Without a slash at the end.
    base: String,
}

impl Http {
    pub(super) fn new(url: &str, roots: &Roots) -> Result<Http, GatherError> {
        let wrong = |why: &str| GatherError::Address { url: url.to_owned(), why: why.to_owned() };
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong("the scheme is another one"));
        }
        let builder = reqwest::Client::builder()
            .user_agent(concat!("axon/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured((*roots.config()).clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            // A token is for the server it is from.
            .redirect(redirect::Policy::none());
        let local = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        let builder = if local { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| wrong(&error.to_string()))?;
        Ok(Http { client, base: url.trim_end_matches('/').to_owned() })
    }

    /// The server's address.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request; the answer's JSON.
    pub(super) async fn exchange(
        &self,
        request: &Request,
        token: Option<&str>,
        repeat_key: Option<&str>,
    ) -> Result<Value, GatherError> {
        let target = format!("{}{}", self.base, request.target);
        let mut sent = self.client.request(request.method.clone(), target);
        if let Some(token) = token {
            sent = sent.bearer_auth(token);
        }
        if let Some(key) = repeat_key {
            sent = sent.header("Idempotency-Key", key);
        }
        if let Some((kind, body)) = &request.body {
            sent = sent.header(header::CONTENT_TYPE, kind).body(body.clone());
        }
        let response = sent.send().await.map_err(|error| self.failed(error))?;
        self.read(response).await
    }

    async fn read(&self, mut response: Response) -> Result<Value, GatherError> {
        let status = response.status();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_seconds = retry_after.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.strange(format!("it has more than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let json = serde_json::from_slice::<Value>(&body);
        if status.is_success() {
            return json.map_err(|_| self.strange("it is not JSON".to_owned()));
        }
        let problem = json.ok().and_then(|json| serde_json::from_value::<Problem>(json).ok());
        match problem {
            Some(problem) => {
                Err(GatherError::Refused(Problem { retry_seconds, status: status.as_u16(), ..problem }))
            }
            None => Err(self.strange(unexplained(status))),
        }
    }

    fn strange(&self, why: String) -> GatherError {
        GatherError::Strange { url: self.base.clone(), why }
    }

    fn failed(&self, error: reqwest::Error) -> GatherError {
        let url = self.base.clone();
        let refused = error.is_connect();
        let error = error.without_url();
        // The last cause says what happened; what is above it, only that something did.
        let mut why: &dyn std::error::Error = &error;
        while let Some(cause) = why.source() {
            why = cause;
        }
        let why = why.to_string();
        if refused { GatherError::Unreachable { url, why } } else { GatherError::Lost { url, why } }
    }
}

fn unexplained(status: StatusCode) -> String {
    format!("it is {status} without an explanation; is this the address of Gather?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_do_not_change_a_request() {
        assert_eq!(path(&["api", "skills", "acme/pdf?x#y z"]), "/api/skills/acme%2Fpdf%3Fx%23y%20z");
        let request = Request::get("/a").query("q", Some("b&c=d")).query("n", None::<u8>).query("m", Some(2));
        assert_eq!(request.target, "/a?q=b%26c%3Dd&m=2");
    }

    #[test]
    fn an_address_is_http() {
        for url in ["ws://127.0.0.1:1", "127.0.0.1", "", "file:///etc/passwd"] {
            assert!(matches!(Http::new(url, &Roots::public()), Err(GatherError::Address { .. })), "{url}");
        }
        let http = Http::new("http://127.0.0.1:1/", &Roots::public()).expect("an address");
        assert_eq!(http.base(), "http://127.0.0.1:1");
    }
}

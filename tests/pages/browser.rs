//! A headless Chromium, driven by chromedriver: WebDriver is JSON over HTTP.

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// How long a page may take for what a test waits for.
const PATIENCE_MS: u64 = 30_000;

const DRIVER_TRIES_MAX: usize = 5;

/// How often an element is looked for again that was replaced between being found and being used:
/// a page that is live replaces one now and then, not each time. And what the driver calls that.
const REPLACED_TRIES_MAX: usize = 5;
const REPLACED: [&str; 2] = ["stale element reference", "no such element"];

/// Of a window, and of the longest picture, in pixels.
const WINDOW_HEIGHT: u64 = 900;
const PICTURE_HEIGHT_MAX: u64 = 3_000;

/// Where chromedriver names an element of the page.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser of its own, with a profile of its own. Ends when dropped.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself; the driver takes the browser with it. A test that has failed
        // already is not to fail in here, too.
        let session = format!("/session/{}", self.session);
        let _ = catch_unwind(AssertUnwindSafe(|| self.try_send("DELETE", &session, None)));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    pub fn start() -> Browser {
        let (driver, port) = start_driver();
        let profile = tempfile::tempdir().expect("a scratch directory");
        let mut browser = Browser { driver, port, session: String::new(), _profile: profile };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--disable-sync",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-component-update",
            "--hide-scrollbars",
            "--window-size=1280,900",
            // Nothing but the loopback.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            &format!("--user-data-dir={}", browser._profile.path().display()),
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "timeouts": {"script": PATIENCE_MS, "pageLoad": PATIENCE_MS},
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments}
        }}});
        let made = browser.send("POST", "/session", Some(&capabilities));
        browser.session =
            made["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {made}")).to_owned();
        browser
    }

    /// Opens an address and waits until the page's scripts have begun.
    pub fn go(&self, url: &str) {
        self.open(url);
        self.wait("document.documentElement.dataset.ready !== undefined");
    }

    /// Opens an address that is none of our pages.
    pub fn open(&self, url: &str) {
        self.request("POST", "/url", Some(&json!({ "url": url })));
    }

    /// The value of an expression.
    pub fn eval(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.request("POST", "/execute/sync", Some(&json!({ "script": script, "args": [] })))
    }

    /// The value that a promise comes to.
    pub fn promise(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             Promise.resolve().then(() => ({expression})).then(done, (error) => done({{failed: String(error.stack)}}));"
        );
        let value = self.request("POST", "/execute/async", Some(&json!({ "script": script, "args": [] })));
        assert!(value["failed"].is_null(), "{expression}: {}", value["failed"]);
        value
    }

    /// Waits until an expression is true, and returns it.
    #[track_caller]
    pub fn wait(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const end = Date.now() + {PATIENCE_MS} - 2000;
             (function look() {{
                 let value = null;
                 try {{ value = ({expression}); }} catch (error) {{ value = null; }}
                 if (value) done(value instanceof Node ? true : value);
                 else if (Date.now() > end) done({{late: document.body.innerText}});
                 else setTimeout(look, 10);
             }})();"
        );
        let value = self.request("POST", "/execute/async", Some(&json!({ "script": script, "args": [] })));
        assert!(value["late"].is_null(), "never: {expression}\n{}\n{:#?}", value["late"], self.log());
        value
    }

    /// Presses what a selector finds, as a mouse does.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        // Out from under what stays at the window's edges.
        self.arrive_at(selector);
        self.eval(&format!(
            "document.querySelector({})?.scrollIntoView({{ block: 'center', behavior: 'instant' }})",
            json!(selector)
        ));
        self.on_element(selector, "POST", "click", Some(&json!({})));
    }

    /// Types into what a selector finds, as a keyboard does.
    #[track_caller]
    pub fn type_into(&self, selector: &str, text: &str) {
        self.on_element(selector, "POST", "value", Some(&json!({ "text": text })));
    }

    /// Presses keys where the focus is.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let active = self.request("GET", "/element/active", None);
        let element = active[ELEMENT].as_str().unwrap_or_else(|| panic!("no focus: {active}"));
        self.request("POST", &format!("/element/{element}/value"), Some(&json!({ "text": keys })));
    }

    /// The text that is seen at a selector.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        self.on_element(selector, "GET", "text", None).as_str().unwrap_or_default().to_owned()
    }

    /// Does something with what a selector finds. Nothing was done yet with an element that turns
    /// out to be no longer of the page, so another is looked for.
    #[track_caller]
    fn on_element(&self, selector: &str, method: &str, what: &str, body: Option<&Value>) -> Value {
        let mut error = Value::Null;
        for _ in 0..REPLACED_TRIES_MAX {
            self.arrive_at(selector);
            let done = self.find(selector).and_then(|element| {
                self.try_send(method, &format!("/session/{}/element/{element}/{what}", self.session), body)
            });
            match done {
                Ok(value) => return value,
                Err(it) if REPLACED.iter().any(|kind| it["error"] == *kind) => error = it,
                Err(it) => panic!("{what} {selector} {body:?}: {it:#}"),
            }
        }
        panic!("{what} {selector}: it is replaced again and again: {error:#}")
    }

    /// Waits for an element of the page that the reader goes to, not of the one that he leaves.
    #[track_caller]
    fn arrive_at(&self, selector: &str) {
        let there = format!("document.querySelector({})", json!(selector));
        self.wait(&format!("!document.querySelector('main[aria-busy]') && {there}"));
    }

    fn find(&self, selector: &str) -> Result<String, Value> {
        let what = json!({"using": "css selector", "value": selector});
        let found = self.try_send("POST", &format!("/session/{}/element", self.session), Some(&what))?;
        found[ELEMENT].as_str().map(str::to_owned).ok_or(found)
    }

    /// What the page's console said since it was asked last: errors and refusals of the policy.
    pub fn log(&self) -> Vec<String> {
        let entries = self.request("POST", "/se/log", Some(&json!({ "type": "browser" })));
        let text = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.as_array().map(|entries| entries.iter().map(text).collect()).unwrap_or_default()
    }

    /// The same but for answers that are refusals: a page may ask whether something is there.
    pub fn faults(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| !line.contains("status of 4")).collect()
    }

    /// The width of the window, and whether it is dark. The page has been drawn so when it returns.
    pub fn look(&self, width: u32, dark: bool) {
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        let still = json!({"name": "prefers-reduced-motion", "value": "reduce"});
        self.tools("Emulation.setEmulatedMedia", json!({ "features": [scheme, still] }));
        self.resize(width, WINDOW_HEIGHT);
    }

    fn resize(&self, width: u32, height: u64) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.tools("Emulation.setDeviceMetricsOverride", size);
        self.promise(&format!(
            "new Promise((resolve) => (function look() {{
                 requestAnimationFrame(() => requestAnimationFrame(innerWidth === {width} ? resolve : look));
             }})()).then(() => null)"
        ));
    }

    /// A picture of the page, as long as it is (up to a bound), at this width.
    pub fn screenshot(&self, name: &str, width: u32) {
        let height = self.eval("document.documentElement.scrollHeight").as_u64().unwrap_or(WINDOW_HEIGHT);
        self.resize(width, height.clamp(WINDOW_HEIGHT, PICTURE_HEIGHT_MAX));
        let picture = self.tools("Page.captureScreenshot", json!({ "format": "png" }));
        self.resize(width, WINDOW_HEIGHT);
        let picture = Base64::decode_vec(picture["data"].as_str().expect("a picture")).expect("base64");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("a file");
    }

    /// A command of the developer tools.
    pub fn tools(&self, command: &str, params: Value) -> Value {
        self.request("POST", "/goog/cdp/execute", Some(&json!({ "cmd": command, "params": params })))
    }

    #[track_caller]
    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.send(method, &format!("/session/{}{path}", self.session), body)
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.try_send(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path} {body:?}: {error:#}"))
    }

    /// The value that the driver answers, or its error.
    fn try_send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("chromedriver");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes()))
            .expect("a request");
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).expect("a head") > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).expect("an answer");
        let mut answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let value = answer["value"].take();
        if value["error"].is_null() { Ok(value) } else { Err(value) }
    }
}

/// chromedriver on a port of its own choice. It chooses one for IPv4 that may be taken for IPv6, and ends then.
fn start_driver() -> (Child, u16) {
    let tried = std::iter::repeat_with(try_driver).take(DRIVER_TRIES_MAX).flatten().next();
    tried.expect("chromedriver starts")
}

fn try_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("chromedriver: run .ci/setup, or install chromium and chromium-driver");
    let mut lines = BufReader::new(driver.stdout.take().expect("its output"));
    let mut line = String::new();
    while lines.read_line(&mut line).expect("its output") > 0 {
        let port = line.trim_end().trim_end_matches('.').rsplit_once("started successfully on port ");
        if let Some(port) = port.and_then(|(_, port)| port.parse().ok()) {
            return Some((driver, port));
        }
        line.clear();
    }
    println!("chromedriver ended: {:?}", driver.wait());
    None
}

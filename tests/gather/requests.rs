//! Section 1 of the contract: what every request meets, whatever the operation.

use super::harness::*;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};

const CHALLENGE: &str = "/api/pow/challenge";

#[test]
fn bodies_that_are_no_json_object_are_told_apart() {
    let service = Setup::new().start();
    let post = |kind: Option<&str>, body: &[u8]| {
        let request = Request::new("POST", CHALLENGE).body(body.to_vec());
        service.ask(match kind {
            Some(kind) => request.header("Content-Type", kind),
            None => request,
        })
    };
    let good = br#"{"purpose":"register"}"#;
    for kind in
        [None, Some("application/json"), Some("application/json; charset=utf-8"), Some("application/x+json")]
    {
        post(kind, good).expect(200);
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        assert_eq!(post(Some(kind), good).refused(415), ["body"], "{kind}");
    }
    assert_eq!(post(None, b"").refused(400), ["body"]);
    for malformed in [&b"{"[..], b"{\"purpose\":}", b"nothing", b"\xff", &b"[".repeat(100_000)] {
        assert_eq!(post(None, malformed).refused(400), ["body"]);
    }
    assert_eq!(post(None, b"[]").refused(422), ["body"]);
    let padded = |size: usize| {
        let mut body = br#"{"purpose":"register"}"#.to_vec();
        body.resize(size, b' ');
        body
    };
    post(None, &padded((1 << 20) - 1)).expect(200);
    post(None, &padded(1 << 20)).refused(413);
}

#[test]
fn names_are_matched_without_case_and_unknown_ones_refused() {
    let service = Setup::new().start();
    let post = |body: Value| service.post(CHALLENGE, body);
    post(json!({"Purpose": "post", "$schema": "https://example.com"})).expect(200);
    assert_eq!(
        post(json!({"purpose": "post", "more": 1, "extra": 2})).refused(422),
        ["body.extra", "body.more"]
    );
    assert_eq!(post(json!({"purpose": null})).refused(422), ["body.purpose"]);
    assert_eq!(post(json!({"purpose": 1})).refused(422), ["body.purpose"]);
    assert_eq!(post(json!({"purpose": ""})).refused(422), ["body.purpose"]);
    assert_eq!(post(json!({"purpose": "vote"})).refused(422), ["body.purpose"]);
}

#[test]
fn the_schema_comes_before_the_token_and_a_missing_header_is_a_flaw() {
    let service = Setup::new().start();
    let patch = |token: Option<&str>, body: Value| {
        let request = Request::new("PATCH", "/api/agents/me").json(body);
        service.ask(match token {
            Some(token) => request.header("Authorization", token),
            None => request,
        })
    };
    let bad = json!({"name": ""});
    assert_eq!(patch(None, bad.clone()).refused(422), ["header.Authorization", "body.name"]);
    assert_eq!(patch(Some(""), json!({})).refused(422), ["header.Authorization"]);
    assert_eq!(patch(Some("Bearer nonsense"), bad).refused(422), ["body.name"]);
    patch(Some("Bearer nonsense"), json!({})).refused(401);
    let agent = service.agent(1);
    patch(Some(&agent.token), json!({})).expect(200);
    patch(Some(&format!("Bearer {}", agent.token)), json!({})).expect(200);
    patch(Some(&format!("bearer {}", agent.token)), json!({})).refused(401);
    patch(Some(&format!("Bearer {}x", agent.token)), json!({})).refused(401);
}

#[test]
fn every_answer_has_its_headers_and_every_error_its_form() {
    let service = Setup::new().start();
    for (method, path) in
        [("GET", "/discover"), ("GET", "/nowhere"), ("DELETE", "/discover"), ("GET", "/api/agents/x")]
    {
        let answer = service.ask(Request::new(method, path).header("Origin", "https://a.example"));
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "sameorigin"),
            ("x-xss-protection", "1; mode=block"),
            ("access-control-allow-origin", "*"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {path}: {name}");
        }
        assert!(answer.head.contains("vary: origin"), "{}", answer.head);
        assert_eq!(answer.header("x-request-id").map(str::len), Some(16));
    }
    assert_eq!(service.get("/discover").header("access-control-allow-origin"), None);
    service.get("/api/agents/").refused(404);
    service.get("/api/agents/a/b").refused(404);
    let wrong = service.ask(Request::new("DELETE", "/discover"));
    assert_eq!(wrong.header("allow"), Some("get,head"));
    wrong.refused(405);
    let preflight = Request::new("OPTIONS", "/api/anything")
        .header("Origin", "https://a.example")
        .header("Access-Control-Request-Headers", "authorization, x-y");
    let answer = service.ask(preflight);
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-methods"), Some("get,head,put,patch,post,delete"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization, x-y"));
    let head = service.ask(Request::new("HEAD", "/discover"));
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[test]
fn a_slow_body_is_not_waited_for() {
    let service = Setup::new().start();
    let mut stream = service.connect();
    let head =
        format!("POST {CHALLENGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 30\r\n\r\n{{");
    stream.write_all(head.as_bytes()).expect("half a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn addresses_are_limited_where_that_is_switched_on() {
    let service = Setup::new().gather("limit_addresses = \"on\"\ntrusted_proxies = [\"127.0.0.1\"]").start();
    let ask = |from: &str| service.ask(Request::new("GET", "/api/auth/health").header("X-Real-IP", from));
    let passed = (0..40).filter(|_| ask("10.0.0.1").status == 200).count();
    assert!((10..40).contains(&passed), "{passed} of 40 at once");
    let refused = std::iter::repeat_with(|| ask("10.0.0.1")).find(|a| a.status == 429).expect("a limit");
    assert!(refused.header("retry-after").is_some_and(|s| s.parse::<u32>().is_ok_and(|s| s >= 1)));
    assert!(refused.text.contains("60 requests a minute, 10 at once, from one address"), "{}", refused.text);
    refused.refused(429);
    ask("10.0.0.2").expect(200);
    // Documents are not limited.
    (0..40).for_each(|_| assert_eq!(service.get("/openapi.json").status, 200));
    // Without a trusted proxy nobody chooses his address (W28).
    let service = Setup::new().gather("limit_addresses = \"on\"").start();
    let mut chosen = (0..60).map(|n| {
        service
            .ask(Request::new("GET", "/api/auth/health").header("X-Real-IP", &format!("10.0.1.{n}")))
            .status
    });
    assert!(chosen.any(|status| status == 429));
}

#[test]
fn a_repeated_write_is_answered_again_and_not_done_again() {
    let mut service = Setup::new().start();
    let agent = service.agent(1);
    let rename = |service: &Service, key: &str, name: &str| {
        let request = Request::new("PATCH", "/api/agents/me").header("Idempotency-Key", key);
        agent.ask(service, request.json(json!({ "name": name })))
    };
    let first = rename(&service, "k1", "one").expect(200);
    assert_eq!(first["name"], "one");
    rename(&service, "k2", "two").expect(200);
    let again = rename(&service, "k1", "one");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(200), first);
    assert_eq!(agent.get(&service, "/api/agents/me").expect(200)["name"], "two", "it was not done again");
    assert_eq!(rename(&service, "k1", "three").refused(422), ["header.Idempotency-Key"]);
    assert_eq!(rename(&service, &"k".repeat(201), "x").refused(422), ["header.Idempotency-Key"]);
    let reading = Request::new("HEAD", "/api/posts").header("Idempotency-Key", "");
    assert_eq!(service.ask(reading).status, 200, "it means nothing where nothing is written");
    service.crash_and_restart();
    assert_eq!(rename(&service, "k1", "one").expect(200), first, "also after a crash");
    let other = service.agent(2);
    let request = Request::new("PATCH", "/api/agents/me").header("Idempotency-Key", "k1");
    let theirs = other.ask(&service, request.json(json!({ "name": "other" }))).expect(200);
    assert_eq!(theirs["name"], "other", "keys are each agent's own");
}

/// The figures are asked every second, by more than one page: they have a bucket of the agent's, and
/// whoever is none has the address's.
#[test]
fn the_window_into_the_relay_is_limited_too() {
    let service = Setup::new().gather("limit_addresses = \"on\"").allow(&key(9), "admin").start();
    let window = || Request::new("GET", "/api/admin/relay");
    let admin = service.agent(9);
    let statuses: Vec<u16> = (0..100).map(|_| admin.ask(&service, window()).status).collect();
    assert!(statuses[..20].iter().all(|status| *status == 200), "{statuses:?}");
    assert!(statuses[20..].contains(&429), "{statuses:?}");
    let mut strangers = (0..60).map(|_| service.ask(window()).status);
    assert!(strangers.any(|status| status == 429));
}

#[test]
fn no_text_of_a_query_is_our_fault() {
    let service = Setup::new().gather("free_posts_per_week = 1000").start();
    let ann = service.agent(1);
    ann.writes(&service, "a name", &["x"]);
    for list in ["/api/posts", "/api/agents", "/api/skills", "/api/search"] {
        for text in ["%00", "a%00b", "abc%00def", "%FF%FE%FD", "%22%22%22", "*", "a%22%20OR%20%22b"] {
            let found = service.get(&format!("{list}?q={text}")).expect(200);
            let count = found["results"].as_array().map(|all| json!(all.len()));
            assert_eq!(count.unwrap_or(found["total"].clone()), 0, "{list} {text}");
        }
    }
}

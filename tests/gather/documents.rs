//! What the service says of itself.

use super::harness::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn the_openapi_document_describes_every_operation() {
    let service = Setup::new().start();
    let document = service.get("/openapi.json").expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Gather Platform API");
    assert_eq!(document["info"]["version"], "1.0.0");
    let mut ids = BTreeSet::new();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} twice");
            for parameter in operation["parameters"].as_array().unwrap_or(&Vec::new()) {
                assert!(parameter["schema"]["type"].is_string(), "{method} {path}: {parameter}");
            }
            if let Some(body) = operation.get("requestBody") {
                let reference = &body["content"]["application/json"]["schema"]["$ref"];
                let name = reference.as_str().and_then(|r| r.rsplit('/').next()).expect("a reference");
                assert!(schemas.contains_key(name), "{name}");
            }
        }
    }
    for id in [
        "discover",
        "help",
        "health",
        "pow-challenge",
        "agent-register",
        "agent-verify",
        "agent-challenge",
        "agent-authenticate",
        "agent-profile",
        "list-agents",
        "get-agent",
        "list-skills",
        "get-skill",
        "create-skill",
        "create-review",
        "submit-review",
        "get-review",
        "list-reviews",
        "request-review-challenge",
        "list-proofs",
        "get-proof",
        "verify-proof",
        "list-rankings",
        "refresh-rankings",
        "list-menu",
        "list-category-items",
        "product-options",
        "place-product-order",
        "submit-payment",
        "check-order",
        "submit-feedback",
        "list-posts",
        "post-digest",
        "get-post",
        "create-post",
        "list-comments",
        "create-comment",
        "vote-post",
        "list-tags",
        "get-balance",
        "deposit-balance",
        "get-fees",
        "tip-agent",
        "create-channel",
        "list-channels",
        "get-channel",
        "invite-to-channel",
        "send-channel-message",
        "get-channel-messages",
        "chat-credentials",
        "list-inbox",
        "inbox-unread-count",
        "mark-message-read",
        "delete-message",
        "admin-update-fees",
        "admin-suspend-agent",
        "admin-unsuspend-agent",
        "admin-delete-post",
        "admin-delete-comment",
        "admin-stats",
    ] {
        assert!(ids.contains(id), "{id} is missing");
    }
    let register = &document["paths"]["/api/agents/register"]["post"];
    assert_eq!(register["tags"], json!(["Agent Auth"]));
    let me = &document["paths"]["/api/agents/me"]["get"]["parameters"][0];
    assert_eq!(
        (&me["name"], &me["in"], &me["required"]),
        (&json!("Authorization"), &json!("header"), &json!(true))
    );
    let new_agent = &schemas["NewAgent"];
    assert_eq!(new_agent["required"], json!(["name", "public_key", "pow_challenge", "pow_nonce"]));
    assert_eq!(new_agent["properties"]["name"]["maxLength"], 100);
    assert_eq!(every_reference(&document), Vec::<String>::new(), "references that lead nowhere");
    assert!(service.get("/openapi.yaml").text.starts_with("openapi: 3.1.0"));
    assert_eq!(&service.get("/schemas/NewAgent.json").expect(200), new_agent);
    service.get("/schemas/Nothing.json").refused(404);
}

/// References whose target is not in the document.
fn every_reference(document: &Value) -> Vec<String> {
    fn walk(value: &Value, document: &Value, lost: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(Value::as_str)
                    && document.pointer(reference.trim_start_matches('#')).is_none()
                {
                    lost.push(reference.to_owned());
                }
                map.values().for_each(|value| walk(value, document, lost));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, document, lost)),
            _ => {}
        }
    }
    let mut lost = Vec::new();
    walk(document, document, &mut lost);
    lost
}

#[test]
fn agents_and_people_find_their_way() {
    let service = Setup::new().start();
    let discovery = service.get("/discover").expect(200);
    for name in [
        "name",
        "tagline",
        "description",
        "getting_started",
        "openapi",
        "docs",
        "quick_start",
        "auth",
        "payment",
    ] {
        assert!(!discovery[name].is_null(), "{name}");
    }
    assert_eq!(discovery["key_endpoints"].as_object().map(serde_json::Map::len), Some(18));
    let help = service.get("/help").expect(200);
    assert_eq!(help["workflow"].as_array().map(Vec::len), Some(17));
    let ids: Vec<&Value> =
        help["prerequisites"].as_array().expect("a list").iter().map(|p| &p["id"]).collect();
    assert_eq!(ids, [&json!("ed25519_keypair"), &json!("bch_wallet"), &json!("shipping_address")]);
    assert!(help["endpoints"].as_array().is_some_and(|e| e.iter().any(|e| e["path"] == "/api/agents/me")));
    assert_eq!(service.get("/").expect(200), discovery, "D11");
    let page = service.ask(Request::new("GET", "/").header("Accept", "text/html,*/*"));
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    for (accept, kind) in [
        ("application/json, text/html;q=0.5", "application/json"),
        ("text/html;q=0.1, application/json", "application/json"),
        ("text/html;q=0", "application/json"),
        ("application/json;q=0.5, Text/HTML", "text/html"),
    ] {
        let answer = service.ask(Request::new("GET", "/").header("Accept", accept));
        assert!(answer.header("content-type").is_some_and(|got| got.starts_with(kind)), "{accept}");
    }
    assert!(service.get("/llms.txt").text.contains("POST /api/agents/register"));
    let health = service.get("/api/auth/health").expect(200);
    assert_eq!((&health["status"], &health["service"]), (&json!("ok"), &json!("gather-auth")));
    // The viewer comes from the binary.
    let viewer = service.get("/docs");
    assert_eq!(viewer.status, 200);
    assert!(viewer.text.contains("src=\"/docs/swagger-initializer.js\""), "{}", viewer.text);
    assert!(
        viewer
            .header("content-security-policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'; script-src 'self';"))
    );
    assert!(service.get("/docs/index.html").text.contains("swagger-ui"));
    assert!(service.get("/docs/swagger-initializer.js").text.contains("/openapi.json"));
    assert_eq!(service.get("/docs/swagger-ui.css").status, 200);
    // Health and metrics are where they were.
    assert_eq!(service.get("/healthz").expect(200)["status"], "ok");
    assert!(service.get("/metrics").text.contains("axon_serving 1"));
}

#[test]
fn switched_off_it_is_not_there() {
    let service = Setup::new().gather("enabled = false").start();
    assert_eq!(service.get("/discover").status, 404);
    assert_eq!(service.get("/healthz").expect(200)["status"], "ok");
    assert!(!service.dir.path().join("data/gather.sqlite").exists());
}

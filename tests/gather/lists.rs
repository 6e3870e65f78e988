//! Every list is made for agents: `cursor`, `max_tokens`, `fields`.

use super::harness::*;
use serde_json::{Value, json};

/// Answers with lists in them that are no lists: figures, documents, and a record with its parts.
const NO_LISTS: [&str; 10] = [
    "admin-relay",         // figures of this moment
    "admin-relay-kinds",   // figures, the kinds that there are
    "admin-relay-storage", // figures of the store's families
    "agent-profile",       // an agent, with the keys it had before
    "discover",
    "get-agent",
    "health", // the services outside, five of them
    "help",
    "report", // a day as a text, and its sums
    "stats",  // figures; bounded, the busiest
];

#[test]
fn every_list_takes_cursor_max_tokens_and_fields() {
    let service = Setup::new().start();
    let document = service.get("/openapi.json").expect(200);
    let (mut lists, mut without) = (Vec::new(), Vec::new());
    for item in document["paths"].as_object().expect("paths").values() {
        let operation = &item["get"];
        let id = operation["operationId"].as_str().unwrap_or_default();
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        if !has_a_list(schema, &document) || NO_LISTS.contains(&id) {
            continue;
        }
        let names: Vec<&str> = operation["parameters"]
            .as_array()
            .map(|all| all.iter().filter_map(|parameter| parameter["name"].as_str()).collect())
            .unwrap_or_default();
        match ["cursor", "max_tokens", "fields"].iter().all(|wanted| names.contains(wanted)) {
            true => lists.push(id),
            false => without.push(id),
        }
    }
    assert_eq!(without, Vec::<&str>::new());
    for known in ["list-menu", "list-category-items", "get-skill", "get-channel", "list-posts", "list-inbox"]
    {
        assert!(lists.contains(&known), "{known} is a list: {lists:?}");
    }
}

/// Whether an answer has items of a kind in a list at its top.
fn has_a_list(schema: &Value, document: &Value) -> bool {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("its target"),
        None => schema,
    };
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let items = |property: &Value| property["type"] == "array" && property["items"].get("$ref").is_some();
    parts.into_iter().any(|part| has_a_list(part, document))
        || schema["properties"].as_object().is_some_and(|all| all.values().any(items))
}

/// Reads a list to its end, one item after the other; the items' `name`s.
fn walk(get: &dyn Fn(&str) -> Answer, path: &str, list: &str, name: &str) -> Vec<Value> {
    let (mut read, mut cursor) = (Vec::new(), String::new());
    for _ in 0..1_000 {
        let page = get(&format!("{path}?max_tokens=1&fields={name}{cursor}")).expect(200);
        for item in page[list].as_array().expect("a list") {
            assert_eq!(item.as_object().map(|item| item.len()), Some(1), "only {name}: {item}");
            read.push(item[name].clone());
        }
        assert!(page[list].as_array().is_some_and(|items| items.len() <= 1), "{page}");
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return read,
        }
    }
    panic!("{path} has no end");
}

#[test]
fn goods_members_reviews_and_connections_are_read_one_by_one() {
    let service = Setup::new().allow(&key(9), "admin").start();
    let agents: Vec<Agent> = (1..=4).map(|n| service.agent(n)).collect();
    let (ann, admin) = (&agents[0], service.agent(9));
    let anybody = |path: &str| service.get(path);

    assert_eq!(walk(&anybody, "/api/menu", "categories", "id"), ["products"]);
    service.get("/api/menu?cursor=x").refused(422);
    let goods = walk(&anybody, "/api/menu/products", "items", "id");
    assert_eq!(goods, ["t-shirt", "mug", "framed-print"]);
    let behind = service.get("/api/menu/products?cursor=3").expect(200);
    assert_eq!((&behind["items"], &behind["next"], &behind["page"]), (&json!([]), &json!(null), &json!(1)));
    assert_eq!(service.get("/api/menu/products?max_tokens=0").refused(422), ["query.max_tokens"]);
    let whole = service.get("/api/menu/products?max_tokens=1000").expect(200);
    assert_eq!((each(&whole, "items", "id"), &whole["next"]), (goods, &json!(null)));

    let ids: Vec<&str> = agents.iter().map(|agent| agent.id.as_str()).collect();
    let made = ann.post(&service, "/api/channels", json!({"name": "x", "members": ids[1..]})).expect(200);
    let path = format!("/api/channels/{}", made["channel"]["id"].as_str().expect("an id"));
    let hers = |path: &str| ann.get(&service, path);
    let all = each(&ann.get(&service, &path).expect(200), "members", "agent_id");
    assert_eq!(all, ids);
    assert_eq!(walk(&hers, &path, "members", "agent_id"), all);

    // More reviews than a page of them has: the last is reached, too (W30).
    for i in 0..23 {
        let review = json!({"skill_id": "s", "task": format!("task {i}"), "score": 5});
        ann.post(&service, "/api/reviews/submit", review).expect(201);
    }
    let first = service.get("/api/skills/s").expect(200);
    assert_eq!(each(&first, "reviews", "task").len(), 20);
    let next = first["next"].as_str().expect("a cursor");
    let rest = service.get(&format!("/api/skills/s?cursor={next}")).expect(200);
    assert_eq!(each(&rest, "reviews", "task"), ["task 2", "task 1", "task 0"]);
    assert_eq!((&rest["name"], rest.get("next")), (&json!("s"), None));
    let tasks = walk(&anybody, "/api/skills/s", "reviews", "task");
    assert_eq!((tasks.len(), &tasks[22]), (23, &json!("task 0")));

    let asks = |path: &str| admin.get(&service, path);
    assert_eq!(walk(&asks, "/api/admin/relay/connections", "connections", "id"), Vec::<Value>::new());
}

/// A cursor never leads to another record than the one it was made of, and nothing new is taken
/// for something seen.
#[test]
fn the_number_of_a_deleted_record_is_given_to_no_other() {
    let free = "free_posts_per_week = 1000\nfree_comments_per_day = 1000";
    let mut service = Setup::new().gather(free).start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let highest = |service: &Service, table: &str| service.number(&format!("SELECT max(n) FROM {table}"));
    let say = |service: &Service, post: &str| {
        let said =
            bob.post(service, &format!("/api/posts/{post}/comments"), json!({"body": "x"})).expect(201);
        said["id"].as_str().expect("an id").to_owned()
    };
    let newest = |service: &Service| {
        let inbox = ann.get(service, "/api/inbox?limit=1").expect(200);
        inbox["messages"][0]["id"].as_str().expect("an id").to_owned()
    };
    let kept = ann.writes(&service, "kept", &["x"]);
    let (post, comment) = (ann.writes(&service, "post", &["x"]), say(&service, &kept));
    let before = ["posts", "comments", "inbox"].map(|table| highest(&service, table));
    ann.delete(&service, &format!("/api/posts/{post}")).expect(200);
    bob.delete(&service, &format!("/api/comments/{comment}")).expect(200);
    let notice = newest(&service);
    ann.delete(&service, &format!("/api/inbox/{notice}")).expect(200);
    // Not even by a process that knows only what is stored.
    service.crash_and_restart();
    ann.writes(&service, "another", &["x"]);
    say(&service, &kept);
    let after = ["posts", "comments", "inbox"].map(|table| highest(&service, table));
    assert_eq!(after, before.map(|n| n + 1), "posts, comments, inbox");
}

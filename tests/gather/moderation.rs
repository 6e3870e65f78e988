//! What administrators do, and feedback.

use super::harness::*;
use serde_json::{Value, json};

struct House {
    service: Service,
    admin: Agent,
    agent: Agent,
}

fn house() -> House {
    let service = Setup::new().allow(&key(9), "admin").start();
    let (admin, agent) = (service.agent(9), service.agent(1));
    House { service, admin, agent }
}

#[test]
fn settings_are_checked_and_in_force_at_once() {
    let House { service, admin, agent } = house();
    let put = |body: Value| admin.ask(&service, Request::new("PUT", "/api/admin/fees").json(body));
    let answer =
        put(json!({"post_fee_usd": "0.5", "comment_fee_usd": "", "free_posts_per_week": 0})).expect(200);
    assert_eq!((&answer["post_fee_usd"], &answer["comment_fee_usd"]), (&json!("0.5"), &json!("0.005")));
    assert_eq!(
        (&answer["free_posts_per_week"], &answer["free_comments_per_day"]),
        (&json!(0), &json!(10)),
        "W23"
    );
    for (name, value) in [
        ("post_fee_usd", json!("abc")),
        ("post_fee_usd", json!("-1")),
        ("comment_fee_usd", json!("1e3")),
        ("post_fee_usd", json!("1000")),
        ("comment_fee_usd", json!("0".repeat(21))),
        ("free_posts_per_week", json!(-1)),
        ("free_comments_per_day", json!(1.5)),
        ("pow_difficulty_post", json!(40)),
        ("pow_difficulty_register", json!(0)),
    ] {
        assert_eq!(put(json!({ name: value })).refused(422), [format!("body.{name}")], "W22");
    }
    put(json!({"pow_difficulty_register": 3})).expect(200);
    let challenge = service.post("/api/pow/challenge", json!({"purpose": "register"})).expect(200);
    assert_eq!(challenge["difficulty"], 3);
    agent.ask(&service, Request::new("PUT", "/api/admin/fees").json(json!({}))).refused(401);
    assert_eq!(
        service.ask(Request::new("PUT", "/api/admin/fees").json(json!({}))).refused(422),
        ["header.Authorization"]
    );
}

#[test]
fn a_suspended_agent_acts_no_more_until_it_is_reinstated() {
    let House { service, admin, agent } = house();
    let path = |what: &str| format!("/api/admin/agents/{}/{what}", agent.id);
    let suspend = |body: Value| admin.post(&service, &path("suspend"), body);
    assert_eq!(suspend(json!({"reason": "", "freeze_balance": true})).refused(422), ["body.reason"]);
    assert_eq!(
        suspend(json!({"reason": "r".repeat(501), "freeze_balance": true})).refused(422),
        ["body.reason"],
        "W26"
    );
    assert_eq!(suspend(json!({"reason": "spam"})).refused(422), ["body.freeze_balance"]);
    let answer = suspend(json!({"reason": "spam", "freeze_balance": true})).expect(200);
    assert_eq!(
        (&answer["agent_id"], &answer["suspended"], &answer["reason"]),
        (&json!(agent.id), &json!(true), &json!("spam"))
    );
    service.get(&format!("/api/agents/{}", agent.id)).refused(404);
    let refused = agent.post(&service, "/api/skills", json!({"id": "s", "name": "x"}));
    assert!(refused.text.contains("spam"), "{}", refused.text);
    refused.refused(403); // W13
    agent.get(&service, "/api/agents/me").expect(200);
    assert_eq!(admin.get(&service, "/api/admin/stats").expect(200)["suspended_agents"], 1);
    let back = admin.ask(&service, Request::new("POST", &path("unsuspend"))).expect(200);
    assert_eq!((&back["suspended"], &back["reason"]), (&json!(false), &json!("")));
    agent.post(&service, "/api/skills", json!({"id": "s", "name": "x"})).expect(201);
    admin
        .post(&service, "/api/admin/agents/none/suspend", json!({"reason": "x", "freeze_balance": false}))
        .refused(404);
    admin.ask(&service, Request::new("POST", "/api/admin/agents/none/unsuspend")).refused(404);

    let journal = admin.get(&service, "/api/admin/audit?limit=2").expect(200);
    let lines = journal["entries"].as_array().expect("a list");
    assert_eq!((&lines[0]["action"], &lines[1]["action"]), (&json!("unsuspend"), &json!("suspend")), "W46");
    assert_eq!((&lines[1]["actor"], &lines[1]["target"]), (&json!(admin.id), &json!(agent.id)));
    assert!(journal.get("next").is_none());
    agent.get(&service, "/api/admin/audit").refused(401);
}

#[test]
fn figures_and_deletions() {
    let House { service, admin, agent } = house();
    let stats = admin.get(&service, "/api/admin/stats").expect(200);
    assert_eq!(
        (&stats["posts_today"], &stats["comments_today"], &stats["deposits_today"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert_eq!(
        (&stats["total_balance_bch"], &stats["fees_collected_bch"]),
        (&json!("0.00000000"), &json!("0.00000000"))
    );
    assert_eq!(stats["current_fees"], json!({"post_usd": "0.02", "comment_usd": "0.005"}));
    agent.get(&service, "/api/admin/stats").refused(401);
    for path in ["/api/admin/posts/none", "/api/admin/comments/none"] {
        admin.ask(&service, Request::new("DELETE", path)).refused(404);
        agent.ask(&service, Request::new("DELETE", path)).refused(401);
    }
}

/// What an administrator deletes goes as if its author did it: counts, comments and votes follow.
#[test]
fn an_administrator_deletes_posts_and_comments() {
    let House { service, admin, agent } = house();
    let post = agent.writes(&service, "spam", &["rust"]);
    let other =
        agent.post(&service, &format!("/api/posts/{post}/comments"), json!({"body": "one"})).expect(201);
    let reply = json!({"body": "two", "reply_to": other["id"]});
    let reply = admin.post(&service, &format!("/api/posts/{post}/comments"), reply).expect(201);
    admin.post(&service, &format!("/api/posts/{post}/vote"), json!({"value": -1})).expect(200);
    let delete = |path: String| admin.delete(&service, &path);
    let path = |of: &Value| format!("/api/admin/comments/{}", of["id"].as_str().expect("an id"));
    agent.delete(&service, &path(&other)).refused(401);
    assert_eq!(delete(path(&other)).expect(200)["deleted"], other["id"]);
    delete(path(&other)).refused(404);
    let seen = service.get(&format!("/api/posts/{post}?expand=comments")).expect(200);
    assert_eq!((&seen["comment_count"], &seen["comments"][0]["reply_to"]), (&json!(1), &other["id"]));
    assert_eq!(seen["comments"][0]["id"], reply["id"]);
    let stats = admin.get(&service, "/api/admin/stats").expect(200);
    assert_eq!((&stats["posts_today"], &stats["comments_today"]), (&json!(1), &json!(1)));
    let gone = delete(format!("/api/admin/posts/{post}")).expect(200);
    assert_eq!(gone["deleted"], json!(post));
    let message = gone["message"].as_str().expect("a message");
    assert!(message.contains("1 comments") && message.contains("1 votes"), "{message}");
    service.get(&format!("/api/posts/{post}")).refused(404);
    assert_eq!(service.get("/api/tags").expect(200)["tags"], json!([]));
    assert_eq!(agent.get(&service, "/api/agents/me").expect(200)["post_count"], 0);
    for table in ["comments", "votes", "post_tags"] {
        assert_eq!(service.number(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    let journal = admin.get(&service, "/api/admin/audit").expect(200);
    assert_eq!(each(&journal, "entries", "action"), ["delete post", "delete comment"]);
    assert_eq!(each(&journal, "entries", "target"), [json!(post), other["id"].clone()]);
    let first = admin.get(&service, "/api/admin/audit?limit=1").expect(200);
    let next = first["next"].as_str().expect("a cursor");
    let rest = admin.get(&service, &format!("/api/admin/audit?limit=1&cursor={next}")).expect(200);
    assert_eq!(each(&rest, "entries", "action"), ["delete comment"]);
}

/// W12: nothing goes out of a frozen balance, nor in from others, until it is free again.
#[test]
fn a_frozen_balance_stays_where_it_is() {
    let House { service, admin, agent } = house();
    let other = service.agent(2);
    service.fund(&agent, 1_000);
    service.fund(&other, 1_000);
    let path = |what: &str| format!("/api/admin/agents/{}/{what}", agent.id);
    admin.post(&service, &path("suspend"), json!({"reason": "x", "freeze_balance": true})).expect(200);
    let tip = |from: &Agent, to: &Agent| {
        from.post(&service, "/api/balance/tip", json!({"to": to.id, "amount_bch": "0.00000100"}))
    };
    tip(&other, &agent).refused(403);
    tip(&agent, &other).refused(403);
    let purse = agent.get(&service, "/api/balance").expect(200);
    assert_eq!((&purse["suspended"], &purse["balance_bch"]), (&json!(true), &json!("0.00001000")));
    let stats = admin.get(&service, "/api/admin/stats").expect(200);
    assert_eq!((&stats["total_balance_bch"], &stats["suspended_agents"]), (&json!("0.00002000"), &json!(1)));
    admin.ask(&service, Request::new("POST", &path("unsuspend"))).expect(200);
    tip(&other, &agent).expect(200);
    tip(&agent, &other).expect(200);
    let fees = admin.get(&service, "/api/admin/stats").expect(200)["fees_collected_bch"].clone();
    assert_eq!(fees, "0.00000200", "all that was spent, tips included");
    // Both are told of either.
    let inbox = agent.get(&service, "/api/inbox").expect(200);
    let told = each(&inbox, "messages", "type");
    assert_eq!(told.iter().filter(|kind| **kind == "system").count(), 2, "{told:?}");
}

/// The relay's door follows: a suspended key is off the allowlist when the answer comes.
#[test]
fn a_suspended_key_is_off_the_allowlist() {
    let House { service, admin, agent } = house();
    let allowed =
        || service.axon(&["allow", "list", "--json"]).contains(&hex::encode(agent.key.verifying_key()));
    assert!(allowed());
    let path = |what: &str| format!("/api/admin/agents/{}/{what}", agent.id);
    admin.post(&service, &path("suspend"), json!({"reason": "x", "freeze_balance": false})).expect(200);
    assert!(!allowed());
    admin.ask(&service, Request::new("POST", &path("unsuspend"))).expect(200);
    assert!(allowed());
}

#[test]
fn feedback_is_taken_from_anybody() {
    let service = Setup::new().start();
    let send = |body: Value| service.post("/api/feedback", body);
    let thanks = send(json!({"rating": 5, "message": "good", "agent": "me"})).expect(201);
    assert_eq!(
        (&thanks["status"], thanks["feedback_id"].as_str().map(str::len)),
        (&json!("thanks"), Some(15))
    );
    assert_eq!(thanks["created"].as_str().map(str::len), Some(24), "W31");
    for (body, place) in [
        (json!({"rating": 6}), "body.rating"),
        (json!({"rating": 1.5}), "body.rating"),
        (json!({"rating": 1, "agent_name": "me"}), "body.agent_name"), // D5
        (json!({"rating": 1, "message": "m".repeat(5001)}), "body.message"),
        (json!({"rating": 1, "agent": "a".repeat(201)}), "body.agent"),
    ] {
        assert_eq!(send(body).refused(422), [place]);
    }
}

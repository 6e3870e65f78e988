//! Skills, reviews, proofs, rankings.

use super::harness::*;
use axon::gather::rules::proof::client_hash;
use serde_json::{Value, json};
use std::thread;

fn review(skill: &str, score: f64) -> Value {
    json!({"skill_id": skill, "task": "t", "score": score, "what_worked": "w", "what_failed": "f"})
}

fn proved(skill: &str, score: f64, by: &Agent) -> Value {
    let hash = client_hash(skill, "t", score, "w", "f");
    let mut body = review(skill, score);
    body["proof"] = json!({
        "id": "", "signature": signature(&by.key, hash.as_bytes()), "execution_hash": hash,
        "public_key": pem(&by.key), "payload": {"any": ["thing"]},
    });
    body
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[test]
fn a_skill_is_made_checked_and_found() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    let create = |body: Value| agent.post(&service, "/api/skills", body);
    let skill = create(json!({
        "id": "acme/pdf", "name": "ignored", "description": "reads", "source": "elsewhere",
        "category": "data", "url": "https://a.example/x",
    }))
    .expect(201);
    assert_eq!(
        (&skill["name"], &skill["source"], &skill["category"]),
        (&json!("acme/pdf"), &json!("github"), &json!("data"))
    );
    assert_eq!(
        (&skill["avg_score"], &skill["rank_score"], &skill["install_required"]),
        (&json!(null), &json!(null), &json!(false))
    );
    assert_eq!(text(&skill["created"]).len(), 24, "W31");
    let by_name = service.get("/api/skills/acme%2Fpdf").expect(200);
    assert_eq!((&by_name["id"], &by_name["reviews"]), (&skill["id"], &json!([])));
    assert_eq!(service.get(&format!("/api/skills/{}", text(&skill["id"]))).expect(200)["name"], "acme/pdf");
    service.get("/api/skills/acme/pdf").refused(404);
    service.get("/api/skills/none").refused(404);
    create(json!({"id": "acme/pdf", "name": "x"})).refused(409);
    for (body, place) in [
        (json!({"id": "a", "name": "x", "category": "api"}), "body.url"),
        (json!({"id": "a", "name": "x", "category": "service"}), "body.url"),
        (json!({"id": "a", "name": "x", "url": "ftp://a"}), "body.url"),
        (json!({"id": "a", "name": "x", "url": "http://"}), "body.url"),
        (json!({"id": "n".repeat(201), "name": "x"}), "body.id"),
        (json!({"id": "", "name": "x"}), "body.id"),
        (json!({"id": "a", "name": "x", "description": "d".repeat(2001)}), "body.description"),
    ] {
        assert_eq!(create(body.clone()).refused(422), [place], "{body}");
    }
    // What is not kept has no limit, and any other word is none.
    let long = "x".repeat(1_000);
    let odd = create(json!({"id": "odd", "name": long, "source": long, "category": long})).expect(201);
    assert_eq!((odd.get("category"), &odd["source"]), (None, &json!("github")));
    service.post("/api/skills", json!({"id": "b", "name": "x"})).refused(422);
}

#[test]
fn skills_are_listed_by_rank_filter_and_cursor() {
    let service = Setup::new().start();
    let (one, two) = (service.agent(1), service.agent(2));
    for (name, category) in [("a%b", "data"), ("plain", "data"), ("third", "api"), ("fourth", "data")] {
        let body = json!({"id": name, "name": "x", "category": category, "url": "http://x.example", "description": "Some Thing"});
        one.post(&service, "/api/skills", body).expect(201);
    }
    let submit = |agent: &Agent, skill: &str, score: f64, security: f64| {
        let mut body = review(skill, score);
        body["security_score"] = json!(security);
        agent.post(&service, "/api/reviews/submit", body).expect(201);
    };
    submit(&one, "plain", 9.0, 2.0);
    submit(&two, "plain", 9.0, 4.0);
    submit(&one, "third", 9.5, 8.0);
    submit(&one, "fourth", 5.0, 9.0);
    let list = |query: &str| service.get(&format!("/api/skills?{query}")).expect(200);
    let of = |answer: &Value| -> Vec<String> {
        let skills = answer["skills"].as_array().expect("a list");
        skills.iter().map(|s| s["name"].as_str().unwrap_or("-").to_owned()).collect()
    };
    let all = list("");
    assert_eq!(of(&all), ["plain", "third", "fourth", "a%b"]);
    assert_eq!((&all["total"], &all["limit"], &all["offset"]), (&json!(4), &json!(50), &json!(0)));
    assert_eq!(number(&all["skills"][0]["avg_security_score"]), 3.0);
    assert_eq!(of(&list("sort=newest")), of(&all), "D13");
    assert_eq!(of(&list("sort=reviews"))[0], "plain");
    assert_eq!(of(&list("sort=security")), ["fourth", "third", "plain", "a%b"]);
    assert_eq!(of(&list("sort=installs")), ["fourth", "third", "plain", "a%b"], "none: the newest first");
    assert_eq!(of(&list("category=data")), ["plain", "fourth", "a%b"]);
    assert_eq!(list("category=data")["total"], 3);
    assert_eq!(of(&list("min_security=3.5")), ["third", "fourth"]);
    assert_eq!(list("min_security=3.5")["total"], 2);
    // Exactly at an average, between two of one tenth, and in one category.
    for (query, names) in [
        ("min_security=3", vec!["plain", "third", "fourth"]),
        ("min_security=3.01", vec!["third", "fourth"]),
        ("min_security=9&sort=reviews", vec!["fourth"]),
        ("min_security=1&sort=security", vec!["fourth", "third", "plain"]),
        ("min_security=3&category=data&sort=installs", vec!["fourth", "plain"]),
        ("min_security=-inf", vec!["plain", "third", "fourth", "a%b"]),
        ("min_security=1e9", vec![]),
        ("min_security=3&q=thing", vec!["plain", "third", "fourth"]),
    ] {
        let answer = list(query);
        assert_eq!(
            (of(&answer), &answer["total"]),
            (names.iter().map(|n| (*n).to_owned()).collect(), &json!(names.len())),
            "{query}"
        );
    }
    for nothing in ["min_security=x", "min_security=nan", "offset=4", "category=none", "q=zzz"] {
        assert_eq!(of(&list(nothing)), Vec::<String>::new(), "{nothing}");
    }
    assert_eq!(of(&list("q=%25")), ["a%b"], "W24");
    assert_eq!(list("q=some%20thing&category=api")["total"], 1);
    assert_eq!(of(&list("limit=2&offset=1")), ["third", "fourth"]);
    for sort in ["rank", "installs", "reviews", "security"] {
        let whole = of(&list(&format!("sort={sort}")));
        let (mut seen, mut query) = (Vec::new(), format!("sort={sort}&limit=1"));
        loop {
            let page = list(&query);
            seen.extend(of(&page));
            let Some(next) = page["next"].as_str() else { break };
            query = format!("sort={sort}&limit=1&cursor={next}");
        }
        assert_eq!(seen, whole, "{sort}");
    }
    for bad in ["limit=0", "limit=101", "offset=-1", "limit=x"] {
        service.get(&format!("/api/skills?{bad}")).refused(422);
    }
    let some = list("fields=name&max_tokens=1");
    assert_eq!(some["skills"], json!([{"name": "plain"}]));
}

#[test]
fn the_old_operation_is_never_carried_out() {
    let service = Setup::new().start();
    let ask = |token: Option<&str>, body: Value| {
        let request = Request::new("POST", "/api/reviews").json(body);
        service.ask(match token {
            Some(token) => request.header("Authorization", token),
            None => request,
        })
    };
    let body = json!({"skill_id": "s", "task": "t"});
    ask(Some("nonsense"), body.clone()).refused(501);
    assert_eq!(ask(None, body).refused(422), ["header.Authorization"]);
    assert_eq!(ask(Some("x"), json!({"skill_id": "s"})).refused(422), ["body.task"]);
}

#[test]
fn a_review_is_stored_whole_and_shown() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    let submit = |body: Value| agent.post(&service, "/api/reviews/submit", body);
    let mut body = review("https://api.example/v1", 7.5);
    body["artifacts"] = json!([{"file_name": "a", "content_base64": "AA=="}]);
    body["execution_time_ms"] = json!(1200);
    body["cli_output"] = json!("out");
    let done = submit(body).expect(201);
    assert_eq!((&done["skill_id"], &done["artifact_count"]), (&json!("https://api.example/v1"), &json!(0)));
    assert_eq!((&done["challenged"], &done["verified_reviewer"]), (&json!(false), &json!(false)));
    let skill = service.get("/api/skills/https%3A%2F%2Fapi.example%2Fv1").expect(200);
    assert_eq!((&skill["source"], &skill["category"]), (&json!("url"), &json!("api")));
    assert_eq!((&skill["review_count"], &skill["reviews"][0]["id"]), (&json!(1), &done["review_id"]));
    let seen = service.get(&format!("/api/reviews/{}", text(&done["review_id"]))).expect(200);
    assert_eq!((&seen["skill"], &seen["skill_name"]), (&skill["id"], &skill["name"]));
    assert_eq!(
        (&seen["agent_id"], &seen["status"], &seen["score"]),
        (&json!(agent.id), &json!("complete"), &json!(7.5))
    );
    assert_eq!(
        (&seen["runner_type"], &seen["permission_mode"], &seen["agent_model"]),
        (&json!("claude"), &json!("default"), &json!("claude-sonnet"))
    );
    assert_eq!((&seen["proof"]["id"], &seen["proof"]["kind"]), (&done["proof_id"], &json!("server")));
    assert_eq!((&seen["cli_output"], &seen["security_score"]), (&json!("out"), &json!(null)));
    assert_eq!(agent.get(&service, "/api/agents/me").expect(200)["review_count"], 1);
    service.get("/api/reviews/none").refused(404);
    for (name, value) in [
        ("score", json!(0.9)),
        ("score", json!(10.5)),
        ("score", json!("7")),
        ("security_score", json!(99)),
        ("security_score", json!(0)), // W11
        ("task", json!("t".repeat(5001))),
        ("skill_id", json!("s".repeat(201))), // W26
        ("runner_type", json!("r".repeat(51))),
        ("cli_output", json!("c".repeat(100_001))),
        ("what_worked", json!("w".repeat(10_001))),
    ] {
        let mut body = review("s", 5.0);
        body[name] = value;
        assert_eq!(submit(body).refused(422), [format!("body.{name}")]);
    }
    let mut no_id = proved("s", 5.0, &agent);
    no_id["proof"].as_object_mut().expect("an object").remove("id");
    assert_eq!(submit(no_id).refused(422), ["body.proof.id"], "D6");
    service.get("/api/skills/s").refused(404); // none of these made it

    let second = submit(review("other", 3.0)).expect(201);
    let ids = |query: &str| -> Vec<Value> {
        let answer = service.get(&format!("/api/reviews?{query}")).expect(200);
        answer["reviews"].as_array().expect("a list").iter().map(|r| r["id"].clone()).collect()
    };
    assert_eq!(ids(""), [second["review_id"].clone(), done["review_id"].clone()], "W30: newest first");
    assert_eq!(ids("status=complete").len(), 2);
    assert_eq!(ids("status=failed"), Vec::<Value>::new());
    assert_eq!(ids("skill=other"), [second["review_id"].clone()]);
    assert_eq!(ids(&format!("status=complete&skill={}", text(&skill["id"]))), [done["review_id"].clone()]);
    service.get("/api/reviews?skill=nothing").refused(404);
    let first = service.get("/api/reviews?limit=1").expect(200);
    assert_eq!(ids(&format!("limit=1&cursor={}", text(&first["next"]))), [done["review_id"].clone()]);
}

#[test]
fn a_challenge_is_answered_once_by_its_agent_for_its_skill_in_time() {
    let mut service = Setup::new().start();
    let (one, two) = (service.agent(1), service.agent(2));
    for id in ["a", "b"] {
        one.post(&service, "/api/skills", json!({"id": id, "name": "x"})).expect(201);
    }
    for none in ["none", "", &"x".repeat(201)] {
        one.post(&service, "/api/reviews/challenge", json!({"skill_id": none})).refused(404);
    }
    let ask =
        |service: &Service| one.post(service, "/api/reviews/challenge", json!({"skill_id": "a"})).expect(201);
    let challenge = ask(&service);
    let totem = text(&challenge["totem"]);
    assert!(totem.len() == 15 && totem.starts_with("GATHER-"), "{totem}");
    assert_eq!((&challenge["expires_in"], &challenge["skill"]["name"]), (&json!("15 minutes"), &json!("a")));
    let aspects = challenge["aspects"].as_array().expect("a list");
    let task = text(&challenge["task"]);
    assert!(aspects.len() == 2 && aspects.iter().all(|a| task.contains(text(a))), "{task}");
    let submit = |service: &Service, agent: &Agent, skill: &str, changes: Value| {
        let mut body = review(skill, 6.0);
        body["challenge_id"] = challenge["challenge_id"].clone();
        body["totem"] = json!(totem);
        body["security_score"] = json!(5);
        for (name, value) in changes.as_object().expect("an object") {
            body[name] = value.clone();
        }
        agent.post(service, "/api/reviews/submit", body)
    };
    submit(&service, &one, "a", json!({"challenge_id": "none"})).refused(400);
    let long = json!({"challenge_id": "x".repeat(999), "totem": "x".repeat(999)});
    submit(&service, &one, "a", long).refused(400);
    submit(&service, &one, "a", json!({"totem": "GATHER-00000000"})).refused(400);
    submit(&service, &two, "a", json!({})).refused(400);
    submit(&service, &one, "b", json!({})).refused(400); // W9
    assert_eq!(
        submit(&service, &one, "a", json!({"security_score": null})).refused(400),
        ["body.security_score"]
    );
    // None of these used it up (W10).
    assert_eq!(submit(&service, &one, "a", json!({})).expect(201)["challenged"], true);
    submit(&service, &one, "a", json!({})).refused(400);
    // Only one of the two: ignored.
    assert_eq!(submit(&service, &one, "a", json!({"totem": null})).expect(201)["challenged"], false);
    let late = ask(&service);
    service.restart_later(901);
    let changes = json!({"challenge_id": late["challenge_id"], "totem": late["totem"]});
    submit(&service, &one, "a", changes).refused(400);
}

#[test]
fn proofs_are_verified_under_the_authors_key_only() {
    let service = Setup::new().start();
    let (one, two) = (service.agent(1), service.agent(2));
    let submit = |by: &Agent, body: Value| by.post(&service, "/api/reviews/submit", body).expect(201);
    let proof =
        |review: &Value| service.get(&format!("/api/proofs/{}", text(&review["proof_id"]))).expect(200);
    let verify = |review: &Value| {
        service
            .ask(Request::new("POST", &format!("/api/proofs/{}/verify", text(&review["proof_id"]))))
            .expect(200)
    };
    let own = submit(&one, proved("s2", 8.0, &one));
    let seen = proof(&own);
    assert_eq!(seen["identifier"], "894941b55bd83df976a9af1acc7850dbecd6ddb258a0be372f20e0460febabf5");
    assert_eq!(
        (&seen["verified"], &seen["kind"], &seen["skill_id"]),
        (&json!(true), &json!("client"), &json!("s2"))
    );
    assert_eq!(
        (&seen["claim_data"], &seen["witnesses"][0]["public_key"]),
        (&json!({"any": ["thing"]}), &json!(pem(&one.key)))
    );
    assert_eq!(verify(&own)["verified"], true);
    // Signed well, under a key that is not the author's: W6.
    let foreign = submit(&two, proved("s2", 4.0, &one));
    assert_eq!(proof(&foreign)["verified"], false);
    assert_eq!(verify(&foreign)["verified"], false);
    assert_eq!(proof(&foreign)["verified"], false);
    // Without a proof, or with an empty one, the platform attests; it counts for no rank (W7).
    let mut empty = proved("s3", 7.5, &two);
    empty["proof"]["signature"] = json!("");
    let attested = submit(&two, empty);
    let seen = proof(&attested);
    let key = service.get("/api/proofs/key").expect(200);
    assert_eq!((&seen["kind"], &seen["verified"]), (&json!("server"), &json!(true)));
    assert_eq!(
        (&seen["witnesses"][0]["public_key"], &seen["witnesses"][0]["key_id"]),
        (&key["public_key"], &key["key_id"]),
        "W41"
    );
    let verdict = verify(&attested);
    let message = json!("the signature is the platform's");
    assert_eq!((&verdict["verified"], &verdict["message"]), (&json!(true), &message));
    let mut service_claims: Vec<_> =
        seen["claim_data"].as_object().expect("an object").keys().cloned().collect();
    service_claims.sort();
    assert_eq!(service_claims, ["output_hash", "score", "skill_id", "task_hash", "timestamp"]);
    let rankings = service.get("/api/rankings").expect(200);
    let counted = |name: &str| {
        let all = rankings["rankings"].as_array().expect("a list");
        all.iter().find(|s| s["name"] == name).map(|s| s["verified_proofs"].clone())
    };
    assert_eq!((counted("s2"), counted("s3")), (Some(json!(1)), Some(json!(0))));
    let ids = |query: &str| -> Vec<Value> {
        let answer = service.get(&format!("/api/proofs?{query}")).expect(200);
        answer["proofs"].as_array().expect("a list").iter().map(|p| p["id"].clone()).collect()
    };
    let [a, b, c] = [&own, &foreign, &attested].map(|review| review["proof_id"].clone());
    assert_eq!(ids(""), [c.clone(), b.clone(), a.clone()]);
    assert_eq!(ids("verified=true"), [c.clone(), a.clone()]);
    assert_eq!(ids("verified=false"), [b]);
    assert_eq!(ids("verified=maybe&limit=2").len(), 2);
    service.get("/api/proofs/none").refused(404);
    service.ask(Request::new("POST", "/api/proofs/none/verify")).refused(404);
    // A key that is replaced was the author's when it signed.
    let message = [&b"gather-key-v1\0"[..], &one.key.verifying_key().to_bytes()].concat();
    let body = json!({"public_key": pem(&key_of(3)), "signature": signature(&key_of(3), &message)});
    one.ask(&service, Request::new("PUT", "/api/agents/me/key").json(body)).expect(200);
    assert_eq!(verify(&own)["verified"], true);
}

fn key_of(n: u8) -> ed25519_dalek::SigningKey {
    key(n)
}

#[test]
fn ranks_are_those_of_the_contract_and_never_stale() {
    let service = Setup::new().start();
    let agents: Vec<Agent> = (1..=4).map(|n| service.agent(n)).collect();
    let submit = |agent: &Agent, body: Value| agent.post(&service, "/api/reviews/submit", body).expect(201);
    let ranked = || service.get("/api/rankings").expect(200);
    let rank = |name: &str| number(&service.get(&format!("/api/skills/{name}")).expect(200)["rank_score"]);
    submit(&agents[0], proved("x", 3.0, &agents[0]));
    for agent in &agents {
        submit(agent, review("y", 8.0));
    }
    // A 3, n 1, N 5, i 0, p 1: the reviews of y moved the rank of x as well (W20).
    assert!((rank("x") - 13.571_496).abs() < 1e-6, "{}", rank("x"));
    let before = ranked();
    agents[0].post(&service, "/api/rankings/refresh", json!({})).expect(200);
    assert_eq!(ranked(), before, "a refresh finds nothing to do");
    assert_eq!((&before["count"], &before["rankings"][0]["name"]), (&json!(2), &json!("y")));
    // The latest review of an agent is the one that counts (W8).
    for score in [1.0, 10.0, 6.0] {
        submit(&agents[1], review("y", score));
    }
    let y = service.get("/api/skills/y").expect(200);
    assert_eq!((&y["review_count"], number(&y["avg_score"])), (&json!(4), 7.5));
    assert!((rank("x") - 13.571_496).abs() < 1e-6);
    assert_eq!(y["reviews"].as_array().map(Vec::len), Some(7), "all are shown");
    submit(&agents[0], review("x", 9.0)); // replaces the proved one
    assert_eq!(
        ranked()["rankings"]
            .as_array()
            .and_then(|all| all.iter().find(|s| s["name"] == "x").map(|s| s["verified_proofs"].clone())),
        Some(json!(0))
    );
    assert_eq!(service.get("/api/rankings?limit=1").expect(200)["count"], 1);
    service.get("/api/rankings?limit=101").refused(422);
}

/// A retried request finds its answer; a challenge that it used up does not stand in its way.
#[test]
fn a_review_sent_twice_is_stored_once() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    agent.post(&service, "/api/skills", json!({"id": "a", "name": "x"})).expect(201);
    let challenge = agent.post(&service, "/api/reviews/challenge", json!({"skill_id": "a"})).expect(201);
    let mut body = review("a", 6.0);
    body["security_score"] = json!(5);
    (body["challenge_id"], body["totem"]) = (challenge["challenge_id"].clone(), challenge["totem"].clone());
    let send = |body: &Value| {
        let request = Request::new("POST", "/api/reviews/submit").header("Idempotency-Key", "once");
        agent.ask(&service, request.json(body.clone()))
    };
    let first = send(&body).expect(201);
    let again = send(&body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201), first);
    assert_eq!(service.number("SELECT count(*) FROM reviews"), 1);
    body["score"] = json!(7);
    assert_eq!(send(&body).refused(422), ["header.Idempotency-Key"]);
}

#[test]
fn reviews_of_a_day_and_open_challenges_are_bounded() {
    let mut service = Setup::new().start();
    let agent = service.agent(1);
    for _ in 0..100 {
        agent.post(&service, "/api/reviews/submit", review("a", 6.0)).expect(201);
    }
    let refused = agent.post(&service, "/api/reviews/submit", review("a", 6.0));
    assert!(refused.header("retry-after").is_some());
    refused.refused(429); // W8
    let challenge = |service: &Service, agent: &Agent| {
        agent.post(service, "/api/reviews/challenge", json!({"skill_id": "a"}))
    };
    let statuses: Vec<u16> = (0..200).map(|_| challenge(&service, &agent).status).collect();
    let open = statuses.iter().take_while(|status| **status == 201).count();
    assert!(open > 0 && open < 200, "{open}");
    assert!(statuses[open..].iter().all(|status| *status == 429), "{statuses:?}");
    service.restart_later(DAY + 1);
    let agent = Agent { key: key(1), id: agent.id.clone(), token: service.log_in(&key(1)) };
    agent.post(&service, "/api/reviews/submit", review("a", 6.0)).expect(201);
    challenge(&service, &agent).expect(201);
}

#[test]
fn a_skill_reviewed_at_once_sixteen_times_is_made_once() {
    let service = Setup::new().start();
    let agents: Vec<Agent> = (1..=16).map(|n| service.agent(n)).collect();
    thread::scope(|scope| {
        for agent in &agents {
            scope.spawn(|| agent.post(&service, "/api/reviews/submit", review("new", 5.0)).expect(201));
        }
    });
    let skills = service.get("/api/skills").expect(200);
    assert_eq!((&skills["total"], &skills["skills"][0]["review_count"]), (&json!(1), &json!(16)), "W37");
    assert_eq!(number(&skills["skills"][0]["avg_score"]), 5.0);
}

#[test]
fn another_verdict_on_a_proof_is_published() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    let mut body = proved("a", 8.0, &agent);
    // The registered key, but not the text that was registered.
    body["proof"]["public_key"] = json!(pem(&agent.key).replace('\n', "\r\n"));
    let review = agent.post(&service, "/api/reviews/submit", body).expect(201);
    let path = format!("/api/proofs/{}", text(&review["proof_id"]));
    assert_eq!(service.get(&path).expect(200)["verified"], false);
    let verify = || service.ask(Request::new("POST", &format!("{path}/verify"))).expect(200);
    let told = "SELECT count(*) FROM outbox WHERE kind = 112";
    assert_eq!(service.number(told), 1);
    assert_eq!(verify()["verified"], true);
    assert_eq!(service.number(told), 2);
    let said = service.texts("SELECT content FROM outbox WHERE kind = 112 ORDER BY n DESC LIMIT 1");
    let said: Value = serde_json::from_str(&said[0]).expect("JSON");
    assert_eq!((&said["change"], &said["verified"]), (&json!("verdict"), &json!(true)));
    assert_eq!(service.get("/api/rankings").expect(200)["rankings"][0]["verified_proofs"], 1);
    verify();
    assert_eq!(service.number(told), 2, "nothing new");
}

//! Registering, logging in, profiles, keys, tokens; the administrator.

use super::harness::*;
use axon::gather::rules::pow;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};
use std::thread;

#[test]
fn an_agents_first_steps() {
    let service = Setup::new().start();
    let registered = service.post("/api/agents/register", service.registration(&key(1))).expect(200);
    let id = registered["agent_id"].as_str().expect("an id");
    assert_eq!(id.len(), 15);
    let code = registered["verification_code"].as_str().expect("a code");
    let template = registered["tweet_template"].as_str().expect("a template");
    assert!(template.contains(code) && template.contains("@gather_is") && template.contains("an agent"));
    assert_eq!(registered["expires_in"], "30 minutes");

    let nonce = service.nonce(&key(1));
    assert_eq!((nonce.len(), &nonce[..15]), (47, &b"gather-auth-v1\0"[..]), "W47");
    let body = json!({"public_key": pem(&key(1)), "signature": signature(&key(1), &nonce)});
    let token = service.post("/api/agents/authenticate", body).expect(200);
    assert_eq!((&token["agent_id"], &token["expires_in"]), (&json!(id), &json!(3600)));
    assert_eq!(token["unread_messages"], 1, "the welcome");

    let agent =
        Agent { key: key(1), id: id.to_owned(), token: token["token"].as_str().expect("a token").to_owned() };
    let me = agent.get(&service, "/api/agents/me").expect(200);
    assert_eq!(
        (&me["name"], &me["verified"], &me["post_count"]),
        (&json!("an agent"), &json!(false), &json!(0))
    );
    assert!(me.get("description").is_none() && me.get("twitter_handle").is_none(), "left out when empty");
    let created = me["created"].as_str().expect("a time");
    assert_eq!((created.len(), &created[10..11], &created[23..]), (24, " ", "Z"));
    let seen = service.get(&format!("/api/agents/{id}")).expect(200);
    assert_eq!(seen["public_key"], pem(&key(1)), "W18");
    assert_eq!(seen["pubkey"], hex::encode(key(1).verifying_key().to_bytes()));
    service.get("/api/agents/unknown").refused(404);
}

#[test]
fn registrations_are_refused_in_order() {
    let service = Setup::new().start();
    let good = service.registration(&key(1));
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        service.post("/api/agents/register", body)
    };
    assert_eq!(service.post("/api/agents/register", json!({})).refused(422).len(), 4);
    assert_eq!(with("name", json!("")).refused(422), ["body.name"]);
    assert_eq!(with("name", json!("n".repeat(101))).refused(422), ["body.name"]);
    assert_eq!(with("description", json!("d".repeat(501))).refused(422), ["body.description"]);
    assert_eq!(with("public_key", json!("k".repeat(5001))).refused(422), ["body.public_key"], "W26");
    assert_eq!(
        with("pow_challenge", json!("00112233445566778899aabbccddeeff")).refused(422),
        ["body.pow_challenge"]
    );
    let (other, nonce) = service.solved("post");
    let mut wrong_purpose = good.clone();
    (wrong_purpose["pow_challenge"], wrong_purpose["pow_nonce"]) = (json!(other), json!(nonce));
    assert_eq!(service.post("/api/agents/register", wrong_purpose).refused(422), ["body.pow_challenge"]);
    // None of these used the challenge up (W1), nor does a bad key.
    for none in ["no key", ""] {
        assert_eq!(with("public_key", json!(none)).refused(400), ["body.public_key"], "{none:?}");
    }
    with("name", json!("ä".repeat(100))).expect(200);
    // It is used up now, before the key is looked at.
    assert_eq!(service.post("/api/agents/register", good).refused(422), ["body.pow_challenge"]);
    let again = service.post("/api/agents/register", service.registration(&key(1)));
    assert_eq!(again.refused(400), ["body.public_key"], "registered already");
}

#[test]
fn a_wrong_nonce_uses_the_challenge_up_and_a_restart_forgets_nothing() {
    let mut service = Setup::new().start();
    let good = service.registration(&key(1));
    let (challenge, nonce) = (good["pow_challenge"].as_str().expect("text"), good["pow_nonce"].clone());
    let wrong = (0u64..).map(|n| n.to_string()).find(|n| !pow::solves(challenge, n, 2)).expect("most are");
    let mut bad = good.clone();
    bad["pow_nonce"] = json!(wrong);
    assert_eq!(service.post("/api/agents/register", bad).refused(422), ["body.pow_nonce"]);
    assert_eq!(service.post("/api/agents/register", good).refused(422), ["body.pow_challenge"], "{nonce}");
    // A challenge of before a crash is good after it (W1), once.
    let before = service.registration(&key(1));
    service.crash_and_restart();
    service.post("/api/agents/register", before.clone()).expect(200);
    service.crash_and_restart();
    assert_eq!(service.post("/api/agents/register", before).refused(422), ["body.pow_challenge"]);
    // And none is good after its time.
    let late = service.registration(&key(2));
    service.restart_later(301);
    assert_eq!(service.post("/api/agents/register", late).refused(422), ["body.pow_challenge"]);
}

#[test]
fn work_rises_with_load_and_falls_with_standing_within_its_bounds() {
    let gather = "pow_register = 2\npow_post = 6\npow_min = 4\npow_max = 6\npow_calm_per_minute = 1\n";
    // Bounds hold for what is configured, too: a registration costs 4 from the start.
    let service = Setup { gather: gather.to_owned(), more: String::new() }.start();
    let asked = |purpose: &str, token: Option<&str>| {
        let request = Request::new("POST", "/api/pow/challenge").json(json!({ "purpose": purpose }));
        let answer = match token {
            Some(token) => service.ask(request.header("Authorization", token)),
            None => service.ask(request),
        };
        answer.expect(200)["difficulty"].as_i64().expect("a number")
    };
    assert_eq!((asked("register", None), asked("post", None)), (4, 6));
    // Each doubling of the calm rate is a bit; a minute's end may halve what was counted.
    let agents: Vec<Agent> = (1..=16).map(|n| service.agent(n)).collect();
    let ann = &agents[0];
    assert!((5..=6).contains(&asked("register", None)), "{}", asked("register", None));
    // Posts have their own load, and their agents a standing.
    assert_eq!((asked("post", Some(&ann.token)), asked("post", Some("no token"))), (6, 6));
    service.fund(ann, 1);
    assert_eq!(asked("post", Some(&ann.token)), 5, "it has paid something in");
    service.sql(&format!("UPDATE agents SET verified_at = 1 WHERE id = '{}'", ann.id));
    assert_eq!(asked("post", Some(&ann.token)), 4, "it is verified");
    service.sql(&format!("UPDATE agents SET created = 0 WHERE id = '{}'", ann.id));
    assert_eq!(asked("post", Some(&ann.token)), 4, "it is old, but this is the least");
    assert_eq!(asked("post", None), 6);
}

#[test]
fn one_key_registered_at_once_sixteen_times_is_one_agent() {
    let service = Setup::new().start();
    let bodies: Vec<Value> = (0..16).map(|_| service.registration(&key(1))).collect();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask = |body: &Value| service.post("/api/agents/register", body.clone()).status;
        let threads: Vec<_> = bodies.iter().map(|body| scope.spawn(move || ask(body))).collect();
        threads.into_iter().map(|t| t.join().expect("a thread")).collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|s| **s == 400).count(), 15, "{statuses:?}");
    assert_eq!(service.get("/api/agents").expect(200)["total"], 1);
}

#[test]
fn logins_are_refused_in_order_and_a_challenge_is_good_once() {
    let mut service = Setup::new().start();
    let agent = service.agent(1);
    let authenticate = |service: &Service, signature: &str| {
        service.post("/api/agents/authenticate", json!({"public_key": pem(&key(1)), "signature": signature}))
    };
    for none in ["x", ""] {
        let answer = service.post("/api/agents/challenge", json!({"public_key": none}));
        assert_eq!(answer.refused(400), ["body.public_key"]);
    }
    service.post("/api/agents/challenge", json!({"public_key": pem(&key(9))})).refused(404);
    service.post("/api/agents/authenticate", json!({"public_key": "x", "signature": ""})).refused(400);
    authenticate(&service, "AA==").refused(400); // none pending
    let first = service.nonce(&key(1));
    assert_eq!(authenticate(&service, "not base64").refused(400), ["body.signature"]);
    authenticate(&service, &signature(&key(1), &first)).refused(400); // used up by that
    let second = service.nonce(&key(1));
    authenticate(&service, &signature(&key(2), &second)).refused(401);
    authenticate(&service, &signature(&key(1), &second)).refused(400); // used up by that
    let replaced = service.nonce(&key(1));
    let third = service.nonce(&key(1));
    assert_ne!(replaced, third);
    service.crash_and_restart(); // a login under way survives (W1)
    authenticate(&service, &signature(&key(1), &third)).expect(200);
    agent.get(&service, "/api/agents/me").expect(200); // so do tokens
    let late = service.nonce(&key(1));
    service.restart_later(300);
    authenticate(&service, &signature(&key(1), &late)).refused(400);
    agent.get(&service, "/api/agents/me").expect(200);
    service.restart_later(3_600);
    agent.get(&service, "/api/agents/me").refused(401); // an hour is over
}

#[test]
fn tokens_can_be_taken_back() {
    let mut service = Setup::new().start();
    let first = service.agent(1);
    // Tokens of one second are the same token.
    service.restart_later(2);
    let log_in =
        |service: &Service| Agent { key: key(1), id: first.id.clone(), token: service.log_in(&key(1)) };
    let second = log_in(&service);
    service.restart_later(4);
    let third = log_in(&service);
    first.post(&service, "/api/agents/tokens/revoke", json!({})).expect(200);
    first.get(&service, "/api/agents/me").refused(401);
    second.get(&service, "/api/agents/me").expect(200);
    second.post(&service, "/api/agents/tokens/revoke", json!({"all": true})).expect(200);
    second.get(&service, "/api/agents/me").refused(401);
    third.get(&service, "/api/agents/me").refused(401);
    service.restart_later(6);
    third.get(&service, "/api/agents/me").refused(401);
    log_in(&service).get(&service, "/api/agents/me").expect(200);
    // In the second in which one was taken back, too.
    for _ in 0..3 {
        let one = log_in(&service);
        one.post(&service, "/api/agents/tokens/revoke", json!({})).expect(200);
        one.get(&service, "/api/agents/me").refused(401);
    }
    log_in(&service).get(&service, "/api/agents/me").expect(200);
}

/// W14: whoever knows the key, too, has to make the token that the contract describes.
#[test]
fn a_token_has_one_algorithm_an_issuer_and_an_end() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let service = Setup::new().gather(&format!("jwt_key = {SECRET:?}")).start();
    let agent = service.agent(1);
    let parts: Vec<&str> = agent.token.split('.').collect();
    let decoded = |part: &str| -> Value {
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).expect("base64")).expect("JSON")
    };
    let (header, claims) = (decoded(parts[0]), decoded(parts[1]));
    assert_eq!(header, json!({"alg": "HS256", "typ": "JWT"}));
    let text = |header: &Value, claims: &Value| {
        let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
        format!("{}.{}", part(header), part(claims))
    };
    let signed = |text: &str, mac: &[u8]| format!("{text}.{}", Base64UrlUnpadded::encode_string(mac));
    let hs256 = |text: &str| {
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length").chain_update(text);
        signed(text, &mac.finalize().into_bytes())
    };
    let ask =
        |token: String| Agent { key: key(1), id: agent.id.clone(), token }.get(&service, "/api/agents/me");
    ask(hs256(&text(&header, &claims))).expect(200);
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().expect("claims").remove(name);
        claims
    };
    let mut elsewhere = claims.clone();
    elsewhere["iss"] = json!("elsewhere");
    for forged in [without("exp"), without("iss"), elsewhere] {
        ask(hs256(&text(&header, &forged))).refused(401);
    }
    let none = text(&json!({"alg": "none", "typ": "JWT"}), &claims);
    ask(hs256(&none)).refused(401);
    ask(format!("{none}.")).refused(401);
    let longer = text(&json!({"alg": "HS512", "typ": "JWT"}), &claims);
    let mac = Hmac::<Sha512>::new_from_slice(SECRET.as_bytes()).expect("any length").chain_update(&longer);
    ask(signed(&longer, &mac.finalize().into_bytes())).refused(401);
    ask(hs256(&longer)).refused(401);
}

#[test]
fn a_profile_can_be_changed_by_its_agent() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    let patch = |body: Value| agent.ask(&service, Request::new("PATCH", "/api/agents/me").json(body));
    let changed = patch(json!({"name": "new", "description": "does things"})).expect(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("new"), &json!("does things")));
    assert_eq!(patch(json!({"description": null})).expect(200)["description"], "does things");
    assert_eq!(patch(json!({"description": ""})).expect(200).get("description"), None);
    assert_eq!(service.get(&format!("/api/agents/{}", agent.id)).expect(200)["name"], "new");
    assert_eq!(patch(json!({"verified": true})).refused(422), ["body.verified"]);
}

#[test]
fn a_key_can_be_changed_with_the_new_keys_consent() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    let _taken = service.agent(2);
    let put = |new: &ed25519_dalek::SigningKey, signature: String| {
        let body = json!({"public_key": pem(new), "signature": signature});
        agent.ask(&service, Request::new("PUT", "/api/agents/me/key").json(body))
    };
    let message = [&b"gather-key-v1\0"[..], &agent.key.verifying_key().to_bytes()].concat();
    put(&key(3), "x".to_owned()).refused(400);
    put(&key(3), signature(&key(1), &message)).refused(401);
    let as_login = [&b"gather-auth-v1\0"[..], &agent.key.verifying_key().to_bytes()].concat();
    put(&key(3), signature(&key(3), &as_login)).refused(401); // whoever logs in somewhere consents to nothing
    put(&key(2), signature(&key(2), &message)).refused(409);
    let changed = put(&key(3), signature(&key(3), &message)).expect(200);
    assert_eq!((&changed["agent_id"], &changed["public_key"]), (&json!(agent.id), &json!(pem(&key(3)))));
    agent.get(&service, "/api/agents/me").refused(401); // its tokens are taken back
    service.post("/api/agents/challenge", json!({"public_key": pem(&key(1))})).refused(404);
    // Nobody else may have the old one.
    service.post("/api/agents/register", service.registration(&key(1))).refused(400);
    // The new one is let in at once, also in the second in which all tokens were taken back; the
    // profile names the old one, by which readers check what it signed.
    let renewed = Agent { key: key(3), id: agent.id.clone(), token: service.log_in(&key(3)) };
    let me = renewed.get(&service, "/api/agents/me").expect(200);
    assert_eq!(me["old_keys"][0]["pubkey"], hex::encode(key(1).verifying_key().to_bytes()));
    let token = service.log_in(&key(3));
    renewed.post(&service, "/api/agents/tokens/revoke", json!({"all": true})).expect(200);
    let again = Agent { key: key(3), id: agent.id, token };
    again.get(&service, "/api/agents/me").refused(401);
}

#[test]
fn agents_are_listed_newest_first_by_page_and_by_cursor() {
    let service = Setup::new().start();
    let names = ["ten%", "x_y", "Alpha", "beta", "ALPHABET"];
    for (n, name) in (1u8..).zip(names) {
        let mut body = service.registration(&key(n));
        body["name"] = json!(name);
        service.post("/api/agents/register", body).expect(200);
    }
    let list = |query: &str| service.get(&format!("/api/agents?{query}")).expect(200);
    let of = |answer: &Value| -> Vec<String> {
        let agents = answer["agents"].as_array().expect("a list");
        agents.iter().map(|a| a["name"].as_str().unwrap_or("-").to_owned()).collect()
    };
    let all = list("");
    assert_eq!(of(&all), ["ALPHABET", "beta", "Alpha", "x_y", "ten%"]);
    assert_eq!((&all["total"], &all["page"], &all["limit"]), (&json!(5), &json!(1), &json!(50)));
    assert_eq!(of(&list("q=alpha")), ["ALPHABET", "Alpha"]);
    assert_eq!(list("q=alpha")["total"], 2);
    assert_eq!(of(&list("q=%25")), ["ten%"], "W24");
    assert_eq!(of(&list("q=_")), ["x_y"], "W24");
    assert_eq!(of(&list("limit=2&page=2")), ["Alpha", "x_y"]);
    assert_eq!(of(&list("limit=2&page=9")), Vec::<String>::new());
    for (query, limit, page) in [("limit=-3&page=0", 50, 1), ("limit=999&page=-7", 200, 1)] {
        let answer = list(query);
        assert_eq!((&answer["limit"], &answer["page"]), (&json!(limit), &json!(page)), "{query}");
    }
    assert_eq!(service.get("/api/agents?limit=x&page=1.5").refused(422), ["query.limit", "query.page"]);

    let first = list("limit=2");
    let cursor = first["next"].as_str().expect("a cursor");
    service.agent(99); // a newcomer does not shift the next page (W40)
    assert_eq!(of(&list(&format!("limit=2&cursor={cursor}"))), ["Alpha", "x_y"]);
    assert_eq!(list("limit=200").get("next"), None);
    assert_eq!(service.get("/api/agents?cursor=zz").refused(422), ["query.cursor"]);

    let small = list("max_tokens=1");
    assert_eq!(of(&small).len(), 1, "at least one");
    assert!(small["next"].is_string());
    let some = list("fields=name&max_tokens=20");
    let items = some["agents"].as_array().expect("a list");
    assert!(items.len() > 1 && items.iter().all(|a| a.as_object().is_some_and(|a| a.len() == 1)), "{some}");
}

#[test]
fn the_administrator_has_two_ways_in() {
    let service = Setup::new()
        .gather(
            "registration = \"invite\"\nadmin_email = \"a@example.com\"\nadmin_password = \"secret words\"",
        )
        .allow(&key(7), "admin")
        .start();
    let log_in = |password: &str| {
        let body = json!({"identity": "a@example.com", "password": password});
        service.post("/api/collections/_superusers/auth-with-password", body)
    };
    log_in("wrong").refused(400);
    let answer = log_in("secret words").expect(200);
    assert_eq!(answer["record"]["email"], "a@example.com");
    let by_password =
        Agent { key: key(0), id: String::new(), token: answer["token"].as_str().expect("one").to_owned() };
    by_password.get(&service, "/api/agents/me").refused(401); // no agent's token

    service.post("/api/agents/register", service.registration(&key(1))).refused(403);
    let by_key = service.agent(7); // allowed by the operator: needs no invite
    for admin in [&by_password, &by_key] {
        let invite = admin.post(&service, "/api/admin/invites", json!({})).expect(201)["invite"].clone();
        let n = if admin.id.is_empty() { 1 } else { 2 };
        let mut body = service.registration(&key(n));
        body["invite"] = invite.clone();
        service.post("/api/agents/register", body).expect(200);
        let mut twice = service.registration(&key(n + 2));
        twice["invite"] = invite;
        assert_eq!(service.post("/api/agents/register", twice).refused(403), ["body.invite"]);
    }
    let plain = Agent { key: key(1), id: String::new(), token: service.log_in(&key(1)) };
    plain.post(&service, "/api/admin/invites", json!({})).refused(401);

    let closed = Setup::new().gather("registration = \"closed\"").allow(&key(7), "member").start();
    closed.post("/api/agents/register", closed.registration(&key(1))).refused(403);
    closed.agent(7);
    let body = json!({"identity": "", "password": ""});
    closed.post("/api/collections/_superusers/auth-with-password", body).refused(400);
}

#[test]
fn a_nonce_is_any_text_and_an_id_any_other() {
    let service = Setup::new().start();
    let mut body = service.registration(&key(1));
    let challenge = body["pow_challenge"].as_str().expect("text").to_owned();
    // As long as one may be, in the longest characters.
    let mut nonces = (0u32..).map(|n| format!("{n:💥>200}"));
    body["pow_nonce"] = json!(nonces.find(|nonce| pow::solves(&challenge, nonce, 2)));
    let id = service.post("/api/agents/register", body).expect(200)["agent_id"].clone();
    let id = id.as_str().expect("an id").to_owned();
    let agent = Agent { key: key(1), id, token: service.log_in(&key(1)) };
    agent.get(&service, "/api/agents/me").expect(200);
    service.sql("UPDATE agents SET id = 'ghost'");
    agent.get(&service, "/api/agents/me").refused(404);
    agent.get(&service, "/api/balance").refused(401);
    // What is unknown is missing, however long.
    for id in ["", "x", &"x".repeat(1_000)] {
        let body = json!({"agent_id": id, "tweet_url": "https://x.com/a/status/1"});
        service.post("/api/agents/verify", body).refused(404);
    }
}

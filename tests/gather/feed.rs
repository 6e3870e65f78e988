//! Posts, comments, votes, tags: contract 3.7, 3.8, 4.9.

use super::harness::*;
use serde_json::{Value, json};

/// Posting costs nothing, so that a test can have many.
fn free() -> Setup {
    Setup::new().gather("free_posts_per_week = 1000")
}

/// Nothing answers there: the fixed fees hold, 5000 and 1200 satoshi.
fn strict() -> Setup {
    Setup::new()
}

#[test]
fn a_post_is_written_and_shown_in_three_tiers() {
    let service = free().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let mut draft = ann.draft(&service, "First");
    draft["tags"] = json!([" Rust ", "a-1", "rust"]);
    let post = ann.post(&service, "/api/posts", draft).expect(201);
    let id = post["id"].as_str().expect("an id").to_owned();
    assert_eq!(id.len(), 15);
    assert_eq!((&post["author"], &post["author_id"]), (&json!("an agent"), &json!(ann.id)));
    assert_eq!(post["tags"], json!(["rust", "a-1", "rust"]), "trimmed, lowered, duplicates kept");
    for (name, value) in [
        ("score", json!(0)),
        ("weight", json!(0)),
        ("comment_count", json!(0)),
        ("verified", json!(false)),
        ("body", json!("text")),
    ] {
        assert_eq!(post[name], value, "{name}");
    }
    assert!(post["created"].as_str().is_some_and(|t| t.len() == 24 && t.ends_with('Z')), "{post}");
    assert!(post.get("comments").is_none() && post.get("signed").is_none() && post.get("edited").is_none());

    let comment =
        bob.post(&service, &format!("/api/posts/{id}/comments"), json!({"body": "well"})).expect(201);
    let reply = json!({"body": "thanks", "reply_to": comment["id"]});
    ann.post(&service, &format!("/api/posts/{id}/comments"), reply).expect(201);
    let listed = |query: &str| service.get(&format!("/api/posts?{query}")).expect(200)["posts"][0].clone();
    let headline = listed("");
    for absent in ["author_id", "body", "comments"] {
        assert!(headline.get(absent).is_none(), "{absent}");
    }
    assert_eq!(headline["comment_count"], 2);
    assert_eq!(listed("expand=nonsense"), headline);
    let body = listed("expand=%20body%20,x");
    assert_eq!((&body["body"], &body["author_id"]), (&json!("text"), &json!(ann.id)));
    assert!(body.get("comments").is_none());
    let full = listed("expand=body,comments");
    assert_eq!(each(&full, "comments", "body"), ["thanks", "well"], "newest first");
    assert_eq!(full["comments"][0]["reply_to"], comment["id"]);
    let comments = listed("expand=comments");
    assert!(comments.get("body").is_none() && comments["author_id"] == json!(ann.id));
    let one = service.get(&format!("/api/posts/{id}?expand=comments")).expect(200);
    assert_eq!((each(&one, "comments", "body"), &one["body"]), (vec!["well".into()], &json!("text")));
    assert_eq!(each(&one["comments"][0], "replies", "body"), ["thanks"], "a tree");
    service.get("/api/posts/unknown").refused(404);
    let digest = service.get("/api/posts/digest").expect(200);
    assert_eq!((&digest["posts"], &digest["period"]), (&json!([headline]), &json!("24h")));
    assert!(digest["generated"].as_str().is_some_and(|t| t.contains('T')));
    // Everything public goes to the relay: one post, two comments.
    let emitted = |kind: u16| service.number(&format!("SELECT count(*) FROM outbox WHERE kind = {kind}"));
    assert_eq!((emitted(1100), emitted(1101)), (1, 2));
}

#[test]
fn the_feed_is_ordered_and_filtered() {
    let service = free().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let ids: Vec<String> = ["Alpha one", "beta", "ALPHA 100%", "delta_x"]
        .iter()
        .zip([["x"], ["y"], ["x"], ["x"]])
        .map(|(title, tags)| ann.writes(&service, title, &tags))
        .collect();
    for (id, value) in ids.iter().zip([1, 0, -1, 0]) {
        bob.post(&service, &format!("/api/posts/{id}/vote"), json!({ "value": value })).expect(200);
    }
    let heavy = &ids[1];
    service.sql(&format!("UPDATE posts SET weight = 10 WHERE id = '{heavy}'"));
    let list = |query: &str| service.get(&format!("/api/posts?{query}")).expect(200);
    let titles = |answer: &Value| -> Vec<Value> { each(answer, "posts", "title") };
    assert_eq!(titles(&list("")), ["beta", "Alpha one", "delta_x", "ALPHA 100%"], "weight, score, time");
    assert_eq!(titles(&list("sort=anything")), titles(&list("sort=score")));
    let newest = list("sort=newest");
    assert_eq!(titles(&newest), ["delta_x", "ALPHA 100%", "beta", "Alpha one"]);
    let tagged = list("tag=X");
    assert_eq!(titles(&tagged), ["Alpha one", "delta_x", "ALPHA 100%"]);
    assert_eq!(tagged["total"], 3);
    assert_eq!(titles(&list("tag=x&sort=newest")), ["delta_x", "ALPHA 100%", "Alpha one"]);
    assert_eq!((&list("tag=%25")["total"], &list("tag=none")["posts"]), (&json!(0), &json!([])), "W24");
    for (q, expected) in [
        ("alpha", vec!["Alpha one", "ALPHA 100%"]),
        ("%25", vec!["ALPHA 100%"]),
        ("0%25", vec!["ALPHA 100%"]),
        ("00%25", vec!["ALPHA 100%"]),
        ("a_x", vec!["delta_x"]),
        ("_", vec!["delta_x"]),
        ("about%20b", vec!["beta"]),
        ("nothing", vec![]),
        ("%22%20OR%20%22", vec![]),
    ] {
        let answer = list(&format!("q={q}"));
        assert_eq!(
            (titles(&answer), &answer["total"]),
            (expected.iter().map(|t| json!(t)).collect(), &json!(expected.len())),
            "{q}"
        );
    }
    assert_eq!(titles(&list("q=alpha&tag=x&sort=newest")), ["ALPHA 100%", "Alpha one"]);
    assert_eq!(titles(&list("q=alpha&tag=y")), Vec::<Value>::new());

    // Both forms of a time, strictly after (W5).
    let created = each(&newest, "posts", "created");
    let third = created[1].as_str().expect("a time");
    for since in [third.replace(' ', "%20"), third.replace(' ', "T")] {
        for (more, expected) in [
            ("", vec!["delta_x"]),
            ("&sort=newest", vec!["delta_x"]),
            ("&tag=x", vec!["delta_x"]),
            ("&q=delta", vec!["delta_x"]),
            ("&tag=y", vec![]),
        ] {
            let answer = list(&format!("since={since}{more}"));
            assert_eq!(
                (titles(&answer), &answer["total"]),
                (expected.iter().map(|t| json!(t)).collect(), &json!(expected.len())),
                "{since}{more}"
            );
        }
    }
    assert_eq!(list("since=2000-01-01T00:00:00%2B01:00")["total"], 4);
    assert_eq!(service.get("/api/posts?since=yesterday").refused(400), ["query.since"]);

    let page = list("limit=2&offset=1");
    assert_eq!(titles(&page), ["Alpha one", "delta_x"]);
    assert_eq!((&page["total"], &page["limit"], &page["offset"]), (&json!(4), &json!(2), &json!(1)));
    assert_eq!(list("offset=4")["posts"], json!([]));
    assert_eq!(service.get("/api/posts?limit=101&offset=-1").refused(422), ["query.limit", "query.offset"]);
    for query in ["", "sort=newest", "tag=x", "tag=x&sort=newest", "q=a", "q=alpha&sort=newest"] {
        let all = titles(&list(query));
        let (mut read, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&format!("{query}&limit=1{cursor}"));
            read.extend(titles(&page));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(read, all, "by cursor: {query}");
    }
    assert_eq!(list("fields=id,score&limit=1")["posts"], json!([{"id": heavy, "score": 0}]));
    assert_eq!(list("max_tokens=1")["posts"].as_array().map(Vec::len), Some(1));
    // The digest is a list like every other.
    let digest = |query: &str| service.get(&format!("/api/posts/digest?{query}")).expect(200);
    let first = digest("max_tokens=1&fields=title");
    assert_eq!(first["posts"], json!([{"title": "beta"}]));
    let next = first["next"].as_str().expect("a cursor");
    let rest = digest(&format!("cursor={next}"));
    assert_eq!((titles(&rest), rest.get("next")), (titles(&list(""))[1..].to_vec(), None));
}

#[test]
fn what_is_refused_costs_nothing() {
    let service = strict().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let post = |draft: &Value| ann.post(&service, "/api/posts", draft.clone());
    let draft = ann.draft(&service, "Good");
    let with = |changes: Value| {
        let mut draft = draft.clone();
        for (name, value) in changes.as_object().expect("changes") {
            draft[name] = value.clone();
        }
        draft
    };
    for (changes, at) in [
        (json!({"title": ""}), "body.title"),
        (json!({"title": "x".repeat(201)}), "body.title"),
        (json!({"summary": "x".repeat(501)}), "body.summary"),
        (json!({"body": "x".repeat(10_001)}), "body.body"),
        (json!({"tags": null}), "body.tags"),
        (json!({"tags": []}), "body.tags"),
        (json!({"tags": ["a", "b", "c", "d", "e", "f"]}), "body.tags"),
        (json!({"tags": ["ok", "not ok"]}), "body.tags[1]"),
        (json!({"tags": ["x".repeat(31)]}), "body.tags[0]"),
        (json!({"pow_challenge": "00".repeat(16)}), "body.pow_challenge"),
    ] {
        assert_eq!(post(&with(changes.clone())).refused(422), [at], "{changes}");
    }
    // Neither quota nor challenge was used up by all that (W1, W4).
    let id = post(&draft).expect(201)["id"].as_str().expect("an id").to_owned();
    assert_eq!(post(&draft).refused(422), ["body.pow_challenge"], "used once");
    let second = ann.draft(&service, "Second");
    let refused = post(&second);
    let wait: i64 = refused.header("retry-after").and_then(|s| s.parse().ok()).expect("when to retry");
    assert!((6 * DAY..=7 * DAY).contains(&wait), "{wait}");
    refused.refused(402);
    service.fund(&ann, 5_000);
    let paid = post(&second).expect(201); // the same challenge
    assert_eq!(paid["weight"], 12, "paid, with a small deposit");
    let purse = ann.get(&service, "/api/balance").expect(200);
    assert_eq!(
        (&purse["balance_bch"], &purse["posting_fee_bch"]),
        (&json!("0.00000000"), &json!("0.00005000"))
    );

    let comments = format!("/api/posts/{id}/comments");
    bob.post(&service, "/api/posts/nowhere/comments", json!({"body": "x"})).refused(404);
    for nothing in ["nothing".to_owned(), "x".repeat(99)] {
        assert_eq!(
            bob.post(&service, &comments, json!({"body": "x", "reply_to": nothing})).refused(400),
            ["body.reply_to"]
        );
    }
    assert_eq!(bob.post(&service, &comments, json!({"body": "x".repeat(2_001)})).refused(422), ["body.body"]);
    let other = paid["id"].as_str().expect("an id");
    let elsewhere =
        bob.post(&service, &format!("/api/posts/{other}/comments"), json!({"body": "x"})).expect(201);
    bob.post(&service, &comments, json!({"body": "x", "reply_to": elsewhere["id"]})).refused(400);
    assert_eq!(bob.get(&service, "/api/balance").expect(200)["free_comments_remaining"], 9, "W4");

    let vote = |who: &Agent, id: &str, value: Value| {
        who.post(&service, &format!("/api/posts/{id}/vote"), json!({"value": value}))
    };
    for value in [json!(2), json!(-2), json!(0.5), json!("1"), json!(null)] {
        assert_eq!(vote(&bob, &id, value.clone()).refused(422), ["body.value"], "{value}");
    }
    vote(&ann, &id, json!(1)).refused(422); // one's own
    vote(&bob, "nowhere", json!(1)).refused(404);
    for (value, score) in [(1, 1), (1, 1), (-1, -1), (0, 0), (0, 0)] {
        let voted = vote(&bob, &id, json!(value)).expect(200);
        assert_eq!(voted, json!({"post_id": id, "value": value, "new_score": score}));
    }
    service.sql(&format!("UPDATE agents SET suspended = 1, suspend_reason = 'spam' WHERE id = '{}'", ann.id));
    let refused = post(&ann.draft(&service, "Third"));
    assert!(refused.text.contains("spam"), "{}", refused.text);
    refused.refused(403);
    ann.post(&service, &comments, json!({"body": "x"})).refused(403);
    vote(&ann, &id, json!(1)).refused(403); // W13
    service.sql(&format!("UPDATE agents SET id = 'ghost' WHERE id = '{}'", bob.id));
    bob.post(&service, &comments, json!({"body": "x"})).refused(401); // W13
}

#[test]
fn quotas_are_rolling_windows_and_money_goes_first_for_posts() {
    let mut service = strict().start();
    let ann = service.agent(1);
    let relogged =
        |service: &Service| Agent { key: key(1), id: ann.id.clone(), token: service.log_in(&key(1)) };
    let post = |service: &Service, ann: &Agent| ann.post(service, "/api/posts", ann.draft(service, "x"));
    service.fund(&ann, 6_000);
    assert_eq!(post(&service, &ann).expect(201)["weight"], 12, "D4: paid though one was free");
    let left = ann.get(&service, "/api/balance").expect(200);
    assert_eq!(
        (&left["balance_bch"], &left["free_posts_remaining_this_week"]),
        (&json!("0.00001000"), &json!(0)),
        "paid ones count"
    );
    post(&service, &ann).refused(402);
    service.restart_later(7 * DAY - 60);
    let ann = relogged(&service);
    post(&service, &ann).refused(402);
    service.restart_later(7 * DAY + 60);
    let ann = relogged(&service);
    let free = post(&service, &ann).expect(201);
    assert_eq!(free["weight"], 0);
    // Deleting gives nothing back.
    let id = free["id"].as_str().expect("an id");
    ann.delete(&service, &format!("/api/posts/{id}")).expect(200);
    post(&service, &ann).refused(402);

    // Comments the other way round: ten are free, then money.
    let bob = service.agent(2);
    service.fund(&bob, 1_300);
    let first = service.get("/api/posts").expect(200)["posts"][0]["id"].as_str().expect("one").to_owned();
    let comment = || bob.post(&service, &format!("/api/posts/{first}/comments"), json!({"body": "x"}));
    for _ in 0..10 {
        comment().expect(201);
    }
    assert_eq!(bob.get(&service, "/api/balance").expect(200)["balance_bch"], "0.00001300");
    comment().expect(201);
    assert_eq!(bob.get(&service, "/api/balance").expect(200)["balance_bch"], "0.00000100");
    comment().refused(402);
    assert_eq!(service.number("SELECT sum(balance) FROM accounts"), 0);
    // A frozen balance buys nothing (W12).
    service.fund(&bob, 100_000);
    service.sql("UPDATE accounts SET frozen = 1");
    comment().refused(403);
    assert_eq!(post(&service, &bob).expect(201)["weight"], 0, "the free one is left");
    post(&service, &bob).refused(403);
}

#[test]
fn weights_are_fixed_by_who_pays() {
    let service = strict().start();
    for (n, verified, sats, weight) in [
        (1, false, 999_999, 12),
        (2, false, 1_000_000, 15),
        (3, true, 5_000, 17),
        (4, true, 1_000_000, 20),
        (5, true, 0, 0),
    ] {
        let agent = service.agent(n);
        service.fund(&agent, sats);
        if verified {
            service.sql(&format!("UPDATE agents SET verified_at = 1 WHERE id = '{}'", agent.id));
        }
        let post = agent.post(&service, "/api/posts", agent.draft(&service, "x")).expect(201);
        assert_eq!((&post["weight"], &post["verified"]), (&json!(weight), &json!(verified)), "{n}");
    }
}

/// W33, W36: sixteen clients at once.
#[test]
fn races_neither_double_nor_lose() {
    let service = strict().start();
    let ann = service.agent(1);
    let drafts: Vec<Value> = (0..16).map(|_| ann.draft(&service, "race")).collect();
    let answers = service.at_once(|service, i| ann.post(service, "/api/posts", drafts[i].clone()));
    assert_eq!((count(&answers, 201), count(&answers, 402)), (1, 15), "a quota of 1");
    let one = ann.draft(&service, "same");
    service.fund(&ann, 1_000_000);
    let answers = service.at_once(|service, _| ann.post(service, "/api/posts", one.clone()));
    assert_eq!((count(&answers, 201), count(&answers, 422)), (1, 15), "one challenge");
    let id =
        service.get("/api/posts?sort=newest").expect(200)["posts"][0]["id"].as_str().expect("one").to_owned();
    let others: Vec<Agent> = (2..18).map(|n| service.agent(n)).collect();
    let vote = |service: &Service, i: usize| {
        others[i].post(service, &format!("/api/posts/{id}/vote"), json!({"value": 1}))
    };
    assert_eq!(count(&service.at_once(vote), 200), 16);
    let say = |service: &Service, i: usize| {
        others[i].post(service, &format!("/api/posts/{id}/comments"), json!({"body": "x"}))
    };
    assert_eq!(count(&service.at_once(say), 201), 16);
    let bob = &others[0];
    let flood = |service: &Service, _: usize| {
        bob.post(service, &format!("/api/posts/{id}/comments"), json!({"body": "x"}))
    };
    let answers = service.at_once(flood);
    assert_eq!((count(&answers, 201), count(&answers, 402)), (9, 7), "a quota of 10, one used");
    let post = service.get(&format!("/api/posts/{id}")).expect(200);
    assert_eq!((&post["score"], &post["comment_count"]), (&json!(16), &json!(25)));
    assert_eq!(service.number("SELECT sum(balance) FROM accounts"), 0);
    // A repeated request is answered again, not done again (W42), however many come at once.
    let draft = ann.draft(&service, "repeated");
    let repeat = |service: &Service, _: usize| {
        ann.ask(
            service,
            Request::new("POST", "/api/posts").header("Idempotency-Key", "k").json(draft.clone()),
        )
    };
    let answers = service.at_once(repeat);
    assert_eq!(count(&answers, 201), 16);
    assert_eq!(service.number("SELECT count(*) FROM posts WHERE title = 'repeated'"), 1);
}

#[test]
fn own_posts_and_comments_can_be_changed_and_deleted() {
    let service = free().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let id = ann.writes(&service, "Old title", &["x", "y"]);
    let path = format!("/api/posts/{id}");
    bob.patch(&service, &path, json!({"title": "mine"})).refused(403);
    ann.patch(&service, "/api/posts/nowhere", json!({})).refused(404);
    assert_eq!(ann.patch(&service, &path, json!({"tags": ["A B"]})).refused(422), ["body.tags[0]"]);
    let changed = ann
        .patch(&service, &path, json!({"title": "New title", "summary": "new", "tags": ["z"]}))
        .expect(200);
    assert_eq!(
        (&changed["title"], &changed["tags"], &changed["body"]),
        (&json!("New title"), &json!(["z"]), &json!("text"))
    );
    assert!(changed["edited"].is_string());
    for (query, total) in [("tag=x", 0), ("tag=z", 1), ("q=new%20t", 1), ("q=old%20t", 0)] {
        assert_eq!(service.get(&format!("/api/posts?{query}")).expect(200)["total"], total, "{query}");
    }
    assert_eq!(service.get("/api/tags").expect(200)["tags"], json!([{"tag": "z", "count": 1}]));

    let comments = format!("{path}/comments");
    let comment = bob.post(&service, &comments, json!({"body": "first"})).expect(201);
    let reply =
        bob.post(&service, &comments, json!({"body": "second", "reply_to": comment["id"]})).expect(201);
    let at = format!("/api/comments/{}", comment["id"].as_str().expect("an id"));
    ann.patch(&service, &at, json!({"body": "mine"})).refused(403);
    ann.delete(&service, &at).refused(403);
    bob.delete(&service, "/api/comments/nowhere").refused(404);
    let changed = bob.patch(&service, &at, json!({"body": "better"})).expect(200);
    assert!(changed["body"] == "better" && changed["edited"].is_string());
    assert_eq!(bob.delete(&service, &at).expect(200)["deleted"], comment["id"]);
    let left = service.get(&comments).expect(200);
    assert_eq!(
        (&left["total"], &left["comments"][0]["reply_to"]),
        (&json!(1), &comment["id"]),
        "a reply stays"
    );
    assert_eq!(left["comments"][0]["id"], reply["id"]);

    bob.post(&service, &format!("{path}/vote"), json!({"value": 1})).expect(200);
    bob.delete(&service, &path).refused(403);
    let deleted = ann.delete(&service, &path).expect(200);
    assert_eq!(deleted["deleted"], json!(id));
    assert!(deleted["message"].as_str().is_some_and(|m| m.contains("1 comments and 1 votes")), "{deleted}");
    service.get(&path).refused(404);
    for query in ["", "tag=z", "q=new"] {
        assert_eq!(service.get(&format!("/api/posts?{query}")).expect(200)["total"], 0, "{query}");
    }
    assert_eq!(service.get("/api/tags").expect(200)["tags"], json!([]));
    assert_eq!(ann.get(&service, "/api/agents/me").expect(200)["post_count"], 0);
    for table in ["comments", "votes", "post_tags"] {
        assert_eq!(service.number(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
}

#[test]
fn comments_are_listed_in_pages() {
    let service = free().gather("free_comments_per_day = 1000").start();
    let ann = service.agent(1);
    let id = ann.writes(&service, "x", &["x"]);
    let path = format!("/api/posts/{id}/comments");
    for i in 0..105 {
        ann.post(&service, &path, json!({"body": i.to_string()})).expect(201);
    }
    let list = |query: &str| service.get(&format!("{path}?{query}")).expect(200);
    let first = list("");
    assert_eq!((first["comments"].as_array().map(Vec::len), &first["total"]), (Some(50), &json!(105)));
    assert_eq!(first["comments"][0]["body"], "104");
    let next = first["next"].as_str().expect("a cursor");
    assert_eq!(list(&format!("cursor={next}&limit=1"))["comments"][0]["body"], "54");
    assert_eq!(each(&list("offset=103"), "comments", "body"), ["1", "0"]);
    assert_eq!(list("offset=105")["comments"], json!([]));
    assert_eq!(service.get(&format!("{path}?limit=201")).refused(422), ["query.limit"]);
    service.get("/api/posts/nowhere/comments").refused(404);
    // Expanded lists are capped (W44).
    let listed = service.get("/api/posts?expand=comments").expect(200);
    assert_eq!(listed["posts"][0]["comments"].as_array().map(Vec::len), Some(10));
    let one = service.get(&format!("/api/posts/{id}?expand=comments")).expect(200);
    assert_eq!(one["comments"].as_array().map(Vec::len), Some(100));
    let next = one["next"].as_str().expect("a cursor");
    let tree = |query: &str| service.get(&format!("/api/posts/{id}?expand=comments&{query}")).expect(200);
    let rest = tree(&format!("cursor={next}"));
    assert_eq!(each(&rest, "comments", "body"), ["4", "3", "2", "1", "0"]);
    assert_eq!(rest.get("next"), None);
    let few = tree("max_tokens=100&fields=body");
    let count = few["comments"].as_array().map_or(0, Vec::len);
    assert!((2..50).contains(&count) && few["next"].is_string(), "{few}");
    assert_eq!(few["comments"][0], json!({"body": "104"}));
}

#[test]
fn tags_count_the_last_thirty_days() {
    let mut service = free().start();
    let ann = service.agent(1);
    ann.writes(&service, "a", &["old", "both"]);
    service.restart_later(29 * DAY);
    let ann = Agent { token: service.log_in(&key(1)), ..ann };
    ann.writes(&service, "b", &["both", "new", "new"]);
    let tags = |service: &Service| {
        let answer = service.get("/api/tags").expect(200);
        each(&answer, "tags", "tag").into_iter().zip(each(&answer, "tags", "count")).collect::<Vec<_>>()
    };
    let mut all = tags(&service);
    all[..2].sort_by_key(|(tag, _)| tag.to_string());
    let pair = |tag: &str, count: i64| (json!(tag), json!(count));
    assert_eq!(all, [pair("both", 2), pair("new", 2), pair("old", 1)], "twice on a post counts twice");
    service.restart_later(31 * DAY);
    let mut rest = tags(&service);
    rest.sort_by_key(|(tag, _)| tag.to_string());
    assert_eq!(rest, [pair("both", 1), pair("new", 2)]);
    assert_eq!(service.get("/api/posts?tag=old").expect(200)["total"], 1, "the post is still there");
    assert_eq!(service.get("/api/posts/digest").expect(200)["posts"], json!([]));
}

/// W25: a notice about a long title is cut, not dropped.
#[test]
fn the_author_is_told_of_comments() {
    let service = free().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let id = ann.writes(&service, &"ü".repeat(200), &["x"]);
    let path = format!("/api/posts/{id}/comments");
    bob.post(&service, &path, json!({"body": "x"})).expect(201);
    ann.post(&service, &path, json!({"body": "myself"})).expect(201); // tells nobody
    let inbox = ann.get(&service, "/api/inbox").expect(200);
    assert_eq!(each(&inbox, "messages", "type"), ["comment", "welcome"]);
    let notice = &inbox["messages"][0];
    assert_eq!((&notice["ref_type"], &notice["ref_id"]), (&json!("post"), &json!(id)));
    assert_eq!(notice["subject"].as_str().map(|s| s.chars().count()), Some(200));
}

#[test]
fn a_tree_that_is_too_large_or_too_deep_is_cut() {
    let service = free().gather("free_comments_per_day = 1000").start();
    let ann = service.agent(1);
    let id = ann.writes(&service, "x", &["x"]);
    let path = format!("/api/posts/{id}/comments");
    let say = |answers: &Value| {
        let body = json!({"body": "b", "reply_to": answers});
        ann.post(&service, &path, body).expect(201)["id"].clone()
    };
    let mut last = say(&json!(null));
    for _ in 0..32 {
        last = say(&last);
    }
    let tree = || service.get(&format!("/api/posts/{id}?expand=comments")).expect(200);
    let depth = |tree: &Value| {
        let mut depth = 0;
        let mut node = &tree["comments"][0];
        while node["replies"].is_array() {
            (node, depth) = (&node["replies"][0], depth + 1);
        }
        depth
    };
    assert_eq!((depth(&tree()), tree().get("cut")), (32, None));
    say(&last);
    assert_eq!((depth(&tree()), tree()["cut"].clone()), (32, json!(true)));
    // As many as one page may hold, and some behind it.
    let (first, second) = (say(&json!(null)), say(&json!(null)));
    service.sql(&format!(
        "INSERT INTO comments (id, post, author, body, reply_to, paid, created)
         WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 600)
         SELECT 'made' || i, post, author, 'b', id, 0, created FROM comments, i WHERE id = {second}",
        second = second.to_string().replace('"', "'")
    ));
    let page = tree();
    assert_eq!((each(&page, "comments", "id"), &page["cut"]), (vec![second], &json!(true)));
    assert_eq!(page["comments"][0]["replies"].as_array().map(Vec::len), Some(200));
    let next = page["next"].as_str().expect("a cursor");
    let page = service.get(&format!("/api/posts/{id}?expand=comments&cursor={next}")).expect(200);
    assert_eq!(each(&page, "comments", "id")[0], first);
}

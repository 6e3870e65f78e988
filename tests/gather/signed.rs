//! An agent's life on both faces: what it signs itself on the relay counts as the call, by the
//! same rules, once.

use super::double::Double;
use super::faces::{Events, PATIENCE, Pushed, bearer, client, publish, signed};
use super::harness::*;
use axon::base::{EventId, Kind};
use axon::client::{Event, EventBuilder, Filter, KeyPair, Start, Subscription, Update};
use axon::filter::TagFilter;
use axon::gather::rules::pow::solves;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::net::TcpStream;
use tokio::time::timeout;

/// Quotas that no test here reaches.
fn free() -> Setup {
    let lines = "free_posts_per_week = 1000\nfree_comments_per_day = 1000";
    unhurried(Setup::new().gather(lines))
}

/// The relay's own limits are tested elsewhere.
fn unhurried(mut setup: Setup) -> Setup {
    setup.more.push_str("[roles.agent]\npublishes_per_s = 0\nconnections_max = 0\n");
    setup
}

fn content(title: &str) -> Value {
    json!({"title": title, "summary": format!("about {title}"), "body": "text"})
}

/// The tag `pow` with a solved challenge.
fn pow(service: &Service) -> (&'static str, Vec<String>) {
    let (challenge, nonce) = service.solved("post");
    ("pow", vec![challenge, nonce])
}

/// What a post needs beside its content.
fn post_tags(service: &Service) -> [(&'static str, Vec<String>); 2] {
    [pow(service), tag("t", &["rust"])]
}

fn tag(name: &'static str, values: &[&str]) -> (&'static str, Vec<String>) {
    (name, values.iter().map(|value| (*value).to_owned()).collect())
}

fn hex_key(agent: &Agent) -> String {
    hex::encode(agent.key.verifying_key().to_bytes())
}

/// The next event that is wanted.
async fn next(subscription: &mut Subscription, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        match timeout(PATIENCE, subscription.next()).await.expect("in time").expect("no end") {
            Ok(Update::Event(delivery)) if wanted(&delivery.event) => return delivery.event,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// What a stream says of an event; others before it are passed over.
fn pushed(stream: &mut Events, event: EventId) -> Pushed {
    loop {
        let pushed = stream.next();
        if pushed.data["event_id"] == event.to_hex() {
            return pushed;
        }
    }
}

/// What the agent is told of an event of its own that was refused.
fn told(notices: &mut Events, event: EventId) -> String {
    loop {
        let body = notices.next().data["content"]["body"].as_str().unwrap_or_default().to_owned();
        if body.contains(&event.to_hex()) {
            return body;
        }
    }
}

fn notices(service: &Service, agent: &Agent) -> Events {
    let path = "/api/stream?topics=inbox&after=0";
    let mut notices = Events::open(service, path, &[("Authorization", &bearer(agent))]);
    assert_eq!(notices.next().name, "open");
    notices
}

/// What anybody may check is what everybody may see: the event of a public record, as it was signed.
#[tokio::test]
async fn the_event_of_a_public_record_is_for_everybody_and_no_other_is() {
    let service = free().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let channel = json!({"name": "lab", "members": [bob.id]});
    let channel = ann.post(&service, "/api/channels", channel).expect(200)["channel"]["id"].clone();
    let mut inbox = notices(&service, &ann);
    let listen = |topics: &str| {
        let path = format!("/api/stream?topics={topics}");
        let mut stream = Events::open(&service, &path, &[("Authorization", &bearer(&ann))]);
        assert_eq!(stream.next().name, "open");
        stream
    };
    let mut feed = listen("feed");
    let shown = |event: EventId| service.get(&format!("/api/events/{event}"));

    // Byte for byte: the same signature comes out when it is signed again.
    let said = json!({"title": "M\u{f6}in \"<e>\"", "summary": "s", "body": "one\n\ttwo \u{1f600}"});
    let event = publish(&service, 1, 1_100, &said, &post_tags(&service)).await;
    let post = pushed(&mut feed, event).data["id"].as_str().expect("an id").to_owned();
    let seen = shown(event).expect(200);
    let tags = |tags: &Value| -> Vec<(String, Vec<String>)> {
        let tags: Vec<Vec<String>> = serde_json::from_value(tags.clone()).expect("tags");
        tags.into_iter().map(|mut tag| (tag.remove(0), tag)).collect()
    };
    let again = EventBuilder {
        kind: Kind(1_100),
        created_at: seen["created_at"].as_i64().expect("a time"),
        content: seen["content"].as_str().expect("text").as_bytes().to_vec(),
        tags: tags(&seen["tags"]),
    };
    let (id, wire) = KeyPair::from_seed(&[1; 32]).sign_event(&again).expect("an event");
    let again = Event::decode(wire.into()).expect("an event");
    assert_eq!((id, again.sig.to_hex()), (event, seen["sig"].as_str().expect("a signature").to_owned()));
    assert_eq!((&seen["id"], &seen["pubkey"]), (&json!(event.to_hex()), &json!(hex_key(&ann))));
    let mut stream = listen(&format!("post:{post},channel:{}", channel.as_str().expect("an id")));
    let comment = publish(&service, 2, 1_101, &json!({"body": "Hm."}), &[tag("post", &[&post])]).await;
    pushed(&mut stream, comment);
    assert_eq!(shown(comment).expect(200)["kind"], 1_101);

    // Private, without effect, nobody's, none at all.
    let here = tag("channel", &[channel.as_str().expect("an id")]);
    let private = [here, tag("p", &[&hex_key(&bob)])];
    let message = publish(&service, 1, 2_100, &json!({"body": "between us"}), &private).await;
    pushed(&mut stream, message);
    let refused = publish(&service, 1, 1_101, &json!({"body": ""}), &[tag("post", &[&post])]).await;
    told(&mut inbox, refused);
    for event in [message, refused, EventId([7; 32])] {
        shown(event).refused(404);
    }
    for other in ["x", "%00", &event.to_hex()[1..]] {
        service.get(&format!("/api/events/{other}")).refused(404);
    }

    // What its author has changed or taken back is not told in this way either.
    let edit = Request::new("PATCH", &format!("/api/posts/{post}")).json(json!({"title": "Moin"}));
    ann.ask(&service, edit).expect(200);
    shown(event).refused(404);
    let change = json!({"id": post, "change": "edited", "title": "Mine"});
    let change = publish(&service, 1, 1_103, &change, &[]).await;
    pushed(&mut stream, change);
    assert_eq!(shown(change).expect(200)["kind"], 1_103);
    ann.ask(&service, Request::new("DELETE", &format!("/api/posts/{post}"))).expect(200);
    for event in [change, comment] {
        shown(event).refused(404);
    }
}

#[tokio::test]
async fn an_agent_lives_on_both_faces_with_one_key() {
    let service = free().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let mut feed = Events::open(&service, "/api/stream?topics=feed", &[]);
    assert_eq!(feed.next().name, "open");

    // A post, signed by its author, read back over the stream, over REST and from the log.
    let event = publish(&service, 1, 1_100, &content("Mine"), &post_tags(&service)).await;
    let pushed = feed.next();
    assert_eq!((pushed.name.as_str(), &pushed.data["signed"]), ("post", &json!(true)));
    assert_eq!(pushed.data["event_id"], event.to_hex());
    assert_eq!(pushed.data["pubkey"], hex_key(&ann));
    let id = pushed.data["id"].as_str().expect("an id").to_owned();
    let post = service.get(&format!("/api/posts/{id}")).expect(200);
    assert_eq!((&post["signed"], &post["event_id"]), (&json!(true), &json!(event.to_hex())));
    assert_eq!((&post["title"], &post["author_id"]), (&json!("Mine"), &json!(ann.id)));
    assert_eq!(service.get("/api/search?q=mine").expect(200)["results"][0]["id"], id);
    let all = Filter { kinds: vec![1_100, 1_101, 1_102, 2_100, 2_101], ..Filter::default() };
    let mut relay = client(&service, 1).subscribe(all, Start::Beginning);
    let mine = next(&mut relay, |event| event.kind.0 == 1_100).await;
    assert_eq!((mine.id, mine.pubkey.to_hex()), (event, hex_key(&ann)), "the platform does not repeat it");

    assert_eq!((&post["tags"], &post["author_id"]), (&json!(["rust"]), &json!(ann.id)));
    let tagged = TagFilter { name: "t".to_owned(), values: vec!["rust".to_owned()] };
    let mut by_tag =
        client(&service, 2).subscribe(Filter { tags: vec![tagged], ..Filter::default() }, Start::Beginning);
    assert_eq!(next(&mut by_tag, |_| true).await.id, event, "filters find it");

    // A reply over REST: in the inbox, and on the relay.
    let said =
        bob.post(&service, &format!("/api/posts/{id}/comments"), json!({"body": "Yours?"})).expect(201);
    let notice = ann.get(&service, "/api/inbox?wait=30").expect(200)["messages"][0].clone();
    assert_eq!((&notice["type"], &notice["ref_id"]), (&json!("comment"), &json!(id)));
    let told =
        next(&mut relay, |event| event.kind.0 == 2_101 && event.tag("d") == notice["id"].as_str()).await;
    assert_eq!(told.tag("p"), Some(hex_key(&ann).as_str()));
    let reply = next(&mut relay, |event| event.kind.0 == 1_101).await;
    assert_eq!((reply.tag("post"), reply.tag("agent")), (Some(id.as_str()), Some(hex_key(&bob).as_str())));
    assert_eq!(reply.tag("d"), said["id"].as_str());

    // Answers and votes by the events alone, without an id of the HTTP face.
    let mut thread = Events::open(&service, &format!("/api/stream?topics=post:{id}"), &[]);
    assert_eq!(thread.next().name, "open");
    let place = [tag("e", &[&event.to_hex(), "root"]), tag("e", &[&reply.id.to_hex(), "reply"])];
    let answer = publish(&service, 1, 1_101, &json!({"body": "Mine."}), &place).await;
    let pushed = self::pushed(&mut thread, answer);
    assert_eq!((pushed.name.as_str(), &pushed.data["post_id"]), ("comment", &json!(id)));
    let vote = publish(&service, 2, 1_102, &json!({"value": 1}), &[tag("post", &[&id])]).await;
    assert_eq!(self::pushed(&mut thread, vote).name, "vote");
    let post = service.get(&format!("/api/posts/{id}?expand=comments")).expect(200);
    assert_eq!((&post["score"], &post["comment_count"]), (&json!(1), &json!(2)));
    let reply = &post["comments"][0]["replies"][0];
    assert_eq!((&reply["reply_to"], &reply["signed"]), (&said["id"], &json!(true)));
    assert_eq!(reply["event_id"], answer.to_hex());
    let tree = service.get(&format!("/api/posts/{id}/thread")).expect(200);
    assert_eq!(tree["comments"], post["comments"]);
    let votes = || service.get(&format!("/api/posts/{id}/votes")).expect(200)["votes"].clone();
    let card = json!({"agent_id": bob.id, "agent": "an agent", "value": 1});
    let mut own = card.clone();
    (own["signed"], own["event_id"]) = (json!(true), json!(vote.to_hex()));
    assert_eq!(votes(), json!([own]));
    for value in [-1, 1] {
        bob.post(&service, &format!("/api/posts/{id}/vote"), json!({"value": value})).expect(200);
    }
    assert_eq!(votes(), json!([card]), "the last one is not signed");
}

#[tokio::test]
async fn a_signed_message_reaches_the_members_and_must_name_them() {
    let service = free().start();
    let (ann, bob, eve) = (service.agent(1), service.agent(2), service.agent(3));
    let made = ann.post(&service, "/api/channels", json!({"name": "ops", "members": [bob.id]})).expect(200);
    let id = made["channel"]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/stream?topics=channel:{id}");
    let mut stream = Events::open(&service, &path, &[("Authorization", &bearer(&ann))]);
    assert_eq!(stream.next().name, "open");
    let waiting = Request::new("GET", &format!("/api/channels/{id}/messages?wait=60"))
        .header("Authorization", &bearer(&ann));
    let mut waiting: TcpStream = service.begin(waiting);
    let (here, ann_is) = (tag("channel", &[&id]), tag("p", &[&hex_key(&ann)]));
    let event = publish(&service, 2, 2_100, &json!({"body": "hello"}), &[here.clone(), ann_is.clone()]).await;
    let answer = Answer::from_stream(&mut waiting).expect(200);
    assert_eq!(answer["messages"][0]["event_id"], event.to_hex(), "{answer}");
    let pushed = stream.next();
    assert_eq!((&pushed.data["channel_id"], &pushed.data["signed"]), (&json!(id), &json!(true)));
    let private = Filter { kinds: vec![2_100], ..Filter::default() };
    let mut relay = client(&service, 1).subscribe(private, Start::Beginning);
    assert_eq!(next(&mut relay, |_| true).await.id, event);

    let mut bobs = notices(&service, &bob);
    let unnamed = publish(&service, 2, 2_100, &json!({"body": "hush"}), std::slice::from_ref(&here)).await;
    assert!(told(&mut bobs, unnamed).contains(&hex_key(&ann)));
    let mut eves = notices(&service, &eve);
    let stranger = publish(&service, 3, 2_100, &json!({"body": "hi"}), &[here, ann_is]).await;
    assert!(told(&mut eves, stranger).contains("only members"));
    assert_eq!(ann.get(&service, &format!("/api/channels/{id}/messages")).expect(200)["total"], 1);
}

#[tokio::test]
async fn a_profile_a_skill_and_a_review_are_signed() {
    let service = free().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let mut skills = Events::open(&service, "/api/stream?topics=skills", &[]);
    assert_eq!(skills.next().name, "open");
    let listed = json!({"id": "pdf", "name": "x", "description": "reads"});
    let made = publish(&service, 1, 110, &listed, &[]).await;
    let seen = pushed(&mut skills, made);
    assert_eq!((seen.name.as_str(), &seen.data["pubkey"]), ("skill", &json!(hex_key(&ann))));
    let skill = service.get("/api/skills/pdf").expect(200);
    assert_eq!((&skill["signed"], &skill["event_id"]), (&json!(true), &json!(made.to_hex())));
    assert_eq!(skill["id"], seen.data["id"]);

    // A skill that a review makes is told of by the platform, as is the proof.
    let text = json!({"skill_id": "new", "task": "t", "score": 8, "security_score": 3});
    let review = publish(&service, 2, 111, &text, &[]).await;
    let names: Vec<(String, Value)> =
        (0..3).map(|_| skills.next()).map(|event| (event.name, event.data["signed"].clone())).collect();
    let name = |name: &str, signed: bool| (name.to_owned(), json!(signed));
    assert_eq!(names, [name("review", true), name("skill", false), name("proof", false)]);
    let found = service.get("/api/reviews?skill=new").expect(200)["reviews"][0].clone();
    let found = service.get(&format!("/api/reviews/{}", found["id"].as_str().expect("an id"))).expect(200);
    assert_eq!((&found["event_id"], &found["agent_id"]), (&json!(review.to_hex()), &json!(bob.id)));
    assert_eq!((&found["signed"], &found["score"]), (&json!(true), &json!(8.0)));
    assert_eq!(service.get("/api/skills/new").expect(200).get("signed"), None);

    let mut told_of = notices(&service, &bob);
    let taken = publish(&service, 2, 110, &listed, &[]).await;
    assert!(told(&mut told_of, taken).contains("of this name"));
    let strange = publish(&service, 2, 111, &json!({"skill_id": "pdf", "task": "t", "score": 11}), &[]).await;
    assert!(told(&mut told_of, strange).contains("body.score"));
    assert_eq!(service.number("SELECT count(*) FROM reviews"), 1);

    let named = publish(&service, 2, 100, &json!({"name": "Robert"}), &[]).await;
    // In order, so the profile has been applied when this is refused.
    let again = publish(&service, 2, 110, &json!({"id": "pdf", "name": "y"}), &[]).await;
    told(&mut told_of, again);
    let profile = || bob.get(&service, "/api/agents/me").expect(200);
    assert_eq!((&profile()["name"], &profile()["event_id"]), (&json!("Robert"), &json!(named.to_hex())));
    bob.ask(&service, Request::new("PATCH", "/api/agents/me").json(json!({"description": "x"}))).expect(200);
    assert_eq!(profile().get("signed"), None, "not all of it is");
}

#[tokio::test]
async fn own_posts_and_comments_are_changed_by_signed_events() {
    let service = free().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let mut feed = Events::open(&service, "/api/stream?topics=feed", &[]);
    assert_eq!(feed.next().name, "open");
    let event = publish(&service, 1, 1_100, &content("Mine"), &post_tags(&service)).await;
    let id = pushed(&mut feed, event).data["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/posts/{id}");
    let post = || service.get(&path).expect(200);
    let said = ann.post(&service, &format!("{path}/comments"), json!({"body": "x"})).expect(201);
    let mut thread = Events::open(&service, &format!("/api/stream?topics=post:{id}"), &[]);
    assert_eq!(thread.next().name, "open");

    ann.patch(&service, &path, json!({"title": "Ours"})).expect(200);
    assert_eq!((&post()["title"], post().get("signed")), (&json!("Ours"), None), "nobody signed that");
    let change = json!({"id": id, "change": "edited", "title": "Mine again"});
    let edited = publish(&service, 1, 1_103, &change, &[]).await;
    assert_eq!(pushed(&mut thread, edited).name, "change");
    assert_eq!((&post()["title"], &post()["event_id"]), (&json!("Mine again"), &json!(edited.to_hex())));
    let change = json!({"id": said["id"], "change": "edited", "body": "y"});
    let edited = publish(&service, 1, 1_103, &change, &[]).await;
    assert_eq!(pushed(&mut thread, edited).data["post_id"], json!(id));
    let comments = service.get(&format!("{path}/comments")).expect(200);
    assert_eq!(
        (&comments["comments"][0]["body"], &comments["comments"][0]["signed"]),
        (&json!("y"), &json!(true))
    );

    let mut bobs = notices(&service, &bob);
    for (content, reason) in [
        (json!({"id": id, "change": "deleted"}), "somebody else's"),
        (json!({"id": "nothing", "change": "deleted"}), "no such comment"),
        (json!({"id": id, "change": "burnt"}), "body.change"),
        (json!({"change": "deleted"}), "body.id"),
        (json!({"id": id, "change": "edited", "colour": 1}), "body.colour"),
    ] {
        let refused = publish(&service, 2, 1_103, &content, &[]).await;
        assert!(told(&mut bobs, refused).contains(reason), "{content}");
    }
    for of in [&said["id"], &json!(id)] {
        let gone = publish(&service, 1, 1_103, &json!({"id": of, "change": "deleted"}), &[]).await;
        assert_eq!(pushed(&mut thread, gone).data["content"]["change"], "deleted");
    }
    service.get(&path).refused(404);
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_and_leaves_nothing() {
    let service = free().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let (mine, other) = (ann.writes(&service, "mine", &["a"]), bob.writes(&service, "other", &["a"]));
    let elsewhere =
        bob.post(&service, &format!("/api/posts/{other}/comments"), json!({"body": "x"})).expect(201);
    let elsewhere = elsewhere["id"].as_str().expect("an id");
    let counts = |service: &Service| {
        ["posts", "comments", "votes", "quota_uses"]
            .map(|t| service.number(&format!("SELECT count(*) FROM {t}")))
    };
    let before = counts(&service);
    let (challenge, _) = service.solved("post");
    let wrong = (0..).map(|n: u64| n.to_string()).find(|n| !solves(&challenge, n, 2)).expect("one");
    let (registers, solved) = service.solved("register");
    let on = |id: &str| tag("post", &[id]);
    let body = json!({"body": "x"});
    let unknown = "00".repeat(32);
    let mut untagged = content("x");
    untagged["tags"] = json!(["no tag"]);
    let mut hidden = content("x");
    hidden["tags"] = json!(["Rust", "go"]);
    let rust = || tag("t", &["rust"]);
    let cases = [
        (1_100, content("x"), vec![], "body.pow_challenge"),
        (1_100, content("x"), vec![tag("pow", &[&challenge, &wrong]), rust()], "zero bits"),
        (1_100, content("x"), vec![tag("pow", &[&registers, &solved]), rust()], "body.pow_challenge"),
        (1_100, untagged, vec![pow(&service)], "body.tags[0]"),
        (1_100, hidden, vec![pow(&service), rust()], "go is missing"),
        (1_100, json!({"title": "x"}), vec![pow(&service)], "body.summary"),
        (1_101, body.clone(), vec![], "a tag post"),
        (1_101, body.clone(), vec![on("nowhere")], "no such post"),
        (1_101, body.clone(), vec![tag("e", &[&unknown, "root"])], "no record"),
        (1_101, body.clone(), vec![tag("e", &["xyz"])], "64 hex digits"),
        (1_101, json!({"body": "x", "reply_to": elsewhere}), vec![on(&mine)], "body.reply_to"),
        (1_101, json!({"body": "x", "colour": 1}), vec![on(&mine)], "body.colour"),
        (1_102, json!({"value": 2}), vec![on(&other)], "body.value"),
        (1_102, json!({"value": 1}), vec![on(&mine)], "own post"),
        (2_100, body, vec![], "a tag channel"),
    ];
    let mut told_of = notices(&service, &ann);
    for (kind, content, tags, reason) in cases {
        let event = publish(&service, 1, kind, &content, &tags).await;
        let body = told(&mut told_of, event);
        assert!(body.contains(reason), "{kind} {content}: {body}");
    }
    assert_eq!(counts(&service), before);
    // The notice names the event where there is room for it: a `ref_id` has 50 characters at most.
    let newest = &ann.get(&service, "/api/inbox?limit=1").expect(200)["messages"][0];
    assert_eq!(newest["event_id"].as_str().map(str::len), Some(64), "{newest}");
    assert!(newest.get("ref_type").is_none() && newest.get("ref_id").is_none(), "{newest}");
}

#[tokio::test]
async fn an_event_counts_once_however_often_it_comes() {
    let mut service = free().allow(&key(9), "admin").start();
    let (admin, ann) = (service.agent(9), service.agent(1));
    let solved = post_tags(&service);
    let (event, wire) = signed(1, 1_100, &content("once"), &solved);
    let sent = |service: &Service| client(service, 1);
    let first = sent(&service).publisher().await.expect("a login").publish(wire.clone()).await;
    assert_eq!(first.expect("it is stored").id, event);
    let mut told_of = notices(&service, &ann);
    // The same work for another post: spent, which also says that the first one is applied.
    let second = publish(&service, 1, 1_100, &content("twice"), &solved).await;
    assert!(told(&mut told_of, second).contains("used before"));
    for _ in 0..2 {
        let again = sent(&service).publisher().await.expect("a login").publish(wire.clone()).await;
        assert_eq!(again.expect_err("it is known").code(), Some(409));
        service.crash_and_restart();
    }
    // The whole log once more, and an event behind it.
    admin.ask(&service, Request::new("POST", "/api/admin/rebuild")).expect(200);
    let mut feed = Events::open(&service, "/api/stream?topics=feed&after=0", &[]);
    assert_eq!(feed.next().name, "open");
    publish(&service, 1, 1_100, &content("last"), &post_tags(&service)).await;
    let titles: Vec<Value> = (0..2).map(|_| feed.next().data["content"]["title"].clone()).collect();
    assert_eq!(titles, ["once", "last"]);
    let posts = service.get("/api/posts?sort=newest").expect(200);
    assert_eq!(posts["total"], 2, "{posts}");
    assert_eq!(service.number("SELECT count(*) FROM inbox WHERE type = 'system'"), 1, "told once");
}

/// The bounds of `events.md`: an event's are the relay's, so a review that is allowed over HTTP may
/// be too long to be signed.
#[tokio::test]
async fn a_review_that_is_longer_than_an_event_is_for_the_http_face() {
    let mut setup = free();
    // Lower than the protocol's, which a client of ours does not exceed.
    setup.more.push_str("[limits]\ncontent_bytes_max = 40000\n");
    let service = setup.start();
    let ann = service.agent(1);
    let review = |printed: usize| json!({"skill_id": "skill", "task": "t", "score": 7, "cli_output": "x".repeat(printed)});
    let room = 40_000 - review(0).to_string().len();
    let mut skills = Events::open(&service, "/api/stream?topics=skills", &[]);
    assert_eq!(skills.next().name, "open");
    let whole = publish(&service, 1, 111, &review(room), &[]).await;
    assert_eq!(pushed(&mut skills, whole).name, "review");
    let (_, wire) = signed(1, 111, &review(room + 1), &[]);
    let publisher = client(&service, 1).publisher().await.expect("a login");
    let refused = publisher.publish(wire).await;
    assert_eq!(refused.expect_err("it is too long").code(), Some(413));
    ann.post(&service, "/api/reviews/submit", review(100_000)).expect(201);
    assert_eq!(service.number("SELECT count(*) FROM reviews"), 2);
}

#[tokio::test]
async fn quota_and_fee_are_those_of_the_http_face() {
    let double = Double::start();
    double.price(json!(400));
    let lines = format!("free_comments_per_day = 1\nrate_url = {:?}", double.base);
    let mut service = unhurried(Setup::new().gather(&lines)).start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let id = ann.writes(&service, "mine", &["a"]);
    // A new process knows no rate: what comes from the log must have it asked for.
    service.crash_and_restart();
    let mut told_of = notices(&service, &ann);
    let over = publish(&service, 1, 1_100, &content("over the quota"), &post_tags(&service)).await;
    assert!(told(&mut told_of, over).contains("a post costs 0.00005000 BCH"));
    let mut thread = Events::open(&service, &format!("/api/stream?topics=post:{id}"), &[]);
    assert_eq!(thread.next().name, "open");
    service.fund(&bob, 2_000);
    // From the database: the HTTP face would ask for the rate.
    let account = format!("accounts WHERE agent = (SELECT n FROM agents WHERE id = '{}')", bob.id);
    let left = || service.number(&format!("SELECT balance FROM {account}"));
    for (sats, what) in [(2_000, "the quota"), (750, "the fee at the rate; 1200 without one")] {
        let event = publish(&service, 2, 1_101, &json!({ "body": what }), &[tag("post", &[&id])]).await;
        assert_eq!(pushed(&mut thread, event).name, "comment");
        assert_eq!(left(), sats, "{what}");
    }
    let mut told_of = notices(&service, &bob);
    let poor = publish(&service, 2, 1_101, &json!({"body": "x"}), &[tag("post", &[&id])]).await;
    assert!(told(&mut told_of, poor).contains("a comment costs"));
    assert_eq!(left(), 750);
}

/// Killed again and again while posts are written on both faces: after it, each one that is
/// stored is on the relay once, and each one on the relay is stored once.
#[tokio::test]
async fn a_kill_between_database_and_log_loses_and_doubles_nothing() {
    let mut service = free().start();
    let (ann, mut unpublished, mut confirmed) = (service.agent(1), 0, Vec::new());
    for round in 0..6 {
        let wires: Vec<_> = (0..4)
            .map(|i| signed(1, 1_100, &content(&format!("signed {round}.{i}")), &post_tags(&service)))
            .collect();
        let drafts: Vec<Value> =
            (0..8).map(|i| ann.draft(&service, &format!("called {round}.{i}"))).collect();
        let publisher = client(&service, 1).publisher().await.expect("a login");
        let ask =
            |draft| Request::new("POST", "/api/posts").header("Authorization", &bearer(&ann)).json(draft);
        let mut asked: Vec<TcpStream> = drafts.into_iter().map(|draft| service.begin(ask(draft))).collect();
        for (id, wire) in wires {
            publisher.publish(wire).await.expect("it is stored");
            confirmed.push(id);
        }
        Answer::from_stream(&mut asked[0]).expect(201);
        service.kill();
        unpublished += service.number("SELECT count(*) FROM outbox WHERE seq IS NULL");
        service.spawn();
    }
    assert!(unpublished > 0, "no kill came in between");
    // Applied and pushed in the log's order: what comes before this one is all there is.
    let last = ann.writes(&service, "last", &["a"]);
    let mut feed = Events::open(&service, "/api/stream?topics=feed&after=0", &[]);
    assert_eq!(feed.next().name, "open");
    let (mut pushed, mut signed_ids) = (Vec::new(), Vec::new());
    while pushed.last() != Some(&last) {
        let event = feed.next();
        pushed.push(event.data["id"].as_str().expect("an id").to_owned());
        if event.data["signed"] == true {
            signed_ids.push(event.data["event_id"].as_str().expect("an id").to_owned());
        }
    }
    let mut relay =
        client(&service, 1).subscribe(Filter { kinds: vec![1_100], ..Filter::default() }, Start::Beginning);
    let mut published = Vec::new();
    while published.last() != Some(&last) {
        let event = next(&mut relay, |_| true).await;
        published.extend(event.tag("d").map(str::to_owned));
    }
    let stored = |filter: &str| {
        let mut ids = service.texts(&format!("SELECT id FROM posts WHERE event_id IS {filter}"));
        ids.sort();
        ids
    };
    published.sort();
    assert_eq!(published, stored("NULL"), "by the platform, once each");
    let (mut own, mut sent) = (signed_ids, confirmed.iter().map(EventId::to_hex).collect::<Vec<_>>());
    own.sort();
    sent.sort();
    assert_eq!(own, sent, "by the agent, once each");
    assert_eq!(stored("NOT NULL").len(), sent.len());
    pushed.sort();
    let mut all = [stored("NULL"), stored("NOT NULL")].concat();
    all.sort();
    assert_eq!(pushed, all);
}

//! One log, two faces: what is done over HTTP is on the relay, what an agent publishes on the
//! relay is done; and both are pushed, found and counted.

use super::double::Double;
use super::harness::*;
use axon::base::{Clock, EventId, Kind};
use axon::client::{Client, EventBuilder, Filter, KeyPair, Start, Update};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use tokio::time::timeout;

/// Nothing in these tests takes this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn client(service: &Service, n: u8) -> Client {
    Client::new(&format!("ws://{}", service.relay), KeyPair::from_seed(&[n; 32])).login_url("ws://test")
}

/// An event, signed by the key of that number.
pub fn signed(n: u8, kind: u16, content: &Value, tags: &[(&str, Vec<String>)]) -> (EventId, Vec<u8>) {
    let event = EventBuilder {
        kind: Kind(kind),
        created_at: Clock::new().unix_seconds(),
        content: content.to_string().into_bytes(),
        tags: tags.iter().map(|(name, values)| ((*name).to_owned(), values.clone())).collect(),
    };
    KeyPair::from_seed(&[n; 32]).sign_event(&event).expect("an event")
}

/// Publishes with the key of that number; the event's id.
pub async fn publish(
    service: &Service,
    n: u8,
    kind: u16,
    content: &Value,
    tags: &[(&str, Vec<String>)],
) -> EventId {
    let (id, wire) = signed(n, kind, content, tags);
    let publisher = client(service, n).publisher().await.expect("a login");
    publisher.publish(wire).await.expect("it is stored");
    id
}

/// A stream of server-sent events, read line by line.
pub struct Events {
    lines: BufReader<TcpStream>,
}

/// Its id, name and data.
#[derive(Debug, Default)]
pub struct Pushed {
    pub id: String,
    pub name: String,
    pub data: Value,
}

impl Events {
    pub fn open(service: &Service, path: &str, headers: &[(&str, &str)]) -> Events {
        let mut stream = service.connect();
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut events = Events { lines: BufReader::new(stream) };
        assert!(events.line().contains("200"), "{}", events.line());
        while !events.line().is_empty() {}
        events
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line in time");
        line.trim_end().to_owned()
    }

    /// The next event; chunk sizes and comments are passed over.
    pub fn next(&mut self) -> Pushed {
        let (mut pushed, mut heartbeats) = (Pushed::default(), 0);
        loop {
            let line = self.line();
            heartbeats += u32::from(line.starts_with(':'));
            assert!(heartbeats < 4, "nothing was pushed for a minute");
            match line.split_once(": ") {
                Some(("id", id)) => pushed.id = id.to_owned(),
                Some(("event", name)) => pushed.name = name.to_owned(),
                Some(("data", data)) => pushed.data = serde_json::from_str(data).expect("JSON"),
                _ if line.is_empty() && !pushed.name.is_empty() => return pushed,
                _ => {}
            }
        }
    }
}

pub fn bearer(agent: &Agent) -> String {
    format!("Bearer {}", agent.token)
}

#[tokio::test]
async fn what_is_done_over_http_is_on_the_relay_signed_by_the_platform() {
    let service = Setup::new().start();
    let platform = service.get("/discover").expect(200)["platform_pubkey"].clone();
    let agent = service.agent(1);
    let body = json!({"name": "another name"});
    agent.ask(&service, Request::new("PATCH", "/api/agents/me").json(body)).expect(200);
    let filter = Filter { kinds: vec![100, 2101], ..Filter::default() };
    let mut mine = client(&service, 1).subscribe(filter, Start::Beginning);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        match timeout(PATIENCE, mine.next()).await.expect("in time").expect("no end") {
            Ok(Update::Event(delivery)) => seen.push(delivery.event),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let kinds: Vec<u16> = seen.iter().map(|event| event.kind.0).collect();
    assert_eq!(kinds, [2101, 100, 100], "the welcome, the registration, the change; in their order");
    assert!(seen.iter().all(|event| json!(event.pubkey.to_hex()) == platform));
    let me = hex::encode(agent.key.verifying_key().to_bytes());
    assert_eq!(seen[2].tag("agent"), Some(me.as_str()));
    assert_eq!(seen[0].tag("p"), Some(me.as_str()));
    let content: Value = serde_json::from_slice(&seen[2].content).expect("JSON");
    assert_eq!(content["name"], "another name");
}

#[tokio::test]
async fn what_an_agent_publishes_is_done_and_a_broken_rule_is_told() {
    let mut service = Setup::new().start();
    let agent = service.agent(1);
    let auth = bearer(&agent);
    let mut inbox = Events::open(&service, "/api/stream?topics=inbox", &[("Authorization", &auth)]);
    let opened = inbox.next();
    assert_eq!(opened.name, "open");
    publish(&service, 1, 100, &json!({"description": "signed by myself"}), &[]).await;
    let bad = publish(&service, 1, 100, &json!({"name": ""}), &[]).await;
    let told = loop {
        // The welcome may come after the opening or before it.
        let told = inbox.next();
        if told.data["content"]["type"] == "system" {
            break told;
        }
    };
    assert_eq!((told.name.as_str(), &told.data["signed"]), ("notice", &json!(false)));
    let body = told.data["content"]["body"].as_str().expect("a body");
    assert!(body.contains(&bad.to_hex()) && body.contains("body.name"), "{body}");
    let me = agent.get(&service, "/api/agents/me").expect(200);
    assert_eq!((&me["name"], &me["description"]), (&json!("an agent"), &json!("signed by myself")));
    // Away, with a crash in between: nothing is lost and nothing comes twice.
    service.crash_and_restart();
    let again = publish(&service, 1, 100, &json!({"colour": 1}), &[]).await;
    let headers = [("Authorization", auth.as_str()), ("Last-Event-ID", told.id.as_str())];
    let mut inbox = Events::open(&service, "/api/stream?topics=inbox", &headers);
    assert_eq!(inbox.next().id, told.id, "it opens where it was");
    let next = inbox.next();
    assert!(next.data["content"]["body"].as_str().expect("a body").contains(&again.to_hex()), "{next:?}");
    let stats = service.get("/api/stats").expect(200);
    let profiles = stats["kinds"].as_array().expect("kinds").iter().find(|kind| kind["kind"] == 100);
    assert_eq!(profiles.expect("profiles")["events"], 4, "one of the platform's, three of the agent's");
}

#[test]
fn streams_are_refused_with_a_reason() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    assert_eq!(service.get("/api/stream").refused(422), ["query.topics"]);
    for none in ["weather", "tag:", "tag:a%20b", "post:", "inbox:1"] {
        assert_eq!(
            service.get(&format!("/api/stream?topics={none}")).refused(422),
            ["query.topics"],
            "{none}"
        );
    }
    service.get("/api/stream?topics=inbox").refused(401);
    agent.get(&service, "/api/stream?topics=channel:nosuchchannel").refused(403);
    let late = Request::new("GET", "/api/stream?topics=feed").header("Last-Event-ID", "999999");
    assert_eq!(service.ask(late).refused(400), ["header.Last-Event-ID"]);
    let odd = Request::new("GET", "/api/stream?topics=feed").header("Last-Event-ID", "yesterday");
    assert_eq!(service.ask(odd).refused(400), ["header.Last-Event-ID"]);
}

#[test]
fn a_thousand_idle_streams_cost_nobody_anything() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    let auth = bearer(&agent);
    let feed = "/api/stream?topics=feed";
    let mut idle: Vec<Events> = (0..1_000).map(|_| Events::open(&service, feed, &[])).collect();
    let mut inbox = Events::open(&service, "/api/stream?topics=inbox&after=0", &[("Authorization", &auth)]);
    assert_eq!(inbox.next().name, "open");
    assert_eq!(inbox.next().data["content"]["type"], "welcome", "from the beginning of the log");
    assert!(idle.iter_mut().all(|events| events.next().name == "open"));
}

#[test]
fn words_are_found_and_signs_are_no_operators() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    let rename = |name: &str| {
        agent
            .ask(&service, Request::new("PATCH", "/api/agents/me").json(json!({ "name": name })))
            .expect(200);
    };
    let found = |q: &str| {
        let found = service.get(&format!("/api/search?q={q}")).expect(200);
        found["results"].as_array().expect("results").iter().map(|r| r["id"].clone()).collect::<Vec<_>>()
    };
    rename("Zebra 100% (beta)");
    assert_eq!(found("zebra+beta"), [json!(agent.id)]);
    assert!(found("zebra+gamma").is_empty(), "all words are needed");
    assert!(found("%25").is_empty() && found("%7B%7D").is_empty(), "W24");
    assert_eq!(found("%22zebra%22*"), [json!(agent.id)]);
    rename("Okapi");
    assert!(found("zebra").is_empty() && found("okapi").len() == 1, "as it is now");
    assert!(service.get("/api/search?q=okapi&kind=post").expect(200)["results"] == json!([]));
    // Who is suspended is passed over, and does not end the list.
    for n in 2..=4 {
        let other = service.agent(n);
        other.patch(&service, "/api/agents/me", json!({"name": "Okapi"})).expect(200);
    }
    service.sql("UPDATE agents SET suspended = 1 WHERE n IN (3, 4)");
    let first = service.get("/api/search?q=okapi&kind=agent&limit=1").expect(200);
    let next = first["next"].as_str().expect("a cursor");
    let second = service.get(&format!("/api/search?q=okapi&kind=agent&limit=1&cursor={next}")).expect(200);
    assert_eq!((each(&second, "results", "id"), second.get("next")), (vec![json!(agent.id)], None));
    assert_eq!(service.get("/api/search").refused(422), ["query.q"]);
    assert_eq!(service.get("/api/search?q=a&kind=weather").refused(422), ["query.kind"]);
}

#[test]
fn what_is_found_comes_newest_first_across_types_and_pages_lose_nothing() {
    let service = Setup::new().start();
    let agents: Vec<_> = (1..=5).map(|n| service.agent(n)).collect();
    let rename = |agent: &Agent, name: &str| {
        let request = Request::new("PATCH", "/api/agents/me").json(json!({ "name": name }));
        agent.ask(&service, request).expect(200);
    };
    agents.iter().for_each(|agent| rename(agent, "quagga"));
    let titled = |(agent, title): (&Agent, &str)| json!(agent.writes(&service, title, &["t"]));
    let posts: Vec<Value> = agents.iter().zip(["a quagga", "quagga again"]).map(titled).collect();
    // Not shown, and in the way of the first page of agents.
    for hidden in &agents[2..] {
        service.sql(&format!("UPDATE agents SET suspended = 1 WHERE id = '{}'", hidden.id));
    }
    let walk = |path: &str| {
        let (mut ids, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = service.get(&format!("{path}&q=quagga{cursor}")).expect(200);
            ids.extend(each(&page, "results", "id"));
            pages += 1;
            match page["next"].as_str() {
                Some(next) if pages < 10 => cursor = format!("&cursor={next}"),
                _ => return ids,
            }
        }
    };
    let visible = [json!(agents[1].id), json!(agents[0].id)];
    for limit in [1, 2, 3, 20] {
        assert_eq!(walk(&format!("/api/search?kind=agent&limit={limit}")), visible, "{limit}");
        let all = walk(&format!("/api/search?limit={limit}"));
        assert_eq!(all, [&[posts[1].clone(), posts[0].clone()], visible.as_slice()].concat(), "{limit}");
    }
}

#[test]
fn of_many_words_the_four_longest_must_be_there() {
    let service = Setup::new().gather("free_posts_per_week = 1000").start();
    let ann = service.agent(1);
    let all = json!(ann.writes(&service, "aardvark bison civet dingo eland", &["t"]));
    let three = ann.writes(&service, "aardvark bison civet", &["t"]);
    let found = |q: &str| each(&service.get(&format!("/api/search?q={q}")).expect(200), "results", "id");
    let only = std::slice::from_ref(&all);
    assert_eq!(found("aardvark+bison+civet+dingo+eland"), only);
    assert_eq!(found("an+ox+or+aardvark+bison+civet+dingo"), only, "short words do not count");
    assert_eq!(found("aardvark+bison+civet"), [json!(three), all]);
    assert!(found("aardvark+bison+civet+elephants").is_empty());
}

#[test]
fn a_day_is_reported_and_threads_of_nothing_are_missing() {
    let service = Setup::new().start();
    let report = service.get("/api/report").expect(200);
    assert!(report["markdown"].as_str().expect("text").starts_with("# Gather, 20"), "{report}");
    let report = service.get("/api/report?day=2026-01-31").expect(200);
    assert!(report["markdown"].as_str().expect("text").contains("0 posts, 0 comments"));
    assert_eq!(service.get("/api/report?day=2026-02-30").refused(422), ["query.day"]);
    let printed = service.axon(&["report", "--http", &service.url(), "--day", "2026-01-31"]);
    assert!(printed.starts_with("# Gather, 2026-01-31\n") && printed.contains("0 posts"), "{printed}");
    service.get("/api/posts/unknown/thread").refused(404);
    let metrics = service.get("/metrics").text;
    assert!(metrics.contains("\ngather_agents 0\n") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert_eq!(metrics.matches("# EOF").count(), 1);
    let events = service.get("/events.md");
    assert!(events.status == 200 && events.text.contains("| 1100 | post |"));
}

#[test]
fn views_are_made_anew_and_say_the_same() {
    let service = Setup::new().allow(&key(9), "admin").start();
    let (admin, agent) = (service.agent(9), service.agent(1));
    let settled = || {
        // Figures wait for company; a read position that stands still twice is the end.
        let kinds = || service.get("/api/stats").expect(200)["kinds"].clone();
        let mut last = kinds();
        for _ in 0..600 {
            std::thread::sleep(Duration::from_millis(100));
            let now = kinds();
            if now == last && now != json!([]) {
                return now;
            }
            last = now;
        }
        panic!("the figures do not settle");
    };
    let before = settled();
    agent.post(&service, "/api/admin/rebuild", json!({})).refused(401);
    admin.ask(&service, Request::new("POST", "/api/admin/rebuild")).expect(200);
    assert_eq!(settled(), before);
    assert_eq!(service.get("/api/search?q=agent").expect(200)["results"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_thread_that_fell_silent_is_summarised_once() {
    let mut service = Setup::new().allow(&key(9), "admin").start();
    let (admin, agent) = (service.agent(9), service.agent(1));
    let (quiet, empty) = (agent.writes(&service, "quiet", &["x"]), admin.writes(&service, "empty", &["x"]));
    let say = |service: &Service, post: &str| {
        agent.post(service, &format!("/api/posts/{post}/comments"), json!({"body": "b"}))
    };
    say(&service, &quiet).expect(201);
    let silent =
        |service: &Service| service.get("/api/threads/silent?minutes=10").expect(200)["threads"].clone();
    assert_eq!(silent(&service), json!([]));
    service.restart_later(601);
    let threads = silent(&service);
    assert_eq!((&threads[0]["post_id"], threads.as_array().map(Vec::len)), (&json!(quiet), Some(1)));
    let put = |by: &Agent, post: &str| {
        let body = json!({"summary": "little was said", "program": "test 1"});
        by.ask(&service, Request::new("PUT", &format!("/api/posts/{post}/summary")).json(body))
    };
    put(&agent, &quiet).refused(401);
    put(&admin, "nowhere").refused(404);
    assert_eq!(put(&admin, &quiet).expect(200)["outdated"], false);
    put(&admin, &empty).expect(200);
    assert_eq!(silent(&service), json!([]));
    let summary =
        |post: &str| service.get(&format!("/api/posts/{post}/thread")).expect(200)["summary"].clone();
    assert_eq!(
        (&summary(&quiet)["summary"], &summary(&quiet)["program"]),
        (&json!("little was said"), &json!("test 1"))
    );
    let mut stream = Events::open(&service, &format!("/api/stream?topics=post:{quiet}&after=0"), &[]);
    while stream.next().name != "summary" {}
    say(&service, &quiet).expect(201);
    assert_eq!(summary(&quiet)["outdated"], true);
}

#[test]
fn a_comment_in_a_deleted_ones_place_is_new() {
    let service = Setup::new().allow(&key(9), "admin").start();
    let (admin, ann) = (service.agent(9), service.agent(1));
    let id = ann.writes(&service, "x", &["x"]);
    let say = || ann.post(&service, &format!("/api/posts/{id}/comments"), json!({"body": "x"})).expect(201);
    let outdated = || {
        let thread = service.get(&format!("/api/posts/{id}/thread")).expect(200);
        thread["summary"]["outdated"].clone()
    };
    say();
    let last = say();
    let summary = json!({"summary": "two comments", "program": "p"});
    admin.put(&service, &format!("/api/posts/{id}/summary"), summary).expect(200);
    ann.delete(&service, &format!("/api/comments/{}", last["id"].as_str().expect("an id"))).expect(200);
    assert_eq!(outdated(), false);
    say();
    assert_eq!(outdated(), true);
}

#[test]
fn health_shows_each_service_outside() {
    let double = Double::start();
    let service = Setup::new().gather(&format!("rate_url = {:?}", double.base)).start();
    let agent = service.agent(1);
    let states = || {
        let health = service.get("/api/auth/health").expect(200);
        let states = health["upstreams"].as_array().expect("a list").clone();
        states.iter().map(|of| of["state"].as_str().expect("a state").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(), ["off", "unused", "off", "unused"], "chain, rate, print, tweets");
    double.answers("/api/v3/simple/price", 500, "");
    agent.writes(&service, "x", &["x"]);
    assert_eq!(states()[1], "failing");
    let health = service.get("/healthz").expect(200);
    assert_eq!((&health["status"], &health["gather"]["status"]), (&json!("ok"), &json!("ok")));
    let rate = &health["gather"]["upstreams"][1];
    assert_eq!((&rate["name"], &rate["failures"]), (&json!("rate"), &json!(1)));
    let metrics = service.get("/metrics").text;
    assert!(metrics.contains("\ngather_upstream_up{service=\"rate\"} 0\n"), "{metrics}");
    assert!(metrics.contains("\ngather_upstream_failures_total{service=\"rate\"} 1\n"), "{metrics}");
}

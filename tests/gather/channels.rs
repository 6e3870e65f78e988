//! Channels and their messages: contract 4.11.

use super::harness::*;
use serde_json::{Value, json};
use std::io::Read as _;
use std::time::Duration;

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[test]
fn a_channel_is_for_its_members() {
    let service = Setup::new().start();
    let (ann, bob, eve) = (service.agent(1), service.agent(2), service.agent(3));
    let body = json!({"name": "ops", "members": [bob.id, ann.id, "unknown", "", "x".repeat(99), bob.id]});
    let made = ann.post(&service, "/api/channels", body).expect(200);
    let channel = &made["channel"];
    for (name, value) in
        [("name", "ops"), ("channel_type", "agent"), ("created_by", "an agent"), ("role", "owner")]
    {
        assert_eq!(channel[name], value, "{name}");
    }
    assert!(channel.get("description").is_none());
    assert!(text(&made["message"]).contains('1'), "each is invited once: {made}");
    let path = format!("/api/channels/{}", text(&channel["id"]));
    let invited = bob.get(&service, "/api/inbox").expect(200)["messages"][0].clone();
    assert_eq!(
        (&invited["type"], &invited["ref_type"], &invited["ref_id"]),
        (&json!("channel_invite"), &json!("channel"), &channel["id"])
    );
    assert_eq!(bob.get(&service, "/api/inbox/unread").expect(200)["unread"], 2, "welcome and one invite");
    let mine = bob.get(&service, "/api/channels").expect(200);
    assert_eq!(each(&mine, "channels", "role"), ["member"]);
    assert_eq!(eve.get(&service, "/api/channels").expect(200)["channels"], json!([]));
    let seen = bob.get(&service, &path).expect(200);
    assert_eq!(each(&seen, "members", "agent_id"), [ann.id.as_str(), bob.id.as_str()]);
    assert_eq!(each(&seen, "members", "role"), ["owner", "member"]);
    assert!(text(&seen["members"][0]["joined"]).ends_with('Z'));

    for (method, path, body) in [
        ("GET", path.clone(), None),
        ("GET", format!("{path}/messages"), None),
        ("POST", format!("{path}/messages"), Some(json!({"body": "x"}))),
        ("POST", format!("{path}/invite"), Some(json!({"agent_id": eve.id}))),
        ("POST", format!("{path}/leave"), None),
    ] {
        let ask = |path: &str| {
            let request = Request::new(method, path);
            eve.ask(
                &service,
                match &body {
                    Some(body) => request.json(body.clone()),
                    None => request,
                },
            )
        };
        ask(&path).refused(403);
        ask(&path.replace(text(&channel["id"]), "nowhere")).refused(404);
    }
    let invite = |id: &str| bob.post(&service, &format!("{path}/invite"), json!({ "agent_id": id }));
    for nobody in ["nobody", "", &"x".repeat(99)] {
        invite(nobody).refused(404);
    }
    invite(&ann.id).refused(409);
    assert_eq!(invite(&eve.id).expect(200)["status"], "invited", "any member may");
    eve.get(&service, &path).expect(200);
    for (body, at) in [
        (json!({"name": ""}), "body.name"),
        (json!({"name": "x".repeat(101)}), "body.name"),
        (json!({"name": "x", "description": "x".repeat(501)}), "body.description"),
        (json!({"name": "x", "channel_type": "x".repeat(21)}), "body.channel_type"),
    ] {
        assert_eq!(ann.post(&service, "/api/channels", body).refused(422), [at]);
    }
    // Leaving (W43): the longest member owns the channel then.
    assert_eq!(ann.post(&service, &format!("{path}/leave"), json!({})).expect(200)["status"], "left");
    ann.get(&service, &path).refused(403);
    assert_eq!(each(&bob.get(&service, &path).expect(200), "members", "role"), ["owner", "member"]);
    service.sql(&format!("UPDATE agents SET id = 'ghost' WHERE id = '{}'", ann.id));
    ann.post(&service, "/api/channels", json!({"name": "by a ghost"})).refused(401); // W13
}

#[test]
fn a_channel_has_a_bound() {
    let service = Setup::new().gather("channel_members_max = 3").start();
    let agents: Vec<Agent> = (1..=4).map(|n| service.agent(n)).collect();
    let ids = |range: std::ops::Range<usize>| agents[range].iter().map(|a| a.id.clone()).collect::<Vec<_>>();
    let create = |members: Vec<String>| {
        agents[0].post(&service, "/api/channels", json!({"name": "x", "members": members}))
    };
    assert_eq!(create(ids(1..4)).refused(422), ["body.members"]);
    let full = create(ids(1..3)).expect(200);
    let path = format!("/api/channels/{}/invite", text(&full["channel"]["id"]));
    agents[0].post(&service, &path, json!({"agent_id": agents[3].id})).refused(409);
}

#[test]
fn messages_are_read_since_a_moment_in_either_form() {
    let service = Setup::new().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let made = ann.post(&service, "/api/channels", json!({"name": "x", "members": [bob.id]})).expect(200);
    let path = format!("/api/channels/{}/messages", text(&made["channel"]["id"]));
    let send = |who: &Agent, body: &str| {
        who.post(&service, &path, json!({ "body": body })).expect(200)["message"].clone()
    };
    let sent: Vec<Value> = ["a", "b", "c", "d"].iter().map(|body| send(&ann, body)).collect();
    assert_eq!((&sent[0]["author_id"], &sent[0]["author_name"]), (&json!(ann.id), &json!("an agent")));
    let list = |query: &str| bob.get(&service, &format!("{path}?{query}")).expect(200);
    let all = list("");
    assert_eq!(
        (each(&all, "messages", "body"), &all["total"]),
        (vec![json!("d"), json!("c"), json!("b"), json!("a")], &json!(4))
    );
    // W5
    let second = text(&sent[1]["created"]);
    for since in [second.replace(' ', "%20"), second.replace(' ', "T")] {
        let answer = list(&format!("since={since}"));
        assert_eq!(
            (each(&answer, "messages", "body"), &answer["total"]),
            (vec![json!("d"), json!("c")], &json!(2)),
            "{since}"
        );
    }
    assert_eq!(bob.get(&service, &format!("{path}?since=x")).refused(400), ["query.since"]);
    assert_eq!(each(&list("limit=2&offset=1"), "messages", "body"), ["c", "b"]);
    let next = list("limit=3")["next"].as_str().expect("a cursor").to_owned();
    assert_eq!(each(&list(&format!("cursor={next}")), "messages", "body"), ["a"]);
    assert_eq!(bob.get(&service, &format!("{path}?limit=201")).refused(422), ["query.limit"]);
    for body in ["".to_owned(), "x".repeat(5_001)] {
        assert_eq!(ann.post(&service, &path, json!({ "body": body })).refused(422), ["body.body"]);
    }
    // To the relay with a tag for each member, the sender too; nobody's inbox is touched.
    let tags = "SELECT count(*) FROM outbox, json_each(tags) t WHERE kind = 2100 AND t.value ->> 0 = 'p'";
    assert_eq!(service.number(tags), 8);
    assert_eq!(ann.get(&service, "/api/inbox/unread").expect(200)["unread"], 1);
    let chat = ann.get(&service, "/api/chat/credentials").expect(200);
    assert_eq!(
        (&chat["login"], text(&chat["password"]).len(), &chat["ws_url"]),
        (&json!(format!("agent_{}", ann.id)), 24, &json!("ws://test"))
    );
    assert_eq!(ann.get(&service, "/api/chat/credentials").expect(200), chat);

    // A long poll is answered by the next message, and not before.
    let last = text(&sent[3]["created"]).replace(' ', "%20");
    let request =
        Request::new("GET", &format!("{path}?since={last}&wait=60")).header("Authorization", &bob.token);
    let mut poll = service.begin(request);
    poll.set_read_timeout(Some(Duration::from_millis(300))).expect("a time");
    assert!(poll.read(&mut [0; 1]).is_err(), "it is not answered without news");
    send(&ann, "e");
    poll.set_read_timeout(None).expect("no time");
    assert_eq!(each(&Answer::from_stream(&mut poll).expect(200), "messages", "body"), ["e"]);
    assert_eq!(bob.get(&service, &format!("{path}?wait=61")).refused(422), ["query.wait"]);
}

//! The inbox: contract 3.6, 3.11, 4.12.

use super::harness::*;
use serde_json::json;
use std::io::Read as _;
use std::time::Duration;

#[test]
fn notices_are_listed_read_and_deleted() {
    let mut service = Setup::new().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    service.fund(&bob, 1_000);
    for _ in 0..3 {
        bob.post(&service, "/api/balance/tip", json!({"to": ann.id, "amount_bch": "0.00000001"})).expect(200);
    }
    let list = |service: &Service, query: &str| ann.get(service, &format!("/api/inbox?{query}"));
    let all = list(&service, "").expect(200);
    assert_eq!(each(&all, "messages", "type"), ["tip_received", "tip_received", "tip_received", "welcome"]);
    assert_eq!((&all["total"], &all["unread"]), (&json!(4), &json!(4)));
    let first = &all["messages"][0];
    assert!(
        first["read"] == false && first.get("ref_type").is_none() && first.get("ref_id").is_none(),
        "{first}"
    );
    let id = first["id"].as_str().expect("an id");
    let mark =
        |who: &Agent, id: &str| who.ask(&service, Request::new("PUT", &format!("/api/inbox/{id}/read")));
    mark(&bob, id).refused(403);
    mark(&ann, "nothing").refused(404);
    for _ in 0..2 {
        assert_eq!(mark(&ann, id).expect(200)["status"], "read");
    }
    assert_eq!(ann.get(&service, "/api/inbox/unread").expect(200), json!({"unread": 3}));
    let unread = list(&service, "unread_only=true&limit=1").expect(200);
    assert_eq!((&unread["total"], &unread["unread"]), (&json!(3), &json!(3)));
    let next = unread["next"].as_str().expect("a cursor");
    let rest = list(&service, &format!("unread_only=1&cursor={next}")).expect(200);
    assert_eq!(rest["messages"].as_array().map(Vec::len), Some(2));
    bob.delete(&service, &format!("/api/inbox/{id}")).refused(403);
    assert_eq!(ann.delete(&service, &format!("/api/inbox/{id}")).expect(200)["status"], "deleted");
    ann.delete(&service, &format!("/api/inbox/{id}")).refused(404);
    let other = rest["messages"][0]["id"].as_str().expect("an id");
    ann.delete(&service, &format!("/api/inbox/{other}")).expect(200);
    assert_eq!(ann.get(&service, "/api/inbox/unread").expect(200)["unread"], 2, "an unread one was deleted");
    assert_eq!(list(&service, "offset=1").expect(200)["messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(list(&service, "limit=101").refused(422), ["query.limit"]);
    // Five at once, then twenty a minute (3.6).
    let answers = service.at_once(|service, _| list(service, ""));
    assert!(count(&answers, 429) >= 10, "{}", count(&answers, 429));
    assert!(answers.iter().filter(|a| a.status == 429).all(|a| a.header("retry-after").is_some()));
    ann.get(&service, "/api/inbox/unread").expect(200); // made for polling
    // A suspended agent keeps its inbox.
    service.sql(&format!("UPDATE agents SET suspended = 1 WHERE id = '{}'", ann.id));
    service.crash_and_restart();
    let kept = list(&service, "unread_only=true").expect(200);
    let id = kept["messages"][0]["id"].as_str().expect("an id").to_owned();
    ann.ask(&service, Request::new("PUT", &format!("/api/inbox/{id}/read"))).expect(200);
}

/// As many as an inbox holds (`inbox::NOTICES_MAX`).
const FULL: i64 = 10_000;

#[test]
fn in_a_full_inbox_the_oldest_read_notice_gives_way_then_the_oldest() {
    let service = Setup::new().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    service.fund(&bob, 1_000);
    let tip = || {
        bob.post(&service, "/api/balance/tip", json!({"to": ann.id, "amount_bch": "0.00000001"})).expect(200)
    };
    let oldest = |n: i64| {
        let sql = format!("SELECT id FROM inbox WHERE agent = {{}} ORDER BY n LIMIT {n}");
        service.texts(&sql.replace("{}", &format!("(SELECT n FROM agents WHERE id = '{}')", ann.id)))
    };
    // The welcome, and others up to two above the bound, as from a time before there was one.
    service.sql(&format!(
        "INSERT INTO inbox (id, agent, type, subject, body, created)
         WITH RECURSIVE i (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM i WHERE i < {FULL} + 2)
         SELECT 'made' || i, n, 'system', 's', 'b', created + i FROM agents, i WHERE id = '{id}';
         UPDATE agents SET notices = {FULL} + 2, unread = {FULL} + 2 WHERE id = '{id}';",
        id = ann.id
    ));
    let welcome = oldest(1).remove(0);
    for read in ["made500", "made300"] {
        ann.ask(&service, Request::new("PUT", &format!("/api/inbox/{read}/read"))).expect(200);
    }
    let state = || {
        let list = ann.get(&service, "/api/inbox?limit=1").expect(200);
        let newest = list["messages"][0]["type"].clone();
        (list["total"].as_i64(), list["unread"].as_i64(), list["removed"].as_i64(), newest)
    };
    // A new one pushes out two while there are too many, those that were read first.
    tip();
    assert_eq!(state(), (Some(FULL + 1), Some(FULL + 1), Some(2), json!("tip_received")));
    assert_eq!(service.number("SELECT count(*) FROM inbox WHERE id IN ('made300', 'made500')"), 0);
    // Then the oldest of all.
    tip();
    assert_eq!(oldest(2), ["made3", "made4"], "{welcome} and made2 went");
    // Then one each.
    ann.ask(&service, Request::new("PUT", "/api/inbox/made700/read")).expect(200);
    tip();
    assert_eq!(state(), (Some(FULL), Some(FULL), Some(5), json!("tip_received")));
    assert_eq!(service.number("SELECT count(*) FROM inbox WHERE id = 'made700'"), 0);
    assert_eq!(oldest(1), ["made3"]);
    // Whoever deletes makes room.
    ann.delete(&service, "/api/inbox/made9000").expect(200);
    tip();
    assert_eq!(oldest(1), ["made3"]);
    let metrics = service.get("/metrics").text;
    assert!(metrics.contains("gather_notices_removed_total 5\n"), "{metrics}");
}

#[test]
fn a_long_poll_is_answered_by_the_next_notice() {
    let service = Setup::new().start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    service.fund(&bob, 1_000);
    let welcome = ann.get(&service, "/api/inbox").expect(200)["messages"][0]["created"].clone();
    let since = welcome.as_str().expect("a time").replace(' ', "%20");
    let path = format!("/api/inbox?since={since}&wait=60");
    let mut poll = service.begin(Request::new("GET", &path).header("Authorization", &ann.token));
    poll.set_read_timeout(Some(Duration::from_millis(300))).expect("a time");
    assert!(poll.read(&mut [0; 1]).is_err(), "it is not answered without news");
    bob.post(&service, "/api/balance/tip", json!({"to": ann.id, "amount_bch": "0.00000001"})).expect(200);
    poll.set_read_timeout(None).expect("no time");
    let answer = Answer::from_stream(&mut poll).expect(200);
    assert_eq!(
        (each(&answer, "messages", "type"), &answer["total"]),
        (vec![json!("tip_received")], &json!(1))
    );
    // What is there already is answered at once; an empty answer comes when the time is over.
    assert_eq!(ann.get(&service, &path).expect(200)["total"], 1);
    let nothing = ann.get(&service, "/api/inbox?since=2999-01-01T00:00:00Z&wait=1").expect(200);
    assert_eq!((&nothing["messages"], &nothing["unread"]), (&json!([]), &json!(2)));
}

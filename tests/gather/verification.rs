//! Verification by a tweet, against a double of the lookup service.

use super::harness::*;
use super::tweet_double::Double;
use serde_json::json;

const URL: &str = "https://x.com/Some_One/status/12?s=20";

#[test]
fn a_tweet_with_code_and_mention_verifies_once() {
    let double = Double::start();
    let mut service = Setup::new().gather(&format!("tweets_url = {:?}", double.base)).start();
    let register = |service: &Service, n: u8| {
        let answer = service.post("/api/agents/register", service.registration(&key(n))).expect(200);
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        (text("agent_id"), text("verification_code"))
    };
    let verify = |service: &Service, id: &str, url: &str| {
        service.post("/api/agents/verify", json!({"agent_id": id, "tweet_url": url}))
    };
    let (id, code) = register(&service, 1);
    verify(&service, "unknown", URL).refused(404);
    verify(&service, &id, "https://example.com/x").refused(400);
    double.answers(200, &format!("hello {code}"), "Some_One");
    verify(&service, &id, URL).refused(400); // no mention
    double.answers(200, "hello @gather_is gtr-0000", "Some_One");
    verify(&service, &id, URL).refused(400); // another code
    double.answers(404, "", "x");
    verify(&service, &id, URL).refused(400); // no such tweet
    double.answers(500, "", "x");
    let later = verify(&service, &id, URL);
    assert!(later.header("retry-after").is_some());
    later.refused(503); // their trouble, not a verdict
    double.answers(200, &format!("hello @Gather_IS {}", code.to_lowercase()), "Some_One");
    let verified = verify(&service, &id, URL).expect(200);
    assert_eq!(verified, json!({"status": "verified", "agent_id": id, "twitter_handle": "some_one"}));
    verify(&service, &id, URL).refused(400); // already
    assert_eq!(service.get(&format!("/api/agents/{id}")).expect(200)["twitter_handle"], "some_one");
    let asked = double.asked();
    let escaped = "/oembed?url=https%3A%2F%2Ftwitter.com%2FSome_One%2Fstatus%2F12&format=json";
    assert!(asked.contains(escaped), "{asked}");

    // One agent per handle and day (W15).
    let (second, code) = register(&service, 2);
    let show = |code: &str| double.answers(200, &format!("@gather_is {code}"), "some_one");
    show(&code);
    let refused = verify(&service, &second, URL);
    assert!(refused.header("retry-after").and_then(|s| s.parse::<i64>().ok()).is_some_and(|s| s > DAY - 600));
    refused.refused(429);
    // The code expires, and its holder gets a new one (W16).
    service.restart_later(DAY + 1);
    verify(&service, &second, URL).refused(400);
    let agent = Agent { key: key(2), id: second.clone(), token: service.log_in(&key(2)) };
    let renewed = agent.ask(&service, Request::new("POST", "/api/agents/me/code")).expect(200);
    show(renewed["verification_code"].as_str().expect("a code"));
    verify(&service, &second, URL).expect(200);
    agent.ask(&service, Request::new("POST", "/api/agents/me/code")).refused(400);
}

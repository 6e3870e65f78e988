//! Every call that writes.

use super::{Call, Kind, Known, Make};
use crate::gather::client::Request;
use crate::gather::fill::skill_name;
use crate::gather::text::{Draws, TAGS, tag};
use crate::gather::world::What;
use axon::gather::rules::keys;
use axon::gather::rules::pow::Purpose;
use serde_json::json;

/// Every call that writes. They change the store a little.
pub fn writes<'a>(known: &'a Known<'a>) -> Vec<Call<'a>> {
    let write =
        |name, expected, purpose, make: Make<'a>| Call { name, kind: Kind::Write(purpose), expected, make };
    let (world, run) = (known.world, known.run);
    let send = |path: String, draws: &mut Draws, body| Request::send("POST", path, known.token(draws), body);
    let voted = move |draws: &mut Draws| {
        let body = json!({ "value": if draws.next().is_multiple_of(2) { 1 } else { -1 } });
        let post = draws.below(world.size.posts);
        // Nobody votes on their own post.
        let voter = (0..known.tokens.len()).cycle().skip(draws.below(known.tokens.len()));
        let voter = voter.take(2).find(|voter| *voter != world.author(post)).unwrap_or(0);
        let path = format!("/api/posts/{}/vote", world.id(What::Post, post));
        Request::send("POST", path, known.tokens[voter].clone(), body)
    };
    let commented = move |draws: &mut Draws| {
        let post = known.any(What::Post, draws);
        send(format!("/api/posts/{post}/comments"), draws, json!({ "body": "what was said just now" }))
    };
    let posted = move |draws: &mut Draws| {
        let body = json!({
            "title": format!("written at {run}"), "summary": "what a reader gets from the list",
            "body": "all of it, which is not much, but more than the summary has to say",
            "tags": [tag(draws.below(5)), tag(draws.below(TAGS))],
        });
        send("/api/posts".to_owned(), draws, body)
    };
    let skilled = move |draws: &mut Draws| {
        let name = format!("run-{run}/skill-{}", draws.next());
        let body = json!({ "id": name, "name": name, "description": "made just now", "category": "data" });
        send("/api/skills".to_owned(), draws, body)
    };
    let reviewed = move |draws: &mut Draws| {
        let skill = skill_name(draws.below(world.size.skills));
        let body = json!({ "skill_id": skill, "task": "tried it", "score": 7, "what_worked": "most of it" });
        let reviewer = world.token(draws.below(world.size.agents), run / 1_000);
        Request::send("POST", "/api/reviews/submit", reviewer, body)
    };
    let changed = move |draws: &mut Draws| {
        let body = json!({ "description": format!("changed at {run} {}", draws.next()) });
        Request::send("PATCH", "/api/agents/me", known.token(draws), body)
    };
    let tipped = move |draws: &mut Draws| {
        let to = known.any(What::Agent, draws);
        let rich = (1..known.tokens.len()).find(|agent| world.is_rich(*agent)).unwrap_or(0);
        let body = json!({ "to": to, "amount_bch": "0.00000001" });
        Request::send("POST", "/api/balance/tip", known.tokens[rich].clone(), body)
    };
    let said = move |draws: &mut Draws| {
        let channel = world.id(What::Channel, draws.below(world.size.channels));
        let body = json!({ "body": "what was said just now" });
        let path = format!("/api/channels/{channel}/messages");
        Request::send("POST", path, known.tokens[0].clone(), body)
    };
    let registered = move |draws: &mut Draws| {
        let key = crate::keys::Identity::new(draws.next() ^ run.unsigned_abs(), 0).pubkey;
        let body = json!({ "name": "somebody new", "public_key": keys::pem(&key) });
        Request { method: "POST", path: "/api/agents/register".to_owned(), token: None, body: Some(body) }
    };
    vec![
        write("vote", 200, None, Box::new(voted)),
        write("comment", 201, None, Box::new(commented)),
        write("post", 201, Some(Purpose::Post), Box::new(posted)),
        write("skill", 201, None, Box::new(skilled)),
        write("review", 201, None, Box::new(reviewed)),
        write("profile", 200, None, Box::new(changed)),
        write("tip", 200, None, Box::new(tipped)),
        write("message in a channel", 200, None, Box::new(said)),
        write("registration", 200, Some(Purpose::Register), Box::new(registered)),
    ]
}

//! What is asked of a filled store: every list, search, profile and thread, in its variants, and
//! every write that agents make often.

use super::client::{Http, Request, escape};
use super::fill::{name, skill_name};
use super::text::{Draws, TAGS, tag, word};
use super::world::{What, World};
use crate::failure::Result;
use axon::gather::rules::keys;
use axon::gather::rules::pow::{Purpose, solves};
use axon::gather::rules::time::Time;
use serde_json::{Value, json};

/// Makes the request of a draw.
type Make<'a> = Box<dyn Fn(&mut Draws) -> Request + 'a>;

/// One row of the result.
pub struct Call<'a> {
    pub name: &'static str,
    pub kind: Kind,
    /// The status that counts as done; anything else is an error.
    pub expected: u16,
    make: Make<'a>,
}

/// What bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    /// Needs a solved challenge of this purpose, if any.
    Write(Option<Purpose>),
}

/// What requests are made of.
pub struct Known<'a> {
    pub world: &'a World,
    /// One token for each of the agents that act.
    pub tokens: Vec<String>,
    /// Cursors by list, collected by walking it.
    pub cursors: Vec<(&'static str, Vec<String>)>,
    /// Agents' and posts' moments for `since`: an hour, a day, a week and 45 days ago.
    pub since: [String; 4],
    /// Ids of proofs that were found.
    pub proofs: Vec<String>,
    /// Unix milliseconds of the start by the machine's clock, which does not stand still: names what
    /// is written, so that a second run differs.
    pub run: i64,
}

/// Pages walked for cursors, of [`WALK_LIMIT`] items each.
const WALK_PAGES: usize = 30;
const WALK_LIMIT: usize = 100;
/// Lists whose deep pages are asked for.
const WALKED: [&str; 14] = [
    "/api/posts?sort=score",
    "/api/posts?sort=newest",
    "/api/posts?sort=score&offset=300000",
    "/api/posts?tag=baba-0",
    "/api/posts?tag=baba-0&sort=newest",
    "/api/agents?",
    "/api/skills?sort=rank",
    "/api/skills?sort=installs",
    "/api/skills?sort=security&category=data",
    "/api/rankings?",
    "/api/reviews?",
    "/api/proofs?",
    "/api/search?q=baba",
    "/api/search?q=baba&kind=post",
];

/// Agents that act: the first is in every channel.
pub const ACTING: usize = 200;

impl<'a> Known<'a> {
    /// Walks the lists.
    ///
    /// # Errors
    /// A list is refused.
    pub fn gather(world: &'a World, http: &mut Http, (millis, run): (i64, i64)) -> Result<Known<'a>> {
        let acting = ACTING.min(world.size.agents);
        let tokens = (0..acting).map(|agent| world.token(agent, millis / 1_000)).collect();
        let mut cursors = Vec::new();
        for list in WALKED {
            let mut found: Vec<String> = Vec::new();
            for _ in 0..WALK_PAGES {
                let cursor = found.last().map(|next| format!("&cursor={next}")).unwrap_or_default();
                let path = format!("{list}&limit={WALK_LIMIT}&fields=id{cursor}");
                let answer = http.get(&Request::get(path))?;
                let Some(next) = answer["next"].as_str() else { break };
                found.push(next.to_owned());
            }
            cursors.push((list, found));
        }
        let proofs = http.get(&Request::get("/api/proofs?limit=100&fields=id"))?;
        let proofs = proofs["proofs"].as_array().into_iter().flatten();
        let proofs = proofs.filter_map(|proof| proof["id"].as_str().map(str::to_owned)).collect();
        let ago = |hours: i64| Time(millis - hours * 3_600_000).rfc3339();
        let since = [ago(1), ago(24), ago(7 * 24), ago(45 * 24)];
        Ok(Known { world, tokens, cursors, since, proofs, run })
    }

    fn any(&self, what: What, draws: &mut Draws) -> String {
        let size = &self.world.size;
        let all = match what {
            What::Agent => size.agents,
            What::Skill => size.skills,
            What::Post => size.posts,
            What::Comment => size.comments,
            What::Review => size.reviews,
            What::Channel => size.channels,
            What::Message | What::Vote => 1,
        };
        self.world.id(what, draws.below(all))
    }

    fn token(&self, draws: &mut Draws) -> String {
        self.tokens[draws.below(self.tokens.len())].clone()
    }

    /// A page of a walked list, anywhere in it.
    fn page(&self, list: &'static str, draws: &mut Draws) -> Request {
        let cursors = self.cursors.iter().find(|(walked, _)| *walked == list);
        let cursors = cursors.map(|(_, cursors)| cursors.as_slice()).unwrap_or_default();
        let cursor = cursors.get(draws.below(cursors.len()));
        Request::get(match cursor {
            Some(cursor) => format!("{list}&cursor={cursor}"),
            None => list.to_owned(),
        })
    }
}

/// A few words that a reader may look for: the commonest, middling ones, rare ones.
fn common(draws: &mut Draws) -> String {
    word(draws.below(5))
}

fn middling(draws: &mut Draws) -> String {
    word(100 + draws.below(900))
}

fn rare(draws: &mut Draws) -> String {
    word(20_000 + draws.below(20_000))
}

/// Every call that reads.
pub fn reads<'a>(known: &'a Known<'a>) -> Vec<Call<'a>> {
    let mut calls = Vec::new();
    for part in [feed, posts, people, market, search, own, further] {
        calls.extend(part(known));
    }
    calls
}

fn read<'a>(name: &'static str, make: impl Fn(&mut Draws) -> Request + 'a) -> Call<'a> {
    Call { name, kind: Kind::Read, expected: 200, make: Box::new(make) }
}

/// Always the same.
fn plain<'a>(path: &'static str) -> Call<'a> {
    read(path, move |_| Request::get(path))
}

fn feed<'a>(known: &'a Known<'a>) -> Vec<Call<'a>> {
    let since = |at: usize| format!("since={}", escape(&known.since[at]));
    let (hour, day, week, long) = (since(0), since(1), since(2), since(3));
    let with = |name, query: String| read(name, move |_| Request::get(format!("/api/posts?{query}")));
    let words = |name, word: fn(&mut Draws) -> String| {
        read(name, move |draws| Request::get(format!("/api/posts?q={}", word(draws))))
    };
    vec![
        plain("/api/posts"),
        plain("/api/posts?sort=newest"),
        plain("/api/posts?limit=100&expand=body"),
        plain("/api/posts?expand=body,comments"),
        plain("/api/posts?limit=100&max_tokens=500&fields=id,title,score"),
        plain("/api/posts?offset=10000"),
        read("feed: page by cursor", |draws| known.page("/api/posts?sort=score", draws)),
        read("feed: page by cursor, newest", |draws| known.page("/api/posts?sort=newest", draws)),
        read("feed: far page by cursor", |draws| known.page("/api/posts?sort=score&offset=300000", draws)),
        read("feed: common tag", |draws| Request::get(format!("/api/posts?tag={}", tag(draws.below(5))))),
        read("feed: any tag", |draws| Request::get(format!("/api/posts?tag={}", tag(draws.below(TAGS))))),
        read("feed: common tag, cursor", |draws| known.page("/api/posts?tag=baba-0", draws)),
        read("feed: common tag, newest, cursor", |draws| {
            known.page("/api/posts?tag=baba-0&sort=newest", draws)
        }),
        with("feed: since an hour", hour),
        with("feed: since a day", day.clone()),
        with("feed: since a week", week.clone()),
        with("feed: since 45 days", long.clone()),
        with("feed: since a day, tag", format!("{day}&tag={}", tag(0))),
        with("feed: since a week, tag", format!("{week}&tag={}", tag(0))),
        with("feed: since 45 days, tag", format!("{long}&tag={}", tag(0))),
        with("feed: since a week, newest", format!("{week}&sort=newest")),
        words("feed: with a common word", common),
        words("feed: with a middling word", middling),
        words("feed: with a rare word", rare),
        with("feed: with two letters", "q=ba".to_owned()),
        with("feed: with a text nobody wrote", "q=xyzzyxyzzy".to_owned()),
        read("feed: with a word, common tag", |draws| {
            Request::get(format!("/api/posts?q={}&tag={}", middling(draws), tag(0)))
        }),
        plain("/api/posts/digest"),
        plain("/api/tags"),
        plain("/api/tags?limit=20"),
    ]
}

fn posts<'a>(known: &'a Known<'a>) -> Vec<Call<'a>> {
    let of = |name, rest: &'static str| {
        read(name, move |draws| Request::get(format!("/api/posts/{}{rest}", known.any(What::Post, draws))))
    };
    let busiest = known.world.id(What::Post, known.world.busiest_thread());
    let busy = |name, rest: &'static str| {
        let path = format!("/api/posts/{busiest}{rest}");
        read(name, move |_| Request::get(path.clone()))
    };
    vec![
        of("a post", ""),
        of("a post with comments", "?expand=comments"),
        of("a post's comments", "/comments"),
        of("a post's thread", "/thread"),
        of("a post's votes", "/votes"),
        busy("busiest post with comments", "?expand=comments"),
        busy("busiest post's comments", "/comments?limit=200"),
        busy("busiest post's comments, far", "/comments?offset=2000"),
        busy("busiest post's thread", "/thread?limit=100"),
    ]
}

fn people<'a>(known: &'a Known<'a>) -> Vec<Call<'a>> {
    let named = |name, word: fn(&mut Draws) -> String| {
        read(name, move |draws| Request::get(format!("/api/agents?q={}", word(draws))))
    };
    vec![
        plain("/api/agents"),
        plain("/api/agents?limit=200"),
        plain("/api/agents?page=100"),
        read("agents: page by cursor", |draws| known.page("/api/agents?", draws)),
        named("agents: named commonly", |draws| word(draws.below(5))),
        named("agents: named rarely", |draws| escape(&name(draws.below(50_000)))),
        named("agents: two letters", |_| "ba".to_owned()),
        read("an agent", |draws| Request::get(format!("/api/agents/{}", known.any(What::Agent, draws)))),
        read("oneself", |draws| Request::get("/api/agents/me").by(known.token(draws))),
    ]
}

fn market<'a>(known: &'a Known<'a>) -> Vec<Call<'a>> {
    let any_skill = |draws: &mut Draws| escape(&skill_name(draws.below(known.world.size.skills)));
    let words = |name, word: fn(&mut Draws) -> String| {
        read(name, move |draws| Request::get(format!("/api/skills?q={}", word(draws))))
    };
    let hot = escape(&skill_name(0));
    let (of_hot, hot_page) = (format!("/api/reviews?skill={hot}"), format!("/api/skills/{hot}"));
    vec![
        plain("/api/skills"),
        plain("/api/skills?sort=installs"),
        plain("/api/skills?sort=reviews"),
        plain("/api/skills?sort=security"),
        plain("/api/skills?category=data"),
        plain("/api/skills?category=data&sort=reviews"),
        plain("/api/skills?min_security=5"),
        plain("/api/skills?min_security=9.5"),
        plain("/api/skills?min_security=5&category=data&sort=installs"),
        plain("/api/skills?offset=10000"),
        read("skills: page by cursor", |draws| known.page("/api/skills?sort=rank", draws)),
        read("skills: page by cursor, installs", |draws| known.page("/api/skills?sort=installs", draws)),
        read("skills: page by cursor, of a category", |draws| {
            known.page("/api/skills?sort=security&category=data", draws)
        }),
        words("skills: with a common word", common),
        words("skills: with a rare word", rare),
        read("a skill by name", move |draws| Request::get(format!("/api/skills/{}", any_skill(draws)))),
        read("a skill by id", |draws| Request::get(format!("/api/skills/{}", known.any(What::Skill, draws)))),
        read("most reviewed skill", move |_| Request::get(hot_page.clone())),
        plain("/api/rankings"),
        read("rankings: page by cursor", |draws| known.page("/api/rankings?", draws)),
        plain("/api/reviews"),
        plain("/api/reviews?status=complete"),
        plain("/api/reviews?status=pending"),
        read("reviews of the most reviewed skill", move |_| Request::get(of_hot.clone())),
        read("reviews: page by cursor", |draws| known.page("/api/reviews?", draws)),
        read("a review", |draws| Request::get(format!("/api/reviews/{}", known.any(What::Review, draws)))),
        plain("/api/proofs"),
        plain("/api/proofs?verified=false"),
        read("proofs: page by cursor", |draws| known.page("/api/proofs?", draws)),
        read("a proof", |draws| {
            let id = known.proofs.get(draws.below(known.proofs.len())).cloned().unwrap_or_default();
            Request::get(format!("/api/proofs/{id}"))
        }),
    ]
}

fn search<'a>(known: &'a Known<'a>) -> Vec<Call<'a>> {
    let find = |name, query: fn(&mut Draws) -> String| {
        read(name, move |draws| Request::get(format!("/api/search?q={}", query(draws))))
    };
    vec![
        find("search: a common word", common),
        find("search: a middling word", middling),
        find("search: a rare word", rare),
        find("search: two common words", |draws| format!("{}+{}", word(0), word(1 + draws.below(4)))),
        find("search: two middling words", |draws| format!("{}+{}", middling(draws), middling(draws))),
        find("search: a common and a rare word", |draws| format!("{}+{}", word(0), rare(draws))),
        find("search: two rare words", |draws| format!("{}+{}", rare(draws), rare(draws))),
        find("search: eight common words", |_| (0..8).map(word).collect::<Vec<_>>().join("+")),
        find("search: nothing has it", |_| "xyzzyxyzzy".to_owned()),
        find("search: posts, 100", |draws| format!("{}&kind=post&limit=100", common(draws))),
        find("search: comments", |draws| format!("{}&kind=comment", common(draws))),
        find("search: skills", |draws| format!("{}&kind=skill", common(draws))),
        find("search: agents", |draws| format!("{}&kind=agent", word(draws.below(5_000)))),
        read("search: page by cursor", |draws| known.page("/api/search?q=baba", draws)),
        read("search: posts, page by cursor", |draws| known.page("/api/search?q=baba&kind=post", draws)),
    ]
}

/// What is an agent's own.
fn own<'a>(known: &'a Known<'a>) -> Vec<Call<'a>> {
    let mine = |name, path: &'static str| read(name, move |draws| Request::get(path).by(known.token(draws)));
    // An inbox may be asked for five times at once: everybody asks for theirs.
    let anyone = |name, path: &'static str| {
        read(name, move |draws| {
            let agent = draws.below(known.world.size.agents);
            Request::get(path).by(known.world.token(agent, known.run / 1_000))
        })
    };
    // Authors of the posts that are commented on most.
    let full = |name, path: &'static str| {
        read(name, move |draws| {
            let author = known.world.author(draws.below(known.world.size.posts / 100) * 100);
            Request::get(path).by(known.world.token(author, known.run / 1_000))
        })
    };
    let largest = known.world.id(What::Channel, 0);
    let channel = |name, rest: &'static str| {
        let path = format!("/api/channels/{largest}{rest}");
        read(name, move |_| Request::get(path.clone()).by(known.tokens[0].clone()))
    };
    vec![
        anyone("inbox", "/api/inbox"),
        full("full inbox", "/api/inbox?limit=100"),
        full("full inbox: unread", "/api/inbox?unread_only=true&offset=10"),
        mine("inbox: how many unread", "/api/inbox/unread"),
        mine("channels", "/api/channels"),
        read("most channels", |_| Request::get("/api/channels").by(known.tokens[0].clone())),
        channel("largest channel", ""),
        channel("largest channel's messages", "/messages"),
        channel("largest channel's messages, far", "/messages?offset=5000"),
        mine("balance", "/api/balance"),
    ]
}

fn further<'a>(known: &'a Known<'a>) -> Vec<Call<'a>> {
    let page = |name, path: &'static str| read(name, move |_| Request::get(path));
    let post_page = |draws: &mut Draws| Request::get(format!("/post/{}", known.any(What::Post, draws)));
    let agent_page = |draws: &mut Draws| Request::get(format!("/agent/{}", known.any(What::Agent, draws)));
    vec![
        plain("/api/balance/fees"),
        plain("/api/stats"),
        plain("/api/report"),
        plain("/api/threads/silent"),
        plain("/api/menu"),
        plain("/discover"),
        plain("/help"),
        plain("/api/auth/health"),
        page("page: feed", "/feed"),
        page("page: agents", "/agents"),
        page("page: skills", "/skills"),
        page("page: leaderboard", "/leaderboard"),
        read("page: a post", post_page),
        read("page: an agent", agent_page),
    ]
}

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

impl Call<'_> {
    /// The requests of a run, whose challenges are solved beforehand.
    ///
    /// # Errors
    /// A challenge is refused.
    pub fn requests(&self, draws: &mut Draws, count: usize, http: &mut Http) -> Result<Vec<Request>> {
        let mut requests: Vec<Request> = (0..count).map(|_| (self.make)(draws)).collect();
        if let Kind::Write(Some(purpose)) = self.kind {
            for request in &mut requests {
                let (challenge, nonce) = solve(http, purpose)?;
                if let Some(Value::Object(body)) = &mut request.body {
                    body.insert("pow_challenge".to_owned(), challenge.into());
                    body.insert("pow_nonce".to_owned(), nonce.into());
                }
            }
        }
        Ok(requests)
    }

    pub fn is_read(&self) -> bool {
        self.kind == Kind::Read
    }
}

fn solve(http: &mut Http, purpose: Purpose) -> Result<(String, String)> {
    let body = Some(json!({ "purpose": purpose.name() }));
    let path = "/api/pow/challenge".to_owned();
    let answer = http.get(&Request { method: "POST", path, token: None, body })?;
    let challenge = answer["challenge"].as_str().unwrap_or_default().to_owned();
    let difficulty = answer["difficulty"].as_u64().and_then(|bits| u8::try_from(bits).ok()).unwrap_or(1);
    let nonce = (0u64..).map(|n| n.to_string()).find(|nonce| solves(&challenge, nonce, difficulty));
    Ok((challenge, nonce.unwrap_or_default()))
}

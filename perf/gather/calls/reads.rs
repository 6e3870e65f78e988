//! Every call that reads, by what is looked at.

use super::{Call, Kind, Known};
use crate::gather::client::{Request, escape};
use crate::gather::fill::{name, skill_name};
use crate::gather::text::{Draws, TAGS, tag, word};
use crate::gather::world::What;

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

//! What a filled store is known to hold.

use crate::failure::Result;
use crate::gather::client::{Http, Request};
use crate::gather::text::Draws;
use crate::gather::world::{What, World};
use axon::gather::rules::time::Time;

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
const ACTING: usize = 200;

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

    pub(super) fn any(&self, what: What, draws: &mut Draws) -> String {
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

    pub(super) fn token(&self, draws: &mut Draws) -> String {
        self.tokens[draws.below(self.tokens.len())].clone()
    }

    /// A page of a walked list, anywhere in it.
    pub(super) fn page(&self, list: &'static str, draws: &mut Draws) -> Request {
        let cursors = self.cursors.iter().find(|(walked, _)| *walked == list);
        let cursors = cursors.map(|(_, cursors)| cursors.as_slice()).unwrap_or_default();
        let cursor = cursors.get(draws.below(cursors.len()));
        Request::get(match cursor {
            Some(cursor) => format!("{list}&cursor={cursor}"),
            None => list.to_owned(),
        })
    }
}

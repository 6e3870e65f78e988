//! The population of the data set. Everything about it follows from a seed and an index, so that
//! whoever drives a filled store knows its ids, authors and tokens without reading it.

use crate::keys::Identity;
use axon::base::EventId;
use axon::gather::db::Origin;
use axon::gather::rules::jwt::{self, Claims};
use axon::gather::rules::keys;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The key that signs the tokens of a data set; it guards nothing else.
pub const TOKEN_KEY: &str = "axon-perf-gather-tokens-0123456789";

/// Days that the posts are spread over.
pub const DAYS: i64 = 60;
/// Posts of one slice of time, each of which is one transaction. What the keeper throws away in one
/// round keeps pace with it.
const POSTS_PER_SLICE: usize = 2_000;
const SLICES_MIN: usize = 4;

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub posts: usize,
    pub votes: usize,
    pub comments: usize,
    pub agents: usize,
    pub skills: usize,
    pub reviews: usize,
    pub channels: usize,
}

impl Size {
    /// In the proportions of the limits: to a million posts five million votes, 100 000 agents and
    /// as many skills.
    pub fn of_posts(posts: usize) -> Size {
        let posts = posts.max(SLICES_MIN * 100);
        Size {
            posts,
            votes: posts * 5,
            comments: posts * 2 / 5,
            agents: posts / 10,
            skills: posts / 10,
            reviews: posts / 10,
            channels: (posts / 1_000).max(SLICES_MIN),
        }
    }

    /// Stretches of time.
    pub fn slices(&self) -> usize {
        (self.posts / POSTS_PER_SLICE).max(SLICES_MIN)
    }

    /// Which of `all` things are made in a slice.
    pub fn share(&self, all: usize, slice: usize) -> std::ops::Range<usize> {
        all * slice / self.slices()..all * (slice + 1) / self.slices()
    }
}

/// What an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Agent,
    Skill,
    Post,
    Comment,
    Review,
    Channel,
    Message,
    Vote,
}

/// A data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    pub seed: u64,
    pub size: Size,
}

impl World {
    /// The event behind a record: none is in any log, but ids follow from it, as they do from those
    /// that agents sign.
    pub fn event(&self, what: What, index: usize) -> EventId {
        let hash = Sha256::new_with_prefix(b"axon-perf-gather")
            .chain_update(self.seed.to_be_bytes())
            .chain_update([what as u8])
            .chain_update((index as u64).to_be_bytes());
        EventId(hash.finalize().into())
    }

    /// A record's id.
    pub fn id(&self, what: What, index: usize) -> String {
        Origin::new(self.event(what, index), 0, 0).record_id()
    }

    /// A number that follows from a thing and a purpose.
    pub fn draw(&self, what: What, index: usize, purpose: u64) -> u64 {
        mix(self.seed ^ mix(what as u64 ^ mix(index as u64 ^ mix(purpose))))
    }

    pub fn identity(&self, agent: usize) -> Identity {
        Identity::new(self.seed, agent)
    }

    /// Some agents are verified.
    pub fn is_verified(&self, agent: usize) -> bool {
        self.draw(What::Agent, agent, 1).is_multiple_of(5)
    }

    /// Some have money, and so pay for what they post.
    pub fn is_rich(&self, agent: usize) -> bool {
        self.draw(What::Agent, agent, 2).is_multiple_of(3)
    }

    pub fn author(&self, post: usize) -> usize {
        self.active(post, self.draw(What::Post, post, 3))
    }

    /// Somebody who is registered when this post is written.
    fn active(&self, post: usize, draw: u64) -> usize {
        let slice = post * self.size.slices() / self.size.posts;
        draw as usize % self.size.share(self.size.agents, slice).end.max(1)
    }

    /// Who votes on a post: so many, all different, and not its author.
    pub fn voters(&self, post: usize) -> Vec<usize> {
        let author = self.author(post);
        let slice = post * self.size.slices() / self.size.posts;
        let agents = self.size.share(self.size.agents, slice).end.max(1);
        let first = self.draw(What::Vote, post, 4) as usize;
        let wanted = self.votes(post).min(agents - 1);
        (0..agents).map(|k| (first + k) % agents).filter(|agent| *agent != author).take(wanted).collect()
    }

    /// Most posts have few votes and few have many; five on average, exactly so over every hundred.
    fn votes(&self, post: usize) -> usize {
        const OF_HUNDRED: [(usize, usize); 5] = [(40, 0), (30, 2), (20, 6), (9, 24), (1, 104)];
        // The places are in disorder, the same in each hundred.
        let mut place = post * 37 % 100;
        for (posts, votes) in OF_HUNDRED {
            if place < posts {
                return votes;
            }
            place -= posts;
        }
        0
    }

    /// The post that a comment is on: a quarter is on each hundred's first, some are on the busiest.
    pub fn commented(&self, comment: usize) -> usize {
        let size = &self.size;
        let slice = comment * size.slices() / size.comments;
        let posts = size.share(size.posts, slice);
        let draw = self.draw(What::Comment, comment, 5) as usize;
        let any = draw / 64 % posts.len();
        match draw % 64 {
            0 => self.busiest_thread(),
            1..=16 => posts.start + any / 100 * 100,
            _ => posts.start + any,
        }
    }

    /// The post with more comments than any other.
    pub fn busiest_thread(&self) -> usize {
        0
    }

    /// Half of the comments are the post's author's own.
    pub fn commenter(&self, comment: usize) -> usize {
        let (post, draw) = (self.commented(comment), self.draw(What::Comment, comment, 6));
        if draw.is_multiple_of(2) { self.author(post) } else { self.active(post, draw / 2) }
    }

    /// A token of an agent, good for an hour from `now` (unix seconds).
    pub fn token(&self, agent: usize, now: i64) -> String {
        let fingerprint = keys::fingerprint(&self.identity(agent).pubkey);
        let claims = Claims::of_agent(&self.id(What::Agent, agent), &fingerprint, now);
        jwt::sign(TOKEN_KEY.as_bytes(), &claims)
    }

    /// The members of a channel, its owner first. The first channel is as full as one can be, and
    /// the first agent is in all of them.
    pub fn members(&self, channel: usize) -> Vec<usize> {
        const CHANNEL_MEMBERS_MAX: usize = 200;
        let slice = channel * self.size.slices() / self.size.channels;
        let agents = self.size.share(self.size.agents, slice).end.max(1);
        let count = if channel == 0 { CHANNEL_MEMBERS_MAX } else { 8 }.min(agents);
        let first = self.draw(What::Channel, channel, 7) as usize;
        let others = (0..agents).map(|k| (first + k) % agents).filter(|agent| *agent != 0);
        std::iter::once(0).chain(others.take(count - 1)).collect()
    }

    /// Messages of a channel.
    pub fn messages(&self, channel: usize) -> usize {
        if channel == 0 { self.size.posts / 50 } else { 20 }
    }
}

/// Scatters a number over all 64 bits (splitmix64).
pub fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        World { seed: 1, size: Size::of_posts(10_000) }
    }

    #[test]
    fn every_hundred_posts_have_five_hundred_votes() {
        let world = world();
        assert_eq!((0..10_000).map(|post| world.votes(post)).sum::<usize>(), world.size.votes);
        for post in [0, 77, 9_999] {
            let voters = world.voters(post);
            let distinct: std::collections::BTreeSet<_> = voters.iter().collect();
            assert_eq!(distinct.len(), voters.len());
            assert!(!voters.contains(&world.author(post)));
        }
    }

    #[test]
    fn whoever_acts_is_registered_and_what_is_commented_on_is_there() {
        let (world, size) = (world(), world().size);
        for slice in 0..size.slices() {
            let agents = size.share(size.agents, slice).end;
            for post in size.share(size.posts, slice) {
                assert!(
                    world.author(post) < agents && world.voters(post).iter().all(|agent| *agent < agents)
                );
            }
            for comment in size.share(size.comments, slice) {
                assert!(world.commented(comment) < size.share(size.posts, slice).end);
                assert!(world.commenter(comment) < agents);
            }
            for channel in size.share(size.channels, slice) {
                assert!(world.members(channel).iter().all(|agent| *agent < agents));
            }
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_world() {
        assert_eq!(world().id(What::Post, 7), world().id(What::Post, 7));
        assert_ne!(world().id(What::Post, 7), World { seed: 2, ..world() }.id(What::Post, 7));
        assert_ne!(world().id(What::Post, 7), world().id(What::Skill, 7));
    }
}

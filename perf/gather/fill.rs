//! Fills a store through Gather's own operations and its writer, which commits hundreds of them at
//! once: the same rows, triggers, full-text indexes, counts and ranks as if everybody had asked.
//!
//! * Time passes by Gather's clock offset: one slice of it after the other, each with a start of
//!   Gather, whose keeper throws away what has expired meanwhile.
//! * Records have ids that follow from the seed, as those have that agents sign themselves. That
//!   is also why their events are not in the outbox; those of notices, proofs and profiles are, and
//!   the relay publishes them at its first start.

use super::away;
use super::text::{Draws, Language, tags};
use super::world::{DAYS, TOKEN_KEY, What, World};
use crate::failure::{Failure, Result};
use axon::base::Clock;
use axon::gather::agents::{self, NewAgent};
use axon::gather::auth::Bearer;
use axon::gather::channels::{self, NewChannel};
use axon::gather::comments::{self, NewComment};
use axon::gather::db::Origin;
use axon::gather::deposits::{self, Deposit};
use axon::gather::messages::{self, NewMessage};
use axon::gather::ports::ChainOutput;
use axon::gather::posts::{self, NewPost, Vote};
use axon::gather::reviews::{self, NewReview};
use axon::gather::rules::jwt::Claims;
use axon::gather::rules::keys;
use axon::gather::rules::money::Sats;
use axon::gather::rules::pow::{Purpose, solves};
use axon::gather::skills::{self, NewSkill};
use axon::gather::verification::{self, Verification};
use axon::gather::{Agent, Fault, FaultKind, Gather, Options, Registration, Tx, outbox, votes};
use indicatif::ProgressBar;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, mpsc};

/// What an operation of Gather's comes to.
type Done<T> = std::result::Result<T, Fault>;

/// The easiest proof of work there is: filling is not to find nonces.
const DIFFICULTY: u8 = 1;
/// Far above what one agent writes here.
const FREE: i64 = 1_000_000;
/// Of `World::event`: changes of an agent are told from its registration.
const SECOND: usize = 1 << 40;

const CATEGORIES: [&str; 6] = ["frontend", "backend", "devtools", "data", "general", ""];

/// Everybody who will ever register.
pub struct People {
    agents: Vec<Agent>,
    pems: Vec<String>,
}

/// What one slice writes, its texts ready.
struct Slice {
    world: World,
    number: usize,
    people: Arc<People>,
    things: Vec<Thing>,
    bar: ProgressBar,
}

/// What one operation of the writer makes, with its index.
///
/// One for each thing: SQLite looks through all that an operation has changed so far whenever a
/// part of it ends, so that large ones take time with the square of their size.
enum Thing {
    Agent(usize),
    Skill(usize, String),
    Post(usize, NewPost),
    /// With the comment that it answers.
    Comment(usize, String, Option<usize>),
    Review(usize, String),
    Channel(usize),
    /// Of a channel.
    Message(usize, usize),
}

/// How often progress is told where no bar can be shown.
const TOLD: usize = 10;

/// Operations that wait for the writer: some commits ahead, and half of those that it takes if each
/// of them waits for the relay's door, too.
const AHEAD: usize = 512;

/// Makes the store in `dir`, which has none.
///
/// # Errors
/// An operation refused, which is a bug of this program or of Gather.
pub fn fill(world: &World, dir: &Path, clock: Clock, bar: &ProgressBar) -> Result<()> {
    let people = Arc::new(People::of(world));
    let slices = world.size.slices();
    let (ready, prepared) = mpsc::sync_channel(1);
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            let language = Language::new();
            for number in 0..slices {
                let slice = Slice::prepare(world, number, &people, &language, bar);
                if ready.send(slice).is_err() {
                    return;
                }
            }
        });
        let done = prepared.into_iter().try_for_each(|slice| {
            let number = slice.number + 1;
            slice.write(dir, clock)?;
            if bar.is_hidden() && number * TOLD / slices != (number - 1) * TOLD / slices {
                eprintln!("axon-perf: filled {} %", number * 100 / slices);
            }
            Ok(())
        });
        writing.join().map_err(|_| Failure::Usage("the writing of texts panicked".to_owned()))?;
        done
    })
}

/// Options of Gather while it is filled.
pub fn options(clock_offset_seconds: i64) -> Options {
    Options {
        registration: Registration::Open,
        post_fee_usd: "0.02".to_owned(),
        comment_fee_usd: "0.005".to_owned(),
        free_posts_per_week: FREE,
        free_comments_per_day: FREE,
        pow_register: DIFFICULTY,
        pow_post: DIFFICULTY,
        pow_min: DIFFICULTY,
        pow_max: DIFFICULTY,
        pow_calm_per_minute: u32::MAX,
        jwt_key: Some(TOKEN_KEY.as_bytes().to_vec()),
        admin: None,
        clock_offset_seconds,
        reader_threads: 1,
        public_url: String::new(),
        relay_url: String::new(),
        bch_address: String::new(),
        deposit_memo: false,
        channel_members_max: 200,
    }
}

impl People {
    fn of(world: &World) -> People {
        let mut people = People { agents: Vec::new(), pems: Vec::new() };
        for index in 0..world.size.agents {
            let (id, key) = (world.id(What::Agent, index), world.identity(index).pubkey);
            let claims = Claims::of_agent(&id, &keys::fingerprint(&key), 0);
            people.agents.push(Agent {
                // Nobody else registers, so rows are numbered in this order.
                n: index as i64 + 1,
                name: name(index),
                key,
                verified: world.is_verified(index),
                suspended: None,
                bearer: Bearer::new(claims, &id),
                id,
            });
            people.pems.push(keys::pem(&key));
        }
        people
    }
}

/// What an agent is called.
pub fn name(agent: usize) -> String {
    format!("{}-{agent}", super::text::word(agent % 5_000))
}

/// What a skill is called.
pub fn skill_name(skill: usize) -> String {
    format!("{}/{}-{skill}", super::text::word(skill % 300), super::text::word(skill % 7_000))
}

impl Slice {
    fn prepare(
        world: &World,
        number: usize,
        people: &Arc<People>,
        language: &Language,
        bar: &ProgressBar,
    ) -> Slice {
        let size = &world.size;
        let draws = |what, index| Draws(world.draw(what, index, 10));
        let post = |index| {
            let mut draws = draws(What::Post, index);
            let (title, summary) = (2 + draws.below(6), 8 + draws.below(12));
            let body = 20 + draws.below(40);
            NewPost {
                title: language.text(&mut draws, title),
                summary: language.text(&mut draws, summary),
                body: language.text(&mut draws, body),
                tags: tags(&mut draws),
                pow_challenge: String::new(),
                pow_nonce: String::new(),
            }
        };
        let text = |what, index, words| language.text(&mut draws(what, index), words);
        let mut things: Vec<Thing> = size.share(size.agents, number).map(Thing::Agent).collect();
        things.extend(size.share(size.skills, number).map(|n| Thing::Skill(n, text(What::Skill, n, 12))));
        things.extend(size.share(size.posts, number).map(|n| Thing::Post(n, post(n))));
        // The last comment of each post, for those that answer one.
        let mut last = HashMap::new();
        for n in size.share(size.comments, number) {
            let before = last.insert(world.commented(n), n);
            let answers = world.draw(What::Comment, n, 9).is_multiple_of(3);
            things.push(Thing::Comment(n, text(What::Comment, n, 12), before.filter(|_| answers)));
        }
        things.extend(size.share(size.reviews, number).map(|n| Thing::Review(n, text(What::Review, n, 15))));
        for n in size.share(size.channels, number) {
            things.push(Thing::Channel(n));
            things.extend((0..world.messages(n)).map(|message| Thing::Message(n, message)));
        }
        Slice { world: *world, number, people: Arc::clone(people), things, bar: bar.clone() }
    }

    fn write(self, dir: &Path, clock: Clock) -> Result<()> {
        let (slices, number) = (self.world.size.slices() as i64, self.number as i64);
        let offset = -(slices - number) * (DAYS * 86_400 / slices);
        let failed = |error: &dyn std::fmt::Display| Failure::Usage(format!("filling: {error}"));
        let gather = Gather::start(dir, options(offset), away::ports(clock), clock);
        let gather = gather.map_err(|error| failed(&error))?;
        let (done, answers) = mpsc::channel();
        let slice = Arc::new(self);
        let (count, mut asked) = (slice.things.len(), 0);
        let mut result = Ok(());
        for answered in 0..count {
            while asked < count.min(answered + AHEAD) {
                let (slice, done, at) = (Arc::clone(&slice), done.clone(), asked);
                // The receiver waits below; it cannot be gone.
                gather.write(move |tx| slice.make(tx, at), move |result| drop(done.send(result)));
                asked += 1;
            }
            result = match answers.recv() {
                Ok(Ok(())) => Ok(()),
                // A new agent is stored; the relay that is not there yet lets it in at its first start.
                Ok(Err(fault)) if fault.kind == FaultKind::Unavailable => Ok(()),
                Ok(Err(fault)) => Err(failed(&format!("{} {:?}", fault.detail, fault.flaws))),
                Err(_) => Err(failed(&"the database ended")),
            };
            if result.is_err() {
                break;
            }
        }
        gather.close();
        result
    }

    fn make(&self, tx: &Tx<'_>, at: usize) -> Done<()> {
        match &self.things[at] {
            Thing::Agent(index) => self.register(tx, *index),
            Thing::Skill(index, description) => self.skill(tx, *index, description),
            Thing::Post(index, post) => self.post(tx, *index, post),
            Thing::Comment(index, body, answered) => self.comment(tx, *index, body, *answered),
            Thing::Review(index, text) => self.review(tx, *index, text),
            Thing::Channel(index) => self.channel(tx, *index),
            Thing::Message(channel, index) => self.message(tx, *channel, *index),
        }
    }

    /// Does one thing under its own event, which is not written.
    fn act<T>(
        &self,
        tx: &Tx<'_>,
        (what, index): (What, usize),
        (kind, agent): (u16, usize),
        work: impl FnOnce(&Tx<'_>, &Agent) -> Done<T>,
    ) -> Done<T> {
        let me = &self.people.agents[agent];
        let origin = Origin::new(self.world.event(what, index), kind, me.n);
        self.bar.inc(1);
        tx.part(Some(origin), |tx| work(tx, me))
    }

    fn register(&self, tx: &Tx<'_>, index: usize) -> Done<()> {
        let (challenge, nonce) = solved(tx, Purpose::Register, index);
        let agent = NewAgent {
            name: name(index),
            description: Some(format!("an agent of {}", super::text::word(index % 900))),
            public_key: self.people.pems[index].clone(),
            pow_challenge: challenge,
            pow_nonce: nonce,
            invite: None,
        };
        self.act(tx, (What::Agent, index), (outbox::PROFILE, index), |tx, _| {
            agents::register(tx, &agent).map(drop)
        })?;
        let me = &self.people.agents[index];
        if self.world.is_verified(index) {
            let asked = Verification {
                agent_id: me.id.clone(),
                tweet_url: format!("https://twitter.com/h{index}/status/{}", index + 1),
            };
            self.act(tx, (What::Agent, index + SECOND), (outbox::PROFILE, index), |tx, _| {
                let expected = verification::expect(tx, &asked)?;
                verification::settle(tx, &asked, &expected, &format!("h{index}")).map(drop)
            })?;
        }
        if self.world.is_rich(index) {
            // Enough for all of its posts; for some enough to weigh more, too.
            let value = Sats(if index.is_multiple_of(2) { 800_000 } else { 8_000_000 });
            let output = ChainOutput { index: 0, address: String::new(), value, memo: None };
            let paid = Deposit { tx_id: hex::encode(self.world.event(What::Agent, index).0) };
            deposits::settle(tx, me, &paid, &[output])?;
        }
        Ok(())
    }

    fn skill(&self, tx: &Tx<'_>, index: usize, description: &str) -> Done<()> {
        let skill = NewSkill {
            id: skill_name(index),
            name: skill_name(index),
            description: Some(description.to_owned()),
            source: Some("github".to_owned()),
            category: Some(CATEGORIES[index % CATEGORIES.len()].to_owned()),
            url: None,
            install_required: index.is_multiple_of(3),
        };
        let agents = self.world.size.share(self.world.size.agents, self.number).end;
        let author = self.world.draw(What::Skill, index, 8) as usize % agents;
        self.act(tx, (What::Skill, index), (outbox::SKILL, author), |tx, me| {
            skills::create(tx, me, &skill).map(drop)
        })
    }

    fn post(&self, tx: &Tx<'_>, index: usize, post: &NewPost) -> Done<()> {
        let (pow_challenge, pow_nonce) = solved(tx, Purpose::Post, index);
        let post = NewPost { pow_challenge, pow_nonce, ..post.clone() };
        let author = self.world.author(index);
        let id = self.act(tx, (What::Post, index), (outbox::POST, author), |tx, me| {
            posts::create(tx, me, &post).map(|post| post.id)
        })?;
        for (place, voter) in self.world.voters(index).into_iter().enumerate() {
            let vote = Vote { value: if place % 5 == 4 { -1 } else { 1 } };
            let event = (What::Vote, index << 8 | place);
            self.act(tx, event, (outbox::VOTE, voter), |tx, me| votes::vote(tx, me, &id, &vote).map(drop))?;
        }
        Ok(())
    }

    fn comment(&self, tx: &Tx<'_>, index: usize, body: &str, answered: Option<usize>) -> Done<()> {
        let (post, commenter) = (self.world.commented(index), self.world.commenter(index));
        let reply_to = answered.map(|comment| self.world.id(What::Comment, comment));
        let comment = NewComment { body: body.to_owned(), reply_to };
        let id = self.world.id(What::Post, post);
        self.act(tx, (What::Comment, index), (outbox::COMMENT, commenter), |tx, me| {
            comments::create(tx, me, &id, &comment).map(drop)
        })
    }

    fn review(&self, tx: &Tx<'_>, index: usize, text: &str) -> Done<()> {
        let (world, size) = (&self.world, &self.world.size);
        let draw = world.draw(What::Review, index, 8) as usize;
        let skills = size.share(size.skills, self.number).end;
        // One skill has more reviews than any other.
        let skill = if draw.is_multiple_of(50) { 0 } else { draw / 50 % skills };
        let reviewer = draw % size.share(size.agents, self.number).end;
        let review = NewReview {
            skill_id: skill_name(skill),
            task: format!("review {index}"),
            score: (draw % 10 + 1) as f64,
            what_worked: Some(text.to_owned()),
            what_failed: None,
            skill_feedback: None,
            security_score: draw.is_multiple_of(2).then_some((draw / 2 % 10 + 1) as f64),
            security_notes: None,
            runner_type: "claude".to_owned(),
            permission_mode: "default".to_owned(),
            execution_time_ms: None,
            cli_output: None,
            proof: None,
            artifacts: None,
            challenge_id: None,
            totem: None,
        };
        self.act(tx, (What::Review, index), (outbox::REVIEW, reviewer), |tx, me| {
            reviews::submit(tx, me, &review).map(drop)
        })
    }

    fn channel(&self, tx: &Tx<'_>, index: usize) -> Done<()> {
        let members = self.world.members(index);
        let ids = members[1..].iter().map(|agent| self.world.id(What::Agent, *agent)).collect();
        let channel = NewChannel {
            name: format!("channel {index}"),
            description: None,
            channel_type: "agent".to_owned(),
            members: Some(ids),
        };
        self.act(tx, (What::Channel, index), (outbox::MESSAGE, members[0]), |tx, me| {
            channels::create(tx, me, &channel).map(drop)
        })
    }

    fn message(&self, tx: &Tx<'_>, channel: usize, index: usize) -> Done<()> {
        let members = self.world.members(channel);
        let author = members[index % members.len()];
        let id = self.world.id(What::Channel, channel);
        let new = NewMessage { body: format!("message {index} of {}", super::text::word(index)) };
        let event = (What::Message, channel << 32 | index);
        self.act(tx, event, (outbox::MESSAGE, author), |tx, me| messages::send(tx, me, &id, &new).map(drop))
    }
}

/// A challenge that nobody had, and its solution.
fn solved(tx: &Tx<'_>, purpose: Purpose, index: usize) -> (String, String) {
    // Its serial number has three bytes; a slice has fewer posts than that.
    let serial = index as u32 & 0x00ff_ffff;
    let challenge = tx.context().secrets.pow.challenge(purpose, DIFFICULTY, tx.now().seconds(), serial);
    let challenge = hex::encode(challenge);
    let nonce = (0u32..).map(|n| n.to_string()).find(|nonce| solves(&challenge, nonce, DIFFICULTY));
    (challenge, nonce.unwrap_or_default())
}

//! The job market of `mixed`: who follows what, who asks whom for what, and every event that any
//! course of a job can need, signed beforehand.
//!
//! A job is a conversation in the log:
//!
//! | event | kind | tags | who reads it |
//! |---|---|---|---|
//! | offer | 5000 | `t` skill | the skill's workers |
//! | claim | 7000 | `e` offer, `t` skill, `p` requester | the skill's workers, the requester |
//! | result | 6000 | `e` offer, `p` requester | the requester |
//! | acknowledgement | 7000 | `e` offer, `p` winner | the winner |
//!
//! Every worker who sees an offer claims it. The claim with the lowest log position wins; all see
//! the same one first, so nobody has to be asked. The winner alone publishes the result.
//!
//! An id follows from the event alone, so the id of an offer that was signed beforehand is known
//! beforehand, and with it everything that names it. What is not known is who will win: therefore
//! each worker has a claim and a result ready, the requester an acknowledgement for each of them,
//! and of these only the winner's are published. Who asks whom, and every post, follow from the
//! seed; who wins does not.

use crate::failure::{Failure, Result};
use crate::frame::put_message;
use crate::keys::Identity;
use crate::plan::Plan;
use crate::script::{content, topic};
use axon::base::{EventId, Kind, Signature};
use axon::event::EventBuilder;
use axon::filter::{Filter, TagFilter};
use axon::wire::ClientMessage;
use std::collections::HashMap;
use std::ops::Range;

/// Agents of one skill, all of whom claim what is offered to it.
const WORKERS: usize = 4;
/// Posts between two offers.
const POSTS_PER_JOB: usize = 13;
/// What is published for one job, its posts included.
const EVENTS_PER_JOB: usize = POSTS_PER_JOB + 3 + WORKERS;
/// Agents per topic; each follows one or two topics.
const AGENTS_PER_TOPIC: usize = 2;

/// Where the id stands in an event: behind the map's head, the key and the length.
const ID_AT: usize = 6;

/// A subscription of each agent, by the number that names it.
pub const INBOX: usize = 0;
pub const TOPICS: usize = 1;
pub const SKILL: usize = 2;

/// What an event is; agents and jobs are numbers, a worker is his place among the job's workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Post,
    Offer { job: usize },
    Claim { job: usize, worker: usize },
    Result { job: usize, worker: usize },
    Ack { job: usize, worker: usize },
}

/// A signed event, which is published or not.
pub struct Item {
    pub role: Role,
    /// Who signed it.
    pub author: usize,
    /// Deliveries it causes, of all subscriptions together.
    pub readers: u64,
    bytes: Range<usize>,
}

/// A job: who wants it, and who can do it.
pub struct Job {
    pub requester: usize,
    pub workers: Vec<usize>,
    /// Number of its offer; claim, result and acknowledgement of each worker follow.
    offer: usize,
}

/// All of it.
#[derive(Default)]
pub struct Market {
    pub jobs: Vec<Job>,
    pub items: Vec<Item>,
    /// Numbers of what is published of an agent's own accord: posts and offers, in order.
    pub own: Vec<usize>,
    /// What is published in all.
    pub events: usize,
    /// Each agent's subscriptions.
    pub filters: Vec<Vec<Filter>>,
    frames: Vec<u8>,
    numbers: HashMap<EventId, usize>,
}

impl Market {
    /// Signs about as many events as `plan` wants published, and what else they may need, on
    /// every core. Each identity is an agent.
    ///
    /// # Errors
    /// An event cannot be made.
    pub fn open(plan: &Plan, agents: &[Identity], created_at: i64) -> Result<Market> {
        let crowd = Crowd { plan, agents, created_at };
        let jobs = (plan.count / EVENTS_PER_JOB).max(1);
        let per_piece = jobs.div_ceil(std::thread::available_parallelism().map_or(1, usize::from));
        let mut market = Market::default();
        std::thread::scope(|scope| {
            let crowd = &crowd;
            let signers: Vec<_> = (0..jobs)
                .step_by(per_piece)
                .map(|first| scope.spawn(move || crowd.sign(first..(first + per_piece).min(jobs))))
                .collect();
            for signer in signers {
                let part =
                    signer.join().map_err(|_| Failure::Usage("a signing thread panicked".to_owned()))?;
                market.append(part?);
            }
            Ok::<_, Failure>(())
        })?;
        market.filters = (0..agents.len()).map(|agent| crowd.filters(agent)).collect();
        Ok(market)
    }

    /// The number of the event in this delivery; `None`: it is none of ours. Our events begin
    /// with their id, and the relay hands them on byte for byte.
    pub fn number(&self, event: &[u8]) -> Option<usize> {
        let id = event.get(ID_AT..ID_AT + 32)?.try_into().ok()?;
        self.numbers.get(&EventId(id)).copied()
    }

    /// An event in the frame that publishes it.
    pub fn frame(&self, number: usize) -> &[u8] {
        &self.frames[self.items[number].bytes.clone()]
    }

    /// Numbers of a worker's claim, result and acknowledgement.
    pub fn claim(&self, job: usize, worker: usize) -> usize {
        self.jobs[job].offer + 1 + 3 * worker
    }

    /// The result of that worker.
    pub fn result(&self, job: usize, worker: usize) -> usize {
        self.claim(job, worker) + 1
    }

    /// The acknowledgement for that worker.
    pub fn ack(&self, job: usize, worker: usize) -> usize {
        self.claim(job, worker) + 2
    }

    /// Adds one signed event.
    fn add(&mut self, crowd: &Crowd, draft: Draft) -> Result<EventId> {
        let Draft { role, author, kind, tags, readers, content: index } = draft;
        let build = |padding| EventBuilder {
            kind,
            created_at: crowd.created_at,
            content: content(index, padding),
            tags: tags.clone(),
        };
        let agent = &crowd.agents[author];
        let finish = |event: EventBuilder, sign: &dyn Fn(&EventId) -> Signature| {
            let made = event.finish(&agent.pubkey, |id| sign(id));
            made.map_err(|reason| Failure::Usage(format!("no such event: {reason}")))
        };
        // Built once without a signature, to see how much is missing to its size.
        let (_, bare) = finish(build(0), &|_| Signature([0; 64]))?;
        let padding = crowd.plan.size.saturating_sub(bare.len());
        let (id, wire) = finish(build(padding), &|id| agent.sign(id))?;
        let start = self.frames.len();
        put_message(&mut self.frames, &ClientMessage::Publish { event: &wire }, &mut Vec::new());
        let number = self.items.len();
        self.items.push(Item { role, author, readers, bytes: start..self.frames.len() });
        self.numbers.insert(id, number);
        Ok(id)
    }

    /// Adds what another thread has signed.
    fn append(&mut self, part: Market) {
        let (items, bytes) = (self.items.len(), self.frames.len());
        self.frames.extend_from_slice(&part.frames);
        self.items.extend(
            part.items
                .into_iter()
                .map(|item| Item { bytes: item.bytes.start + bytes..item.bytes.end + bytes, ..item }),
        );
        self.jobs.extend(part.jobs.into_iter().map(|job| Job { offer: job.offer + items, ..job }));
        self.own.extend(part.own.into_iter().map(|number| number + items));
        self.numbers.extend(part.numbers.into_iter().map(|(id, number)| (id, number + items)));
        self.events += part.events;
    }
}

/// Who is there, and what decides who does what.
struct Crowd<'a> {
    plan: &'a Plan,
    agents: &'a [Identity],
    created_at: i64,
}

/// An event before it is signed.
struct Draft {
    role: Role,
    author: usize,
    kind: Kind,
    tags: Vec<(String, Vec<String>)>,
    readers: u64,
    /// Makes it unlike others of its author.
    content: usize,
}

impl Crowd<'_> {
    /// Some jobs, and the posts before each of them.
    fn sign(&self, jobs: Range<usize>) -> Result<Market> {
        let mut market = Market::default();
        for job in jobs {
            for turn in 0..POSTS_PER_JOB {
                market.own.push(market.items.len());
                market.add(self, self.post(job * (POSTS_PER_JOB + 1) + turn))?;
            }
            market.own.push(market.items.len());
            self.sign_job(job, &mut market)?;
        }
        Ok(market)
    }

    fn post(&self, turn: usize) -> Draft {
        let author = self.scattered(turn, 0, self.agents.len());
        let topic_of_post = self.scattered(turn, 1, self.topics());
        let readers = (0..self.agents.len()).filter(|agent| self.topics_of(*agent).contains(&topic_of_post));
        Draft {
            role: Role::Post,
            author,
            kind: Kind::MESSAGE,
            tags: vec![tag("t", topic(topic_of_post, self.topics()))],
            readers: readers.count() as u64,
            content: turn,
        }
    }

    /// The offer and everything that can follow from it.
    fn sign_job(&self, job: usize, market: &mut Market) -> Result<()> {
        let turn = job * (POSTS_PER_JOB + 1) + POSTS_PER_JOB;
        let requester = self.scattered(turn, 0, self.agents.len());
        // Somebody else's skill, where there is more than one.
        let others = 1 + self.scattered(turn, 1, self.skills().saturating_sub(1).max(1));
        let skill = (requester + others) % self.skills();
        let members: Vec<usize> = (skill..self.agents.len()).step_by(self.skills()).collect();
        let readers = members.len() as u64;
        let workers: Vec<usize> = members.into_iter().filter(|agent| *agent != requester).collect();
        let draft =
            |role, author, kind, tags, readers| Draft { role, author, kind, tags, readers, content: job };
        let person = |agent: usize| tag("p", self.agents[agent].pubkey.to_hex());
        let skill_tag = || tag("t", skill_name(skill));
        let offer_number = market.items.len();
        let offer = draft(Role::Offer { job }, requester, Kind::JOB_REQUEST, vec![skill_tag()], readers);
        let offer = tag("e", market.add(self, offer)?.to_hex());
        for (worker, &agent) in workers.iter().enumerate() {
            let tags = vec![offer.clone(), skill_tag(), person(requester)];
            market.add(
                self,
                draft(Role::Claim { job, worker }, agent, Kind::JOB_FEEDBACK, tags, readers + 1),
            )?;
            let tags = vec![offer.clone(), person(requester)];
            market.add(self, draft(Role::Result { job, worker }, agent, Kind::JOB_RESULT, tags, 1))?;
            let tags = vec![offer.clone(), person(agent)];
            market.add(self, draft(Role::Ack { job, worker }, requester, Kind::JOB_FEEDBACK, tags, 1))?;
        }
        market.events += POSTS_PER_JOB + 3 + workers.len();
        market.jobs.push(Job { requester, workers, offer: offer_number });
        Ok(())
    }

    fn filters(&self, agent: usize) -> Vec<Filter> {
        let tagged = |name: &str, mut values: Vec<String>| {
            values.sort();
            vec![TagFilter { name: name.to_owned(), values }]
        };
        let topics = self.topics_of(agent).iter().map(|number| topic(*number, self.topics())).collect();
        let mut filters = vec![Filter::default(); 3];
        // With positions: jobs are agreed upon by them.
        filters[INBOX] = Filter {
            tags: tagged("p", vec![self.agents[agent].pubkey.to_hex()]),
            after: Some(0),
            ..Filter::default()
        };
        filters[TOPICS] =
            Filter { kinds: vec![Kind::MESSAGE.0], tags: tagged("t", topics), ..Filter::default() };
        filters[SKILL] = Filter {
            kinds: vec![Kind::JOB_REQUEST.0, Kind::JOB_FEEDBACK.0],
            tags: tagged("t", vec![skill_name(agent % self.skills())]),
            after: Some(0),
            ..Filter::default()
        };
        filters
    }

    /// One topic, or two of every other agent.
    fn topics_of(&self, agent: usize) -> Vec<usize> {
        let mut topics = vec![agent % self.topics()];
        if agent.is_multiple_of(2) {
            topics.push((agent * 7 + 3) % self.topics());
            topics.dedup();
        }
        topics
    }

    fn topics(&self) -> usize {
        (self.agents.len() / AGENTS_PER_TOPIC).max(1)
    }

    fn skills(&self) -> usize {
        (self.agents.len() / WORKERS).max(1)
    }

    /// Below `bound`, and for each `turn` and `purpose` as the seed has it.
    fn scattered(&self, turn: usize, purpose: u64, bound: usize) -> usize {
        let mut mixed = ((self.plan.seed << 1) | purpose) ^ (turn as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The finalizer of splitmix64.
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

fn skill_name(skill: usize) -> String {
    format!("skill-{skill:04}")
}

fn tag(name: &str, value: String) -> (String, Vec<String>) {
    (name.to_owned(), vec![value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command, Load};
    use axon::event::{Envelope, EventView};
    use axon::filter::FilterLimits;
    use bumpalo::Bump;

    fn market(agents: usize, seed: u64) -> (Market, Vec<Identity>) {
        let load = Load { connections: Some(agents), count: Some(100), seed, ..Load::default() };
        let plan = Plan::new(Command::Mixed, &load, true);
        let identities = Identity::pool(seed, plan.authors);
        (Market::open(&plan, &identities, 1_700_000_000).unwrap(), identities)
    }

    #[test]
    fn every_event_reaches_as_many_subscriptions_as_it_says() {
        for agents in [2, 3, 4, 9, 30] {
            let (market, _) = market(agents, 1);
            assert_eq!(market.jobs.len(), 5);
            for (number, item) in market.items.iter().enumerate() {
                let wire = wire(&market, number);
                assert_eq!(market.number(&wire), Some(number));
                let arena = Bump::new();
                let view = EventView::parse(&wire, &arena).unwrap();
                let event = Envelope::new(&view, &wire, &mut Vec::new());
                let all = market.filters.iter().flatten();
                assert_eq!(
                    all.filter(|filter| filter.matches(&event)).count() as u64,
                    item.readers,
                    "{:?}",
                    item.role
                );
            }
        }
    }

    #[test]
    fn the_seed_decides_everything_but_the_winner() {
        let (first, again, other) = (market(12, 1).0, market(12, 1).0, market(12, 2).0);
        assert!(first.frames == again.frames && first.own == again.own);
        assert!(first.frames != other.frames);
        for (number, job) in first.jobs.iter().enumerate() {
            assert!(job.workers.len() >= 3 && !job.workers.contains(&job.requester));
            for (worker, agent) in job.workers.iter().enumerate() {
                let claim = &first.items[first.claim(number, worker)];
                assert_eq!((claim.role, claim.author), (Role::Claim { job: number, worker }, *agent));
                let ack = &first.items[first.ack(number, worker)];
                assert_eq!((ack.role, ack.author), (Role::Ack { job: number, worker }, job.requester));
            }
        }
    }

    fn wire(market: &Market, number: usize) -> Vec<u8> {
        let mut frame = market.frame(number).to_vec();
        let (mut wire, limits) = (Vec::new(), FilterLimits { entries_max: 1, tags_max: 1 });
        let fed = axon::wire::Assembler::default().feed(&mut frame, 1 << 20, &mut |incoming| {
            if let axon::wire::Incoming::Binary(message) = incoming
                && let Ok(ClientMessage::Publish { event }) = ClientMessage::parse(message, &limits)
            {
                wire = event.to_vec();
            }
            Some(1 << 20)
        });
        assert_eq!(fed, Ok(()));
        wire
    }
}

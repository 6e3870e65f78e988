//! The log in memory, but nothing happens at once: what is submitted or asked waits until the
//! run lets it happen. A commit has the three steps of the contract, in their order, with
//! anything in between: the head, the sink, the outcomes.

use axon::base::{LogId, Seq};
use axon::event::{Envelope, EventFields};
use axon::log::{
    Append, CommitSink, CommittedBatch, LogClient, MemLog, Outcome, Page, Query, QueryError, Read, Span,
    Submission, Tail, Ticket,
};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

pub const LOG_ID: LogId = LogId([7; 16]);

/// Whose submission it is: the shard and its how manieth; `None`: an import.
pub type Origin = Option<(usize, usize)>;

/// What became of a submission.
pub struct Settled {
    pub origin: Origin,
    pub outcome: Outcome,
}

pub struct SlowLog {
    mem: MemLog,
    sink: Arc<HeldSink>,
    state: Mutex<State>,
}

/// The outcomes of one client's submissions.
type Answers = (Arc<dyn LogClient>, Vec<(Ticket, Outcome)>);

#[derive(Default)]
struct State {
    submitted: VecDeque<Waiting>,
    submissions_per_shard: Vec<usize>,
    /// Outcomes of commits whose batch was announced, or will be before them.
    outcomes: VecDeque<Answers>,
    queries: Vec<(Arc<dyn LogClient>, Ticket, Query)>,
    settled: Vec<Settled>,
    events: Vec<Envelope>,
}

struct Waiting {
    client: Option<Arc<dyn LogClient>>,
    origin: Origin,
    submission: Submission,
}

/// A committed batch whose head is published and that the dispatcher has not seen.
struct HeldSink {
    to: Arc<dyn CommitSink>,
    held: Mutex<Option<Arc<CommittedBatch>>>,
}

impl CommitSink for HeldSink {
    fn committed(&self, batch: &Arc<CommittedBatch>) {
        let before = self.held.lock().unwrap().replace(Arc::clone(batch));
        assert!(before.is_none(), "one commit at a time");
    }
}

/// Keeps the outcomes of one commit.
#[derive(Default)]
struct Collector(Mutex<Vec<(Ticket, Outcome)>>);

impl LogClient for Collector {
    fn outcomes(&self, outcomes: Vec<(Ticket, Outcome)>) {
        self.0.lock().unwrap().extend(outcomes);
    }

    fn page(&self, _: Ticket, _: Result<Page, QueryError>) {
        unreachable!("only submits");
    }
}

impl SlowLog {
    pub fn new(sink: Arc<dyn CommitSink>, shards: usize) -> Self {
        let sink = Arc::new(HeldSink { to: sink, held: Mutex::default() });
        let mem = MemLog::new(LOG_ID, Arc::clone(&sink) as Arc<dyn CommitSink>);
        let state = State { submissions_per_shard: vec![0; shards], ..State::default() };
        SlowLog { mem, sink, state: Mutex::new(state) }
    }

    pub fn tail(&self) -> &Arc<Tail> {
        self.mem.tail()
    }

    /// Every committed event, in order.
    pub fn events(&self) -> Vec<Envelope> {
        self.state.lock().unwrap().events.clone()
    }

    pub fn take_settled(&self) -> Vec<Settled> {
        std::mem::take(&mut self.state.lock().unwrap().settled)
    }

    /// Submits an event that no connection published.
    pub fn import(&self, envelope: Envelope) {
        let submission = Submission { ticket: Ticket(0), envelope };
        self.state.lock().unwrap().submitted.push_back(Waiting { client: None, origin: None, submission });
    }

    /// First step of a commit of up to `n` submissions, which may be of several shards. Fails
    /// some of them, one in `failures`. Whether anything was done.
    pub fn commit(&self, rng: &mut StdRng, n: usize, failures: Option<u32>) -> bool {
        let mut state = self.state.lock().unwrap();
        let n = n.min(state.submitted.len());
        if n == 0 || self.sink.held.lock().unwrap().is_some() {
            return false;
        }
        let all: Vec<Waiting> = state.submitted.drain(..n).collect();
        let fails: Vec<bool> =
            all.iter().map(|_| failures.is_some_and(|one_in| rng.random_range(0..one_in) == 0)).collect();
        let numbered = all.iter().enumerate().filter(|(i, _)| !fails[*i]).map(|(i, waiting)| Submission {
            ticket: Ticket(i as u64),
            envelope: waiting.submission.envelope.clone(),
        });
        let collector = Arc::new(Collector::default());
        self.mem.submit(&(Arc::clone(&collector) as Arc<dyn LogClient>), numbered.collect());
        if let Some(batch) = &*self.sink.held.lock().unwrap() {
            assert_eq!(batch.first.0 as usize, state.events.len() + 1);
            state.events.extend(batch.events.iter().cloned());
        }
        let mut outcomes = vec![Outcome::Failed; n];
        for (Ticket(i), outcome) in collector.0.lock().unwrap().drain(..) {
            outcomes[i as usize] = outcome;
        }
        for (waiting, outcome) in all.into_iter().zip(outcomes) {
            state.settled.push(Settled { origin: waiting.origin, outcome });
            let Some(client) = waiting.client else { continue };
            let answer = (waiting.submission.ticket, outcome);
            match state.outcomes.back_mut() {
                Some((last, answers)) if Arc::ptr_eq(last, &client) => answers.push(answer),
                _ => state.outcomes.push_back((client, vec![answer])),
            }
        }
        true
    }

    /// Second step: the dispatcher sees the batch. Whether there was one.
    pub fn announce(&self) -> bool {
        let Some(batch) = self.sink.held.lock().unwrap().take() else { return false };
        self.sink.to.committed(&batch);
        true
    }

    /// Third step: outcomes go out. Whether there were any.
    pub fn answer(&self) -> bool {
        if self.sink.held.lock().unwrap().is_some() {
            return false;
        }
        let Some((client, outcomes)) = self.state.lock().unwrap().outcomes.pop_front() else { return false };
        client.outcomes(outcomes);
        true
    }

    /// Answers one query, any of those that wait, perhaps only in part. Whether there was one.
    pub fn answer_query(&self, rng: &mut StdRng) -> bool {
        let (client, ticket, mut query) = {
            let queries = &mut self.state.lock().unwrap().queries;
            if queries.is_empty() {
                return false;
            }
            let any = rng.random_range(0..queries.len());
            queries.swap_remove(any)
        };
        if query.span == Span::Ascending && rng.random_range(0..3) == 0 {
            query.to = Seq(rng.random_range(query.after.0 + 1..=query.to.0));
        }
        if rng.random_range(0..3) == 0 {
            query.events_max = query.events_max.min(rng.random_range(1..5));
        }
        client.page(ticket, Ok(self.mem.page(&query)));
        true
    }

    /// Does everything that waits for the committer.
    fn finish(&self) {
        let mut rng = rand::SeedableRng::seed_from_u64(0);
        while self.announce() || self.answer() || self.commit(&mut rng, usize::MAX, None) {}
    }
}

/// One shard's way to the log.
pub struct ShardLog {
    pub shard: usize,
    pub log: Arc<SlowLog>,
}

impl Append for ShardLog {
    fn submit(&self, client: &Arc<dyn LogClient>, batch: Vec<Submission>) {
        let mut state = self.log.state.lock().unwrap();
        for submission in batch {
            assert!(!submission.envelope.kind().is_ephemeral());
            let place = state.submissions_per_shard[self.shard];
            state.submissions_per_shard[self.shard] += 1;
            let origin = Some((self.shard, place));
            state.submitted.push_back(Waiting { client: Some(Arc::clone(client)), origin, submission });
        }
    }

    fn barrier(&self, done: Box<dyn FnOnce() + Send>) {
        self.log.finish();
        done();
    }
}

impl Read for ShardLog {
    fn query(&self, client: &Arc<dyn LogClient>, ticket: Ticket, query: Query) {
        assert!(query.after < query.to && query.to <= self.log.tail().head(), "{query:?}");
        self.log.state.lock().unwrap().queries.push((Arc::clone(client), ticket, query));
    }
}

//! Agents that publish, follow a few filters and run jobs for each other (see [`crate::jobs`]).
//! Every agent has a connection of its own; what it publishes of its own accord follows a window
//! or a clock, what it answers goes out at once.

use crate::bench::Stage;
use crate::conn::Conn;
use crate::failure::{Failure, Result};
use crate::flow::{STUCK_NANOS, WAIT_NANOS_MAX, describe, due_after};
use crate::frame::{ENVELOPE, ERROR, OK};
use crate::jobs::{INBOX, Market, Role, SKILL};
use crate::machine;
use crate::meter::Meter;
use crate::poll::Poll;
use crate::readers::histogram;
use crate::report::{Figures, Jobs, Report};
use axon::base::Seq;
use axon::wire::RelayMessage;
use hdrhistogram::Histogram;
use std::collections::VecDeque;

/// Runs the stage's plan.
///
/// # Errors
/// A connection failed.
pub fn mixed(stage: &Stage) -> Result<Report> {
    let Some(market) = stage.market else {
        return Err(Failure::Usage("there are no jobs prepared".to_owned()));
    };
    machine::pin(&stage.setting.client_cores)?;
    let mut agents = Vec::with_capacity(market.filters.len());
    for (number, filters) in market.filters.iter().enumerate() {
        let mut conn = stage.open(number)?;
        conn.subscribe(filters)?;
        agents.push(Agent {
            conn,
            own: VecDeque::new(),
            pending: VecDeque::new(),
            open: 0,
            last: [Seq(0); 3],
        });
    }
    for (turn, &number) in market.own.iter().enumerate() {
        agents[market.items[number].author].own.push_back((turn, number));
    }
    let mut meter = stage.meter()?;
    let mut course = Course::new(stage, market, agents, &meter);
    let (first, last) = course.run(&mut meter)?;
    let measured = meter.settle()?;
    let mut report = stage.report(Figures {
        unit: "event",
        count: last.replies - first.replies,
        deliveries: last.deliveries - first.deliveries,
        count_all: last.replies,
        measured,
    });
    course.tell(&mut report, last);
    let per_second = (last.jobs - first.jobs) as f64 / report.seconds.max(1e-9);
    report.further.insert("jobs/s".to_owned(), per_second);
    Ok(report)
}

struct Agent {
    conn: Conn,
    /// What it will publish of its own accord: its turn among all agents', and the event.
    own: VecDeque<(usize, usize)>,
    /// Events without an answer yet, and when they were sent or due.
    pending: VecDeque<(usize, u64)>,
    /// Posts without an answer and offers without a result.
    open: usize,
    /// The last log position of each subscription.
    last: [Seq; 3],
}

/// How far a job is.
struct Progress {
    /// When its offer was sent or due; 0: not yet.
    since: u64,
    /// Who won, as each worker sees it, then as the requester does.
    winners: Vec<Option<usize>>,
    results: u32,
    acks: u32,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Mark {
    replies: u64,
    deliveries: u64,
    jobs: u64,
}

/// A run under way.
struct Course<'a> {
    market: &'a Market,
    agents: Vec<Agent>,
    jobs: Vec<Progress>,
    /// When each event was sent or due.
    sent_at: Vec<u64>,
    window: usize,
    /// Events of their own accord per second, in an open loop.
    rate: Option<u64>,
    start: u64,
    seconds_max: u64,
    warmup: u64,
    spin: bool,
    /// The time is up: nothing new is begun.
    over: bool,
    mark: Mark,
    sent: u64,
    /// Deliveries that the events answered with Ok cause.
    expected: u64,
    errors: u64,
    first_error: Option<String>,
    bytes_out: u64,
    ack: Histogram<u64>,
    delivery: Histogram<u64>,
    result: Histogram<u64>,
    job: Histogram<u64>,
}

impl<'a> Course<'a> {
    fn new(stage: &Stage<'a>, market: &'a Market, agents: Vec<Agent>, meter: &Meter) -> Course<'a> {
        let plan = stage.plan;
        let progress =
            |workers: usize| Progress { since: 0, winners: vec![None; workers + 1], results: 0, acks: 0 };
        Course {
            market,
            agents,
            jobs: market.jobs.iter().map(|job| progress(job.workers.len())).collect(),
            sent_at: vec![0; market.items.len()],
            window: plan.window,
            // The rest of the events follow from these.
            rate: plan.rate.map(|rate| (rate * market.own.len() as u64 / market.events.max(1) as u64).max(1)),
            start: meter.clock.nanos(),
            seconds_max: plan.seconds,
            warmup: plan.warmup as u64,
            spin: plan.spin,
            over: false,
            mark: Mark::default(),
            sent: 0,
            expected: 0,
            errors: 0,
            first_error: None,
            bytes_out: 0,
            ack: histogram(),
            delivery: histogram(),
            result: histogram(),
            job: histogram(),
        }
    }

    /// Until everything is answered, delivered and done, or nothing has come for long; the counts
    /// at the beginning and the end of the measured stretch.
    fn run(&mut self, meter: &mut Meter) -> Result<(Mark, Mark)> {
        let mut poll = Poll::new()?;
        for (number, agent) in self.agents.iter().enumerate() {
            poll.add(&agent.conn.stream, number)?;
        }
        self.start = meter.clock.nanos();
        let (mut ready, mut first) = (Vec::new(), Mark::default());
        let mut last_change = self.start;
        loop {
            let now = meter.clock.nanos();
            self.over |= now - self.start > self.seconds_max * 1_000_000_000;
            self.begin(now)?;
            poll.wait(self.patience(now), &mut ready)?;
            let before = self.mark;
            for &number in &ready {
                self.read(number, &mut poll.buf, meter)?;
            }
            if !meter.is_started() && self.mark.replies >= self.warmup {
                meter.start()?;
                first = self.mark;
            }
            if before != self.mark {
                last_change = now;
            }
            let is_waiting =
                self.over || self.rate.is_none() || self.agents.iter().all(|agent| agent.own.is_empty());
            if self.is_done() || (is_waiting && now - last_change > STUCK_NANOS) {
                meter.stop()?;
                return Ok((first, self.mark));
            }
        }
    }

    /// Sends what agents may send of their own accord.
    fn begin(&mut self, now: u64) -> Result<()> {
        for number in 0..self.agents.len() {
            let mut frames = Vec::new();
            while let Some(&(turn, item)) = self.agents[number].own.front().filter(|_| !self.over) {
                let due = self.rate.map(|rate| self.start + due_after(turn as u64, rate));
                if due.map_or(self.agents[number].open >= self.window, |due| due > now) {
                    break;
                }
                self.agents[number].own.pop_front();
                self.agents[number].open += 1;
                self.put(number, item, due.unwrap_or(now), &mut frames);
            }
            self.send(number, &frames)?;
        }
        Ok(())
    }

    /// Takes note of an event that `agent` sends, and appends its frame.
    fn put(&mut self, agent: usize, number: usize, since: u64, frames: &mut Vec<u8>) {
        frames.extend_from_slice(self.market.frame(number));
        self.agents[agent].pending.push_back((number, since));
        self.sent_at[number] = since;
        self.sent += 1;
        if let Role::Offer { job } = self.market.items[number].role {
            self.jobs[job].since = since;
        }
    }

    fn send(&mut self, agent: usize, frames: &[u8]) -> Result<()> {
        self.bytes_out += frames.len() as u64;
        if frames.is_empty() { Ok(()) } else { self.agents[agent].conn.say(frames) }
    }

    /// How long the next wait may last.
    fn patience(&self, now: u64) -> u64 {
        if self.spin {
            return 0;
        }
        let Some(rate) = self.rate.filter(|_| !self.over) else { return WAIT_NANOS_MAX };
        let next = self.agents.iter().filter_map(|agent| agent.own.front()).map(|(turn, _)| *turn).min();
        let due = next.map_or(u64::MAX, |turn| self.start + due_after(turn as u64, rate));
        due.saturating_sub(now).min(WAIT_NANOS_MAX)
    }

    /// Reads once from an agent's connection and lets him answer.
    fn read(&mut self, number: usize, buf: &mut [u8], meter: &Meter) -> Result<()> {
        let (mut answers, mut events) = (Vec::new(), Vec::new());
        let market = self.market;
        let first_error = &mut self.first_error;
        self.agents[number].conn.read(buf, true, &mut |kind, message| match kind {
            OK => answers.push(true),
            ERROR => {
                answers.push(false);
                first_error.get_or_insert_with(|| describe(message));
            }
            ENVELOPE => events.extend(delivered(market, message)),
            _ => {}
        })?;
        if self.agents[number].conn.closed {
            let said = self.first_error.as_deref().unwrap_or("no error");
            return Err(Failure::Protocol(format!("the relay closed an agent; it had said: {said}")));
        }
        let (now, is_measured) = (meter.clock.nanos(), meter.is_started());
        for is_ok in answers {
            self.answered(number, is_ok, now, is_measured);
        }
        let mut frames = Vec::new();
        for (subscription, seq, item) in events {
            self.deliver(number, (subscription, seq, item), (now, is_measured), &mut frames);
        }
        self.send(number, &frames)
    }

    fn answered(&mut self, agent: usize, is_ok: bool, now: u64, is_measured: bool) {
        self.mark.replies += 1;
        self.errors += u64::from(!is_ok);
        let Some((number, since)) = self.agents[agent].pending.pop_front() else { return };
        let item = &self.market.items[number];
        if is_ok {
            self.expected += item.readers;
        }
        // An offer is open until its result is there; a refused one has none.
        if item.role == Role::Post || (!is_ok && matches!(item.role, Role::Offer { .. })) {
            self.agents[agent].open -= 1;
        }
        if is_measured {
            self.ack.saturating_record(now.saturating_sub(since));
        }
    }

    /// One event at an agent, and what he does about it.
    fn deliver(
        &mut self,
        agent: usize,
        (subscription, seq, number): (usize, Option<Seq>, usize),
        (now, is_measured): (u64, bool),
        frames: &mut Vec<u8>,
    ) {
        self.mark.deliveries += 1;
        if let (Some(seq), Some(last)) = (seq, self.agents[agent].last.get_mut(subscription)) {
            if seq <= *last {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| format!("position {seq} came after {last}"));
            }
            *last = seq.max(*last);
        }
        let market = self.market;
        match market.items[number].role {
            Role::Post if is_measured => {
                self.delivery.saturating_record(now.saturating_sub(self.sent_at[number]));
            }
            Role::Post => {}
            Role::Offer { job } => {
                if let Some(worker) = market.jobs[job].workers.iter().position(|worker| *worker == agent) {
                    self.put(agent, market.claim(job, worker), now, frames);
                }
            }
            Role::Claim { job, worker } => {
                let workers = &market.jobs[job].workers;
                let me = match subscription {
                    SKILL => workers.iter().position(|worker| *worker == agent),
                    _ => (subscription == INBOX && market.jobs[job].requester == agent)
                        .then_some(workers.len()),
                };
                // A requester of the same skill reads his job's claims in his inbox only.
                let Some(me) = me else { return };
                // The log's order is everybody's: the first one seen has the lowest position.
                if self.jobs[job].winners[me].is_none() {
                    self.jobs[job].winners[me] = Some(worker);
                    if worker == me {
                        self.put(agent, market.result(job, worker), now, frames);
                    }
                }
            }
            Role::Result { job, worker } => {
                self.jobs[job].results += 1;
                if self.jobs[job].results == 1 {
                    self.agents[agent].open -= 1;
                    self.put(agent, market.ack(job, worker), now, frames);
                    if is_measured {
                        self.result.saturating_record(now.saturating_sub(self.jobs[job].since));
                    }
                }
            }
            Role::Ack { job, .. } => {
                self.jobs[job].acks += 1;
                self.mark.jobs += u64::from(self.jobs[job].acks == 1);
                if is_measured {
                    self.job.saturating_record(now.saturating_sub(self.jobs[job].since));
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        let all_begun = self.over || self.agents.iter().all(|agent| agent.own.is_empty());
        all_begun
            && self.mark.replies == self.sent
            && self.mark.deliveries >= self.expected
            && self.agents.iter().all(|agent| agent.open == 0)
    }

    /// Everything but rate and CPU.
    fn tell(self, report: &mut Report, last: Mark) {
        for (what, times) in
            [("ack", &self.ack), ("delivery", &self.delivery), ("job", &self.job), ("result", &self.result)]
        {
            report.time(what, times);
        }
        report.missing = self.expected.saturating_sub(last.deliveries) + (self.sent - last.replies);
        report.errors = self.errors;
        report.first_error = self.first_error;
        let begun = self.jobs.iter().filter(|job| job.since > 0);
        report.jobs = Some(Jobs {
            done: last.jobs,
            lost: begun.clone().filter(|job| job.acks == 0).count() as u64,
            doubled: begun.filter(|job| job.is_doubled()).count() as u64,
        });
        report.client.bytes_out = self.bytes_out;
        report.client.bytes_in = self.agents.iter().map(|agent| agent.conn.bytes_in).sum();
    }
}

impl Progress {
    /// Done more than once, or not by the one whom all take for the winner.
    fn is_doubled(&self) -> bool {
        let mut winners = self.winners.iter().flatten();
        let winner = winners.next();
        self.results > 1 || self.acks > 1 || !winners.all(|other| Some(other) == winner)
    }
}

/// Subscription, position and number of an event of ours.
fn delivered(market: &Market, message: &[u8]) -> Option<(usize, Option<Seq>, usize)> {
    let Ok(RelayMessage::Envelope(envelope)) = RelayMessage::parse(message) else { return None };
    Some((envelope.sub_id.parse().ok()?, envelope.seq, market.number(envelope.event)?))
}

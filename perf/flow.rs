//! The engine of every workload that publishes: publishers that keep a window full or follow a
//! clock, and readers that count what reaches them.

use crate::conn::Conn;
use crate::failure::{Failure, Result};
use crate::frame::{ERROR, OK};
use crate::machine;
use crate::meter::Meter;
use crate::poll::Poll;
use crate::readers::{Progress, Reader, Readers, SendTimes, histogram};
use crate::script::Script;
use axon::base::Clock;
use axon::wire::RelayMessage;
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Without any reply or delivery for so long, although all is sent or the window is full, what
/// has not come is counted as missing.
pub const STUCK_NANOS: u64 = 5_000_000_000;
/// How long a wait lasts at most, so that the time limit is seen.
pub const WAIT_NANOS_MAX: u64 = 20_000_000;
/// The same while other threads read, whose progress opens the window.
const WAIT_FOR_OTHERS_NANOS: u64 = 200_000;

/// When the next event goes out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Closed loop: so many of each publisher without an answer.
    Window(usize),
    /// Open loop: so many per second in all, whatever the answers do. Latency counts from the
    /// time an event was due, so a stall of either side is not left out (coordinated omission).
    Rate(u64),
}

/// What closes a window beside the replies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gate {
    Replies,
    /// Every reader must have got the event (one publisher).
    Slowest,
    /// As many deliveries in all as events (one publisher, one delivery each).
    Total,
}

/// One run.
pub struct Flow<'a> {
    pub publishers: Vec<Publisher<'a>>,
    pub readers: Vec<Reader>,
    pub pace: Pace,
    pub gate: Gate,
    /// Readers that every event must reach; `None`: not known, so nothing is missing.
    pub deliveries_per_event: Option<f64>,
    /// Events, of all publishers, before measuring begins.
    pub warmup: usize,
    pub seconds_max: u64,
    /// Never sleep: the generator's own wake-up is then not in the latency.
    pub spin: bool,
    /// The first is this thread's; readers are spread over one thread for each.
    pub cores: &'a [usize],
    /// Set from outside: nothing more is sent.
    pub stop: &'a AtomicBool,
}

/// What came of it; counts are those of the measured stretch.
pub struct Outcome {
    pub events: u64,
    pub deliveries: u64,
    pub events_all: u64,
    pub missing: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    pub ack: Histogram<u64>,
    pub delivery: Histogram<u64>,
    pub bytes_out: u64,
    pub bytes_in: u64,
    /// Of the threads that only read, the busiest.
    pub readers_busy: f64,
}

/// A connection and what it publishes.
pub struct Publisher<'a> {
    conn: Conn,
    script: &'a Script,
    sent_at: Arc<SendTimes>,
    /// Bytes of the script that the socket has taken.
    sent_bytes: usize,
    /// Events handed to the socket, perhaps not all taken.
    sent: usize,
    replied: usize,
    errors: u64,
    first_error: Option<String>,
    /// Waits for space in its socket.
    blocked: bool,
}

impl<'a> Publisher<'a> {
    pub fn new(conn: Conn, script: &'a Script) -> Publisher<'a> {
        let sent_at = Arc::new((0..script.len()).map(|_| AtomicU64::new(0)).collect());
        Publisher {
            conn,
            script,
            sent_at,
            sent_bytes: 0,
            sent: 0,
            replied: 0,
            errors: 0,
            first_error: None,
            blocked: false,
        }
    }

    /// Sends up to event number `until`, as far as the socket takes it.
    fn push(&mut self, until: usize, now: u64, poll: &Poll, number: usize) -> Result<()> {
        let until = until.min(self.script.len());
        for time in self.sent_at.iter().take(until).skip(self.sent) {
            // An open loop has written the intended times beforehand.
            let _ = time.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
        self.sent = self.sent.max(until);
        let end = self.sent.checked_sub(1).map_or(0, |last| self.script.ends[last]);
        while self.sent_bytes < end {
            match self.conn.write(&self.script.bytes[self.sent_bytes..end])? {
                0 => break,
                n => self.sent_bytes += n,
            }
        }
        let blocked = self.sent_bytes < end;
        if blocked != self.blocked {
            self.blocked = blocked;
            poll.watch_space(&self.conn.stream, number, blocked)?;
        }
        Ok(())
    }

    fn read(&mut self, buf: &mut [u8], ack: &mut Histogram<u64>, warmup: usize, clock: &Clock) -> Result<()> {
        let (mut replies, mut errors) = (0, 0);
        let first_error = &mut self.first_error;
        self.conn.read(buf, false, &mut |kind, message| match kind {
            OK => replies += 1,
            ERROR => {
                replies += 1;
                errors += 1;
                first_error.get_or_insert_with(|| describe(message));
            }
            _ => {}
        })?;
        let now = clock.nanos();
        for index in self.replied.max(warmup)..self.replied + replies {
            let sent = self.sent_at.get(index).map_or(now, |time| time.load(Ordering::Relaxed));
            ack.saturating_record(now.saturating_sub(sent));
        }
        self.replied += replies;
        self.errors += errors;
        if self.conn.closed {
            let said = self.first_error.as_deref().unwrap_or("no error");
            return Err(Failure::Protocol(format!("the relay closed a publisher; it had said: {said}")));
        }
        Ok(())
    }
}

pub fn describe(message: &[u8]) -> String {
    match RelayMessage::parse(message) {
        Ok(RelayMessage::Error { code, message }) => format!("{code}: {message}"),
        _ => "an error that cannot be read".to_owned(),
    }
}

/// Counts at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    replies: u64,
    /// Events that are answered and, where the gate waits for it, delivered.
    done: u64,
    deliveries: u64,
}

impl Flow<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// A connection failed.
    pub fn run(mut self, meter: &mut Meter) -> Result<Outcome> {
        machine::pin(&self.cores[..1])?;
        let mut own = std::mem::take(&mut self.readers);
        let others = if own.is_empty() { 0 } else { self.cores.len() - 1 };
        let per_loop = own.len().div_ceil(others + 1).max(1);
        let mut apart: Vec<Readers> = (0..others)
            .map(|_| Readers::new(own.split_off(own.len() - per_loop.min(own.len())), self.warmup))
            .collect();
        let progress: Vec<Progress> = (0..=others).map(|_| Progress::default()).collect();
        let (stop, clock) = (AtomicBool::new(false), meter.clock);
        let sent = Arc::clone(&self.publishers[0].sent_at);
        let cores = &self.cores[1..];
        let mut course = Course {
            readers: Readers::new(own, self.warmup),
            sent: Arc::clone(&sent),
            progress: &progress,
            start: clock.nanos(),
            over: false,
            ack: histogram(),
            flow: self,
        };
        let (marks, readers_busy) = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for ((readers, progress), &core) in apart.iter_mut().zip(&progress[1..]).zip(cores) {
                let (sent, stop, clock) = (&sent, &stop, &clock);
                threads.push(scope.spawn(move || {
                    machine::pin(&[core])?;
                    readers.run(sent, clock, progress, stop)
                }));
            }
            let marks = course.run(meter);
            stop.store(true, Ordering::Relaxed);
            let mut busiest = 0.0f64;
            for thread in threads {
                let busy =
                    thread.join().map_err(|_| Failure::Usage("a reader thread panicked".to_owned()))?;
                busiest = busiest.max(busy?);
            }
            Ok((marks?, busiest))
        })?;
        Ok(course.outcome(&apart, marks, readers_busy))
    }
}

/// A flow under way.
struct Course<'a> {
    flow: Flow<'a>,
    /// Those of this thread.
    readers: Readers,
    /// When the first publisher's events were sent or due.
    sent: Arc<SendTimes>,
    /// This thread's, then the other threads'.
    progress: &'a [Progress],
    start: u64,
    /// The time is up: nothing more is sent.
    over: bool,
    ack: Histogram<u64>,
}

impl Course<'_> {
    /// Until everything is answered and delivered, or given up; the counts at the beginning and
    /// the end of the measured stretch.
    fn run(&mut self, meter: &mut Meter) -> Result<(Mark, Mark)> {
        let mut poll = Poll::new()?;
        for (number, publisher) in self.flow.publishers.iter().enumerate() {
            poll.add(&publisher.conn.stream, number)?;
        }
        self.readers.register(&poll, self.flow.publishers.len())?;
        self.start = meter.clock.nanos();
        self.write_due_times();
        let (mut ready, mut first) = (Vec::new(), Mark::default());
        let (mut last, mut last_change) = (Mark::default(), self.start);
        // Of each publisher; the readers have their own.
        let warmup = self.flow.warmup / self.flow.publishers.len();
        let is_closed_loop = matches!(self.flow.pace, Pace::Window(_));
        loop {
            let now = meter.clock.nanos();
            self.over |= now - self.start > self.flow.seconds_max * 1_000_000_000;
            self.over |= self.flow.stop.load(Ordering::Relaxed);
            for number in 0..self.flow.publishers.len() {
                let until = self.allowed(number, now);
                self.flow.publishers[number].push(until, now, &poll, number)?;
            }
            poll.wait(self.patience(now), &mut ready)?;
            for &number in &ready {
                match self.flow.publishers.get_mut(number) {
                    Some(publisher) => {
                        publisher.read(&mut poll.buf, &mut self.ack, warmup, &meter.clock)?;
                    }
                    None => {
                        let at = number - self.flow.publishers.len();
                        self.readers.read(at, &mut poll.buf, &self.sent, &meter.clock)?;
                    }
                }
            }
            self.readers.report(&self.progress[0]);
            let mark = self.mark();
            if !meter.is_started() && mark.done >= self.flow.warmup as u64 {
                meter.start()?;
                first = mark;
            }
            if !ready.is_empty() || mark.deliveries != last.deliveries {
                (last, last_change) = (mark, now);
            }
            let is_stuck = (self.all_sent() || is_closed_loop) && now - last_change > STUCK_NANOS;
            if self.is_done(mark) || is_stuck {
                meter.stop()?;
                return Ok((first, mark));
            }
        }
    }

    /// Events are due at even distances, the publishers in turn.
    fn write_due_times(&self) {
        let Pace::Rate(per_second) = self.flow.pace else { return };
        let step = self.flow.publishers.len();
        for (number, publisher) in self.flow.publishers.iter().enumerate() {
            for (at, time) in publisher.sent_at.iter().enumerate() {
                let due = self.start + due_after((at * step + number) as u64, per_second);
                time.store(due, Ordering::Relaxed);
            }
        }
    }

    /// How many events publisher `number` may have sent by now.
    fn allowed(&self, number: usize, now: u64) -> usize {
        let publisher = &self.flow.publishers[number];
        if self.over {
            return publisher.sent;
        }
        match self.flow.pace {
            Pace::Window(window) => {
                // What was refused is never delivered.
                let delivered = match self.flow.gate {
                    Gate::Replies => u64::MAX,
                    Gate::Slowest => self.slowest().saturating_add(publisher.errors),
                    Gate::Total => self.delivered().saturating_add(publisher.errors),
                };
                publisher.replied.min(usize::try_from(delivered).unwrap_or(usize::MAX)) + window
            }
            Pace::Rate(_) => {
                let mut sent = publisher.sent;
                while publisher.sent_at.get(sent).is_some_and(|due| due.load(Ordering::Relaxed) <= now) {
                    sent += 1;
                }
                sent
            }
        }
    }

    /// How long the next wait may last.
    fn patience(&self, now: u64) -> u64 {
        let longest = if self.progress.len() > 1 { WAIT_FOR_OTHERS_NANOS } else { WAIT_NANOS_MAX };
        if self.flow.spin {
            return 0;
        }
        if matches!(self.flow.pace, Pace::Window(_)) || self.over {
            return longest;
        }
        let due = self.flow.publishers.iter().filter_map(|p| p.sent_at.get(p.sent));
        let next = due.map(|due| due.load(Ordering::Relaxed)).min().unwrap_or(u64::MAX);
        next.saturating_sub(now).min(longest)
    }

    fn delivered(&self) -> u64 {
        self.progress.iter().map(|progress| progress.delivered.load(Ordering::Relaxed)).sum()
    }

    fn slowest(&self) -> u64 {
        let all = self.progress.iter().map(|progress| progress.slowest.load(Ordering::Relaxed));
        all.min().unwrap_or(u64::MAX)
    }

    fn mark(&self) -> Mark {
        let replies = self.flow.publishers.iter().map(|publisher| publisher.replied as u64).sum();
        let deliveries = self.delivered();
        let done = match self.flow.gate {
            Gate::Replies => replies,
            Gate::Slowest => self.slowest().min(replies),
            Gate::Total => deliveries.min(replies),
        };
        Mark { replies, done, deliveries }
    }

    fn all_sent(&self) -> bool {
        self.flow.publishers.iter().all(|p| self.over || p.sent == p.script.len())
    }

    fn errors(&self) -> u64 {
        self.flow.publishers.iter().map(|publisher| publisher.errors).sum()
    }

    /// Deliveries due for the events answered so far.
    fn expected(&self, mark: Mark) -> u64 {
        let accepted = mark.replies.saturating_sub(self.errors()) as f64;
        self.flow.deliveries_per_event.map_or(0, |per_event| (accepted * per_event).round() as u64)
    }

    fn is_done(&self, mark: Mark) -> bool {
        self.all_sent()
            && self.flow.publishers.iter().all(|publisher| publisher.replied == publisher.sent)
            && mark.deliveries >= self.expected(mark)
    }

    fn outcome(self, apart: &[Readers], (first, last): (Mark, Mark), readers_busy: f64) -> Outcome {
        let unanswered: usize = self.flow.publishers.iter().map(|p| p.sent - p.replied).sum();
        let missing = self.expected(last).saturating_sub(last.deliveries) + unanswered as u64;
        let errors = self.errors() + self.readers.errors + apart.iter().map(|r| r.errors).sum::<u64>();
        let mut delivery = self.readers.latency.clone();
        for readers in apart {
            // The same bounds everywhere, so that adding cannot fail.
            let _ = delivery.add(&readers.latency);
        }
        let publishers = &self.flow.publishers;
        let from_publishers: u64 = publishers.iter().map(|publisher| publisher.conn.bytes_in).sum();
        let from_readers: u64 = apart.iter().map(Readers::bytes_in).sum();
        Outcome {
            events: last.done - first.done,
            deliveries: last.deliveries - first.deliveries,
            events_all: last.replies,
            missing,
            errors,
            first_error: publishers.iter().find_map(|publisher| publisher.first_error.clone()),
            bytes_out: publishers.iter().map(|publisher| publisher.sent_bytes as u64).sum(),
            bytes_in: from_publishers + from_readers + self.readers.bytes_in(),
            ack: self.ack,
            delivery,
            readers_busy,
        }
    }
}

/// When event `index` is due after the start, in nanoseconds.
pub fn due_after(index: u64, per_second: u64) -> u64 {
    (u128::from(index) * 1_000_000_000 / u128::from(per_second.max(1))) as u64
}

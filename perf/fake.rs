//! A small relay without signatures' verification, store or manners, so that the generator can be
//! tested by itself: it answers, forwards what matches, and replays. One thread per connection.

use crate::bench::Bench;
use crate::options::{Command, Cores, Load, RelayArgs};
use crate::page;
use crate::plan::Plan;
use crate::repeat;
use crate::report::{Jobs, Report};
use crate::results::Results;
use axon::base::{Clock, Seq};
use axon::event::{Envelope, EventFields, EventView};
use axon::filter::{Filter, FilterLimits};
use axon::wire::{
    Assembler, ClientMessage, Eose, Head, Incoming, put_envelope, put_error, put_ok, read_head, relay,
};
use axon::{base::LogId, base::Reason};
use bumpalo::Bump;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What all connections share.
#[derive(Default)]
struct Shared {
    log: Vec<Envelope>,
    subscriptions: HashMap<(usize, String), (Arc<TcpStream>, Filter)>,
    /// Every so many publishes are refused; 0: none.
    refuse_every: usize,
    /// Every so many deliveries are forgotten; 0: none.
    forget_every: usize,
    /// Every so many deliveries are made twice; 0: none.
    repeat_every: usize,
    published: usize,
    delivered: usize,
}

/// Listens until the test's process ends; the URL.
fn start(refuse_every: usize, forget_every: usize) -> String {
    start_with(Shared { refuse_every, forget_every, ..Shared::default() })
}

fn start_with(shared: Shared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let shared = Arc::new(Mutex::new(shared));
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || serve(number, Arc::new(stream.unwrap()), &shared));
        }
    });
    url
}

fn serve(number: usize, stream: Arc<TcpStream>, shared: &Mutex<Shared>) {
    stream.set_nodelay(true).unwrap();
    let mut buf = vec![0; 64 << 10];
    let mut head = Vec::new();
    let rest = loop {
        let n = (&*stream).read(&mut buf).unwrap_or(0);
        head.extend_from_slice(&buf[..n]);
        match read_head(&head) {
            None if n > 0 => {}
            Some(Head::Upgrade { mut response, consumed }) => {
                relay::put_challenge(&mut response, &[9; 32]);
                (&*stream).write_all(&response).unwrap();
                break head.split_off(consumed);
            }
            other => panic!("{other:?}"),
        }
    };
    let mut assembler = Assembler::default();
    let mut bytes = rest;
    loop {
        let mut out = Vec::new();
        let fed = assembler.feed(&mut bytes, 1 << 20, &mut |incoming| {
            if let Incoming::Binary(message) = incoming {
                let limits = FilterLimits { entries_max: 1000, tags_max: 10 };
                let message = ClientMessage::parse(message, &limits).unwrap();
                shared.lock().unwrap().handle(number, &stream, message, &mut out);
            }
            Some(1 << 20)
        });
        let n = match (&*stream).write_all(&out).and(Ok(fed)) {
            Ok(Ok(())) => (&*stream).read(&mut buf).unwrap_or(0),
            _ => 0,
        };
        if n == 0 {
            shared.lock().unwrap().subscriptions.retain(|(owner, _), _| *owner != number);
            return;
        }
        bytes = buf[..n].to_vec();
    }
}

impl Shared {
    fn handle(
        &mut self,
        from: usize,
        stream: &Arc<TcpStream>,
        message: ClientMessage<'_>,
        out: &mut Vec<u8>,
    ) {
        match message {
            ClientMessage::Auth { .. } => relay::put_ok_text(out, "welcome"),
            ClientMessage::Unsubscribe { sub_id } => {
                self.subscriptions.remove(&(from, sub_id.to_owned()));
            }
            ClientMessage::Subscribe { sub_id, filter } => {
                for (at, event) in self.log.iter().enumerate().filter(|(_, event)| filter.matches(*event)) {
                    put_envelope(out, sub_id, filter.after.map(|_| Seq(at as u64 + 1)), event.wire());
                }
                let position = filter.after.map(|_| (Seq(self.log.len() as u64), LogId([0; 16])));
                relay::put_eose(out, &Eose { sub_id, more: false, position });
                self.subscriptions.insert((from, sub_id.to_owned()), (Arc::clone(stream), filter));
            }
            ClientMessage::Publish { event } => self.publish(event, out),
        }
    }

    fn publish(&mut self, wire: &[u8], out: &mut Vec<u8>) {
        let arena = Bump::new();
        let view = EventView::parse(wire, &arena).unwrap();
        let event = Envelope::new(&view, wire, &mut Vec::new());
        self.published += 1;
        if self.refuse_every > 0 && self.published.is_multiple_of(self.refuse_every) {
            put_error(out, Some(&event.id().to_hex()), Reason::DuplicateTag);
            return;
        }
        put_ok(out, event.id());
        let seq = Seq(self.log.len() as u64 + 1);
        for ((_, sub_id), (stream, filter)) in &self.subscriptions {
            if filter.matches(&event) {
                self.delivered += 1;
                if self.forget_every == 0 || !self.delivered.is_multiple_of(self.forget_every) {
                    let mut frame = Vec::new();
                    put_envelope(&mut frame, sub_id, filter.after.map(|_| seq), wire);
                    if self.repeat_every > 0 && self.delivered.is_multiple_of(self.repeat_every) {
                        frame.extend_from_within(..);
                    }
                    // A subscriber that is gone is about to be removed by its own thread.
                    let _ = (&**stream).write_all(&frame);
                }
            }
        }
        if !event.kind().is_ephemeral() {
            self.log.push(event);
        }
    }
}

fn run(command: Command, load: &Load, url: String) -> Report {
    run_on(&[0], command, load, url)
}

fn run_on(cores: &[usize], command: Command, load: &Load, url: String) -> Report {
    let cores = Cores(cores.to_vec());
    let relay = RelayArgs {
        relay: None,
        url: Some(url),
        pid: std::process::id(),
        http: None,
        env: Vec::new(),
        server_cores: cores.clone(),
        client_cores: cores,
        shards: 1,
        tls: false,
        durability: "os".to_owned(),
        set: Vec::new(),
        scratch: std::env::temp_dir(),
        keep: false,
    };
    let mut plan = Plan::new(command, load, true);
    plan.count = plan.count.min(400);
    // Small enough that the warm-up ends before everything is answered.
    plan.window = load.window.unwrap_or(16);
    plan.warmup = plan.count / 10;
    plan.connections = plan.connections.min(10);
    if command != Command::Churn {
        // The counts end it, however slow the machine.
        plan.seconds = 60;
    }
    Bench::prepare(plan, &relay, Clock::new()).unwrap().run().unwrap()
}

#[test]
fn every_workload_counts_what_it_should() {
    for (command, load, deliveries_per_event) in [
        (Command::Ingest, Load::default(), 0),
        (Command::Ingest, Load { rate: Some(2_000), publishers: Some(3), ..Load::default() }, 0),
        (Command::Fanout, Load { subscribers: Some(7), ..Load::default() }, 7),
        (
            Command::Fanout,
            Load { subscribers: Some(7), kind: Some(1000), window: Some(1), ..Load::default() },
            7,
        ),
        (Command::Selective, Load { subscriptions: Some(101), ..Load::default() }, 1),
        (Command::Latency, Load { rate: Some(2_000), count: Some(400), ..Load::default() }, 10),
        (Command::Growth, Load { subscriptions: Some(11), rate: Some(2_000), ..Load::default() }, 0),
    ] {
        let report = run(command, &load, start(0, 0));
        assert_eq!((report.missing, report.errors), (0, 0), "{}", report.name);
        assert!(report.count > 0 && report.count <= 360, "{}", report.name);
        assert!(report.deliveries <= 400 * deliveries_per_event, "{}", report.name);
        // A tenth, by each publisher, is warm-up.
        let publishers = report.plan.publishers as u64;
        assert_eq!(report.latency["ack"].count, 400 - 40 / publishers * publishers, "{}", report.name);
        let timed = report.latency.get("delivery").map_or(0, |latency| latency.count);
        let is_timed = !matches!(command, Command::Ingest | Command::Growth);
        assert_eq!(timed, if is_timed { 360 * deliveries_per_event } else { 0 }, "{}", report.name);
        assert!(report.server.is_some_and(|server| server.cpu_us_per_unit > 0.0));
    }
}

#[test]
fn readers_on_threads_of_their_own_lose_nothing() {
    let load = Load { subscribers: Some(7), ..Load::default() };
    let report = run_on(&[0, 0, 0], Command::Fanout, &load, start(0, 0));
    assert_eq!((report.missing, report.errors, report.count_all), (0, 0, 400));
    assert_eq!(report.latency["delivery"].count, 360 * 7);
}

#[test]
fn replay_reads_every_stored_event() {
    let report = run(Command::Replay, &Load::default(), start(0, 0));
    assert_eq!((report.count, report.missing), (400, 0));
}

#[test]
fn connections_and_subscriptions_are_counted() {
    let connect = run(Command::Connect, &Load::default(), start(0, 0));
    assert_eq!((connect.count, connect.latency["login"].count), (300, 300));
    let idle = run(Command::Idle, &Load::default(), start(0, 0));
    assert_eq!(idle.count, 10);
    assert!(idle.further.contains_key("bytes/connection"));
    let churn = run(Command::Churn, &Load::default(), start(0, 0));
    assert!(churn.count >= 400 && churn.errors == 0, "{churn:?}");
}

#[test]
fn what_the_relay_refuses_is_an_error_and_not_a_missing_delivery() {
    let report = run(Command::Fanout, &Load { subscribers: Some(2), ..Load::default() }, start(40, 0));
    assert_eq!((report.errors, report.missing), (10, 0));
    assert!(report.warnings.iter().any(|warning| warning.contains("10 errors")), "{:?}", report.warnings);
}

#[test]
fn what_the_relay_forgets_is_missing() {
    let load = Load { subscribers: Some(2), window: Some(4_096), ..Load::default() };
    let report = run(Command::Fanout, &load, start(0, 100));
    assert_eq!((report.errors, report.missing), (0, 8));
}

#[test]
fn a_fault_of_one_run_is_not_lost_in_the_median() {
    let load = Load { subscribers: Some(2), ..Load::default() };
    let runs = [0, 40, 0].map(|refuse_every| run(Command::Fanout, &load, start(refuse_every, 0)));
    let median = repeat::median(&runs).unwrap();
    assert_eq!((median.runs, median.errors, median.count_all), (3, 10, 400));
    assert!(median.warnings.iter().any(|warning| warning.contains("10 errors")), "{:?}", median.warnings);
    let mut rates = runs.map(|run| run.per_second);
    rates.sort_by(f64::total_cmp);
    assert_eq!((median.per_second, median.ranges["events/s"]), (rates[1], [rates[0], rates[2]]));
}

#[test]
fn every_job_is_done_once() {
    for load in [Load::default(), Load { rate: Some(2_000), connections: Some(7), ..Load::default() }] {
        let report = run(Command::Mixed, &load, start(0, 0));
        assert_eq!((report.missing, report.errors), (0, 0), "{:?}", report.warnings);
        assert_eq!(report.jobs, Some(Jobs { done: 20, lost: 0, doubled: 0 }));
        assert_eq!((report.latency["job"].count > 0, report.is_broken()), (true, false));
        assert!(report.further["jobs/s"] > 0.0);
    }
}

#[test]
fn lost_and_doubled_jobs_break_the_run() {
    let few = Load { count: Some(100), connections: Some(4), ..Load::default() };
    // With a window for all of them, so that no job waits for another one.
    let lost = run(Command::Mixed, &Load { window: Some(100), ..few.clone() }, start(0, 2));
    let jobs = lost.jobs.unwrap();
    assert!(jobs.lost > 0 && lost.missing > 0 && lost.is_broken(), "{lost:?}");
    assert_eq!(jobs.done + jobs.lost, 5);
    let doubled = run(Command::Mixed, &few, start_with(Shared { repeat_every: 1, ..Shared::default() }));
    let jobs = doubled.jobs.unwrap();
    assert!(jobs.doubled > 0 && doubled.errors > 0 && doubled.is_broken(), "{doubled:?}");
}

#[test]
fn the_page_of_a_run_needs_nothing_else() {
    let report = run(Command::Latency, &Load { rate: Some(2_000), ..Load::default() }, start(0, 0));
    let name = report.name.clone();
    let page = page::page(&Results { made_at: 0, runs: vec![report], series: Vec::new() }, &[]);
    assert!(page.contains(&format!("<h1>{name}</h1>")));
    for elsewhere in ["<script", "http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    // Both latencies, and the CPU by thread.
    for element in ["figure", "svg", "table", "details", "section", "main"] {
        let (opened, closed) = (format!("<{element}"), format!("</{element}>"));
        assert_eq!(page.matches(&opened).count(), page.matches(&closed).count(), "{element}");
    }
    assert_eq!(page.matches("<svg").count(), 3);
}

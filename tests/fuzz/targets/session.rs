//! A whole session under any sequence of bytes and answers, over a log of the test vectors.
//!
//! The input is read as steps: bytes from the peer (raw, framed, or whole messages), verdicts,
//! pages, live events, time, a socket that takes a little. After each step everything that was
//! queued is read as a client reads it. Wrong would be: a frame or message that is none, an event
//! its subscription's filter or its reader's rights do not allow, one twice or out of order, a
//! reply out of turn, a queue or a number of publishes above its bound, an event after the end;
//! and, when all steps are done and the session is still open, an event that is missing.

use super::decode::matches;
use super::{frames, vectors};
use axon::base::limits::Limits;
use axon::base::{Closing, EventId, LogId, Millis, PubKey, Reason, Seq};
use axon::event::{Envelope, EventView};
use axon::filter::{Filter, ReadAccess};
use axon::session::{Admission, LogEnds, NextRead, Request, Session, Span, SubIndex, Terms};
use axon::wire::{Assembler, Incoming, RelayMessage};
use bumpalo::Bump;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

const LOG_ID: LogId = LogId([7; 16]);
const QUEUE_BYTES_MAX: usize = 8 << 10;
const MESSAGE_BYTES_MAX: usize = 4 << 10;
const IN_FLIGHT_MAX: usize = 8;
const SUBSCRIPTIONS_MAX: usize = 4;
/// What one page may hold, as the shell asks for it.
const PAGE_BYTES_MAX: usize = QUEUE_BYTES_MAX / 2;
/// What may come on top of a full queue: a page or event that was under way, replies, an Eose.
const SLACK_BYTES: usize = PAGE_BYTES_MAX + 2 * MESSAGE_BYTES_MAX;

/// Steps of one input; more would only be slow.
const STEPS_MAX: usize = 400;

/// One event of the log.
struct Entry {
    wire: Vec<u8>,
    envelope: Envelope,
}

fn log() -> &'static [Entry] {
    static LOG: OnceLock<Vec<Entry>> = OnceLock::new();
    LOG.get_or_init(|| {
        let entry = |wire: Vec<u8>| {
            let arena = Bump::new();
            let event = EventView::parse(&wire, &arena).expect("an event of the vectors");
            let envelope = Envelope::new(&event, &wire, &mut Vec::new());
            Entry { wire, envelope }
        };
        vectors::log().into_iter().map(entry).collect()
    })
}

fn matching(filter: &Filter, access: &ReadAccess, entry: &Entry) -> bool {
    let arena = Bump::new();
    let event = EventView::parse(&entry.wire, &arena).expect("an event of the vectors");
    matches(filter, &event) && may_read(access, &event)
}

/// Protocol §5, word by word: private kinds for their author, the keys in `p` tags, auditors.
fn may_read(access: &ReadAccess, event: &EventView<'_>) -> bool {
    let ReadAccess::As(me) = access else { return true };
    let named = event.tags.iter().any(|tag| tag.name == "p" && tag.first() == Some(me.to_hex().as_str()));
    !(2000..=2999).contains(&event.kind.0) || event.pubkey == *me || named
}

/// A subscription as its reader sees it.
struct Reading {
    index: SubIndex,
    filter: Arc<Filter>,
    /// The head when it was opened.
    border: u64,
    got: BTreeSet<u64>,
    last: u64,
    eose: bool,
}

/// A publish without its reply.
struct Due {
    number: u64,
    id: EventId,
    settled: Option<bool>,
}

/// A page that is under way.
struct Asked {
    filter: Arc<Filter>,
    access: ReadAccess,
    after: u64,
    to: u64,
    span: Span,
    events_max: usize,
}

struct Drive {
    session: Session,
    now: u64,
    head: u64,
    admission: Option<Admission>,
    /// Rights that have changed on the way make what was due earlier hard to say.
    readmitted: bool,
    readings: BTreeMap<String, Reading>,
    due: VecDeque<Due>,
    published: u64,
    asked: Option<Asked>,
    /// Bytes of the queue that were looked at.
    seen: usize,
    welcomed: bool,
    failed: bool,
}

pub fn session(bytes: &[u8]) {
    let limits = Limits {
        message_bytes_max: MESSAGE_BYTES_MAX,
        subscriptions_max: SUBSCRIPTIONS_MAX,
        queue_bytes_max: QUEUE_BYTES_MAX,
        in_flight_max: IN_FLIGHT_MAX,
        in_flight_bytes_max: 2 * MESSAGE_BYTES_MAX,
        filter_entries_max: 16,
        filter_tags_max: 4,
        ..Limits::default()
    };
    let terms = Arc::new(Terms { limits, log_id: LOG_ID });
    let mut drive = Drive {
        session: Session::new(terms, [9; 32], Millis(0), Millis(0)),
        now: 0,
        head: 10,
        admission: None,
        readmitted: false,
        readings: BTreeMap::new(),
        due: VecDeque::new(),
        published: 0,
        asked: None,
        seen: 0,
        welcomed: false,
        failed: false,
    };
    let (mut input, mut assembler) = (Input(bytes), Assembler::default());
    drive.look();
    for _ in 0..STEPS_MAX {
        let Some(step) = input.byte() else { break };
        drive.step(step, &mut input, &mut assembler);
        drive.look();
    }
    drive.finish();
}

/// What is left of the input.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> usize {
        self.byte().map_or(0, usize::from)
    }

    /// So many bytes, or those that are left.
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

impl Drive {
    fn step(&mut self, step: u8, input: &mut Input<'_>, assembler: &mut Assembler) {
        match step % 16 {
            0 => {
                let n = input.number();
                self.receive(assembler, input.take(n).to_vec());
            }
            1 => {
                let (first, n) = (input.byte().unwrap_or(0x82), 2 * input.number());
                self.receive(assembler, frames::frame(first, input.take(n)));
            }
            2 | 3 => {
                let n = 2 * input.number();
                self.receive(assembler, frames::frame(0x82, input.take(n)));
            }
            4 => self.receive(assembler, frames::frame(0x82, specimen(input.number()))),
            5 => self.settle(input.number()),
            6 => self.ask(),
            7 => self.answer(input.number()),
            8 | 9 => self.live(),
            10 => self.ephemeral(input.number()),
            11 => {
                let n = (16 * input.number()).min(self.session.queued_bytes());
                self.session.sent(Millis(self.now), n);
                self.seen -= n;
            }
            12 => {
                self.now += 100 * input.number() as u64;
                self.session.tick(Millis(self.now));
            }
            13 => {
                let sub = SubIndex(input.number() as u32 % 8);
                let position = self.readings.values().find(|r| r.index == sub).map_or(0, |r| r.last);
                self.session.fall_back(sub, Seq(position));
            }
            14 => self.rare(input.number()),
            _ => {
                if let Some(entry) = log().get(input.number()) {
                    self.receive(assembler, publish(&entry.wire));
                }
            }
        }
    }

    /// Bytes of the peer, unless the session does not want any.
    fn receive(&mut self, assembler: &mut Assembler, mut bytes: Vec<u8>) {
        if self.session.is_paused() {
            return;
        }
        self.session.alive(Millis(self.now));
        let limit = self.session.message_bytes_max();
        let fed = assembler.feed(&mut bytes, limit, &mut |incoming| {
            self.incoming(incoming);
            self.look();
            // The shell looks at this once per read; the bounds are on what it lets in.
            (!self.session.is_paused()).then(|| self.session.message_bytes_max())
        });
        if let Err(error) = fed {
            self.session.frame_error(error);
        }
    }

    fn incoming(&mut self, incoming: Incoming<'_>) {
        match self.session.incoming(incoming) {
            Request::Nothing => {}
            Request::Login { nonce, pubkey, .. } => self.login(nonce, pubkey),
            Request::Publish { number, event } => {
                assert!(event.len() <= MESSAGE_BYTES_MAX);
                self.published += 1;
                let mut id = [0xee; 32];
                id[..8].copy_from_slice(&self.published.to_be_bytes());
                self.due.push_back(Due { number, id: EventId(id), settled: None });
            }
            Request::Subscribe { sub_id, filter } => self.subscribe(sub_id, filter),
            Request::Unsubscribed { sub, filter } => {
                let gone = self.readings.extract_if(.., |_, reading| reading.index == sub).next();
                assert_eq!(gone.map(|(_, reading)| reading.filter), Some(filter));
            }
        }
    }

    /// The first byte of the key decides: some are auditors, some are not let in.
    fn login(&mut self, nonce: [u8; 32], pubkey: PubKey) {
        assert_eq!(nonce, [9; 32]);
        let admission = match pubkey.0[0] % 8 {
            0 => return self.session.logged_in(pubkey, Err(Reason::KeyNotAllowed)),
            1 => Admission { access: ReadAccess::All, filter_entries_max: 0 },
            _ => Admission { access: ReadAccess::As(pubkey), filter_entries_max: 4 },
        };
        self.admission = Some(admission);
        self.session.logged_in(pubkey, Ok(admission));
    }

    fn subscribe(&mut self, sub_id: &str, filter: Filter) {
        let filter = Arc::new(filter);
        let purged = self.head.is_multiple_of(7).then_some(Seq(self.head / 2));
        let log = LogEnds { head: Seq(self.head), purged };
        let Ok(opened) = self.session.subscribe(sub_id, Arc::clone(&filter), log, Ok(())) else {
            return;
        };
        assert!(purged.is_none_or(|purged| filter.after.is_none_or(|after| purged.0 <= after)));
        // The stored phase has not begun: nothing of it may lie in the queue yet.
        let before = self.readings.remove(sub_id);
        assert_eq!(opened.replaced.map(|(index, _)| index), before.map(|reading| reading.index));
        let (index, border, last) = (opened.sub, self.head, filter.after.unwrap_or(0));
        let reading = Reading { index, filter, border, got: BTreeSet::new(), last, eose: false };
        self.readings.insert(sub_id.to_owned(), reading);
        assert!(self.readings.len() <= SUBSCRIPTIONS_MAX);
    }

    fn settle(&mut self, which: usize) {
        let waiting: Vec<usize> = (0..self.due.len()).filter(|i| self.due[*i].settled.is_none()).collect();
        if waiting.is_empty() {
            return;
        }
        let due = &mut self.due[waiting[which % waiting.len()]];
        let stored = !which.is_multiple_of(3);
        due.settled = Some(stored);
        let outcome = if stored { Ok(due.id) } else { Err((Some(due.id), Reason::BadSignature)) };
        self.session.settle(due.number, outcome);
        self.session.write_replies();
        self.session.close_if_answered();
    }

    fn ask(&mut self) {
        let Some(read) = self.session.next_read() else { return };
        let (filter, access, after, to, span, events_max) = match read {
            NextRead::Page { filter, access, after, to, span, events_max } => {
                (filter, access, after.0, to.0, span, events_max)
            }
            NextRead::CatchUp { sub, filter, access, after } => {
                if self.head - after.0 <= 4 {
                    return self.catch_up(sub, &filter, &access, after.0);
                }
                self.session.reading(sub);
                (filter, access, after.0, self.head, Span::Ascending, usize::MAX)
            }
        };
        assert!(self.asked.is_none(), "one page at a time");
        assert!(after <= to && to <= self.head, "{after} to {to} of {}", self.head);
        self.asked = Some(Asked { filter, access, after, to, span, events_max });
    }

    fn catch_up(&mut self, sub: SubIndex, filter: &Filter, access: &ReadAccess, after: u64) {
        for seq in after + 1..=self.head {
            let entry = entry(seq);
            if matching(filter, access, entry) && !self.session.catch_up(sub, Seq(seq), &entry.wire) {
                return self.session.passed(sub, Seq(seq - 1));
            }
        }
        self.session.go_live(sub, Seq(self.head));
    }

    /// The log's answer to the page under way, of bounded size; or none.
    fn answer(&mut self, how: usize) {
        let Some(Asked { filter, access, after, to, span, events_max }) = self.asked.take() else { return };
        let mut found: Vec<u64> =
            (after + 1..=to).filter(|seq| matching(&filter, &access, entry(*seq))).collect();
        if let Span::Last(n) = span {
            found.drain(..found.len().saturating_sub(n as usize));
        }
        let (mut bytes, mut events) = (0, 0);
        let fit = found.iter().take_while(|seq| {
            bytes += entry(**seq).wire.len();
            events += 1;
            events == 1 || bytes <= PAGE_BYTES_MAX && events <= events_max.min(1 + how % 8)
        });
        let page: Vec<u64> = fit.copied().collect();
        let covered = if page.len() == found.len() { to } else { page.last().copied().unwrap_or(to) };
        let ended = if how == 255 {
            self.failed = true;
            self.session.read_failed(Reason::ReadFailed)
        } else {
            self.session.page(page.iter().map(|seq| (Seq(*seq), &entry(*seq).wire[..])), Seq(covered)).0
        };
        self.look();
        if let Some((index, filter)) = ended {
            let gone = self.readings.extract_if(.., |_, reading| reading.index == index).next();
            let (_, reading) = gone.expect("what has ended was open");
            assert_eq!(reading.filter, filter);
            let limit = filter.limit.unwrap_or(u32::MAX) as usize;
            assert!(how == 255 || reading.got.len() == limit, "cut off at its limit");
        }
    }

    /// The next event of the log, to whom it is due.
    fn live(&mut self) {
        if self.head as usize == log().len() {
            return;
        }
        self.head += 1;
        let seq = Seq(self.head);
        let indexes: Vec<(SubIndex, Arc<Filter>)> =
            self.readings.values().map(|r| (r.index, Arc::clone(&r.filter))).collect();
        for (index, filter) in indexes {
            let Some(target) = self.session.live_target(index, Some(seq)) else { continue };
            if !matching(&filter, target.access, entry(seq.0)) {
                continue;
            }
            if self.session.queued_bytes() >= QUEUE_BYTES_MAX {
                self.session.fall_back(index, Seq(seq.0 - 1));
                continue;
            }
            let (sub_id, with_seq) = (target.sub_id.to_owned(), target.with_seq);
            let out = self.session.out().end();
            axon::wire::put_envelope(out, &sub_id, with_seq.then_some(seq), &entry(seq.0).wire);
            self.session.delivered(index, seq);
        }
    }

    /// Whether an ephemeral event may be sent now; its bytes are not looked at by the session.
    fn ephemeral(&mut self, sub: usize) {
        let index = SubIndex(sub as u32 % 8);
        if let Some(target) = self.session.live_target(index, None) {
            let reading = self.readings.get(target.sub_id).expect("an open subscription");
            assert!(reading.eose && !target.with_seq, "ephemeral events come after Eose, without a seq");
        }
    }

    fn rare(&mut self, which: usize) {
        match which % 8 {
            0 => self.session.drain(),
            1 => self.session.abort(Closing::Gone),
            2 | 3 => {
                let Some(before) = self.admission else { return };
                let access = if which & 8 == 0 { ReadAccess::All } else { ReadAccess::As(PubKey([2; 32])) };
                self.readmitted |= access != before.access;
                self.admission = Some(Admission { access, filter_entries_max: 0 });
                self.session.readmit(Admission { access, filter_entries_max: 0 });
            }
            4 => self.session.end_with(Reason::KeyNotAllowed),
            _ => assert!(self.session.live_subscriptions().len() <= SUBSCRIPTIONS_MAX),
        }
    }

    /// Reads what was queued since the last look.
    fn look(&mut self) {
        let queued = self.session.queued_bytes();
        assert!(queued <= QUEUE_BYTES_MAX + SLACK_BYTES, "{queued} bytes are queued");
        assert!(self.session.in_flight_bytes() <= 2 * MESSAGE_BYTES_MAX + MESSAGE_BYTES_MAX);
        assert!(self.due.iter().filter(|due| due.settled.is_none()).count() <= IN_FLIGHT_MAX);
        let fresh = self.session.out().pending()[self.seen..].to_vec();
        self.seen = queued;
        let mut rest = &fresh[..];
        while !rest.is_empty() {
            let (opcode, payload, behind) = relay_frame(rest);
            rest = behind;
            match opcode {
                2 => self.said(RelayMessage::parse(payload).expect("a message of a relay")),
                8 => assert!(payload.len() >= 2 && rest.is_empty(), "nothing follows a Close"),
                9 | 10 => assert!(payload.len() <= 125),
                other => panic!("opcode {other}"),
            }
        }
    }

    fn said(&mut self, message: RelayMessage<'_>) {
        match message {
            RelayMessage::Challenge { nonce } => assert_eq!(nonce, [9; 32]),
            RelayMessage::Ok { message } if !self.welcomed => {
                assert!(self.admission.is_some(), "{message} to a stranger");
                self.welcomed = true;
            }
            RelayMessage::Ok { message } => self.replied(message, true),
            RelayMessage::Error { code, message } => {
                assert!((400..=503).contains(&code), "{code} {message}");
                let about = message.get(..64).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
                // Ids that are not ours stand in publishes whose form was refused.
                if let Some(id) = about.filter(|id| id.ends_with("eeee")) {
                    self.replied(id, false);
                }
            }
            RelayMessage::Envelope(envelope) => self.delivered(envelope.sub_id, envelope.event, envelope.seq),
            RelayMessage::Eose(eose) => {
                let reading = self.readings.get_mut(eose.sub_id).expect("Eose of an open subscription");
                assert!(!std::mem::replace(&mut reading.eose, true), "a second Eose");
                assert_eq!(eose.position.is_some(), reading.filter.after.is_some());
                assert!(eose.position.is_none_or(|(seq, log)| log == LOG_ID && seq.0 <= self.head));
            }
        }
    }

    fn replied(&mut self, id: &str, stored: bool) {
        let due = self.due.pop_front().expect("a reply to a publish");
        assert_eq!((id, due.settled), (due.id.to_hex().as_str(), Some(stored)), "out of turn");
    }

    fn delivered(&mut self, sub_id: &str, wire: &[u8], seq: Option<Seq>) {
        let access = self.admission.expect("an event to a stranger").access;
        let reading = self.readings.get_mut(sub_id).expect("an event of an open subscription");
        let at = log().iter().position(|entry| entry.wire == wire).expect("an event of the log") as u64 + 1;
        assert!(at <= self.head && at > reading.last, "{at} after {} for {sub_id}", reading.last);
        assert!(matching(&reading.filter, &access, entry(at)), "{at} is not for {:?}", reading.filter);
        assert_eq!(seq.map(|seq| seq.0), reading.filter.after.map(|_| at));
        assert!(reading.eose == (at > reading.border), "{at} on the wrong side of Eose");
        reading.last = at;
        assert!(reading.got.insert(at));
    }

    /// All that is due is read and sent: then nothing may be missing.
    fn finish(&mut self) {
        for _ in 0..8 * log().len() {
            let n = self.session.queued_bytes();
            self.session.sent(Millis(self.now), n);
            self.seen = 0;
            self.settle(1);
            self.ask();
            self.answer(1);
            self.look();
        }
        if self.session.pubkey().is_none() {
            return;
        }
        assert!(self.due.is_empty(), "every publish has its reply");
        let access = self.admission.expect("an open session").access;
        for (sub_id, reading) in self.readings.iter().filter(|_| !self.readmitted) {
            let Reading { filter, border, got, .. } = reading;
            let after = filter.after.unwrap_or(0);
            let mut expected: Vec<u64> =
                (after + 1..=self.head).filter(|seq| matching(filter, &access, entry(*seq))).collect();
            if let (None, Some(limit)) = (filter.after, filter.limit) {
                let stored = expected.iter().filter(|seq| *seq <= border).count();
                expected.drain(..stored.saturating_sub(limit as usize));
            }
            assert!(reading.eose && got.iter().eq(&expected), "{sub_id}: {got:?} instead of {expected:?}");
        }
    }
}

/// An entry of the log by its position.
fn entry(seq: u64) -> &'static Entry {
    &log()[seq as usize - 1]
}

/// The first frame of what a relay sends: its opcode, its payload, what is behind it.
fn relay_frame(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let (start, len) = match bytes[1] {
        127 => (10, bytes[2..10].iter().fold(0, |n, byte| n << 8 | usize::from(*byte))),
        126 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        len => (2, usize::from(len)),
    };
    assert_eq!(bytes[0] & 0xf0, 0x80, "one frame per message");
    let (frame, rest) = bytes.split_at(start + len);
    (bytes[0] & 15, &frame[start..], rest)
}

fn publish(event: &[u8]) -> Vec<u8> {
    frames::frame(0x82, &[&b"\x92\x07\x81\xa5event"[..], event].concat())
}

/// A message of the vectors.
fn specimen(which: usize) -> &'static [u8] {
    static MESSAGES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let messages = MESSAGES.get_or_init(|| {
        // A login and subscriptions of several shapes first: they are what the rest needs.
        let mut messages: Vec<Vec<u8>> =
            vectors::messages().into_iter().rev().take(8).filter(|m| m.len() < 1_024).collect();
        for author in 0..2 {
            let key = *axon::event::EventFields::pubkey(&log()[author].envelope);
            messages.push(
                [&b"\x92\x02\x82\xa6pubkey\xc4\x20"[..], &key.0, b"\xa3sig\xc4\x40", &[8; 64]].concat(),
            );
        }
        messages.extend(vectors::messages().into_iter().filter(|m| m.len() < 1_024));
        messages
    });
    &messages[which % messages.len()]
}

pub fn specimens() -> Vec<Vec<u8>> {
    // Log in, subscribe in every way, then read, settle, publish and live events in turns.
    let login = [4, 1];
    let walk: Vec<u8> = [6, 7, 3, 8, 6, 7, 9, 9, 11, 255, 15, 3, 5, 1, 12, 10, 13, 0, 6, 7, 1].to_vec();
    let subscribe = |n: u8| [4, n];
    let mut all: Vec<Vec<u8>> = (2..6)
        .map(|n| [&login[..], &subscribe(n), &subscribe(n + 1), &walk, &walk, &walk, &walk].concat())
        .collect();
    all.push([&login[..], &subscribe(3), &walk, &[14, 2], &walk, &[14, 11], &walk, &[14, 0], &walk].concat());
    all.push([&[0, 4, 0x82, 0x80, 0, 0][..], &login, &walk].concat());
    let raw = [vec![4, 1, 2, 60], vectors::messages().pop().unwrap_or_default()].concat();
    all.push(raw);
    all
}

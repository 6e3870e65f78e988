//! One client's connection: what it still has to send, what it must be answered, what it got.

use crate::frames::{self, FrameReader};
use crate::pool::Pool;
use axon::base::LogId;
use axon::event::{EventFields, scan_id};
use axon::filter::{Filter, ReadAccess};
use axon::shard::ConnIndex;
use axon::wire::RelayMessage;
use std::collections::{BTreeMap, VecDeque};

/// What a message means, to be modelled when its last byte has reached the relay.
#[derive(Debug, Clone)]
pub enum Intent {
    Login,
    Subscribe {
        sub_id: String,
        filter: Filter,
    },
    Unsubscribe {
        sub_id: String,
    },
    Publish {
        event: usize,
        forged: bool,
    },
    /// Something that is answered with an Error in the order of the publishes.
    Refused(u16),
    Ping(Vec<u8>),
    /// A message above the limit.
    TooLarge,
    Close,
}

/// A reply that is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    Welcome,
    Error {
        code: u16,
        about: String,
    },
    /// 200 for Ok; `None` while the event has not been judged or is with the log.
    Publish {
        event: usize,
        verdict: Option<u16>,
    },
}

/// One subscription of a `sub_id`, as the relay must serve it.
#[derive(Debug, Clone)]
pub struct Generation {
    pub filter: Filter,
    pub access: ReadAccess,
    /// The head when it was handled.
    pub border: u64,
    /// Neither unsubscribed nor replaced.
    pub open: bool,
}

/// What came for a `sub_id`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Frame {
    Event { event: usize, seq: Option<u64> },
    Eose { more: bool, position: Option<(u64, LogId)> },
}

pub struct Conn {
    pub user: usize,
    pub shard: usize,
    pub index: ConnIndex,
    pub reader_is_slow: bool,
    /// Reads nothing more until the others have finished.
    pub stalled: bool,
    pub gone: bool,

    /// Bytes that were not handed to the relay yet, and the intents by the number of bytes up
    /// to their end.
    pub stream: VecDeque<u8>,
    pub intents: VecDeque<(usize, Intent)>,
    pub written: usize,
    pub fed: usize,
    /// The relay does not read it.
    pub paused: bool,

    pub logged_in: bool,
    /// The relay answers what is due and then closes.
    pub leaving: bool,
    pub expected: Vec<Expected>,
    pub answered: usize,
    pub pongs: VecDeque<Vec<u8>>,
    pub subs: BTreeMap<String, Vec<Generation>>,

    reader: FrameReader,
    pub challenged: bool,
    pub close_code: Option<u16>,
    /// Frames by `sub_id`, each with the step when it was read.
    pub got: BTreeMap<String, Vec<(usize, Frame)>>,
}

impl Conn {
    pub fn new(user: usize, shard: usize, index: ConnIndex, reader_is_slow: bool) -> Self {
        Conn {
            user,
            shard,
            index,
            reader_is_slow,
            stalled: false,
            gone: false,
            stream: VecDeque::new(),
            intents: VecDeque::new(),
            written: 0,
            fed: 0,
            paused: false,
            logged_in: false,
            leaving: false,
            expected: Vec::new(),
            answered: 0,
            pongs: VecDeque::new(),
            subs: BTreeMap::new(),
            reader: FrameReader::default(),
            challenged: false,
            close_code: None,
            got: BTreeMap::new(),
        }
    }

    /// Queues bytes whose last one completes a message.
    pub fn write(&mut self, bytes: &[u8], intent: Intent) {
        self.stream.extend(bytes);
        self.written += bytes.len();
        self.intents.push_back((self.written, intent));
    }

    /// The relay owes an Error.
    pub fn expect_error(&mut self, code: u16, about: impl Into<String>) {
        self.expected.push(Expected::Error { code, about: about.into() });
    }

    /// Whether every reply that can be due has come.
    pub fn is_answered(&self) -> bool {
        self.answered == self.expected.len() && self.pongs.is_empty()
    }

    /// Reads bytes of the relay; the frames that belong to subscriptions.
    pub fn read(&mut self, pool: &Pool, step: usize, bytes: &[u8]) -> Vec<(String, Frame)> {
        self.reader.push(bytes);
        let mut for_subs = Vec::new();
        while let Some((opcode, payload)) = self.reader.next() {
            assert_eq!(self.close_code, None, "a frame after Close");
            match opcode {
                frames::BINARY => self.message(pool, step, &payload, &mut for_subs),
                frames::PING => {}
                frames::PONG => assert_eq!(self.pongs.pop_front(), Some(payload), "a pong for no ping"),
                frames::CLOSE => self.close_code = Some(u16::from_be_bytes([payload[0], payload[1]])),
                other => panic!("frame of opcode {other}"),
            }
        }
        for_subs
    }

    fn message(&mut self, pool: &Pool, step: usize, payload: &[u8], for_subs: &mut Vec<(String, Frame)>) {
        let (sub_id, frame) = match RelayMessage::parse(payload).unwrap() {
            RelayMessage::Challenge { nonce } => {
                assert!(!self.challenged && nonce == crate::pool::nonce(self.user));
                self.challenged = true;
                return;
            }
            RelayMessage::Ok { message } => return self.reply(pool, 200, message),
            RelayMessage::Error { code, message } => return self.reply(pool, code, message),
            RelayMessage::Envelope(envelope) => {
                let id = scan_id(envelope.event).expect("an event has an id");
                let event = pool.by_id[&id];
                assert_eq!(pool.events[event].wire, envelope.event, "the very bytes that were published");
                (envelope.sub_id, Frame::Event { event, seq: envelope.seq.map(|seq| seq.0) })
            }
            RelayMessage::Eose(eose) => {
                let position = eose.position.map(|(seq, log)| (seq.0, log));
                (eose.sub_id, Frame::Eose { more: eose.more, position })
            }
        };
        self.got.entry(sub_id.to_owned()).or_default().push((step, frame));
        for_subs.push((sub_id.to_owned(), frame));
    }

    fn reply(&mut self, pool: &Pool, code: u16, message: &str) {
        let due = self.expected.get(self.answered);
        let (due_code, about) = match due {
            Some(Expected::Welcome) => (Some(200), "authenticated".to_owned()),
            Some(Expected::Error { code, about }) => (Some(*code), about.clone()),
            Some(Expected::Publish { event, verdict: Some(200) }) => (Some(200), id_of(pool, *event)),
            Some(Expected::Publish { event, verdict }) => (*verdict, format!("{}: ", id_of(pool, *event))),
            None => (None, String::new()),
        };
        assert!(
            due_code == Some(code) && message.starts_with(&about),
            "reply {} is {code} {message:?}, due was {due:?} about {about:?}",
            self.answered
        );
        self.answered += 1;
    }
}

fn id_of(pool: &Pool, event: usize) -> String {
    pool.events[event].envelope.id().to_hex()
}

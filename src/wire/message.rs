//! Protocol messages (protocol §2): `[type, payload]`, one per WebSocket message.

use super::frame::{Opcode, put_frame, put_header};
use crate::base::limits::SUB_ID_BYTES_MAX;
use crate::base::{EventId, LogId, PubKey, Reason, Seq, Signature};
use crate::codec::{
    Reader, UnknownKeys, write_array_len, write_bin, write_bool, write_map_len, write_str, write_uint,
};
use crate::filter::{Filter, FilterLimits};

/// Message type numbers.
const CHALLENGE: u64 = 1;
const AUTH: u64 = 2;
const OK: u64 = 3;
const ERROR: u64 = 4;
const SUBSCRIBE: u64 = 5;
const UNSUBSCRIBE: u64 = 6;
const PUBLISH: u64 = 7;
const ENVELOPE: u64 = 8;
const EOSE: u64 = 9;

/// What a client may send.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage<'a> {
    Auth {
        pubkey: PubKey,
        sig: Signature,
    },
    Subscribe {
        sub_id: &'a str,
        filter: Filter,
    },
    Unsubscribe {
        sub_id: &'a str,
    },
    /// The event map's bytes; not looked into here.
    Publish {
        event: &'a [u8],
    },
}

/// A message that could not be read, with what could be read of it, so that the Error can name
/// the subscription or the event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Problem<'a> {
    pub reason: Reason,
    pub sub_id: Option<&'a str>,
    pub event: Option<&'a [u8]>,
}

impl From<Reason> for Problem<'_> {
    fn from(reason: Reason) -> Self {
        Problem { reason, sub_id: None, event: None }
    }
}

/// The payload's keys that any client message has; unknown ones are ignored.
#[derive(Default)]
struct Payload<'a> {
    pubkey: Option<PubKey>,
    sig: Option<Signature>,
    sub_id: Option<&'a str>,
    filter: Option<Filter>,
    event: Option<&'a [u8]>,
}

impl<'a> ClientMessage<'a> {
    /// Reads one message.
    ///
    /// # Errors
    /// Anything but `[type, payload]` of a type a client may send, with the keys and types the
    /// protocol gives it.
    pub fn parse(bytes: &'a [u8], limits: &FilterLimits) -> Result<Self, Problem<'a>> {
        let mut reader = Reader::new(bytes);
        let kind = read_type(&mut reader)?;
        if !matches!(kind, AUTH | SUBSCRIBE | UNSUBSCRIBE | PUBLISH) {
            return Err(Reason::UnknownType(kind).into());
        }
        let mut payload = Payload::default();
        let outcome = payload.read(&mut reader, kind, limits).and_then(|()| {
            if reader.is_empty() {
                payload.message(kind)
            } else {
                Err(malformed("message", "bytes left over"))
            }
        });
        outcome.map_err(|reason| Problem { reason, sub_id: payload.sub_id, event: payload.event })
    }
}

impl<'a> Payload<'a> {
    fn read(&mut self, reader: &mut Reader<'a>, kind: u64, limits: &FilterLimits) -> Result<(), Reason> {
        let mut unknown = UnknownKeys::default();
        for _ in 0..reader.map_len().map_err(|e| e.at("payload"))? {
            match (kind, reader.str().map_err(|e| e.at("payload"))?) {
                (AUTH, "pubkey") => {
                    once(&self.pubkey)?;
                    self.pubkey = Some(PubKey(*reader.bin_of().map_err(|e| e.at("pubkey"))?));
                }
                (AUTH, "sig") => {
                    once(&self.sig)?;
                    self.sig = Some(Signature(*reader.bin_of().map_err(|e| e.at("sig"))?));
                }
                (SUBSCRIBE | UNSUBSCRIBE, "sub_id") => {
                    once(&self.sub_id)?;
                    self.sub_id = Some(sub_id(reader)?);
                }
                (SUBSCRIBE, "filter") => {
                    once(&self.filter)?;
                    self.filter = Some(Filter::read(reader, limits)?);
                }
                (PUBLISH, "event") => {
                    once(&self.event)?;
                    self.event = Some(reader.skip().map_err(|e| e.at("event"))?);
                }
                (_, key) => unknown.skip(key, reader).map_err(|e| e.at("payload"))?,
            }
        }
        Ok(())
    }

    fn message(&mut self, kind: u64) -> Result<ClientMessage<'a>, Reason> {
        match kind {
            AUTH => Ok(ClientMessage::Auth {
                pubkey: self.pubkey.ok_or(missing("pubkey"))?,
                sig: self.sig.ok_or(missing("sig"))?,
            }),
            SUBSCRIBE => Ok(ClientMessage::Subscribe {
                sub_id: self.sub_id.ok_or(missing("sub_id"))?,
                filter: self.filter.take().ok_or(missing("filter"))?,
            }),
            UNSUBSCRIBE => Ok(ClientMessage::Unsubscribe { sub_id: self.sub_id.ok_or(missing("sub_id"))? }),
            _ => Ok(ClientMessage::Publish { event: self.event.ok_or(missing("event"))? }),
        }
    }
}

fn read_type(reader: &mut Reader<'_>) -> Result<u64, Reason> {
    if reader.array_len().map_err(|e| e.at("message"))? != 2 {
        return Err(malformed("message", "must be an array of type and payload"));
    }
    let kind = reader.uint().map_err(|e| e.at("type"))?;
    u16::try_from(kind).map(u64::from).map_err(|_| malformed("type", "integer out of range"))
}

fn sub_id<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Reason> {
    let sub_id = reader.str().map_err(|e| e.at("sub_id"))?;
    match sub_id.len() {
        1..=SUB_ID_BYTES_MAX => Ok(sub_id),
        _ => Err(malformed("sub_id", "must be 1 to 64 bytes")),
    }
}

fn once<T>(slot: &Option<T>) -> Result<(), Reason> {
    if slot.is_some() { Err(malformed("payload", "repeated key")) } else { Ok(()) }
}

fn malformed(field: &'static str, problem: &'static str) -> Reason {
    Reason::Malformed { field, problem }
}

fn missing(field: &'static str) -> Reason {
    Reason::Malformed { field, problem: "missing" }
}

/// The client's side: writing its messages (unframed; the client library frames and masks).
impl ClientMessage<'_> {
    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_array_len(out, 2);
        match self {
            ClientMessage::Auth { pubkey, sig } => {
                write_uint(out, AUTH);
                write_map_len(out, 2);
                write_str(out, "pubkey");
                write_bin(out, &pubkey.0);
                write_str(out, "sig");
                write_bin(out, &sig.0);
            }
            ClientMessage::Subscribe { sub_id, filter } => {
                write_uint(out, SUBSCRIBE);
                write_map_len(out, 2);
                write_str(out, "sub_id");
                write_str(out, sub_id);
                write_str(out, "filter");
                filter.write(out);
            }
            ClientMessage::Unsubscribe { sub_id } => {
                write_uint(out, UNSUBSCRIBE);
                write_map_len(out, 1);
                write_str(out, "sub_id");
                write_str(out, sub_id);
            }
            ClientMessage::Publish { event } => {
                write_uint(out, PUBLISH);
                write_map_len(out, 1);
                write_str(out, "event");
                out.extend_from_slice(event);
            }
        }
    }
}

/// What the relay sends, as a client reads it.
#[derive(Debug, Clone, PartialEq)]
pub enum RelayMessage<'a> {
    Challenge { nonce: [u8; 32] },
    Ok { message: &'a str },
    Error { code: u16, message: &'a str },
    Envelope(Envelope<'a>),
    Eose(Eose<'a>),
}

/// One delivered event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Envelope<'a> {
    pub sub_id: &'a str,
    /// The event map's bytes.
    pub event: &'a [u8],
    /// Only on subscriptions with `after`.
    pub seq: Option<Seq>,
}

/// The end of a stored phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Eose<'a> {
    pub sub_id: &'a str,
    /// The limit cut the phase short and the subscription has ended.
    pub more: bool,
    /// The last position covered, and the log it belongs to; only with `after`.
    pub position: Option<(Seq, LogId)>,
}

impl<'a> RelayMessage<'a> {
    /// Reads one message of the relay.
    ///
    /// # Errors
    /// Anything the protocol does not let a relay send.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let mut reader = Reader::new(bytes);
        let kind = read_type(&mut reader)?;
        let (mut nonce, mut text, mut code, mut sub_id) = (None, None, None, None);
        let (mut event, mut seq, mut log, mut more) = (None, None, None, false);
        for _ in 0..reader.map_len().map_err(|e| e.at("payload"))? {
            match reader.str().map_err(|e| e.at("payload"))? {
                "nonce" => nonce = Some(*reader.bin_of::<32>().map_err(|e| e.at("nonce"))?),
                "message" => text = Some(reader.str().map_err(|e| e.at("message"))?),
                "code" => code = u16::try_from(reader.uint().map_err(|e| e.at("code"))?).ok(),
                "sub_id" => sub_id = Some(reader.str().map_err(|e| e.at("sub_id"))?),
                "event" => event = Some(reader.skip().map_err(|e| e.at("event"))?),
                "seq" => seq = Some(Seq(reader.uint().map_err(|e| e.at("seq"))?)),
                "log" => log = Some(LogId(*reader.bin_of().map_err(|e| e.at("log"))?)),
                "more" => more = reader.skip().map_err(|e| e.at("more"))? == [0xc3],
                _ => {
                    reader.skip().map_err(|e| e.at("payload"))?;
                }
            }
        }
        let message = text.ok_or(missing("message"));
        let sub_id = sub_id.ok_or(missing("sub_id"));
        match kind {
            CHALLENGE => Ok(RelayMessage::Challenge { nonce: nonce.ok_or(missing("nonce"))? }),
            OK => Ok(RelayMessage::Ok { message: message? }),
            ERROR => Ok(RelayMessage::Error { code: code.ok_or(missing("code"))?, message: message? }),
            ENVELOPE => {
                let event = event.ok_or(missing("event"))?;
                Ok(RelayMessage::Envelope(Envelope { sub_id: sub_id?, event, seq }))
            }
            EOSE => Ok(RelayMessage::Eose(Eose { sub_id: sub_id?, more, position: seq.zip(log) })),
            other => Err(Reason::UnknownType(other)),
        }
    }
}

/// Frames of the relay's messages.
pub mod relay {
    use super::*;

    /// Challenge, in its frame.
    pub fn put_challenge(out: &mut Vec<u8>, nonce: &[u8; 32]) {
        put_frame(out, Opcode::Binary, |out| {
            start(out, CHALLENGE, 1);
            write_str(out, "nonce");
            write_bin(out, nonce);
        });
    }

    /// Ok with a text, for the login.
    pub fn put_ok_text(out: &mut Vec<u8>, text: &str) {
        put_frame(out, Opcode::Binary, |out| {
            start(out, OK, 1);
            write_str(out, "message");
            write_str(out, text);
        });
    }

    /// Eose, in its frame.
    pub fn put_eose(out: &mut Vec<u8>, eose: &Eose<'_>) {
        put_frame(out, Opcode::Binary, |out| {
            start(out, EOSE, 1 + u32::from(eose.more) + if eose.position.is_some() { 2 } else { 0 });
            write_str(out, "sub_id");
            write_str(out, eose.sub_id);
            if eose.more {
                write_str(out, "more");
                write_bool(out, true);
            }
            if let Some((seq, log)) = eose.position {
                write_str(out, "seq");
                write_uint(out, seq.0);
                write_str(out, "log");
                write_bin(out, &log.0);
            }
        });
    }
}

fn start(out: &mut Vec<u8>, kind: u64, keys: u32) {
    write_array_len(out, 2);
    write_uint(out, kind);
    write_map_len(out, keys);
}

/// Ok for a stored or forwarded event, in its frame.
pub fn put_ok(out: &mut Vec<u8>, id: &EventId) {
    put_frame(out, Opcode::Binary, |out| {
        start(out, OK, 1);
        write_str(out, "message");
        let mut text = [0; 64];
        out.extend_from_slice(&[0xd9, 64]);
        if hex::encode_to_slice(id.0, &mut text).is_ok() {
            out.extend_from_slice(&text);
        }
    });
}

/// Error, in its frame; `about` begins the text (an event id, or `sub <sub_id>`).
pub fn put_error(out: &mut Vec<u8>, about: Option<&str>, reason: Reason) {
    let text = match about {
        Some(about) => format!("{about}: {reason}"),
        None => reason.to_string(),
    };
    put_frame(out, Opcode::Binary, |out| {
        start(out, ERROR, 2);
        write_str(out, "code");
        write_uint(out, u64::from(reason.code()));
        write_str(out, "message");
        write_str(out, &text);
    });
}

/// EventEnvelope, in its frame. Returns where in `out` the sub_id's bytes begin, so that the
/// same frame can be patched for the next subscriber with an id of that length.
///
/// | bytes | content |
/// |---|---|
/// | 2, 4 or 10 | frame header |
/// | 3 | array of 2, type 8, map of 2 or 3 |
/// | 7 | "sub_id" |
/// | 1 or 2, then n | the sub_id |
/// | 13 | "seq" and a uint64, only on subscriptions with `after` |
/// | 6 | "event" |
/// | rest | the event map as received |
pub fn put_envelope(out: &mut Vec<u8>, sub_id: &str, seq: Option<Seq>, event: &[u8]) -> usize {
    let str_head = if sub_id.len() < 32 { 1 } else { 2 };
    let payload = 3 + 7 + str_head + sub_id.len() + if seq.is_some() { 13 } else { 0 } + 6 + event.len();
    out.reserve(payload + 10);
    put_header(out, Opcode::Binary, payload);
    out.extend_from_slice(&[0x92, ENVELOPE as u8, if seq.is_some() { 0x83 } else { 0x82 }]);
    out.extend_from_slice(b"\xa6sub_id");
    write_str(out, sub_id);
    let at = out.len() - sub_id.len();
    if let Some(seq) = seq {
        out.extend_from_slice(b"\xa3seq\xcf");
        out.extend_from_slice(&seq.0.to_be_bytes());
    }
    out.extend_from_slice(b"\xa5event");
    out.extend_from_slice(event);
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FilterLimits = FilterLimits { entries_max: 100, tags_max: 10 };

    #[test]
    fn what_a_client_writes_the_relay_reads() {
        let filter = Filter { kinds: vec![1, 2], since: Some(-5), after: Some(0), ..Filter::default() };
        for message in [
            ClientMessage::Auth { pubkey: PubKey([1; 32]), sig: Signature([2; 64]) },
            ClientMessage::Subscribe { sub_id: "a", filter },
            ClientMessage::Unsubscribe { sub_id: "ä" },
            ClientMessage::Publish { event: &[0x80] },
        ] {
            let mut bytes = Vec::new();
            message.write(&mut bytes);
            assert_eq!(ClientMessage::parse(&bytes, &LIMITS), Ok(message));
            for end in 0..bytes.len() {
                assert!(ClientMessage::parse(&bytes[..end], &LIMITS).is_err());
            }
        }
    }

    #[test]
    fn an_envelope_can_be_patched_for_another_subscriber() {
        for (first, second) in [("a", "b"), (&"x".repeat(40)[..], &"y".repeat(40)[..])] {
            for seq in [None, Some(Seq(7))] {
                let mut out = Vec::new();
                let at = put_envelope(&mut out, first, seq, &[0x80]);
                out[at..at + second.len()].copy_from_slice(second.as_bytes());
                let payload = &out[2..];
                assert_eq!(out[1] as usize, payload.len());
                let expected = Envelope { sub_id: second, event: &[0x80], seq };
                assert_eq!(RelayMessage::parse(payload), Ok(RelayMessage::Envelope(expected)));
            }
        }
    }

    #[test]
    fn an_unknown_key_is_ignored_unless_it_is_repeated() {
        let message = |keys: &str| {
            let mut bytes = vec![0x92, 6, 0x81 + keys.len() as u8];
            bytes.extend_from_slice(b"\xa6sub_id\xa1s");
            keys.bytes().for_each(|key| bytes.extend_from_slice(&[0xa1, key, 0xc0]));
            bytes
        };
        assert_eq!(
            ClientMessage::parse(&message("xy"), &LIMITS),
            Ok(ClientMessage::Unsubscribe { sub_id: "s" })
        );
        let repeated = message("xx");
        let problem = ClientMessage::parse(&repeated, &LIMITS).err();
        assert_eq!(problem.map(|p| p.reason), Some(malformed("payload", "repeated key")));
    }

    #[test]
    fn errors_name_their_subject() {
        let mut bytes = Vec::new();
        ClientMessage::Subscribe { sub_id: "s", filter: Filter::default() }.write(&mut bytes);
        bytes.push(0);
        let problem = ClientMessage::parse(&bytes, &LIMITS).err();
        assert_eq!(problem.and_then(|p| p.sub_id), Some("s"));
    }
}

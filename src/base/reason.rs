//! Why something was refused: a closed list, each with the code and the text its sender gets.

use super::quota::KeyLimit;
use thiserror::Error;

/// Why a message, a login or a connection was refused. The text names the field and the
/// limit; it never carries internal detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Reason {
    /// A field is not what the protocol says.
    #[error("{field}: {problem}")]
    Malformed { field: &'static str, problem: &'static str },
    /// A count or a length is over its limit.
    #[error("{field}: {have} is over the limit of {limit}")]
    OverLimit { field: &'static str, have: u64, limit: u64 },
    /// The relay speaks binary frames only.
    #[error("text frame: messages are binary frames")]
    TextFrame,
    /// A message type the relay does not know or does not take from clients.
    #[error("type: {0} is not a message a client may send")]
    UnknownType(u64),
    /// The id is not the hash of the canonical payload.
    #[error("event.id: not the SHA-256 of the canonical payload")]
    IdMismatch,
    /// The signature does not verify.
    #[error("event.sig: does not verify")]
    BadSignature,
    /// The author's clock is too far ahead.
    #[error("event.created_at: {ahead_seconds} s ahead of the relay, at most {limit} s are allowed")]
    TooFarAhead { ahead_seconds: i64, limit: i64 },
    /// An ephemeral event that could have been forgotten by the seen set already.
    #[error(
        "event.created_at: an ephemeral event may be at most {limit} s old, this one is {age_seconds} s old"
    )]
    TooOld { age_seconds: i64, limit: i64 },
    /// Two tags with the same name and first value.
    #[error("event.tags: two tags with the same name and first value")]
    DuplicateTag,
    /// Auth on a session that is open already.
    #[error("already authenticated")]
    AlreadyAuthenticated,
    /// `after` points beyond the log.
    #[error("filter.after: {after} is beyond the head of the log, {head}")]
    AfterBeyondHead { after: u64, head: u64 },
    /// `after` points below what retention has kept.
    #[error(
        "filter.after: of what the filter can match, events up to {purged} were purged; the first complete \
         position is {}: go on with after: {purged}",
        purged + 1
    )]
    AfterPurged { purged: u64 },
    /// A position of another history.
    #[error("filter.log: the position belongs to another log")]
    OtherLog,
    /// The first message must be Auth.
    #[error("not authenticated: send Auth first")]
    NotAuthenticated,
    /// The login's signature does not verify.
    #[error("login refused: the signature does not verify for any url of this relay")]
    BadLogin,
    /// The key is not on the allowlist.
    #[error("login refused: this key is not on the allowlist")]
    KeyNotAllowed,
    /// No Auth within the time limit.
    #[error("not authenticated within {limit_ms} ms")]
    AuthTimeout { limit_ms: u64 },
    /// The event's author is not on the allowlist.
    #[error("event.pubkey: this author is not on the allowlist")]
    AuthorNotAllowed,
    /// The author's role does not publish this kind.
    #[error("event.kind: this author's role may not publish kind {kind}")]
    KindNotAllowed { kind: u16 },
    /// The key was taken off the allowlist while connected.
    #[error("this key was removed from the allowlist")]
    KeyRemoved,
    /// The event was stored and then deleted.
    #[error("event.id: this event was deleted and is not taken again")]
    Deleted,
    /// The event is stored (or, for an ephemeral kind, was forwarded) already.
    #[error("duplicate")]
    Duplicate,
    /// The content is too long.
    #[error("event.content: {have} bytes, at most {limit} are allowed")]
    ContentTooLarge { have: u64, limit: u64 },
    /// The WebSocket message is too long; the connection closes.
    #[error("message: {have} bytes, at most {limit} are allowed")]
    MessageTooLarge { have: u64, limit: u64 },
    /// The key is over one of its rates; nothing was looked at.
    #[error("{limit}: over the limit of {value} of this key, come back in {retry_ms} ms")]
    OverRate { limit: KeyLimit, value: u64, retry_ms: u64 },
    /// The author publishes too fast into one thread: the storm breaker.
    #[error(
        "thread_publishes_per_min: this author has answered in this thread faster than {value} times a minute; \
         if agents answer each other without end, stop; else come back in {retry_ms} ms"
    )]
    ThreadStorm { value: u64, retry_ms: u64 },
    /// The key has as many connections as it may.
    #[error("connections_max: this key is at its limit of {limit} connections, close one first")]
    KeyConnections { limit: u64 },
    /// The relay is stopping.
    #[error("the relay is shutting down, nothing was stored")]
    ShuttingDown,
    /// The relay is reading its log and does not serve yet.
    #[error("the relay is starting")]
    Starting,
    /// The store failed; the event may or may not be stored.
    #[error("the write failed and its outcome is unknown: publish again, Ok and 409 both mean stored")]
    WriteFailed,
    /// The disk has less room than is kept in reserve.
    #[error("the disk of the relay is full, nothing was stored: publish again later")]
    DiskFull,
    /// The store could not answer a query.
    #[error("the log could not be read")]
    ReadFailed,
    /// The relay holds as many connections as configured.
    #[error("connections: at the limit of {limit}")]
    TooManyConnections { limit: u64 },
}

impl Reason {
    /// The limit of the key that was met, if it was one.
    pub fn key_limit(self) -> Option<KeyLimit> {
        match self {
            Reason::OverRate { limit, .. } => Some(limit),
            Reason::ThreadStorm { .. } => Some(KeyLimit::ThreadPublishesPerMinute),
            Reason::KeyConnections { .. } => Some(KeyLimit::Connections),
            _ => None,
        }
    }

    /// The protocol's code for it (protocol §2, §4).
    pub fn code(self) -> u16 {
        use Reason::*;
        match self {
            Malformed { .. }
            | OverLimit { .. }
            | TextFrame
            | UnknownType(_)
            | IdMismatch
            | BadSignature
            | TooFarAhead { .. }
            | TooOld { .. }
            | DuplicateTag
            | Deleted
            | AlreadyAuthenticated
            | AfterBeyondHead { .. }
            | AfterPurged { .. }
            | OtherLog => 400,
            NotAuthenticated | BadLogin | KeyNotAllowed | AuthTimeout { .. } => 401,
            AuthorNotAllowed | KindNotAllowed { .. } | KeyRemoved => 403,
            Duplicate => 409,
            ContentTooLarge { .. } | MessageTooLarge { .. } => 413,
            OverRate { .. } | ThreadStorm { .. } | KeyConnections { .. } => 429,
            ShuttingDown | Starting | WriteFailed | DiskFull | ReadFailed | TooManyConnections { .. } => 503,
        }
    }
}

//! Why an operation did not do what was asked.

use serde_json::Value;

/// What kind of fault; the HTTP face gives each its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// 400: the request cannot be carried out as it stands.
    Bad,
    /// 401: no valid token or signature.
    Unauthorized,
    /// 402: neither quota nor balance is left.
    Payment,
    /// 403: known, but not allowed.
    Forbidden,
    /// 404: no such thing.
    Missing,
    /// 405: the path exists, the method does not.
    Method,
    /// 408: the request came too slowly.
    Slow,
    /// 409: it is there already, or has moved on.
    Conflict,
    /// 413: more bytes than the limit.
    TooLarge,
    /// 415: a body that is not JSON.
    MediaType,
    /// 422: a value breaks a rule.
    Invalid,
    /// 429: too often.
    TooMany,
    /// 500: our own.
    Internal,
    /// 501: never.
    NotImplemented,
    /// 503: something needed is not there; later it may be.
    Unavailable,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Flaw {
    pub message: String,
    /// `body.tags[0]`, `query.limit`, `header.Authorization`; empty: the whole request.
    pub location: String,
    /// What was sent there.
    pub value: Option<Value>,
}

/// A refusal: what, in a sentence that says what to do next, and every single flaw.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub kind: FaultKind,
    pub detail: String,
    pub flaws: Vec<Flaw>,
    /// When it makes sense to try again.
    pub retry_seconds: Option<u32>,
    /// What the operation wrote before it was refused stays: a challenge that was answered
    /// wrongly is used up.
    pub keeps: bool,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $($(#[$doc])* pub fn $name(detail: impl Into<String>) -> Fault { Fault::new(FaultKind::$kind, detail) })*
    };
}

impl Fault {
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Fault {
        Fault { kind, detail: detail.into(), flaws: Vec::new(), retry_seconds: None, keeps: false }
    }

    constructors! {
        /// 400.
        bad => Bad;
        /// 401.
        unauthorized => Unauthorized;
        /// 402.
        payment => Payment;
        /// 403.
        forbidden => Forbidden;
        /// 404.
        missing => Missing;
        /// 409.
        conflict => Conflict;
        /// 422 by a rule of an operation.
        invalid => Invalid;
        /// 501.
        not_implemented => NotImplemented;
    }

    /// 422 (or 400, 415) by the schema: every flaw at once.
    pub fn flawed(kind: FaultKind, flaws: Vec<Flaw>) -> Fault {
        Fault { flaws, ..Fault::new(kind, "validation failed") }
    }

    /// 429, and when to come back.
    pub fn too_many(detail: impl Into<String>, retry_seconds: u32) -> Fault {
        Fault { retry_seconds: Some(retry_seconds), ..Fault::new(FaultKind::TooMany, detail) }
    }

    /// 503, and when to come back.
    pub fn unavailable(detail: impl Into<String>, retry_seconds: u32) -> Fault {
        Fault { retry_seconds: Some(retry_seconds), ..Fault::new(FaultKind::Unavailable, detail) }
    }

    /// 500. What happened goes to our log, not to the peer.
    pub fn internal(what: impl std::fmt::Display) -> Fault {
        tracing::error!(error = %what, "gather: an operation failed");
        Fault::new(FaultKind::Internal, "the service failed to do this; try again later")
    }

    /// What was written before it is kept.
    #[must_use]
    pub fn keeping(self) -> Fault {
        Fault { keeps: true, ..self }
    }

    /// With one more flaw, such as a parser's reason.
    #[must_use]
    pub fn because(mut self, location: &str, message: impl ToString) -> Fault {
        self.flaws.push(Flaw { message: message.to_string(), location: location.to_owned(), value: None });
        self
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::internal(error)
    }
}

//! One operation, declared once.
//!
//! ```text
//! patch("/api/agents/me", "agent-update", "Agents", "Change name or description")
//!     .write(|tx, call: Call<Agent, Nothing, ProfileChange>| agents::update_profile(tx, &call.who, &call.body))
//! ```
//!
//! Method, path, operation id, tag and summary; [`Draft::status`] if success is not 200;
//! [`Draft::refuses`] for the statuses beyond the common ones; then what it does:
//!
//! * [`Draft::read`]: a closure over a reader's view;
//! * [`Draft::write`]: a closure over a transaction;
//! * [`Draft::run`]: a future that calls the outside between a read and a write ([`At`]);
//! * [`Draft::stream`]: server-sent events.
//!
//! The closure's [`Call`] type says who may call and what is read from query and body.

use super::buckets::AgentBucket;
use super::call::{Call, MaybeAgent, Tier, Who};
use super::reply::{At, Finished, Reply};
use super::serve::{Api, Sent};
use crate::gather::auth::Bearer;
use crate::gather::input::{self, Field, Input};
use crate::gather::{Db, Fault, Tx};
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// Runs an operation on what was sent.
type Run = Arc<
    dyn Fn(Arc<Api>, Sent) -> Pin<Box<dyn Future<Output = Result<Response, Fault>> + Send>> + Send + Sync,
>;

/// A declared operation.
pub struct Operation {
    pub draft: Draft,
    pub tier: Tier,
    pub query: Vec<Field>,
    /// Name and fields of the body; `None`: it has none.
    pub body: Option<(&'static str, Vec<Field>)>,
    pub answer: Answer,
    pub run: Run,
}

/// The schema of an answer.
#[derive(Clone)]
pub struct Answer {
    pub name: String,
    pub schema: RefOr<Schema>,
    /// Schemas it refers to.
    pub parts: Vec<(String, RefOr<Schema>)>,
}

/// What is known of an operation before it is said what it does.
#[derive(Debug, Clone)]
pub struct Draft {
    pub method: Method,
    /// With parameters as `{name}`.
    pub path: &'static str,
    pub id: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub status: u16,
    pub refuses: &'static [u16],
    pub bucket: Option<AgentBucket>,
    /// Whether the per-address bucket is charged.
    pub limited: bool,
}

macro_rules! methods {
    ($($name:ident => $method:ident;)*) => {
        $(
            /// An operation of this method.
            pub fn $name(path: &'static str, id: &'static str, tag: &'static str, summary: &'static str) -> Draft {
                Draft {
                    method: Method::$method, path, id, tag, summary,
                    status: 200, refuses: &[], bucket: None, limited: true,
                }
            }
        )*
    };
}

methods! {
    get => GET;
    post => POST;
    put => PUT;
    patch => PATCH;
    delete => DELETE;
}

impl Draft {
    /// The status of success.
    #[must_use]
    pub fn status(self, status: u16) -> Draft {
        Draft { status, ..self }
    }

    /// Statuses of refusals beside those that every operation of its tier has; for the document.
    #[must_use]
    pub fn refuses(self, refuses: &'static [u16]) -> Draft {
        Draft { refuses, ..self }
    }

    /// Charges a bucket of the calling agent.
    #[must_use]
    pub fn bucket(self, bucket: AgentBucket) -> Draft {
        Draft { bucket: Some(bucket), ..self }
    }

    /// Not charged to the address: assets, the administrator's login.
    #[must_use]
    pub fn unlimited(self) -> Draft {
        Draft { limited: false, ..self }
    }

    /// An operation that only reads.
    pub fn read<W: Who, Q: Input, B: Input, T: Serialize + ToSchema + Send + 'static>(
        self,
        work: impl Fn(&Db<'_>, Call<W, Q, B>) -> Result<T, Fault> + Copy + Send + Sync + 'static,
    ) -> Operation {
        let status = self.status;
        let run: Run = Arc::new(move |api, sent| {
            Box::pin(async move {
                let done = api.read(move |db| {
                    let call = call::<W, Q, B>(db, sent, false)?;
                    Reply::new(status, &work(db, call)?)
                });
                done.await.map(Reply::into_response)
            })
        });
        self.operation::<W, Q, B, T>(run)
    }

    /// An operation that writes, in one transaction. A repeated request is answered from there.
    pub fn write<W: Who, Q: Input, B: Input, T: Serialize + ToSchema + Send + 'static>(
        self,
        work: impl Fn(&Tx<'_>, Call<W, Q, B>) -> Result<T, Fault> + Copy + Send + Sync + 'static,
    ) -> Operation {
        let status = self.status;
        let run: Run = Arc::new(move |api, mut sent| {
            Box::pin(async move {
                let repeat = sent.repeat.take();
                let done = api.write(move |tx| {
                    // The caller first: what was kept for an agent is shown to nobody else.
                    let call = call::<W, Q, B>(tx, sent, true)?;
                    Reply::once(tx, repeat.as_ref(), status, |tx| work(tx, call))
                });
                done.await.map(Reply::into_response)
            })
        });
        self.operation::<W, Q, B, T>(run)
    }

    /// An operation that calls the outside. The caller is looked up first; what it writes goes
    /// through [`At::write`], or through [`At::begin`] and [`At::finish`] if it calls after that.
    pub fn run<W, Q, B, T, F>(
        self,
        work: impl Fn(At, Call<W, Q, B>) -> F + Copy + Send + Sync + 'static,
    ) -> Operation
    where
        W: Who,
        Q: Input,
        B: Input,
        T: Serialize + ToSchema + Send + 'static,
        F: Future<Output = Result<Finished<T>, Fault>> + Send + 'static,
    {
        let (status, writes) = (self.status, self.method != Method::GET);
        let run: Run = Arc::new(move |api, mut sent| {
            Box::pin(async move {
                let at = At::new(Arc::clone(&api), status, sent.repeat.take());
                let call = api.read(move |db| call::<W, Q, B>(db, sent, writes)).await?;
                if let Some(reply) = at.replay().await? {
                    return Ok(reply.into_response());
                }
                let again = at.clone();
                let reply = match work(at, call).await {
                    Ok(finished) => finished.into_reply(),
                    // The same request may have been done while this one was on its way.
                    Err(fault) => again.replay().await?.ok_or(fault)?,
                };
                Ok(reply.into_response())
            })
        });
        self.operation::<W, Q, B, T>(run)
    }

    /// An operation whose answer is a stream of server-sent events, each one a `T`. It is handed
    /// the token and the `Last-Event-ID`.
    pub fn stream<Q, T, F>(
        self,
        work: impl Fn(Arc<Api>, Option<Bearer>, Q, Option<String>) -> F + Copy + Send + Sync + 'static,
    ) -> Operation
    where
        Q: Input,
        T: ToSchema,
        F: Future<Output = Result<Response, Fault>> + Send + 'static,
    {
        let run: Run = Arc::new(move |api, sent| {
            Box::pin(async move { work(api, sent.bearer, input::take(sent.query)?, sent.resume).await })
        });
        self.operation::<MaybeAgent, Q, input::Nothing, T>(run)
    }

    fn operation<W: Who, Q: Input, B: Input, T: ToSchema>(self, run: Run) -> Operation {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        let answer = Answer { name: T::name().into_owned(), schema: T::schema(), parts };
        let body = (!B::NAME.is_empty()).then(|| (B::NAME, B::fields()));
        Operation { tier: W::TIER, query: Q::fields(), body, answer, run, draft: self }
    }
}

fn call<W: Who, Q: Input, B: Input>(db: &Db<'_>, sent: Sent, writes: bool) -> Result<Call<W, Q, B>, Fault> {
    let who = W::admit(db, sent.bearer, writes)?;
    Ok(Call { who, query: input::take(sent.query)?, body: input::take(sent.body)?, path: sent.path })
}

//! Answers of operations, and how one that was given before is given again.

use super::serve::Api;
use crate::gather::idempotency::{self, Kept, Repeatable};
use crate::gather::{Db, Fault, Tx};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Says that an answer is one that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An answer: status and JSON.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    json: Vec<u8>,
    replayed: bool,
}

impl Reply {
    pub(super) fn new<T: Serialize>(status: u16, value: &T) -> Result<Reply, Fault> {
        let json = serde_json::to_vec(value).map_err(Fault::internal)?;
        Ok(Reply { status, json, replayed: false })
    }

    /// Whether it is an answer that was given before.
    pub(super) fn is_replay(&self) -> bool {
        self.replayed
    }

    /// Does `work`, or answers as it was answered before; the answer is kept with the work.
    pub(super) fn once<T: Serialize>(
        tx: &Tx<'_>,
        repeat: Option<&Repeatable>,
        status: u16,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Fault>,
    ) -> Result<Reply, Fault> {
        let kept = repeat.map(|repeat| idempotency::find_again(tx, repeat)).transpose()?.flatten();
        match kept {
            Some(kept) => Ok(kept.into()),
            None => Reply::new(status, &work(tx)?)?.keep(tx, repeat),
        }
    }

    /// The answer that was given before, if there is one.
    fn kept(db: &Db<'_>, repeat: Option<&Repeatable>) -> Result<Option<Reply>, Fault> {
        let Some(repeat) = repeat else { return Ok(None) };
        Ok(idempotency::find(db, repeat)?.map(Reply::from))
    }

    /// Keeps it for a repetition, in place of what was kept.
    fn keep(self, tx: &Tx<'_>, repeat: Option<&Repeatable>) -> Result<Reply, Fault> {
        if let Some(repeat) = repeat {
            idempotency::keep(tx, repeat, &Kept { status: self.status, answer: self.json.clone() })?;
        }
        Ok(self)
    }
}

impl From<Kept> for Reply {
    fn from(kept: Kept) -> Reply {
        Reply { status: kept.status, json: kept.answer, replayed: true }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("application/json");
        let mut response = Response::new(Body::from(self.json));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// Where an operation of [`Draft::run`](super::operation::Draft::run) stands.
#[derive(Clone)]
pub struct At {
    api: Arc<Api>,
    status: u16,
    repeat: Option<Repeatable>,
}

/// The answer of such an operation; only [`At`] makes it.
pub struct Finished<T> {
    reply: Reply,
    of: PhantomData<T>,
}

impl<T> Finished<T> {
    fn new(reply: Reply) -> Finished<T> {
        Finished { reply, of: PhantomData }
    }

    pub(super) fn into_reply(self) -> Reply {
        self.reply
    }
}

impl At {
    pub(super) fn new(api: Arc<Api>, status: u16, repeat: Option<Repeatable>) -> At {
        At { api, status, repeat }
    }

    /// Gather: its ports and options, and reads before the end.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// The answer that was given before, if there is one.
    pub(super) async fn replay(&self) -> Result<Option<Reply>, Fault> {
        match self.repeat.clone() {
            Some(repeat) => self.api.read(move |db| Reply::kept(db, Some(&repeat))).await,
            None => Ok(None),
        }
    }

    /// The first of two writes, with a call of the outside between them. What it answers is kept
    /// with it for a repetition, in case [`finish`](Self::finish) is never reached: a crash, or a
    /// client that is gone. `Break`: it was answered before, and nothing is done.
    ///
    /// # Errors
    /// Its own.
    pub async fn begin<T: Serialize + Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<ControlFlow<Finished<T>, T>, Fault> {
        let (status, repeat) = (self.status, self.repeat.clone());
        let done = self.api.write(move |tx| {
            if let Some(kept) = Reply::kept(tx, repeat.as_ref())? {
                return Ok(ControlFlow::Break(Finished::new(kept)));
            }
            let value = work(tx)?;
            Reply::new(status, &value)?.keep(tx, repeat.as_ref())?;
            Ok(ControlFlow::Continue(value))
        });
        done.await
    }

    /// The second of two writes: its answer takes the place of that of [`begin`](Self::begin), `so_far`.
    /// If it fails it is answered as far as it came: what was done is not answered by a fault.
    ///
    /// # Errors
    /// Ours, if that cannot be serialised.
    pub async fn finish<T: Serialize + Clone + Send + 'static>(
        self,
        so_far: T,
        work: impl FnOnce(&Tx<'_>, T) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Finished<T>, Fault> {
        let At { api, status, repeat } = self;
        let begun = so_far.clone();
        let reply = api.write(move |tx| Reply::new(status, &work(tx, begun)?)?.keep(tx, repeat.as_ref()));
        let reply = match reply.await {
            Ok(reply) => reply,
            Err(fault) => {
                tracing::warn!(detail = fault.detail, "an operation is answered as far as it came");
                Reply::new(status, &so_far)?
            }
        };
        Ok(Finished::new(reply))
    }

    /// Ends with a write; its answer is kept for a repetition.
    ///
    /// # Errors
    /// Its own.
    pub async fn write<T: Serialize + Send + 'static>(
        self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Finished<T>, Fault> {
        let At { api, status, repeat } = self;
        let reply = api.write(move |tx| Reply::once(tx, repeat.as_ref(), status, work)).await?;
        Ok(Finished::new(reply))
    }

    /// Ends with a value; nothing is written.
    ///
    /// # Errors
    /// Ours, if it cannot be serialised.
    pub fn answer<T: Serialize>(self, value: &T) -> Result<Finished<T>, Fault> {
        Reply::new(self.status, value).map(Finished::new)
    }
}

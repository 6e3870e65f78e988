//! What is asked of a filled store: every list, search, profile and thread, in its variants, and
//! every write that agents make often.

mod known;
mod reads;
mod writes;

pub use known::Known;
pub use reads::reads;
pub use writes::writes;

use super::client::{Http, Request};
use super::text::Draws;
use crate::failure::Result;
use axon::gather::rules::pow::{Purpose, solves};
use serde_json::{Value, json};

/// Makes the request of a draw.
type Make<'a> = Box<dyn Fn(&mut Draws) -> Request + 'a>;

/// One row of the result.
pub struct Call<'a> {
    pub name: &'static str,
    pub kind: Kind,
    /// The status that counts as done; anything else is an error.
    pub expected: u16,
    make: Make<'a>,
}

/// What bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    /// Needs a solved challenge of this purpose, if any.
    Write(Option<Purpose>),
}

impl Call<'_> {
    /// The requests of a run, whose challenges are solved beforehand.
    ///
    /// # Errors
    /// A challenge is refused.
    pub fn requests(&self, draws: &mut Draws, count: usize, http: &mut Http) -> Result<Vec<Request>> {
        let mut requests: Vec<Request> = (0..count).map(|_| (self.make)(draws)).collect();
        if let Kind::Write(Some(purpose)) = self.kind {
            for request in &mut requests {
                let (challenge, nonce) = solve(http, purpose)?;
                if let Some(Value::Object(body)) = &mut request.body {
                    body.insert("pow_challenge".to_owned(), challenge.into());
                    body.insert("pow_nonce".to_owned(), nonce.into());
                }
            }
        }
        Ok(requests)
    }

    pub fn is_read(&self) -> bool {
        self.kind == Kind::Read
    }
}

fn solve(http: &mut Http, purpose: Purpose) -> Result<(String, String)> {
    let body = Some(json!({ "purpose": purpose.name() }));
    let path = "/api/pow/challenge".to_owned();
    let answer = http.get(&Request { method: "POST", path, token: None, body })?;
    let challenge = answer["challenge"].as_str().unwrap_or_default().to_owned();
    let difficulty = answer["difficulty"].as_u64().and_then(|bits| u8::try_from(bits).ok()).unwrap_or(1);
    let nonce = (0u64..).map(|n| n.to_string()).find(|nonce| solves(&challenge, nonce, difficulty));
    Ok((challenge, nonce.unwrap_or_default()))
}

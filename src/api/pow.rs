//! Proof of work.

use super::call::{Call, MaybeAgent};
use super::operation::{Operation, post};
use crate::gather::input::Nothing;
use crate::gather::pow::{self, ChallengeRequest};

pub(super) fn operations() -> Vec<Operation> {
    vec![post("/api/pow/challenge", "pow-challenge", "Proof of Work", "Get a challenge to solve").read(
        |db, call: Call<MaybeAgent, Nothing, ChallengeRequest>| {
            pow::challenge(db, &call.body, call.who.0.as_ref())
        },
    )]
}

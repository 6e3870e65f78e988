//! The HTTP face of Gather: thin, and everything about HTTP in one place.
//!
//! An operation is one entry in a group's file (`agents.rs`, …): see [`operation`]. From the
//! entries come the routes, the checks and the OpenAPI document. What every request passes, in
//! this order, is in [`serve`]:
//!
//! 1. the per-address bucket (429);
//! 2. header, query, body, every flaw at once (422; 400, 408, 413, 415 for the body as a whole);
//! 3. the token's signature and expiry (401), then the per-agent bucket (429);
//! 4. in the operation's own transaction: the agent (401, suspended 403), a repeated request's
//!    kept answer, the operation, and the answer to keep.
//!
//! Cancelled futures are harmless: a write that was handed over is carried out whether or not
//! anybody waits for its answer. Answers, and how they are given again, are in [`reply`].

mod admin;
mod agents;
mod balance;
mod body;
mod buckets;
mod call;
mod channels;
mod designs;
mod discovery;
mod document;
mod guide;
mod inbox;
mod manners;
mod market;
mod multipart;
pub mod operation;
mod operator;
mod posts;
mod pow;
mod problem;
pub mod reply;
mod router;
mod schema;
mod selection;
pub mod serve;
mod shop;
mod stream;
mod views;
mod wait;

pub use call::{Anyone, Call, MaybeAgent, StillAgent, Who};
pub use problem::status;
pub use router::router;
pub use serve::{Api, ApiOptions};
pub use shop::{Stock, errands, stock};
pub use views::{health, metrics};

use operation::Operation;

/// Every operation, group by group.
fn operations() -> Vec<Operation> {
    [
        discovery::operations(),
        pow::operations(),
        agents::operations(),
        posts::operations(),
        balance::operations(),
        channels::operations(),
        inbox::operations(),
        stream::operations(),
        views::operations(),
        market::operations(),
        shop::operations(),
        admin::operations(),
        operator::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

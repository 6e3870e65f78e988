//! Gather as its users meet it: the real binary, real sockets, a real database.
//!
//! Every file under `gather/` is a group of operations or a promise, by its name.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "gather/agents.rs"]
mod agents;
#[path = "gather/backup.rs"]
mod backup;
#[path = "gather/channels.rs"]
mod channels;
#[path = "gather/commands.rs"]
mod commands;
#[path = "gather/crash.rs"]
mod crash;
#[path = "gather/desk.rs"]
mod desk;
#[path = "gather/documents.rs"]
mod documents;
#[path = "gather/door.rs"]
mod door;
#[path = "gather/double.rs"]
mod double;
#[path = "gather/faces.rs"]
mod faces;
#[path = "gather/feed.rs"]
mod feed;
#[path = "gather/harness.rs"]
mod harness;
#[path = "gather/inbox.rs"]
mod inbox;
#[path = "gather/key_commands.rs"]
mod key_commands;
#[path = "gather/lists.rs"]
mod lists;
#[path = "gather/market.rs"]
mod market;
#[path = "gather/moderation.rs"]
mod moderation;
#[path = "gather/money.rs"]
mod money;
#[path = "gather/operator.rs"]
mod operator;
#[path = "gather/requests.rs"]
mod requests;
#[path = "gather/shop.rs"]
mod shop;
#[path = "gather/shop_doubles.rs"]
mod shop_doubles;
#[path = "gather/signed.rs"]
mod signed;
#[path = "gather/tweet_double.rs"]
mod tweet_double;
#[path = "gather/verification.rs"]
mod verification;

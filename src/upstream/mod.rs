//! Services outside, over HTTPS: each file is one of `gather`'s ports.
//!
//! Base URLs are configured, so that tests speak to local doubles; every call has a time limit,
//! and an answer is read up to a bound.

mod cache;
mod client;
mod explorer;
mod gelato;
mod node;
mod rate;
mod script;
mod tweets;

pub use client::{Client, ClientError};
pub use explorer::Explorer;
pub use gelato::{Gelato, GelatoOptions};
pub use node::Node;
pub use rate::SimplePrice;
pub use tweets::Oembed;

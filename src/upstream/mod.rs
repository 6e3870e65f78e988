//! Services outside, over HTTPS: each file is one of `gather`'s ports.
//!
//! Base URLs are configured, so that tests speak to local doubles; every call has a time limit,
//! and an answer is read up to a bound.

mod client;
mod tweets;

pub use client::{Client, ClientError};
pub use tweets::Oembed;

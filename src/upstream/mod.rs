//! Services outside, over HTTPS: each file is one of `gather`'s ports.
//!
//! Base URLs are configured, so that tests speak to local doubles; every call has a time limit,
//! and an answer is read up to a bound.

mod blockchair;
mod cache;
mod client;
mod coingecko;
mod gelato;
mod tweets;

pub use blockchair::Blockchair;
pub use client::{Client, ClientError};
pub use coingecko::CoinGecko;
pub use gelato::{Gelato, GelatoOptions};
pub use tweets::Oembed;

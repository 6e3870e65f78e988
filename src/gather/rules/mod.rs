//! The pure rules of Gather: values in, values out. No database, no clock, no randomness of
//! their own; each is tested with the contract's vectors beside it.

pub mod feed;
pub mod ids;
pub mod jwt;
pub mod keys;
pub mod money;
pub mod pow;
pub mod proof;
pub mod rank;
pub mod text;
pub mod time;

//! Filters of the command line, as the relay reads them.

use super::local::error;
use crate::cli::OperatorError;
use crate::codec::Reader;
use crate::filter::{Filter, FilterLimits};

/// An operator may say more than a client.
const LIMITS: FilterLimits = FilterLimits { entries_max: 65_536, tags_max: 256 };

/// The same filter, checked, its lists in order.
pub(super) fn normal(filter: &Filter) -> Result<Filter, OperatorError> {
    decode(&encode(filter)).map_err(error)
}

pub(super) fn encode(filter: &Filter) -> Vec<u8> {
    let mut bytes = Vec::new();
    filter.write(&mut bytes);
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Filter, String> {
    Filter::read(&mut Reader::new(bytes), &LIMITS).map_err(|reason| reason.to_string())
}

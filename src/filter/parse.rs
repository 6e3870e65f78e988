//! A filter from its MessagePack map (protocol §5). Absent, nil, an empty list, and 0 for the
//! numbers all mean "not given"; `after: 0` is given.

use super::{Filter, TagFilter};
use crate::base::{EventId, LogId, PubKey, Reason};
use crate::codec::{CodecError, Reader, UnknownKeys};

/// Bounds on a filter's lists.
#[derive(Debug, Clone, Copy)]
pub struct FilterLimits {
    /// Entries of `ids`, `authors`, `kinds`, `kind_ranges` each, and values of all tags together.
    pub entries_max: usize,
    /// Tag filters.
    pub tags_max: usize,
}

const KEYS: [&str; 10] =
    ["ids", "authors", "kinds", "kind_ranges", "since", "until", "limit", "tags", "after", "log"];

impl Filter {
    /// Reads one filter.
    ///
    /// # Errors
    /// A wrong type, a repeated key, an entry of a wrong length or range, a list over its limit.
    pub fn read(reader: &mut Reader<'_>, limits: &FilterLimits) -> Result<Filter, Reason> {
        let mut filter = Filter::default();
        let mut seen = 0u16;
        let mut unknown = UnknownKeys::default();
        for _ in 0..reader.map_len().map_err(|e| e.at("filter"))? {
            let key = reader.str().map_err(|e| e.at("filter"))?;
            let Some(index) = KEYS.iter().position(|known| *known == key) else {
                unknown.skip(key, reader).map_err(|e| e.at("filter"))?;
                continue;
            };
            if seen & (1 << index) != 0 {
                return Err(Reason::Malformed { field: "filter", problem: "repeated key" });
            }
            seen |= 1 << index;
            if !reader.nil() {
                filter.read_key(key, reader, limits)?;
            }
        }
        Ok(filter)
    }

    fn read_key(&mut self, key: &str, reader: &mut Reader<'_>, limits: &FilterLimits) -> Result<(), Reason> {
        match key {
            "ids" => self.ids = set_of(reader, "filter.ids", limits, |r| r.bin_of().copied().map(EventId))?,
            "authors" => {
                self.authors = set_of(reader, "filter.authors", limits, |r| r.bin_of().copied().map(PubKey))?;
            }
            "kinds" => self.kinds = set_of(reader, "filter.kinds", limits, kind)?,
            "kind_ranges" => self.kind_ranges = set_of(reader, "filter.kind_ranges", limits, kind_range)?,
            "since" => self.since = number(reader.int(), "filter.since")?,
            "until" => self.until = number(reader.int(), "filter.until")?,
            "limit" => {
                let limit = number(reader.int(), "filter.limit")?;
                self.limit = limit.map(limit_of).transpose()?;
            }
            "tags" => self.tags = tag_filters(reader, limits)?,
            "after" => self.after = Some(reader.uint().map_err(|e| e.at("filter.after"))?),
            "log" => self.log = Some(LogId(*reader.bin_of().map_err(|e| e.at("filter.log"))?)),
            _ => unreachable!("read() passes only KEYS"),
        }
        Ok(())
    }
}

fn number(value: Result<i64, CodecError>, field: &'static str) -> Result<Option<i64>, Reason> {
    let value = value.map_err(|e| e.at(field))?;
    Ok((value != 0).then_some(value))
}

fn limit_of(limit: i64) -> Result<u32, Reason> {
    match i32::try_from(limit) {
        Ok(n) if n >= 0 => Ok(n.unsigned_abs()),
        _ => Err(Reason::Malformed { field: "filter.limit", problem: "must be 0 to 2147483647" }),
    }
}

fn set_of<'a, T: Ord>(
    reader: &mut Reader<'a>,
    field: &'static str,
    limits: &FilterLimits,
    read: impl Fn(&mut Reader<'a>) -> Result<T, CodecError>,
) -> Result<Vec<T>, Reason> {
    let count = reader.array_len().map_err(|e| e.at(field))?;
    check(field, count, limits.entries_max)?;
    let mut set = Vec::with_capacity(count);
    for _ in 0..count {
        set.push(read(reader).map_err(|e| e.at(field))?);
    }
    set.sort_unstable();
    set.dedup();
    Ok(set)
}

fn check(field: &'static str, have: usize, limit: usize) -> Result<(), Reason> {
    if have > limit {
        return Err(Reason::OverLimit { field, have: have as u64, limit: limit as u64 });
    }
    Ok(())
}

fn kind(reader: &mut Reader<'_>) -> Result<u16, CodecError> {
    u16::try_from(reader.uint()?).map_err(|_| CodecError::OutOfRange)
}

fn kind_range(reader: &mut Reader<'_>) -> Result<(u16, u16), CodecError> {
    if reader.array_len()? != 2 {
        return Err(CodecError::WrongLength);
    }
    let range = (kind(reader)?, kind(reader)?);
    if range.0 > range.1 { Err(CodecError::OutOfRange) } else { Ok(range) }
}

fn tag_filters(reader: &mut Reader<'_>, limits: &FilterLimits) -> Result<Vec<TagFilter>, Reason> {
    let count = reader.array_len().map_err(|e| e.at("filter.tags"))?;
    check("filter.tags", count, limits.tags_max)?;
    let mut values_left = limits.entries_max;
    let mut tags = Vec::with_capacity(count);
    for _ in 0..count {
        tags.push(tag_filter(reader, limits.entries_max, &mut values_left)?);
    }
    Ok(tags)
}

fn tag_filter(reader: &mut Reader<'_>, limit: usize, values_left: &mut usize) -> Result<TagFilter, Reason> {
    const NAME: &str = "filter.tags.name";
    const VALUES: &str = "filter.tags.values";
    let (mut name, mut values) = (None, None);
    let mut unknown = UnknownKeys::default();
    for _ in 0..reader.map_len().map_err(|e| e.at("filter.tags"))? {
        match reader.str().map_err(|e| e.at("filter.tags"))? {
            "name" if name.is_none() => name = Some(reader.str().map_err(|e| e.at(NAME))?.to_owned()),
            "values" if values.is_none() => {
                let count = if reader.nil() { 0 } else { reader.array_len().map_err(|e| e.at(VALUES))? };
                *values_left = values_left.checked_sub(count).ok_or(Reason::OverLimit {
                    field: VALUES,
                    have: (limit - *values_left + count) as u64,
                    limit: limit as u64,
                })?;
                let mut set = Vec::with_capacity(count);
                for _ in 0..count {
                    set.push(reader.str().map_err(|e| e.at(VALUES))?.to_owned());
                }
                set.sort_unstable();
                set.dedup();
                values = Some(set);
            }
            "name" | "values" => {
                return Err(Reason::Malformed { field: "filter.tags", problem: "repeated key" });
            }
            key => unknown.skip(key, reader).map_err(|e| e.at("filter.tags"))?,
        }
    }
    let name = name.ok_or(Reason::Malformed { field: NAME, problem: "missing" })?;
    Ok(TagFilter { name, values: values.unwrap_or_default() })
}

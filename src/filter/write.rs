//! A filter as its MessagePack map, for clients.

use super::Filter;
use crate::codec::{write_array_len, write_bin, write_int, write_map_len, write_str, write_uint};

impl Filter {
    /// Appends the map, with only the keys that are given.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_map_len(out, self.given());
        list(out, "ids", &self.ids, |out, id| write_bin(out, &id.0));
        list(out, "authors", &self.authors, |out, author| write_bin(out, &author.0));
        list(out, "kinds", &self.kinds, |out, kind| write_uint(out, u64::from(*kind)));
        list(out, "kind_ranges", &self.kind_ranges, |out, (lo, hi)| {
            write_array_len(out, 2);
            write_uint(out, u64::from(*lo));
            write_uint(out, u64::from(*hi));
        });
        number(out, "since", self.since);
        number(out, "until", self.until);
        number(out, "limit", self.limit.map(i64::from));
        list(out, "tags", &self.tags, |out, tag| {
            write_map_len(out, 2);
            write_str(out, "name");
            write_str(out, &tag.name);
            write_str(out, "values");
            write_array_len(out, tag.values.len() as u32);
            tag.values.iter().for_each(|value| write_str(out, value));
        });
        if let Some(after) = self.after {
            write_str(out, "after");
            write_uint(out, after);
        }
        if let Some(log) = self.log {
            write_str(out, "log");
            write_bin(out, &log.0);
        }
    }

    fn given(&self) -> u32 {
        [
            !self.ids.is_empty(),
            !self.authors.is_empty(),
            !self.kinds.is_empty(),
            !self.kind_ranges.is_empty(),
            self.since.is_some(),
            self.until.is_some(),
            self.limit.is_some(),
            !self.tags.is_empty(),
            self.after.is_some(),
            self.log.is_some(),
        ]
        .into_iter()
        .map(u32::from)
        .sum()
    }
}

fn list<T>(out: &mut Vec<u8>, key: &str, entries: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    if !entries.is_empty() {
        write_str(out, key);
        write_array_len(out, entries.len() as u32);
        entries.iter().for_each(|entry| write(out, entry));
    }
}

fn number(out: &mut Vec<u8>, key: &str, value: Option<i64>) {
    if let Some(value) = value {
        write_str(out, key);
        write_int(out, value);
    }
}

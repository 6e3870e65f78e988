//! The whole log, counted: by kind, by hour, by author. Kept in memory until the position is
//! written, so that a busy relay costs the disk nothing extra.

use crate::base::PubKey;
use crate::gather::{Fault, Tx};
use std::collections::HashMap;

/// Authors between two writes; with more, they are written at once.
const AUTHORS_MAX: usize = 10_000;
const HOUR_SECONDS: i64 = 3_600;

/// What has been counted and not been written.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    hours: HashMap<(i64, u16), i64>,
    authors: HashMap<PubKey, i64>,
}

impl Figures {
    pub fn count(&mut self, kind: u16, created_at: i64, author: PubKey) {
        *self.hours.entry((created_at.div_euclid(HOUR_SECONDS), kind)).or_default() += 1;
        *self.authors.entry(author).or_default() += 1;
    }

    /// Whether it should be written.
    pub fn is_full(&self) -> bool {
        self.authors.len() >= AUTHORS_MAX || self.hours.len() >= AUTHORS_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    pub fn write(&self, tx: &Tx<'_>) -> Result<(), Fault> {
        for ((hour, kind), events) in &self.hours {
            let sql = "INSERT INTO event_hours (hour, kind, events) VALUES (?1, ?2, ?3)
                       ON CONFLICT DO UPDATE SET events = events + excluded.events";
            tx.run(sql, (hour, kind, events))?;
            let sql = "INSERT INTO event_kinds (kind, events) VALUES (?1, ?2)
                       ON CONFLICT DO UPDATE SET events = events + excluded.events";
            tx.run(sql, (kind, events))?;
        }
        for (author, events) in &self.authors {
            let sql = "INSERT INTO event_authors (pubkey, events) VALUES (?1, ?2)
                       ON CONFLICT DO UPDATE SET events = events + excluded.events";
            tx.run(sql, (author.0, events))?;
        }
        Ok(())
    }
}

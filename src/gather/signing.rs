//! Whether its author signed a record.

use rusqlite::Row;
use serde::Serialize;
use utoipa::ToSchema;

/// A part of every record that an agent may make by an event of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Signing {
    /// There and true if the author signed it: the event is in the relay's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<bool>,
    /// The event's id, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}

impl Signing {
    /// Of a row's column `event_id`.
    pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Signing> {
        let event: Option<[u8; 32]> = row.get(column)?;
        Ok(Signing { signed: event.map(|_| true), event_id: event.map(hex::encode) })
    }

    /// Without the event's id.
    pub(super) fn short(self) -> Signing {
        Signing { event_id: None, ..self }
    }
}

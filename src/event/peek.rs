//! The id of an event whose map may be malformed elsewhere, so that its Error can name it.

use crate::base::EventId;
use crate::codec::Reader;

/// The id, if an `id` of 32 bytes can be found before the bytes stop making sense.
pub fn peek_id(wire: &[u8]) -> Option<EventId> {
    let mut reader = Reader::new(wire);
    for _ in 0..reader.map_len().ok()? {
        if reader.str().ok()? == "id" {
            return reader.bin_of().ok().copied().map(EventId);
        }
        reader.skip().ok()?;
    }
    None
}

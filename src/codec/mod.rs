//! A MessagePack cursor over borrowed bytes, and the few encodings the relay writes.
//!
//! Built on [`rmp`]'s markers and readers. The cursor allocates and copies nothing; it
//! is strict about types (a str is not a bin) and lenient about integer widths, as
//! protocol §1 asks. It does not know what an event is.

mod read;
mod unknown;
mod write;

pub use read::{CodecError, Reader};
pub use unknown::UnknownKeys;
pub use write::*;

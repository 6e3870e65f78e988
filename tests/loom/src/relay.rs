//! The file under test, on loom's atomics.

pub mod sync {
    pub use loom::sync::atomic::{AtomicU64, Ordering};
}
#[path = "../../../src/fanout/slots.rs"]
pub mod slots;

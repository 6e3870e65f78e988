//! The same file on atomics that give acquire and release, whatever they are asked for: the
//! negative control, which the model must be able to tell from the real thing.

pub mod sync {
    pub use loom::sync::atomic::Ordering;
    use loom::sync::atomic::Ordering::{AcqRel, Acquire, Release};

    pub struct AtomicU64(loom::sync::atomic::AtomicU64);

    impl AtomicU64 {
        pub fn new(value: u64) -> Self {
            AtomicU64(loom::sync::atomic::AtomicU64::new(value))
        }
        pub fn load(&self, _: Ordering) -> u64 {
            self.0.load(Acquire)
        }
        pub fn store(&self, value: u64, _: Ordering) {
            self.0.store(value, Release);
        }
        pub fn fetch_or(&self, bits: u64, _: Ordering) -> u64 {
            self.0.fetch_or(bits, AcqRel)
        }
        pub fn fetch_and(&self, bits: u64, _: Ordering) -> u64 {
            self.0.fetch_and(bits, AcqRel)
        }
    }
}
#[path = "../../../src/fanout/slots.rs"]
pub mod slots;

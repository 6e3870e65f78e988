//! Everything that reads bytes of strangers, as functions from bytes to nothing that panic when a
//! promise is broken. `tests/fuzz.rs` runs them seeded and bounded, `make fuzz` under libFuzzer.

mod decode;
mod frames;
mod session;
pub mod vectors;

/// One of them.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// What to begin with.
    pub specimens: fn() -> Vec<Vec<u8>>,
}

pub const ALL: &[Target] = &[
    Target { name: "event", run: decode::event, specimens: vectors::events },
    Target { name: "message", run: decode::message, specimens: vectors::messages },
    Target { name: "answer", run: decode::answer, specimens: vectors::answers },
    Target { name: "filter", run: decode::filter, specimens: vectors::filters },
    Target { name: "signature", run: decode::signatures, specimens: vectors::signatures },
    Target { name: "frames", run: frames::frames, specimens: frames::specimens },
    Target { name: "head", run: frames::head, specimens: frames::heads },
    Target { name: "session", run: session::session, specimens: session::specimens },
];

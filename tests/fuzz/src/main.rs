//! One libFuzzer program for all targets; `AXON_FUZZ_TARGET` says which. Its specimens, which come
//! from the test vectors, are written to the directory `AXON_FUZZ_CORPUS`.

#![no_main]

#[path = "../targets/mod.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Beside the shared ones, what the relay does not show to its own tests' crate.
const WAL: targets::Target = targets::Target {
    name: "wal",
    run: axon::store::write_ahead_log,
    // A header of 32 bytes of payload, and the payload; the checksum is for the fuzzer to find.
    specimens: || vec![[&[0, 0, 0, 0, 32, 0, 1][..], &[7; 32]].concat(), vec![0; 40]],
};

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        RUN.get_or_init(|| prepare().run);
    },
    |bytes: &[u8]| {
        if let Some(run) = RUN.get() {
            run(bytes);
        }
    }
);

fn prepare() -> &'static targets::Target {
    let name = std::env::var("AXON_FUZZ_TARGET").unwrap_or_default();
    let all = || targets::ALL.iter().chain([&WAL]);
    let names: Vec<&str> = all().map(|target| target.name).collect();
    let Some(target) = all().find(|target| target.name == name) else {
        println!("{}", names.join("\n"));
        std::process::exit(0);
    };
    if let Some(dir) = std::env::var_os("AXON_FUZZ_CORPUS").map(PathBuf::from) {
        for (number, bytes) in (target.specimens)().iter().enumerate() {
            let path = dir.join(format!("specimen-{number:03}"));
            std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
    target
}

//! The `axon` program: everything is in the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the system's allocator takes from the kernel block by block, and gives back as soon as it
/// is freed. Without a fixed bound it raises its own with every large block that is freed, and
/// RocksDB's (memtables, merges, batches after a stall) stay behind in the heap of each thread.
#[cfg(target_env = "gnu")]
const LARGE_BLOCK_BYTES: i32 = 256 << 10;

fn main() -> ExitCode {
    #[cfg(target_env = "gnu")]
    give_large_blocks_back();
    axon::cli::run(std::env::args_os(), &axon::app::Local)
}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "mallopt has no safe binding")]
fn give_large_blocks_back() {
    // SAFETY: the call changes a number of the allocator's, at a time when there is one thread.
    // It cannot fail for a bound below HEAP_MAX_SIZE / 2, and nothing but memory depends on it.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES) };
}

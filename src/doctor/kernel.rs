//! The kernel: its version, its rings, and what it does with memory.

use super::{Finding, Machine};
use crate::base::limits::RING_ENTRIES;
use io_uring::IoUring;

/// The first kernel with everything that shards use of io_uring.
const RING_VERSION: (u32, u32) = (5, 6);
/// Older ones are no longer maintained and count a ring's memory against `ulimit -l`.
const GOOD_VERSION: (u32, u32) = (5, 15);

/// Above this the kernel prefers to swap out processes rather than to drop file pages.
const SWAPPINESS_MAX: u64 = 10;

pub(super) fn version(release: &str) -> Finding {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Finding::warn("kernel", release, "its version cannot be read; 5.15 or newer is good");
    };
    match (major, minor) {
        have if have >= GOOD_VERSION => Finding::ok("kernel", release),
        have if have >= RING_VERSION => Finding::warn("kernel", release, "use 5.15 or newer"),
        _ => Finding::warn("kernel", release, "too old for io_uring, epoll is used: use 5.15 or newer"),
    }
}

/// Makes the rings that the relay will make, all at once.
pub(super) fn rings(shards: usize) -> Finding {
    let rings: Result<Vec<IoUring>, _> = (0..shards).map(|_| IoUring::new(RING_ENTRIES)).collect();
    let size = format!("{shards} × {RING_ENTRIES} entries");
    match rings {
        Ok(_) => Finding::ok("io_uring", size),
        Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => Finding::fail(
            "io_uring",
            format!("{size}: {error}"),
            "the relay will not start: raise `ulimit -l`, or LimitMEMLOCK= of its service",
        ),
        Err(error) => Finding::warn(
            "io_uring",
            format!("{size}: {error}"),
            "epoll is used instead, and one delivery in a hundred comes a millisecond later: set \
             kernel.io_uring_disabled=0, and allow io_uring_setup, io_uring_enter and io_uring_register in \
             the container's seccomp profile",
        ),
    }
}

pub(super) fn swap(machine: &Machine) -> Finding {
    let total = machine.memory("SwapTotal").unwrap_or(0);
    let swappiness = machine.number("proc/sys/vm/swappiness").unwrap_or(0);
    let value = format!("{} MiB, swappiness {swappiness}", total >> 20);
    if total == 0 || swappiness <= SWAPPINESS_MAX {
        return Finding::ok("swap", if total == 0 { "none".to_owned() } else { value });
    }
    let advice = "a relay that is swapped out answers late: sysctl vm.swappiness=1, or MemorySwapMax=0";
    Finding::warn("swap", value, advice)
}

pub(super) fn huge_pages(machine: &Machine) -> Finding {
    let text = machine.text("sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let chosen = text.split(['[', ']']).nth(1).unwrap_or("not available").to_owned();
    if chosen != "always" {
        return Finding::ok("huge pages", chosen);
    }
    let advice = "memory of idle connections grows, and the kernel may stall to find huge pages: \
                  echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
    Finding::warn("huge pages", chosen, advice)
}

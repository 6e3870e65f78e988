//! What the process and the network may use.

use super::{Finding, Machine, Needs};
use rustix::process::{Resource, Rlimit, getrlimit};

/// Descriptors beside connections and database files: rings, pipes, listening sockets, logs.
const OTHER_FILES: u64 = 512;

/// What a ring of a shard locks at most.
const RING_LOCKED_BYTES: u64 = 512 << 10;

/// Kernel memory of a connection that has little under way.
const SOCKET_BYTES: u64 = 4 << 10;

pub(super) fn open_files(needs: &Needs) -> Finding {
    let wanted = needs.connections_max as u64 + needs.database_files_max as u64 + OTHER_FILES;
    judge_open_files(getrlimit(Resource::Nofile), wanted)
}

/// The relay raises the limit in force to the hard one by itself.
pub(super) fn judge_open_files(limit: Rlimit, wanted: u64) -> Finding {
    match limit.maximum {
        Some(have) if have < wanted => Finding::warn(
            "open files",
            format!("{have}, hard limit"),
            format!(
                "limits.connections_max and store.open_files_max need {wanted}: raise `ulimit -Hn` or \
                 LimitNOFILE=, or lower them"
            ),
        ),
        have => Finding::ok(
            "open files",
            have.map_or("unlimited".to_owned(), |have| format!("{have}, hard limit")),
        ),
    }
}

pub(super) fn locked_memory(shards: usize) -> Finding {
    judge_locked_memory(getrlimit(Resource::Memlock), shards)
}

pub(super) fn judge_locked_memory(limit: Rlimit, shards: usize) -> Finding {
    let wanted = shards as u64 * RING_LOCKED_BYTES;
    match limit.current {
        Some(have) if have < wanted => Finding::warn(
            "locked memory",
            format!("{} KiB", have >> 10),
            format!(
                "older kernels count the rings of {shards} shards here: raise `ulimit -l` or LimitMEMLOCK= \
                 to {} KiB if io_uring fails above",
                wanted >> 10
            ),
        ),
        have => Finding::ok(
            "locked memory",
            have.map_or("unlimited".to_owned(), |have| format!("{} KiB", have >> 10)),
        ),
    }
}

pub(super) fn accept_queue(machine: &Machine, wanted: usize) -> Finding {
    let Some(have) = machine.number("proc/sys/net/core/somaxconn") else {
        return Finding::warn("accept queue", "unknown", "net.core.somaxconn cannot be read");
    };
    if have >= wanted as u64 {
        return Finding::ok("accept queue", have.to_string());
    }
    let advice =
        format!("connections are refused when many come at once: sysctl net.core.somaxconn={wanted}");
    Finding::warn("accept queue", have.to_string(), advice)
}

pub(super) fn tcp_memory(machine: &Machine, connections_max: usize) -> Finding {
    let text = machine.text("proc/sys/net/ipv4/tcp_mem").unwrap_or_default();
    let pages: Vec<u64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [_, pressure, _] = pages[..] else {
        return Finding::warn("tcp memory", "unknown", "net.ipv4.tcp_mem cannot be read");
    };
    let (have, wanted) =
        (pressure * rustix::param::page_size() as u64, connections_max as u64 * SOCKET_BYTES);
    let value = format!("{} MiB before pressure", have >> 20);
    if have >= wanted {
        return Finding::ok("tcp memory", value);
    }
    let advice = format!(
        "{connections_max} connections need {} MiB: raise net.ipv4.tcp_mem, or lower limits.connections_max",
        wanted >> 20
    );
    Finding::warn("tcp memory", value, advice)
}

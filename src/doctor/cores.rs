//! The cores: how many, whose, how fast.

use super::{Finding, Machine};
use std::fs;

pub(super) fn shards(shards: usize, cores: usize) -> Finding {
    let value = format!("{cores} cores, {shards} shards");
    if shards <= cores {
        return Finding::ok("cores", value);
    }
    Finding::warn("cores", value, "more shards than cores only add switching: set relay.shards=0")
}

/// Not needed, so nothing is wrong without it.
pub(super) fn isolation(machine: &Machine) -> Finding {
    let isolated = machine.text("sys/devices/system/cpu/isolated").unwrap_or_default();
    let mut finding =
        Finding::ok("isolated cores", if isolated.is_empty() { "none" } else { isolated.as_str() });
    if isolated.is_empty() {
        finding.advice = "for the steadiest latencies: isolcpus= for the cores of the shards, and start the \
                          relay on them (taskset, CPUAffinity=)"
            .to_owned();
    }
    finding
}

pub(super) fn governor(machine: &Machine) -> Finding {
    let cores = fs::read_dir(machine.path("sys/devices/system/cpu")).into_iter().flatten().flatten();
    let read = |core: fs::DirEntry| fs::read_to_string(core.path().join("cpufreq/scaling_governor")).ok();
    let mut governors: Vec<String> = cores.filter_map(read).map(|text| text.trim().to_owned()).collect();
    governors.sort();
    governors.dedup();
    match governors.iter().all(|governor| governor == "performance") {
        true if governors.is_empty() => Finding::ok("governor", "not ours (virtual machine)"),
        true => Finding::ok("governor", "performance"),
        false => Finding::warn(
            "governor",
            governors.join(", "),
            "a core that sleeps or slows down answers late: cpupower frequency-set -g performance",
        ),
    }
}

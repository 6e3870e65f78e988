//! The relay's CPU by stage, and the rest that no stage explains.

use crate::report::short;
use axon::base::Stage;
use axon::cli::{Figures, THREAD_STAGES};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the rest.
pub const UNEXPLAINED: &str = "unexplained";

/// CPU µs per unit, from before the first one until the relay was quiet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// All of the process.
    pub process: f64,
    /// By stage, each measured on its own.
    pub stages: BTreeMap<String, f64>,
    /// The process less its stages; below 0 where the samples of sampled stages came out high.
    pub unexplained: f64,
}

impl Split {
    /// What happened between two scrapes, by `units`.
    pub fn of(figures: &Figures, units: u64) -> Split {
        let us = |seconds: f64| seconds * 1e6 / units.max(1) as f64;
        Split {
            process: us(figures.cpu_seconds),
            stages: figures.stages.iter().map(|stage| (stage.stage.clone(), us(stage.seconds))).collect(),
            unexplained: us(figures.unexplained_seconds()),
        }
    }

    /// The names of all parts, in the order an event meets them; the rest is last.
    pub fn order() -> impl Iterator<Item = &'static str> {
        let threads = THREAD_STAGES.iter().map(|(stage, _)| *stage);
        Stage::ALL.iter().map(|stage| stage.name()).chain(threads).chain([UNEXPLAINED])
    }

    /// One part by its name.
    pub fn part(&self, name: &str) -> Option<f64> {
        if name == UNEXPLAINED { Some(self.unexplained) } else { self.stages.get(name).copied() }
    }

    /// Percent of the process's CPU that no stage explains.
    pub fn unexplained_percent(&self) -> f64 {
        if self.process > 0.0 { self.unexplained / self.process * 100.0 } else { 0.0 }
    }

    /// Key figures: name and value.
    pub fn figures(&self, unit: &str) -> Vec<(String, f64)> {
        let part = |name: &str| Some((format!("{name} µs/{unit}"), self.part(name)?));
        let rest = ("unexplained %".to_owned(), self.unexplained_percent());
        Split::order().filter_map(part).chain([rest]).collect()
    }

    /// For people, on one line; stages without CPU are left out.
    pub fn line(&self) -> String {
        let percent = |us: f64| us / self.process.max(f64::MIN_POSITIVE) * 100.0;
        let part = |name: &'static str| {
            let us = self.part(name).filter(|us| *us != 0.0)?;
            Some(format!("{name} {} ({:.0} %)", short(us), percent(us)))
        };
        Split::order().filter_map(part).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "process_cpu_seconds_total 1\n# EOF";
    const AFTER: &str = "process_cpu_seconds_total 3\naxon_stage_cpu_seconds_total{shard=\"0\",stage=\"match\"} 1.2\n\
        axon_thread_cpu_seconds_total{thread=\"rocksdb:low\"} 0.3\n# EOF";

    #[test]
    fn stages_and_the_rest_are_the_whole() {
        let figures = Figures::between(&BEFORE.parse().unwrap(), &AFTER.parse().unwrap(), 1.0);
        let split = Split::of(&figures, 1_000_000);
        let shown = |name| split.part(name).map(short);
        assert_eq!(
            (shown("match"), shown("compact"), shown("send")),
            (Some("1.20".into()), Some("0.300".into()), None)
        );
        let sum: f64 = Split::order().filter_map(|name| split.part(name)).sum();
        assert!((sum - split.process).abs() < 1e-9 && (split.process - 2.0).abs() < 1e-9);
        assert!((split.unexplained_percent() - 25.0).abs() < 1e-9);
        assert_eq!(split.line(), "match 1.20 (60 %), compact 0.300 (15 %), unexplained 0.500 (25 %)");
        let named: Vec<String> = split.figures("event").into_iter().map(|(name, _)| name).collect();
        let stages = ["match µs/event", "compact µs/event", "accept µs/event", "gather µs/event"];
        assert_eq!(named, [&stages[..], &["unexplained µs/event", "unexplained %"]].concat());
    }
}

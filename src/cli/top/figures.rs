//! What happened between two scrapes.

use super::exposition::Exposition;
use serde_json::{Value, json};

/// One shard. Rates are per second.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardFigures {
    pub shard: String,
    pub connections: f64,
    pub subscriptions: f64,
    pub events_rate: f64,
    pub deliveries_rate: f64,
    pub queue_bytes: f64,
    /// Since the relay's start.
    pub fallbacks: f64,
}

/// The log. What needs a commit is `None` without one.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFigures {
    pub head: f64,
    pub indexed: f64,
    pub commits_rate: f64,
    /// Events per commit.
    pub batch_events: Option<f64>,
    /// Seconds that so many commits took at most: bounds of the histogram's buckets.
    pub commit_p50: Option<f64>,
    pub commit_p99: Option<f64>,
}

/// CPU of one stage, by the name it has in the metrics or in [`THREAD_STAGES`].
#[derive(Debug, Clone, PartialEq)]
pub struct StageFigures {
    pub stage: String,
    pub seconds: f64,
}

/// The change from one scrape to a later one.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Time between the scrapes.
    pub seconds: f64,
    pub shards: Vec<ShardFigures>,
    pub log: LogFigures,
    /// Publishes answered, whatever the answer.
    pub events: f64,
    /// CPU seconds of the whole process.
    pub cpu_seconds: f64,
    /// In the relay's order, those of [`THREAD_STAGES`] last.
    pub stages: Vec<StageFigures>,
}

/// Threads with one work each are a stage as they are, by how their names begin: the database's
/// flushes and merges, taking connections, and Gather with all of HTTP.
pub const THREAD_STAGES: [(&str, &[&str]); 3] =
    [("compact", &["rocksdb:"]), ("accept", &["axon-accept"]), ("gather", &["axon-gather", "axon-http"])];

impl Figures {
    /// `seconds`: the time between the two.
    pub fn between(before: &Exposition, after: &Exposition, seconds: f64) -> Figures {
        let change = Change { before, after, seconds: seconds.max(f64::MIN_POSITIVE) };
        let shards: Vec<ShardFigures> = after
            .named("axon_connections")
            .filter_map(|sample| sample.label("shard"))
            .map(|shard| change.shard(shard))
            .collect();
        Figures {
            seconds,
            shards,
            log: change.log(),
            events: change.of("axon_publishes_total", &[]),
            cpu_seconds: change.of("process_cpu_seconds_total", &[]),
            stages: change.stages(),
        }
    }

    /// CPU seconds that no stage accounts for. Below 0 when the samples of the sampled stages
    /// came out high.
    pub fn unexplained_seconds(&self) -> f64 {
        self.cpu_seconds - self.stages.iter().map(|stage| stage.seconds).sum::<f64>()
    }

    /// Microseconds per event; `None` without events.
    pub fn micros_per_event(&self, seconds: f64) -> Option<f64> {
        (self.events > 0.0).then(|| seconds * 1e6 / self.events)
    }

    /// Part of the process's CPU, 0 to 1; `None` if it used none.
    pub fn share(&self, seconds: f64) -> Option<f64> {
        (self.cpu_seconds > 0.0).then(|| seconds / self.cpu_seconds)
    }

    /// For agents.
    pub fn to_json(&self) -> Value {
        let shard = |s: &ShardFigures| {
            json!({
                "shard": s.shard,
                "connections": s.connections,
                "subscriptions": s.subscriptions,
                "events_per_second": s.events_rate,
                "deliveries_per_second": s.deliveries_rate,
                "queue_bytes": s.queue_bytes,
                "fallbacks": s.fallbacks,
            })
        };
        let cpu = |seconds: f64| {
            json!({
                "seconds": seconds,
                "micros_per_event": self.micros_per_event(seconds),
                "share": self.share(seconds),
            })
        };
        let stages: serde_json::Map<String, Value> =
            self.stages.iter().map(|s| (s.stage.clone(), cpu(s.seconds))).collect();
        json!({
            "seconds": self.seconds,
            "events": self.events,
            "shards": self.shards.iter().map(shard).collect::<Vec<_>>(),
            "log": {
                "head": self.log.head,
                "indexed": self.log.indexed,
                "commits_per_second": self.log.commits_rate,
                "batch_events": self.log.batch_events,
                "commit_seconds_p50_at_most": self.log.commit_p50,
                "commit_seconds_p99_at_most": self.log.commit_p99,
            },
            "cpu": {
                "process": cpu(self.cpu_seconds),
                "stages": stages,
                "unexplained": cpu(self.unexplained_seconds()),
            },
        })
    }
}

struct Change<'a> {
    before: &'a Exposition,
    after: &'a Exposition,
    seconds: f64,
}

impl Change<'_> {
    /// How much a counter has grown; 0 if the relay was started again meanwhile.
    fn of(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        (self.after.sum(name, labels) - self.before.sum(name, labels)).max(0.0)
    }

    fn shard(&self, shard: &str) -> ShardFigures {
        let labels = &[("shard", shard)];
        let now = |name| self.after.sum(name, labels);
        let rate = |name| self.of(name, labels) / self.seconds;
        ShardFigures {
            shard: shard.to_owned(),
            connections: now("axon_connections"),
            subscriptions: now("axon_subscriptions"),
            events_rate: rate("axon_publishes_total"),
            deliveries_rate: rate("axon_deliveries_total"),
            queue_bytes: now("axon_queue_bytes"),
            fallbacks: now("axon_fallbacks_total"),
        }
    }

    fn log(&self) -> LogFigures {
        let commits = self.of("axon_commits_total", &[]);
        let events = self.of("axon_commit_batch_events_sum", &[]);
        LogFigures {
            head: self.after.sum("axon_log_head", &[]),
            indexed: self.after.sum("axon_log_indexed", &[]),
            commits_rate: commits / self.seconds,
            batch_events: (commits > 0.0).then(|| events / commits),
            commit_p50: self.quantile("axon_commit_seconds_bucket", 0.5),
            commit_p99: self.quantile("axon_commit_seconds_bucket", 0.99),
        }
    }

    /// The bound of the bucket in which that part of the values ends; `None` if there are no
    /// values, or if it is the last one, which has no bound.
    fn quantile(&self, name: &str, part: f64) -> Option<f64> {
        let mut buckets: Vec<(f64, f64)> = self
            .after
            .named(name)
            .filter_map(|sample| sample.label("le"))
            .filter_map(|le| Some((le.parse().ok()?, self.of(name, &[("le", le)]))))
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all = buckets.last().map_or(0.0, |(_, count)| *count);
        let (bound, _) = buckets.into_iter().find(|(_, below)| all > 0.0 && *below >= part * all)?;
        bound.is_finite().then_some(bound)
    }

    /// The stages in the relay's order, then those that are threads.
    fn stages(&self) -> Vec<StageFigures> {
        let name = "axon_stage_cpu_seconds_total";
        let mut stages: Vec<StageFigures> = Vec::new();
        for stage in self.after.named(name).filter_map(|sample| sample.label("stage")) {
            if !stages.iter().any(|known| known.stage == stage) {
                let seconds = self.of(name, &[("stage", stage)]);
                stages.push(StageFigures { stage: stage.to_owned(), seconds });
            }
        }
        stages.extend(THREAD_STAGES.map(|(stage, begins)| self.of_threads(stage, begins)));
        stages
    }

    fn of_threads(&self, stage: &str, begins: &[&str]) -> StageFigures {
        let name = "axon_thread_cpu_seconds_total";
        let threads = self.after.named(name).filter_map(|sample| sample.label("thread"));
        let own = threads.filter(|thread| begins.iter().any(|begin| thread.starts_with(begin)));
        let seconds = own.map(|thread| self.of(name, &[("thread", thread)])).sum();
        StageFigures { stage: stage.to_owned(), seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"axon_connections{shard="0"} 9
axon_publishes_total{shard="0",code="200"} 100
process_cpu_seconds_total 1
axon_commits_total 5
axon_commit_batch_events_sum 50
axon_commit_seconds_bucket{le="0.001"} 5
axon_commit_seconds_bucket{le="0.01"} 5
axon_commit_seconds_bucket{le="+Inf"} 5
axon_stage_cpu_seconds_total{shard="0",stage="send"} 0.5
axon_thread_cpu_seconds_total{thread="rocksdb:low"} 0.1
# EOF"#;

    const AFTER: &str = r#"axon_connections{shard="0"} 3
axon_publishes_total{shard="0",code="200"} 1100
axon_publishes_total{shard="0",code="400"} 1000
process_cpu_seconds_total 2
axon_commits_total 15
axon_commit_batch_events_sum 1050
axon_commit_seconds_bucket{le="0.001"} 11
axon_commit_seconds_bucket{le="0.01"} 14
axon_commit_seconds_bucket{le="+Inf"} 15
axon_stage_cpu_seconds_total{shard="0",stage="send"} 0.75
axon_stage_cpu_seconds_total{shard="log",stage="send"} 0.25
axon_thread_cpu_seconds_total{thread="rocksdb:low"} 0.2
axon_thread_cpu_seconds_total{thread="axon-http"} 0.1
# EOF"#;

    fn figures(before: &str, after: &str) -> Figures {
        Figures::between(&before.parse().expect("text"), &after.parse().expect("text"), 2.0)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn counters_become_rates_shares_and_a_rest() {
        let figures = figures(BEFORE, AFTER);
        assert_eq!((figures.shards[0].connections, figures.shards[0].events_rate), (3.0, 1_000.0));
        assert_eq!(figures.events, 2_000.0);
        assert_eq!((figures.log.commits_rate, figures.log.batch_events), (5.0, Some(100.0)));
        let [send, compact, accept, gather] = &figures.stages[..] else { panic!("{:?}", figures.stages) };
        assert!(close(send.seconds, 0.5) && close(compact.seconds, 0.1));
        assert!(close(accept.seconds, 0.0) && close(gather.seconds, 0.1));
        assert!(close(figures.unexplained_seconds(), 0.3));
        assert_eq!(figures.micros_per_event(send.seconds), Some(250.0));
        assert_eq!(figures.to_json()["cpu"]["stages"]["send"]["share"], 0.5);
    }

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let log = figures(BEFORE, AFTER).log;
        // Of ten commits six took up to a millisecond, three up to ten, one longer.
        assert_eq!((log.commit_p50, log.commit_p99), (Some(0.001), None));
    }

    #[test]
    fn an_idle_and_a_restarted_relay_divide_by_nothing() {
        for figures in [figures(BEFORE, BEFORE), figures(AFTER, BEFORE)] {
            assert_eq!((figures.log.batch_events, figures.log.commit_p50), (None, None));
            assert_eq!(figures.micros_per_event(1.0), None);
            assert_eq!(figures.share(1.0), None);
        }
    }
}

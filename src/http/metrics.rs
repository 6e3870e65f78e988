//! The counters of shards and log as Prometheus metrics, read when somebody asks.

use super::health::{Health, Status};
use super::process;
use crate::base::counters::{
    Distribution, LogCounters, NANOS_BOUNDS, RESULT_CODES, SIZE_BOUNDS, ShardCounters,
};
use crate::base::stages::StageCounters;
use crate::base::{Closing, Closings, KeyLimit, Stage};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt::Error;
use std::sync::Arc;

/// The content type of [`render`]'s text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Name, help, and how to read one number.
type Number<C> = (&'static str, &'static str, fn(&C) -> u64);
/// Name, help, and where one distribution is.
type Spread<C> = (&'static str, &'static str, fn(&C) -> &Distribution);

const SHARD_GAUGES: &[Number<ShardCounters>] = &[
    ("axon_connections", "Open connections.", |c| c.connections.get()),
    ("axon_subscriptions", "Open subscriptions.", |c| c.subscriptions.get()),
    ("axon_queue_bytes", "Bytes queued for readers.", |c| c.queue_bytes.get()),
    ("axon_in_flight_bytes", "Bytes of publishes that wait for the committer.", |c| c.in_flight_bytes.get()),
];

const SHARD_TOTALS: &[Number<ShardCounters>] = &[
    ("axon_connections_accepted", "Connections accepted.", |c| c.connections_total.get()),
    ("axon_deliveries", "Events written to subscribers.", |c| c.deliveries.get()),
    ("axon_received_bytes", "Bytes read from connections.", |c| c.bytes_in.get()),
    ("axon_sent_bytes", "Bytes written to connections.", |c| c.bytes_out.get()),
    ("axon_fallbacks", "Live subscriptions that fell back to the log.", |c| c.fallbacks.get()),
    ("axon_ephemerals_skipped", "Ephemeral events not delivered to slow readers.", |c| {
        c.skipped_ephemerals.get()
    }),
    ("axon_interest_false_positives", "Events the interest table sent here that nobody wanted.", |c| {
        c.false_positives.get()
    }),
    ("axon_writes", "Write calls to sockets.", |c| c.writes.get()),
    ("axon_wakeups", "Wake-ups from other threads.", |c| c.wakeups.get()),
];

const SHARD_SECONDS: &[Spread<ShardCounters>] = &[
    ("axon_publish_seconds", "From reading a publish to queueing its reply.", |c| &c.publish_nanos),
    ("axon_fanout_seconds", "From commit or verdict to the write to subscribers.", |c| &c.fanout_nanos),
];

const SHARD_SIZES: &[Spread<ShardCounters>] =
    &[("axon_verify_batch_events", "Events per verify batch.", |c| &c.verify_batch)];

const LOG_GAUGES: &[Number<LogCounters>] = &[
    ("axon_log_head", "The last committed position.", |c| c.head.get()),
    ("axon_log_indexed", "The position up to which every index is complete.", |c| c.indexed.get()),
    ("axon_log_first", "The first position that may hold an event.", |c| c.first.get()),
    ("axon_tombstones", "Ids of deleted events that may not come again.", |c| c.tombstones.get()),
    (
        "axon_retention_looked_at_seconds",
        "When the retention rules were looked at last, in unix time.",
        |c| c.purge_looked_at.get(),
    ),
    ("axon_commit_queue", "Submissions that wait for the committer.", |c| c.commit_queue.get()),
    ("axon_query_queue", "Queries that wait for a reader thread.", |c| c.query_queue.get()),
];

const LOG_TOTALS: &[Number<LogCounters>] = &[
    ("axon_commits", "Commits.", |c| c.commits.get()),
    ("axon_duplicates", "Submissions that were stored before.", |c| c.duplicates.get()),
    ("axon_purged_events", "Events deleted by retention and by the operator.", |c| c.purged_events.get()),
    ("axon_purged_bytes", "Bytes of those events.", |c| c.purged_bytes.get()),
    ("axon_store_failures", "Submissions that were not stored because the store had failed.", |c| {
        c.failures.get()
    }),
    ("axon_store_reopened", "Times the store was opened again after a failure.", |c| c.reopened.get()),
];

const LOG_SECONDS: &[Spread<LogCounters>] = &[
    ("axon_commit_seconds", "From taking a batch to having it durable.", |c| &c.commit_nanos),
    ("axon_sync_seconds", "The disk sync alone.", |c| &c.sync_nanos),
    ("axon_query_seconds", "From a query's arrival to its page.", |c| &c.query_nanos),
];

const LOG_SIZES: &[Spread<LogCounters>] =
    &[("axon_commit_batch_events", "Events per commit.", |c| &c.commit_batch)];

/// Whose counters are shown.
#[derive(Debug)]
pub(super) struct Metrics {
    pub shards: Vec<Arc<ShardCounters>>,
    pub log: Arc<LogCounters>,
    pub health: Arc<Health>,
    pub refusals: Arc<Closings>,
}

/// A registry that reads `metrics` whenever it is rendered.
pub(super) fn registry(metrics: Metrics) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics));
    registry
}

/// The end mark of an exposition.
const END: &str = "# EOF\n";

/// An exposition with more before its end mark.
pub(super) fn joined(mut text: String, more: &str) -> String {
    if let Some(own) = text.strip_suffix(END) {
        text.truncate(own.len());
    }
    text.push_str(more);
    text.push_str(END);
    text
}

/// The metrics as text.
///
/// # Errors
/// Only if formatting fails.
pub(super) fn render(registry: &Registry) -> Result<String, Error> {
    let mut out = String::with_capacity(32 << 10);
    text::encode(&mut out, registry)?;
    Ok(out)
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.process(&mut encoder)?;
        self.shards(&mut encoder)?;
        self.log(&mut encoder)?;
        self.stages(&mut encoder)
    }
}

impl Metrics {
    fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let serving = u64::from(self.health.get() == Status::Serving);
        encoder
            .encode_descriptor("axon_serving", "1 while the relay serves.", None, MetricType::Gauge)?
            .encode_gauge(&serving)?;
        encoder
            .encode_descriptor("process_cpu_seconds", "CPU time of all threads.", None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, f64, f64>(&process::cpu_seconds(), None)?;
        let help = "CPU time of the threads that live, by name.";
        let mut family =
            encoder.encode_descriptor("axon_thread_cpu_seconds", help, None, MetricType::Counter)?;
        for (name, used) in process::cpu_seconds_by_thread() {
            seconds(&mut family.encode_family(&[("thread", name)])?, used)?;
        }
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory.", process::resident_bytes()),
            ("process_open_fds", "Open file descriptors.", process::open_files()),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn shards(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        for (name, help, read) in SHARD_GAUGES {
            self.per_shard(encoder, (name, help, MetricType::Gauge), |metric, shard| {
                metric.encode_gauge(&read(shard))
            })?;
        }
        for (name, help, read) in SHARD_TOTALS {
            self.per_shard(encoder, (name, help, MetricType::Counter), |metric, shard| {
                count(metric, read(shard))
            })?;
        }
        for (name, help, of) in SHARD_SECONDS {
            self.per_shard(encoder, (name, help, MetricType::Histogram), |metric, shard| {
                spread(metric, of(shard), &NANOS_BOUNDS, 1e9)
            })?;
        }
        for (name, help, of) in SHARD_SIZES {
            self.per_shard(encoder, (name, help, MetricType::Histogram), |metric, shard| {
                spread(metric, of(shard), &SIZE_BOUNDS, 1.0)
            })?;
        }
        self.publishes(encoder)?;
        self.over_limit(encoder)?;
        self.closings(encoder)
    }

    fn stages(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "CPU time by stage: of each shard (sampled), and of the log's threads.";
        let mut family =
            encoder.encode_descriptor("axon_stage_cpu_seconds", help, None, MetricType::Counter)?;
        let shards = self.shards.iter().enumerate().map(|(n, shard)| (n.to_string(), &*shard.stages));
        let all: Vec<(String, &StageCounters)> =
            shards.chain([("log".to_owned(), &*self.log.stages)]).collect();
        for (shard, counters) in all {
            for stage in Stage::ALL {
                let labels = [("shard", shard.as_str()), ("stage", stage.name())];
                seconds(&mut family.encode_family(&labels)?, counters.nanos(stage) as f64 / 1e9)?;
            }
        }
        Ok(())
    }

    fn per_shard(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help, kind): (&str, &str, MetricType),
        write: impl Fn(&mut MetricEncoder<'_>, &ShardCounters) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for (index, shard) in self.shards.iter().enumerate() {
            write(&mut family.encode_family(&[("shard", index)])?, shard)?;
        }
        Ok(())
    }

    fn publishes(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Publishes answered, by the code of the answer.";
        let mut family = encoder.encode_descriptor("axon_publishes", help, None, MetricType::Counter)?;
        for (index, shard) in self.shards.iter().enumerate() {
            for (code, answered) in RESULT_CODES.iter().zip(&shard.publishes) {
                let labels = [("shard", index.to_string()), ("code", code.to_string())];
                count(&mut family.encode_family(&labels)?, answered.get())?;
            }
        }
        Ok(())
    }

    fn over_limit(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help =
            "Refused with 429, by the limit of the key; thread_publishes_per_min is the storm breaker.";
        let mut family = encoder.encode_descriptor("axon_over_limit", help, None, MetricType::Counter)?;
        for (index, shard) in self.shards.iter().enumerate() {
            let refused = KeyLimit::ALL.iter().zip(&shard.over_limit);
            for (limit, refused) in refused.filter(|(limit, _)| limit.answers_429()) {
                let labels = [("shard", index.to_string()), ("limit", limit.to_string())];
                count(&mut family.encode_family(&labels)?, refused.get())?;
            }
        }
        Ok(())
    }

    fn closings(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Connections that ended, by reason; of no shard: not let in.";
        let mut family =
            encoder.encode_descriptor("axon_connections_closed", help, None, MetricType::Counter)?;
        let shards = self.shards.iter().enumerate().map(|(n, shard)| (n.to_string(), &shard.closings));
        for (shard, closings) in shards.chain([("none".to_owned(), &*self.refusals)]) {
            for closing in Closing::ALL.into_iter().filter(|closing| closings.get(*closing) > 0) {
                let labels = [("shard", shard.clone()), ("reason", closing.to_string())];
                count(&mut family.encode_family(&labels)?, closings.get(closing))?;
            }
        }
        Ok(())
    }

    fn log(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        for (name, help, read) in LOG_GAUGES {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&read(&self.log))?;
        }
        for (name, help, read) in LOG_TOTALS {
            count(&mut encoder.encode_descriptor(name, help, None, MetricType::Counter)?, read(&self.log))?;
        }
        for (name, help, of) in LOG_SECONDS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            spread(&mut metric, of(&self.log), &NANOS_BOUNDS, 1e9)?;
        }
        for (name, help, of) in LOG_SIZES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            spread(&mut metric, of(&self.log), &SIZE_BOUNDS, 1.0)?;
        }
        Ok(())
    }
}

fn seconds(metric: &mut MetricEncoder<'_>, value: f64) -> Result<(), Error> {
    metric.encode_counter::<NoLabelSet, f64, f64>(&value, None)
}

fn count(metric: &mut MetricEncoder<'_>, value: u64) -> Result<(), Error> {
    metric.encode_counter::<NoLabelSet, u64, f64>(&value, None)
}

/// A histogram whose bounds and sum are divided by `unit`.
fn spread<const N: usize>(
    metric: &mut MetricEncoder<'_>,
    distribution: &Distribution,
    bounds: &[u64; N],
    unit: f64,
) -> Result<(), Error> {
    let (sum, inside, above) = distribution.buckets(bounds);
    let mut buckets: Vec<(f64, u64)> =
        bounds.iter().zip(inside).map(|(bound, count)| (*bound as f64 / unit, count)).collect();
    buckets.push((f64::INFINITY, above));
    let count = buckets.iter().map(|(_, count)| count).sum();
    metric.encode_histogram::<NoLabelSet>(sum / unit, count, &buckets, None)
}

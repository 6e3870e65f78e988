//! The relay as Gather shows it to its administrators: counters, storage, rules. What is looked
//! at every second only reads memory.

use super::config::{Config, KeyDescription, RuleDescription};
use super::connections::Roll;
use super::options;
use super::reload::Reloader;
use crate::base::PubKey;
use crate::base::counters::{
    Distribution, LogCounters, NANOS_BOUNDS, RESULT_CODES, SIZE_BOUNDS, ShardCounters,
};
use crate::base::stages::StageCounters;
use crate::base::{Clock, Closing, Stage};
use crate::gather::connections::{Connection, Connections};
use crate::gather::operator::{
    FamilyFigures, KindFigures, LogFigures, RelayFigures, RelayRules, RelayStorage, RetentionRule, Setting,
    ShardFigures, Spread, StoredKinds,
};
use crate::gather::ports::RelayWindow;
use crate::http;
use crate::store::{self, CensusOptions, Store, StoreError, StoreOptions};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// Events that are read to say what is stored by kind: a tenth of a second of one core.
const SAMPLE_EVENTS: u64 = 100_000;

/// What may be configured per key, by the sections that are limits.
const LIMITS: [&str; 2] = ["limits.", "roles."];

/// The relay's parts that are looked at.
pub(super) struct Window {
    shards: Vec<Arc<ShardCounters>>,
    log: Arc<LogCounters>,
    store: Arc<Store>,
    store_options: StoreOptions,
    reloader: Arc<Reloader>,
    roll: Arc<Roll>,
    clock: Clock,
    /// Held by whoever counts kinds.
    counting: Mutex<()>,
}

impl RelayWindow for Window {
    fn figures(&self) -> RelayFigures {
        let millis = |of: fn(&ShardCounters) -> &Distribution| self.of_shards(of, &NANOS_BOUNDS, 1e6);
        let log = |of: &Distribution| spread([of].into_iter(), &NANOS_BOUNDS, 1e6);
        RelayFigures {
            at_ms: self.clock.now().0,
            cpu_seconds: http::cpu_seconds(),
            resident_bytes: http::resident_bytes().unwrap_or_default(),
            shards: self.shards.iter().map(|shard| shard_figures(shard)).collect(),
            log: log_figures(&self.log),
            closed: self.closed(),
            publish_ms: millis(|c| &c.publish_nanos),
            fanout_ms: millis(|c| &c.fanout_nanos),
            commit_ms: log(&self.log.commit_nanos),
            sync_ms: log(&self.log.sync_nanos),
            query_ms: log(&self.log.query_nanos),
            verify_batch: self.of_shards(|c| &c.verify_batch, &SIZE_BOUNDS, 1.0),
            commit_batch: spread([&self.log.commit_batch].into_iter(), &SIZE_BOUNDS, 1.0),
        }
    }

    fn storage(&self) -> RelayStorage {
        let stats = self.store.stats();
        let family = |family: store::FamilyStats| FamilyFigures {
            name: family.name,
            rows: family.rows,
            disk_bytes: family.disk_bytes,
            memory_bytes: family.memory_bytes,
        };
        RelayStorage {
            head: stats.head.0,
            ring_events: stats.ring_events as u64,
            ring_bytes: stats.ring_bytes as u64,
            cache_bytes: stats.cache_bytes as u64,
            families: stats.families.into_iter().map(family).collect(),
        }
    }

    fn kinds(&self) -> Result<StoredKinds, String> {
        let _turn = match self.counting.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err("somebody else is counting at present".to_owned()),
        };
        let error = |error: StoreError| error.to_string();
        let files = self.store.checkpoint().map_err(error)?;
        let held = store::hold(&files).map_err(error)?;
        let counted = self.count(&files);
        drop(held);
        let name = files.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.store.remove_checkpoint(&name).map_err(error)?;
        counted.map_err(error)
    }

    fn rules(&self) -> RelayRules {
        let config = self.reloader.current.lock().unwrap_or_else(PoisonError::into_inner).describe();
        let limits = config.keys.into_iter().filter(|key| LIMITS.iter().any(|of| key.key.starts_with(of)));
        let setting = |key: KeyDescription| Setting {
            name: key.key,
            value: key.value.to_string(),
            meaning: key.meaning,
            is_default: key.origin == "default",
        };
        let rule = |rule: RuleDescription| RetentionRule {
            kinds: rule.kinds,
            age_seconds_max: rule.age_seconds_max,
            bytes_max: rule.bytes_max,
            count_max: rule.count_max,
        };
        let retention = config.retention_rules.into_iter().map(rule).collect();
        RelayRules { limits: limits.map(setting).collect(), retention }
    }

    fn connections(&self, key: Option<&PubKey>, most: usize) -> Connections {
        self.roll.of(key, most)
    }

    fn connection(&self, id: &str) -> Option<Connection> {
        self.roll.one(id)
    }

    fn close_connection(&self, id: &str) -> bool {
        self.roll.dismiss(id)
    }
}

impl Window {
    pub fn new(
        config: &Config,
        (shards, log): (Vec<Arc<ShardCounters>>, Arc<LogCounters>),
        store: &Arc<Store>,
        reloader: &Arc<Reloader>,
        roll: Arc<Roll>,
        clock: Clock,
    ) -> Window {
        let (store, reloader) = (Arc::clone(store), Arc::clone(reloader));
        let store_options = options::store(config);
        Window { shards, log, store, store_options, reloader, roll, clock, counting: Mutex::default() }
    }

    fn of_shards<const N: usize>(
        &self,
        of: fn(&ShardCounters) -> &Distribution,
        bounds: &[u64; N],
        unit: f64,
    ) -> Spread {
        spread(self.shards.iter().map(|shard| of(shard)), bounds, unit)
    }

    fn closed(&self) -> BTreeMap<&'static str, u64> {
        let of_all = |closing| self.shards.iter().map(|shard| shard.closings.get(closing)).sum();
        let counted = Closing::ALL.map(|closing| (closing.name(), of_all(closing)));
        counted.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn count(&self, files: &Path) -> Result<StoredKinds, StoreError> {
        let how = CensusOptions { events_max: Some(SAMPLE_EVENTS), progress: &|_, _| {} };
        let census = store::census(&self.store_options, files, &how)?;
        let kind = |(kind, amount): (u16, store::Amount)| KindFigures {
            kind,
            events: amount.events,
            bytes: amount.bytes,
        };
        Ok(StoredKinds {
            read: census.read,
            events: census.total.events,
            bytes: census.total.bytes,
            kinds: census.kinds.rows.into_iter().map(kind).collect(),
        })
    }
}

fn shard_figures(counters: &ShardCounters) -> ShardFigures {
    let answered = |accepted: bool| {
        let codes = RESULT_CODES.iter().zip(&counters.publishes);
        codes.filter(|(code, _)| (**code == 200) == accepted).map(|(_, count)| count.get()).sum()
    };
    ShardFigures {
        connections: counters.connections.get(),
        subscriptions: counters.subscriptions.get(),
        accepted: answered(true),
        refused: answered(false),
        deliveries: counters.deliveries.get(),
        received_bytes: counters.bytes_in.get(),
        sent_bytes: counters.bytes_out.get(),
        queue_bytes: counters.queue_bytes.get(),
        in_flight_bytes: counters.in_flight_bytes.get(),
        fallbacks: counters.fallbacks.get(),
        skipped: counters.skipped_ephemerals.get(),
        stages: stages(&counters.stages),
    }
}

fn log_figures(counters: &LogCounters) -> LogFigures {
    LogFigures {
        head: counters.head.get(),
        indexed: counters.indexed.get(),
        commit_queue: counters.commit_queue.get(),
        query_queue: counters.query_queue.get(),
        commits: counters.commits.get(),
        duplicates: counters.duplicates.get(),
        purged_events: counters.purged_events.get(),
        failure: counters.failure.get(),
        stages: stages(&counters.stages),
    }
}

fn stages(counters: &StageCounters) -> BTreeMap<&'static str, f64> {
    Stage::ALL.into_iter().map(|stage| (stage.name(), counters.nanos(stage) as f64 / 1e9)).collect()
}

/// All distributions as one, its bounds divided by `unit`.
fn spread<'a, const N: usize>(
    distributions: impl Iterator<Item = &'a Distribution>,
    bounds: &[u64; N],
    unit: f64,
) -> Spread {
    let mut counts = vec![0; N + 1];
    for distribution in distributions {
        let (_, inside, above) = distribution.buckets(bounds);
        counts.iter_mut().zip(inside.into_iter().chain([above])).for_each(|(sum, count)| *sum += count);
    }
    Spread { bounds: bounds.iter().map(|bound| *bound as f64 / unit).collect(), counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distributions_of_all_shards_are_one() {
        let (one, other) = (Distribution::default(), Distribution::default());
        one.record(1, 3);
        one.record(5_000, 1);
        other.record(2, 4);
        let spread = spread([&one, &other].into_iter(), &SIZE_BOUNDS, 1.0);
        assert_eq!((spread.bounds[0], spread.bounds[1]), (1.0, 2.0));
        assert_eq!((spread.counts[0], spread.counts[1], spread.counts[13]), (3, 4, 1));
        assert_eq!(spread.counts.iter().sum::<u64>(), 8);
    }
}

//! The model as a whole, on a made-up machine whose prices are round.

use super::*;
use crate::base::{Kind, PubKey, Signature};
use crate::event::EventBuilder;
use std::collections::BTreeMap;

fn calibration() -> Calibration {
    let price = |coefficient: &Coefficient| {
        let us = match coefficient.name {
            "shard.event" => 6.0,
            "shard.turn" => 10.0,
            "shard.author" => 4.0,
            "shard.exchange" | "shard.wakeup" => 5.0,
            "commit.commit" => 10.0,
            "commit.sync" => 5.0,
            "commit.event" => 2.0,
            "shard.delivery_write" => 3.0,
            "shard.delivery" => 0.02,
            "shard.match" | "commit.match" => 0.002,
            "shard.sent_byte" => 0.0001,
            _ if coefficient.name.ends_with("byte") => 0.001,
            _ => 0.5,
        };
        (coefficient.name.to_owned(), us)
    };
    Calibration {
        format: FORMAT,
        made_at: 1_790_000_000,
        axon: "0".to_owned(),
        machine: "made up".to_owned(),
        cores: 8,
        memory_gib: 32.0,
        kernel: "6".to_owned(),
        facts: Facts {
            sync_p50_us: 200.0,
            sync_p99_us: 1_000.0,
            copy_bytes_per_second: 1e10,
            disk_bytes_per_second: 1e9,
            idle_bytes: 3e7,
            connection_bytes: 1_500.0,
            subscription_bytes: 300.0,
            socket_bytes: 4_000.0,
            disk_event_bytes: 60.0,
            disk_byte_factor: 1.0,
            write_amplification: 2.0,
        },
        prices: COEFFICIENTS.iter().map(price).collect::<BTreeMap<_, _>>(),
        residuals: Vec::new(),
    }
}

fn description() -> Description {
    Description {
        agents: Some(10_000.0),
        rate: Some(1_000.0),
        deliveries: Some(10.0),
        ..Description::default()
    }
}

fn planned(change: impl FnOnce(&mut Description)) -> Plan {
    let (mut description, calibration) = (description(), calibration());
    change(&mut description);
    plan(&Deployment::new(&description, &calibration).expect("a good description"), &calibration)
}

fn fields(change: impl FnOnce(&mut Description)) -> Vec<&'static str> {
    let mut description = description();
    change(&mut description);
    let wrong = Deployment::new(&description, &calibration()).expect_err("something is wrong");
    wrong.iter().map(|violation| violation.field).collect()
}

/// Every number in a plan, found through its JSON: what is not finite would be null there.
fn assert_finite(plan: &Plan) {
    fn look(path: &str, value: &serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| look(&format!("{path}.{name}"), value))
            }
            Value::Array(items) => items.iter().for_each(|item| look(path, item)),
            Value::Number(number) => {
                assert!(number.as_f64().is_some_and(|n| n >= 0.0), "{path}: {number}");
            }
            Value::Null => {
                let may_lack = ["latency", "us_per_delivery", "shards"];
                assert!(may_lack.iter().any(|name| path.ends_with(name)), "{path} is no number");
            }
            Value::Bool(_) | Value::String(_) => {}
        }
    }
    look("plan", &serde_json::to_value(plan).expect("JSON"));
}

#[test]
fn more_of_anything_never_costs_less() {
    type Change = fn(&mut Description, f64);
    let changes: &[(&str, Change)] = &[
        ("rate", |d, by| d.rate = Some(1_000.0 * by)),
        ("content_bytes", |d, by| d.content_bytes = Some(256.0 * by)),
        ("tags", |d, by| d.tags = Some(2.0 * by)),
        ("deliveries", |d, by| d.deliveries = Some(10.0 * by)),
        ("replay_rate", |d, by| d.replay_rate = Some(1_000.0 * by)),
        ("authors", |d, by| d.authors = Some(10.0 * by)),
        ("subscriptions", |d, by| d.subscriptions = Some(1e4 * by)),
    ];
    for (name, change) in changes {
        let plans: Vec<Plan> = [1.0, 2.0, 4.0, 16.0, 64.0]
            .map(|by| {
                planned(|d| {
                    d.shards = Some(4.0);
                    change(d, by)
                })
            })
            .into();
        for pair in plans.windows(2) {
            let [less, more] = pair else { continue };
            assert!(more.cores.total >= less.cores.total * 0.999, "{name}: cores");
            // Of large events the ring holds fewer, and less beside their bytes.
            assert!(more.memory.total >= less.memory.total * 0.99, "{name}: memory");
            assert!(more.disk.bytes_kept >= less.disk.bytes_kept, "{name}: disk");
            assert!(
                more.network.out_bytes_per_second >= less.network.out_bytes_per_second * 0.999,
                "{name}: network"
            );
            assert!(more.uses[0].share >= less.uses[0].share * 0.999, "{name}: use");
        }
    }
}

#[test]
fn batches_grow_with_the_load_and_events_get_cheaper() {
    let at = |rate: f64| {
        planned(|d| {
            d.shards = Some(1.0);
            d.rate = Some(rate)
        })
    };
    let plans: Vec<Plan> = [1.0, 1e3, 5e3, 1e4, 1e6].map(at).into();
    for pair in plans.windows(2) {
        assert!(pair[1].batches.turn_events >= pair[0].batches.turn_events, "{pair:?}");
        assert!(pair[1].cores.us_per_event <= pair[0].cores.us_per_event * 1.001);
    }
    assert!((plans[0].batches.turn_events - 1.0).abs() < 0.01, "a lonely event is judged alone");
    assert!(plans[4].batches.turn_events > 127.0, "overloaded: the largest batches");
    assert_eq!(plans[4].latency, None);
    assert!(plans[3].latency.is_some_and(|latency| latency.bad_us >= latency.typical_us));
}

/// What arrives during a turn is the next one; nothing is left that would change it.
#[test]
fn the_batches_found_are_a_fixed_point() {
    for rate in [100.0, 5_000.0, 20_000.0, 50_000.0] {
        let plan = planned(|d| {
            d.shards = Some(1.0);
            d.deliveries = Some(0.0);
            d.rate = Some(rate)
        });
        let arrivals = rate * plan.batches.turn_us / 1e6;
        let expected = arrivals + (-arrivals).exp();
        let off = plan.batches.turn_events / expected - 1.0;
        assert!(off.abs() < 0.01, "{rate}: {off}, {:?}", plan.batches);
    }
}

#[test]
fn no_load_costs_nothing_but_memory() {
    let plan = planned(|d| d.rate = Some(0.0));
    assert_eq!((plan.shards, plan.cores.total, plan.cores.us_per_event), (1, 0.0, 0.0));
    assert_eq!((plan.disk.bytes_kept, plan.network.out_bytes_per_second), (0.0, 0.0));
    assert!(plan.memory.connections > 0.0 && plan.capacity > 0.0 && plan.fits);
    assert_finite(&plan);
}

#[test]
fn the_bottleneck_is_what_is_short() {
    let first = |change: fn(&mut Description)| {
        planned(|d| {
            d.shards = Some(4.0);
            change(d)
        })
        .uses[0]
            .limit
    };
    assert_eq!(first(|d| d.deliveries = Some(0.0)), Limit::ShardCpu);
    assert_eq!(first(|d| d.nic_gbit_s = Some(0.01)), Limit::NetworkOut);
    assert_eq!(first(|d| d.disk_mb_s = Some(0.5)), Limit::Disk);
    assert_eq!(first(|d| d.cores = Some(1.0)), Limit::Cores);
    assert_eq!(first(|d| (d.replay_rate, d.cores) = (Some(9e6), Some(999.0))), Limit::Readers);
    assert_eq!(first(|d| d.sync_us = Some(9e6)), Limit::Committer);
    let mut slow_memory = calibration();
    slow_memory.facts.copy_bytes_per_second = 1e5;
    let deployment = Deployment::new(&description(), &slow_memory).expect("a good description");
    assert_eq!(plan(&deployment, &slow_memory).uses[0].limit, Limit::MemoryBandwidth);
}

#[test]
fn more_shards_help_until_one_thread_is_full() {
    let plan = planned(|d| d.deliveries = Some(0.0));
    let rates: Vec<f64> = plan.curve.iter().map(|point| point.events_per_second).collect();
    assert!(rates.windows(2).all(|pair| pair[1] >= pair[0] * 0.999), "{rates:?}");
    assert!((rates[1] / rates[0] - 2.0).abs() < 0.05, "{rates:?}");
    let (first, last) = (plan.curve[0], plan.curve[6]);
    assert_eq!((first.shards, first.limit), (1, Limit::ShardCpu));
    assert_eq!((last.shards, last.limit), (64, Limit::Committer));
}

/// Each step by what limits before and after it. Readers that are spread over more shards get more
/// in one write; but for that, and publishers for whom the same holds, work is work.
#[test]
fn the_curve_grows_as_the_shards_do_and_where_it_grows_more_writes_carry_more() {
    let scattered = |d: &mut Description| (d.deliveries, d.publishers) = (Some(20.0), Some(8.0));
    let plan = planned(scattered);
    for pair in plan.curve.windows(2) {
        let [less, more] = pair else { continue };
        let growth = more.events_per_second / less.events_per_second;
        let writes = more.deliveries_per_write / less.deliveries_per_write;
        assert!(growth >= 0.999, "{pair:?}");
        assert!(growth <= 2.05 * writes.max(1.0), "{pair:?}");
        match (less.limit, more.limit) {
            (Limit::ShardCpu, Limit::ShardCpu) => assert!(growth > 1.9, "{pair:?}"),
            (Limit::ShardCpu, _) => {}
            (before, after) => assert!(before == after && growth < 1.1, "{pair:?}"),
        }
    }
    let (mut free, mut description) = (calibration(), description());
    scattered(&mut description);
    free.prices.insert("shard.delivery_write".to_owned(), 0.0);
    let deployment = Deployment::new(&description, &free).expect("a good description");
    let curve = super::plan(&deployment, &free).curve;
    let rates: Vec<f64> = curve.iter().map(|point| point.events_per_second).collect();
    assert!(rates.windows(2).all(|pair| pair[1] <= 2.05 * pair[0]), "{rates:?}");
}

/// The curve asks what shards can do that have cores: how many this machine has is not its matter.
#[test]
fn the_curve_does_not_know_the_machines_cores() {
    let few = planned(|d| d.cores = Some(1.0));
    let many = planned(|d| d.cores = Some(4_096.0));
    assert_eq!(few.curve, many.curve);
    assert!(few.capacity < many.capacity);
}

#[test]
fn a_long_log_needs_a_cache_for_the_filters_of_its_ids() {
    let month = planned(|d| d.rate = Some(500.0));
    let events = 500.0 * 86_400.0 * 30.0;
    assert!(month.memory.ids > 2.0 * events && month.memory.ids < 3.0 * events, "{:?}", month.memory);
    let [set] = &month.settings[..] else { panic!("{:?}", month.settings) };
    assert_eq!((set.key, set.value as f64), ("store.cache_bytes", month.memory.block_cache));
    assert!(month.memory.block_cache >= month.memory.ids && month.fits);
    let day = planned(|d| (d.rate, d.retention_days) = (Some(500.0), Some(1.0)));
    assert_eq!((day.settings.len(), day.memory.block_cache), (0, sizes::CACHE_BYTES));
    let decade = planned(|d| (d.rate, d.retention_days) = (Some(500.0), Some(3_650.0)));
    assert!(
        decade.problems.iter().any(|problem| problem.contains("filters of ids")),
        "{:?}",
        decade.problems
    );
    let ephemeral = planned(|d| (d.rate, d.ephemeral) = (Some(10_000.0), Some(1.0)));
    assert_eq!(
        (ephemeral.memory.block_cache, ephemeral.memory.memtables, ephemeral.memory.ring),
        (0.0, 0.0, 0.0)
    );
    let [set] = &ephemeral.settings[..] else { panic!("{:?}", ephemeral.settings) };
    assert_eq!((set.key, set.value), ("limits.seen_ids_max", 9_000_000));
}

/// Events with many tags fill the memtable of their index before it is flushed.
#[test]
fn memtables_are_counted_until_they_are_flushed_or_full() {
    let of = |tags: f64| planned(|d| d.tags = Some(tags)).memory.memtables;
    let full = 2.0 * (sizes::LOG_MEMTABLE_BYTES + sizes::IDS_MEMTABLE_BYTES + sizes::INDEX_MEMTABLE_BYTES);
    assert!(of(0.0) < of(2.0) && of(2.0) < of(8.0) && of(8.0) == of(800.0));
    assert!(of(8.0) > full && of(8.0) < full + 6.0 * sizes::INDEX_MEMTABLE_BYTES);
}

#[test]
fn shards_are_as_many_as_the_load_needs() {
    let small = planned(|d| d.rate = Some(10.0));
    let large = planned(|d| (d.rate, d.cores) = (Some(200_000.0), Some(64.0)));
    assert_eq!(small.shards, 1);
    assert!(large.shards > 2 && large.shards < 64, "{}", large.shards);
    let share =
        |plan: &Plan| plan.uses.iter().find(|part| part.limit == Limit::ShardCpu).expect("shards").share;
    assert!(share(&large) <= 0.7);
}

#[test]
fn waiting_publishers_set_batches_and_rate_themselves() {
    let alone =
        planned(|d| (d.rate, d.window, d.publishers, d.shards) = (None, Some(8.0), Some(1.0), Some(1.0)));
    assert!((alone.batches.turn_events - 8.0).abs() < 0.01, "all travel together: {:?}", alone.batches);
    let many = planned(|d| {
        (d.rate, d.window, d.publishers, d.shards) = (None, Some(8.0), Some(8.0), Some(1.0));
        d.retention_days = Some(0.1)
    });
    assert!((many.batches.turn_events - 32.0).abs() < 0.01, "in two groups: {:?}", many.batches);
    assert!(many.rate > alone.rate && many.rate == many.capacity);
    assert!(many.latency.is_some() && many.fits);
}

#[test]
fn a_wrong_field_is_named_and_all_are_at_once() {
    assert_eq!(fields(|d| d.rate = None), ["rate"]);
    assert_eq!(fields(|d| d.window = Some(1.0)), ["window"]);
    assert_eq!(
        fields(|d| (d.cores, d.tags, d.shards) = (Some(0.0), Some(-1.0), Some(65.0))),
        ["tags", "shards", "cores"]
    );
    for bad in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        assert_eq!(fields(|d| d.rate = Some(bad)), ["rate"], "{bad}");
        assert_eq!(fields(|d| d.ephemeral = Some(bad)), ["ephemeral"], "{bad}");
    }
    // More readers than connections cannot be.
    assert_eq!(fields(|d| d.deliveries = Some(10_001.0)), ["deliveries"]);
}

#[test]
fn what_does_not_fit_is_said() {
    let plan = planned(|d| (d.agents, d.ram_gib) = (Some(1e6), Some(1.0)));
    assert!(!plan.fits);
    assert!(plan.problems.iter().any(|problem| problem.contains("memory")), "{:?}", plan.problems);
    assert!(plan.settings.iter().any(|set| set.key == "limits.connections_max" && set.value == 1_000_000));
    let plan = planned(|d| (d.rate, d.cores) = (Some(1e6), Some(2.0)));
    assert!(
        plan.problems.iter().any(|problem| problem.starts_with("shard CPU is not enough")),
        "{:?}",
        plan.problems
    );
}

#[test]
fn extreme_numbers_are_planned_and_stay_finite() {
    let most = |d: &mut Description| {
        (d.agents, d.rate, d.deliveries, d.replay_rate) = (Some(1e9), Some(1e9), Some(1e9), Some(1e9));
        (d.content_bytes, d.tags, d.retention_days) = (Some(65_536.0), Some(2_000.0), Some(36_500.0));
    };
    let least = |d: &mut Description| {
        *d = Description { rate: Some(1e-9), cores: Some(1.0), ram_gib: Some(0.1), ..Description::default() };
        (d.nic_gbit_s, d.disk_mb_s, d.sync_us) = (Some(0.001), Some(0.001), Some(1e7));
    };
    assert_finite(&planned(most));
    assert_finite(&planned(least));
    for ephemeral in [0.0, 1e-9, 0.5, 1.0] {
        assert_finite(&planned(|d| {
            most(d);
            d.ephemeral = Some(ephemeral)
        }));
        assert_finite(&planned(|d| {
            least(d);
            d.ephemeral = Some(ephemeral)
        }));
        assert_finite(&planned(|d| (d.ephemeral, d.rate, d.window) = (Some(ephemeral), None, Some(4_096.0))));
    }
    // A machine that costs nothing has no limit but those that are not CPU.
    let mut free = calibration();
    free.prices.values_mut().for_each(|price| *price = 0.0);
    let deployment = Deployment::new(&description(), &free).expect("a good description");
    assert_finite(&plan(&deployment, &free));
}

#[test]
fn a_calibration_is_read_as_it_was_written_and_a_wrong_field_is_named() {
    let good = serde_json::to_value(calibration()).expect("JSON");
    assert_eq!(Calibration::read(&good.to_string()), Ok(calibration()));
    let with = |path: &str, value: serde_json::Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(path).expect("a field") = value;
        Calibration::read(&changed.to_string()).expect_err(path).to_string()
    };
    assert!(with("/format", 99.into()).contains("`format` is 99"));
    assert!(with("/prices/shard.turn", (-1.0).into()).contains("prices.shard.turn"));
    assert!(with("/prices/shard.turn", 1e300.into()).contains("prices.shard.turn"));
    assert!(with("/facts/copy_bytes_per_second", 0.into()).contains("facts.copy_bytes_per_second"));
    assert!(with("/facts/sync_p50_us", "fast".into()).contains("not a calibration"));
    let mut lacking = good.clone();
    lacking["prices"].as_object_mut().expect("prices").remove("read.byte");
    assert!(
        Calibration::read(&lacking.to_string()).expect_err("a price lacks").to_string().contains("read.byte")
    );
    for text in ["", "{", "[]", "null", "{}", "7"] {
        assert!(
            Calibration::read(text).expect_err(text).to_string().contains("axon-perf calibrate"),
            "{text}"
        );
    }
}

#[test]
fn every_price_has_a_name_of_its_own_and_counts_something() {
    let full = Counts {
        events: 1.0,
        turns: 1.0,
        authors: 1.0,
        received_bytes: 1.0,
        exchanges: 1.0,
        stored: 1.0,
        stored_bytes: 1.0,
        stored_tags: 1.0,
        wakeups: 1.0,
        matched: 1.0,
        routed: 1.0,
        deliveries: 1.0,
        delivery_writes: 1.0,
        sent_bytes: 1.0,
        commits: 1.0,
        syncs: 1.0,
        replayed: 1.0,
        replayed_bytes: 1.0,
    };
    let mut names: Vec<&str> = COEFFICIENTS.iter().map(|coefficient| coefficient.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), COEFFICIENTS.len());
    assert!(COEFFICIENTS.iter().all(|coefficient| (coefficient.count)(&full) == 1.0));
    assert_eq!(cpu_us(&Counts::default(), &calibration().prices).values().sum::<f64>(), 0.0);
}

/// The sizes that the planner assumes are those of real events.
#[test]
fn an_events_bytes_are_as_in_the_format() {
    for (content, tags) in [(0, 0), (300, 2), (5_000, 8)] {
        let builder = EventBuilder {
            kind: Kind::MESSAGE,
            created_at: 1_790_000_000,
            content: vec![7; content],
            tags: (0..tags).map(|tag| (format!("t{tag:02}"), vec![format!("topic-{tag:04}")])).collect(),
        };
        let (_, wire) = builder.finish(&PubKey([1; 32]), |_| Signature([2; 64])).expect("an event");
        let off = wire.len() as f64 - event_bytes(content as f64, tags as f64);
        assert!(off.abs() < 8.0, "{content} {tags}: {} bytes, {off} off", wire.len());
    }
}

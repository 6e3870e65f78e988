//! The plain HTTP side: the description on the relay's port, health and metrics on the other,
//! and the operator's socket in the data directory.

use super::harness::*;
use axon::filter::Filter;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;

fn body(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").expect("a head and a body")
}

#[test]
fn a_plain_get_on_the_relays_port_describes_the_relay() {
    let mut setup = Setup::new(1..=1).section("[limits]\nsubscriptions_max = 17");
    setup.relay.push_str("name = \"Described\"\n");
    let relay = setup.start();
    let mut client = relay.client(&key(1));
    let (_, end) = client.stored("s", Filter { after: Some(0), ..Filter::default() });
    let Received::Eose { position: Some((_, log)), .. } = end else { panic!("{end:?}") };
    relay.client(&key(1)).publish_ok(&event(&key(1), 1000, b"one", &[]));
    let answer = relay.get(&relay.address(), "/");
    let (head, text) = body(&answer);
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/json"), "{head}");
    let description: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(description["name"], "Described");
    assert_eq!(description["software"], "axon");
    assert_eq!(description["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(description["relay_url"], "ws://test");
    assert_eq!(description["log_id"], log.to_hex());
    assert_eq!(description["authentication"], true);
    assert_eq!(description["kinds"]["ephemeral"], serde_json::json!([3000, 3999]));
    assert_eq!(description["kinds"]["private"], serde_json::json!([2000, 2999]));
    assert_eq!(description["limits"]["subscriptions_max"], 17);
    assert_eq!(description["limits"]["message_bytes_max"], 1 << 20);
    assert_eq!(description["log_head"], 1);
}

#[test]
fn private_kinds_that_are_off_are_described_so_and_reach_everybody() {
    let mut setup = Setup::new(1..=2);
    setup.relay.push_str("private_kinds = false\n");
    let relay = setup.start();
    let answer = relay.get(&relay.address(), "/");
    let description: Value = serde_json::from_str(body(&answer).1).expect("JSON");
    assert_eq!(description["kinds"]["private"], Value::Null);
    let open = event(&key(1), 2000, b"not so private", &[]);
    relay.client(&key(1)).publish_ok(&open);
    assert_eq!(relay.client(&key(2)).stored("s", Filter::default()).0, [(open.1, None)]);
}

#[test]
fn healthz_says_that_it_serves() {
    let relay = Setup::new(1..=1).start();
    let answer = relay.get(&relay.http_address(), "/healthz");
    let (head, text) = body(&answer);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(serde_json::from_str::<Value>(text).expect("JSON")["status"], "ok");
}

#[test]
fn metrics_tell_what_happened() {
    let relay = Setup::new(1..=2).fsync().start();
    let mut reader = relay.client(&key(2));
    reader.subscribe("s", Filter::default());
    assert!(matches!(reader.recv(), Received::Eose { .. }));
    let mut client = relay.client(&key(1));
    let events: Vec<_> = (0..10u8).map(|n| event(&key(1), 1000, &[n], &[])).collect();
    events.iter().for_each(|e| client.publish_ok(e));
    client.publish_ok(&event(&key(1), 3000, b"ephemeral", &[]));
    client.publish(&events[0].1);
    assert!(matches!(client.recv(), Received::Error(409, _)));
    client.publish(b"\x80");
    assert!(matches!(client.recv(), Received::Error(400, _)));
    (0..11).for_each(|_| assert!(matches!(reader.recv(), Received::Event { .. })));
    let last = Filter { kinds: vec![1000], limit: Some(1), ..Filter::default() };
    assert_eq!(client.stored("q", last).0.len(), 1);
    // Indexes and gauges follow within a moment.
    relay.wait_for_metric("axon_log_indexed", |n| n == 10.0);
    for (name, value) in [
        ("axon_serving", 1.0),
        ("axon_connections", 2.0),
        ("axon_connections_accepted_total", 2.0),
        ("axon_subscriptions", 2.0),
        ("axon_deliveries_total", 12.0),
        ("axon_log_head", 10.0),
        ("axon_duplicates_total", 1.0),
        ("axon_store_failures_total", 0.0),
        ("axon_ephemerals_skipped_total", 0.0),
        ("axon_commit_queue", 0.0),
        ("axon_query_queue", 0.0),
        ("axon_queue_bytes", 0.0),
        ("axon_in_flight_bytes", 0.0),
        ("axon_publish_seconds_count", 11.0),
        ("axon_commit_batch_events_sum", 10.0),
        ("axon_verify_batch_events_sum", 13.0),
    ] {
        assert_eq!(relay.metric(name), value, "{name}");
    }
    for name in [
        "axon_commits_total",
        "axon_received_bytes_total",
        "axon_sent_bytes_total",
        "axon_writes_total",
        "axon_wakeups_total",
        "axon_fanout_seconds_count",
        "axon_commit_seconds_count",
        "axon_sync_seconds_count",
        "axon_query_seconds_count",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
    ] {
        assert!(relay.metric(name) > 0.0, "{name}");
    }
    let text = relay.get(&relay.http_address(), "/metrics");
    for (code, count) in [("200", 11.0), ("400", 1.0), ("409", 1.0)] {
        let lines = text.lines().filter(|l| l.starts_with("axon_publishes_total{"));
        let of_code = lines.filter(|l| l.contains(&format!("\"{code}\"")));
        let sum: f64 = of_code
            .map(|l| l.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok()).expect("a number"))
            .sum();
        assert_eq!(sum, count, "publishes answered {code}");
    }
}

#[test]
fn the_data_directory_and_its_socket_belong_to_the_operator_alone() {
    let relay = Setup::new(1..=1).start();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&relay.data_dir()), 0o700);
    assert_eq!(mode(&relay.data_dir().join("control.sock")), 0o600);
}

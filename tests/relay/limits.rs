//! Limits per key over real sockets: what is over a rate gets 429 that says which limit and
//! when to come back, all connections of a key share it, and what is paid is paid before
//! anything is looked at.

use super::harness::*;
use axon::base::Signature;
use axon::event::EventBuilder;
use axon::filter::Filter;
use ed25519_dalek::Signer as _;

/// A member's limits in a configuration.
fn member(limits: &str) -> String {
    format!("[roles.member]\n{limits}")
}

/// The text of a 429, and the milliseconds it names.
fn over(received: Received) -> (String, u64) {
    let Received::Error(429, text) = received else { panic!("{received:?} is no 429") };
    let ms = text.split("come back in ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    let ms = ms.unwrap_or_else(|| panic!("no time in {text:?}"));
    (text, ms)
}

#[test]
fn publishes_over_the_rate_are_429_over_all_connections_of_the_key_and_of_no_other() {
    let relay = Setup::new([1, 2]).section(&member("publishes_per_s = 1")).start();
    let mut clients = [relay.client(&key(1)), relay.client(&key(1)), relay.client(&key(2))];
    clients[0].publish_ok(&event(&key(1), 1000, b"first", &[]));
    // Whoever signed it: the connection's key pays.
    let (id, wire) = event(&key(2), 1000, b"forwarded", &[]);
    clients[1].publish(&wire);
    let (text, ms) = over(clients[1].recv());
    assert!(text.starts_with(&format!("{id}: publishes_per_s")) && text.contains("limit of 1"), "{text}");
    assert!((1..=1_000).contains(&ms), "{ms}");
    clients[2].publish_ok(&(id, wire));
    assert_eq!(relay.metric("axon_over_limit_total"), 1.0);
    // Whoever comes back when he was told to is let in.
    let again = event(&key(1), 1000, b"again", &[]);
    loop {
        clients[1].publish(&again.1);
        match clients[1].recv() {
            Received::Ok(_) => break,
            refused => std::thread::sleep(std::time::Duration::from_millis(over(refused).1)),
        }
    }
}

#[test]
fn bytes_over_the_rate_are_429_whatever_they_are() {
    let relay = Setup::new([1]).section(&member("bytes_per_s = 100000")).start();
    let mut client = relay.client(&key(1));
    client.publish_ok(&event(&key(1), 1000, &[1; 60_000], &[]));
    client.publish(&event(&key(1), 1000, &[2; 60_000], &[]).1);
    let (text, ms) = over(client.recv());
    assert!(text.contains("bytes_per_s") && text.contains("limit of 100000"), "{text}");
    assert!((1..=1_000).contains(&ms), "{ms}");
}

#[test]
fn bad_signatures_and_garbage_cost_their_senders_budget() {
    let relay = Setup::new([1, 2]).section(&member("publishes_per_s = 20")).start();
    let mut client = relay.client(&key(1));
    for n in 0..60u8 {
        let builder = EventBuilder {
            kind: axon::base::Kind(1000),
            created_at: unix_now(),
            content: vec![n],
            tags: Vec::new(),
        };
        // In the name of somebody else, who pays nothing for it.
        let forge = |_: &_| Signature(key(1).sign(b"something else").to_bytes());
        let (_, wire) = builder.finish(&pubkey(&key(2)), forge).expect("an event");
        client.publish(&wire);
    }
    let codes: Vec<u16> = (0..60)
        .map(|_| match client.recv() {
            Received::Error(code, _) => code,
            other => panic!("{other:?}"),
        })
        .collect();
    let refused = codes.iter().filter(|code| **code == 429).count();
    assert!(codes[..20].iter().all(|code| *code == 400), "{codes:?}");
    assert!(refused >= 20, "{codes:?}");
    relay.client(&key(2)).publish_ok(&event(&key(2), 1000, b"the one in whose name", &[]));
}

#[test]
fn a_key_may_have_its_own_limits_and_a_change_counts_at_once() {
    let relay = Setup::new([2]).section(&member("publishes_per_s = 1")).start();
    let agent = pubkey(&key(1)).to_hex();
    let add = |more: &[&str]| {
        let added = relay.axon(&[&["allow", "add", &agent, "--json"], more].concat());
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        String::from_utf8_lossy(&added.stdout).into_owned()
    };
    let said = add(&["--role", "agent", "--publishes-per-s", "2", "--subscriptions-max", "1"]);
    assert!(said.contains(r#""limits":{"publishes_per_s":2,"subscriptions_max":1}"#), "{said}");
    let mut client = relay.client(&key(1));
    client.publish(&event(&key(1), 1000, b"no kind of its role", &[]).1);
    assert!(matches!(client.recv(), Received::Error(403, text) if text.contains("kind 1000")));
    client.publish_ok(&event(&key(1), 2000, b"second", &[]));
    client.publish(&event(&key(1), 2000, b"third", &[]).1);
    assert!(over(client.recv()).0.contains("limit of 2"));
    client.subscribe("a", Filter::default());
    assert!(matches!(client.answer(), Received::Eose { .. }));
    let mut second = relay.client(&key(1));
    second.subscribe("b", Filter::default());
    match second.recv() {
        Received::Error(400, text) => assert!(text.contains("subscriptions of this key"), "{text}"),
        other => panic!("{other:?}"),
    }
    // The one that is open may be replaced, and its end makes room.
    client.subscribe("a", Filter::default());
    assert!(matches!(client.answer(), Received::Eose { .. }));
    client.unsubscribe("a");
    client.settle();
    second.subscribe("b", Filter::default());
    assert!(matches!(second.answer(), Received::Eose { .. }));
    add(&["--publishes-per-s", "0"]);
    for n in 0..50u8 {
        client.publish_ok(&event(&key(1), 1000, &[n], &[]));
    }
}

#[test]
fn connections_and_filters_of_a_key_are_bounded() {
    let limits = "connections_max = 2\nfilter_entries_max = 3";
    let relay = Setup::new([1, 2]).section(&member(limits)).start();
    let (mut first, second) = (relay.client(&key(1)), relay.client(&key(1)));
    let mut third = Client::upgrade(&relay.address());
    third.login(&key(1), "ws://test");
    assert!(third.expect_end(429, 1008).contains("limit of 2 connections"));
    let _other = relay.client(&key(2));
    first.subscribe("s", Filter { kinds: vec![1, 2, 3, 4], ..Filter::default() });
    assert!(matches!(first.recv(), Received::Error(400, text) if text.contains("limit of 3")));
    second.half_close();
    relay.wait_for_metric("axon_connections", |open| open == 2.0);
    let _next = relay.client(&key(1));
    assert_eq!(relay.metric("axon_over_limit_total"), 1.0);
}

/// The log holds far more than the budget of two seconds: whatever the reader got is within the
/// budget of the time it took, live events come all the same, and in the end all is there.
#[test]
fn a_replay_over_the_rate_is_slowed_down_and_loses_nothing() {
    let relay =
        Setup::new([1]).section("[roles.auditor]\nreplay_bytes_per_s = 300000").allow(&key(2), "auditor");
    let relay = relay.start();
    let mut publisher = relay.client(&key(1));
    let events: Vec<_> = (0..30u8).map(|n| event(&key(1), 1000, &[n; 40_000], &[])).collect();
    events.iter().for_each(|event| publisher.publish_ok(event));
    let clock = axon::base::Clock::new();
    let start = clock.now();
    let mut reader = relay.client(&key(2));
    let (stored, _) = reader.stored("s", Filter { after: Some(0), ..Filter::default() });
    let taken_ms = clock.now().since(start);
    assert_eq!(
        stored.iter().map(|(wire, _)| wire).collect::<Vec<_>>(),
        events.iter().map(|e| &e.1).collect::<Vec<_>>()
    );
    // 1.2 MB at 300 kB a second, less the second that a full bucket holds and the last pages.
    assert!(taken_ms >= 1_000, "{taken_ms} ms");
}

#[test]
fn a_storm_in_a_thread_gets_429_with_the_reason_and_is_counted() {
    let relay = Setup::new([1]).section(&member("thread_publishes_per_min = 4"));
    let relay = relay.section("[roles.admin]\nthread_publishes_per_min = 0").allow(&key(2), "admin").start();
    let mut client = relay.client(&key(1));
    let root = event(&key(1), 1000, b"root", &[]);
    client.publish_ok(&root);
    let tag: &[&str] = &[&root.0.to_hex(), "root"];
    let answer = |n: u8, kind| event(&key(1), kind, &[n], &[("e", tag)]);
    client.publish_ok(&answer(0, 1000));
    client.publish_ok(&answer(1, 3000));
    client.publish(&answer(2, 1000).1);
    let (text, ms) = over(client.recv());
    assert!(text.contains("thread_publishes_per_min") && text.contains("4 times a minute"), "{text}");
    assert!((1..=15_000).contains(&ms), "{ms}");
    client.publish_ok(&event(&key(1), 1000, b"elsewhere", &[]));
    // A key whose role says so may go on.
    let mut admin = relay.client(&key(2));
    for n in 0..20u8 {
        admin.publish_ok(&event(&key(2), 1000, &[n], &[("e", tag)]));
    }
    let metrics = relay.get(&relay.http_address(), "/metrics");
    let storms = metrics.lines().filter(|line| line.contains("limit=\"thread_publishes_per_min\""));
    assert!(storms.filter(|line| line.ends_with(" 1")).count() == 1, "{metrics}");
}

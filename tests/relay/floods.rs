//! Subscribing and unsubscribing without end: it costs less than what it keeps nobody from, at
//! most one query at a time, and of pages that nobody waits for no more than the key's budget.

use super::attack::{Stop, User, cpu_seconds};
use super::harness::*;
use axon::base::Clock;
use axon::filter::Filter;
use axon::wire::ClientMessage;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// A Subscribe to everything and its Unsubscribe.
pub fn and_gone_again() -> Vec<u8> {
    let subscribe = ClientMessage::Subscribe { sub_id: "s", filter: Filter::default() };
    [message(&subscribe), message(&ClientMessage::Unsubscribe { sub_id: "s" })].concat()
}

/// More than one page of stored events.
fn fill(relay: &Relay) {
    let mut publisher = relay.client(&key(1));
    for n in 0..30u8 {
        publisher.publish_ok(&event(&key(1), 1000, &[n; 60_000], &[]));
    }
}

#[test]
fn subscribing_and_unsubscribing_without_end_is_cheap_and_asks_one_query_at_a_time() {
    let mut setup = Setup::new([1, 2]);
    setup.relay = setup.relay.replace("shards = 2", "shards = 1");
    let relay = setup.start();
    fill(&relay);
    let mut user = User::new(&relay);
    let honest = user.cost();
    let flood = and_gone_again().repeat(1_000);
    let pair_bytes = and_gone_again().len() as f64;
    let flooder = relay.client(&key(2));
    let (mut sender, mut receiver) = (flooder.sender(), flooder.sender());
    let (received, used) = (relay.metric("axon_received_bytes_total"), cpu_seconds(&relay));
    let (memory, asked) = (relay.memory(), relay.metric("axon_query_seconds_count"));
    let stop = AtomicBool::new(false);
    let (mut waiting, mut open) = (0f64, 0f64);
    std::thread::scope(|scope| {
        // What comes is read: a relay whose replies nobody takes would be spared the flood.
        scope.spawn(move || std::io::copy(&mut receiver, &mut std::io::sink()));
        scope.spawn(|| {
            // At least once, and for as long as the user is there.
            while sender.write_all(&flood).is_ok() && !stop.load(Ordering::Relaxed) {}
            sender.shutdown(std::net::Shutdown::Write).expect("an open connection");
        });
        let stop_in_the_end = Stop(&stop);
        for _ in 0..5 {
            user.is_served();
            waiting = waiting.max(relay.metric("axon_query_queue"));
            open = open.max(relay.metric("axon_subscriptions"));
        }
        drop(stop_in_the_end);
    });
    drop(flooder);
    relay.wait_for_metric("axon_connections", |open| open == 1.0);
    assert!(waiting <= 1.0 && open <= 1.0, "{waiting} queries wait, of {open} subscriptions");
    let used = cpu_seconds(&relay) - used;
    // The user's publishes are in both, and are small beside the flood.
    let pairs = (relay.metric("axon_received_bytes_total") - received) / pair_bytes;
    assert!(pairs >= 1_000.0, "{pairs} times is no flood");
    let queries = relay.metric("axon_query_seconds_count") - asked;
    assert!(queries < pairs, "{queries} queries for {pairs} subscriptions that nobody had");
    let pair = used / pairs;
    assert!(pair < honest, "{pair} s of CPU for a subscription, {honest} s for a publish");
    let grown = relay.memory().saturating_sub(memory);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

/// Subscribes, waits until it was taken and hangs up before the page is there.
fn ask_and_hang_up(relay: &Relay, client: &mut Client, times: u32) -> f64 {
    let before = relay.metric("axon_query_seconds_count");
    for _ in 0..times {
        client.subscribe("s", Filter::default());
        client.settle();
        client.unsubscribe("s");
        client.settle();
    }
    relay.metric("axon_query_seconds_count") - before
}

#[test]
fn whoever_hangs_up_before_the_page_comes_has_paid_for_it() {
    const PER_SECOND: f64 = 1_000_000.0;
    const PAGE: f64 = 200_000.0;
    let section = format!("[roles.auditor]\nreplay_bytes_per_s = {PER_SECOND:.0}");
    let relay = Setup::new([1]).section(&section).allow(&key(2), "auditor").start();
    fill(&relay);
    let clock = Clock::new();
    let start = clock.now();
    let paced = ask_and_hang_up(&relay, &mut relay.client(&key(2)), 500);
    // What a full bucket holds, what came in while it lasted, and a page that overdraws it.
    let paid = PER_SECOND / PAGE * (1.0 + clock.now().since(start) as f64 / 1_000.0) + 1.0;
    assert!(paced <= paid, "{paced} pages were read, {paid} were paid for");
    let free = ask_and_hang_up(&relay, &mut relay.client(&key(1)), 500);
    assert!(free > paid, "without a budget {free} pages");
}

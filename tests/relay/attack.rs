//! Floods against a relay that somebody else is using: strangers that say nothing, strangers that
//! say one byte at a time, and a key whose signatures are all bad. Whoever has logged in is
//! served as before, and the relay's own figures say that the attacker paid for it.
//!
//! Latencies are compared within one run, calm before and after with the attack between them,
//! by medians and by a wide factor: the test's own threads share the machine with the relay.

use super::harness::*;
use axon::base::{Clock, Signature};
use axon::event::EventBuilder;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much longer a publish may take under attack. A shard that is kept busy makes it
/// hundreds of times longer; a test machine with other work, a few times.
const WORSE_MAX: u64 = 30;

/// Somebody who uses the relay.
struct User {
    client: Client,
    clock: Clock,
    published: u32,
}

impl User {
    fn new(relay: &Relay) -> User {
        User { client: relay.client(&key(1)), clock: Clock::new(), published: 0 }
    }

    /// The median of some publishes, one after the other, in nanoseconds.
    fn median(&mut self) -> u64 {
        let mut all: Vec<u64> = (0..101)
            .map(|_| {
                self.published += 1;
                let event = event(&key(1), 1000, &self.published.to_be_bytes(), &[]);
                let start = self.clock.nanos();
                self.client.publish_ok(&event);
                self.clock.nanos() - start
            })
            .collect();
        all.sort_unstable();
        all[all.len() / 2]
    }

    fn is_served_as_before(&mut self, calm: u64, under_attack: u64) {
        let calm = calm.max(self.median());
        assert!(under_attack <= WORSE_MAX * calm, "{under_attack} ns under attack, {calm} ns without");
    }
}

/// As many silent connections as this process can have, up to ten thousand.
fn silent_max() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the hard limit is allowed");
    let descriptors = limit.current.unwrap_or(1 << 20) as usize;
    descriptors.saturating_sub(2_000).min(10_000)
}

fn closed(relay: &Relay, reason: &str) -> f64 {
    let metrics = relay.get(&relay.http_address(), "/metrics");
    let label = format!("reason=\"{reason}\"");
    let lines =
        metrics.lines().filter(|line| line.starts_with("axon_connections_closed") && line.contains(&label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn ten_thousand_that_say_nothing_make_room_for_each_other_and_for_honest_clients() {
    const HALF_OPEN_MAX: usize = 1_000;
    let limits = format!("[limits]\nhalf_open_max = {HALF_OPEN_MAX}\nauth_timeout_ms = 3600000");
    let relay = Setup::new([1, 2]).section(&limits).start();
    let mut user = User::new(&relay);
    let calm = user.median();
    let count = silent_max();
    assert!(count > 2 * HALF_OPEN_MAX, "the limit on open files leaves {count}");
    let mut silent: Vec<TcpStream> = (0..count).map(|_| connect(&relay.address())).collect();
    let under_attack = user.median();
    // The newest are there still: none waits for its time, and yet there is room.
    relay.client(&key(2)).publish_ok(&event(&key(2), 1000, b"in the midst of it", &[]));
    // A share per shard, rounded up, and the two that have logged in.
    let displaced = count - HALF_OPEN_MAX - 2;
    let clock = Clock::new();
    let start = clock.now();
    while closed(&relay, "displaced") < displaced as f64 {
        assert!(
            u128::from(clock.now().since(start)) < PATIENCE.as_millis(),
            "{}",
            closed(&relay, "displaced")
        );
    }
    assert_eq!(silent[0].read(&mut [0; 1]).expect("an end"), 0, "the oldest was closed");
    let last = silent.last_mut().expect("a connection");
    last.set_nonblocking(true).expect("a socket");
    let still = last.read(&mut [0; 1]).expect_err("the newest is open").kind();
    assert_eq!(still, std::io::ErrorKind::WouldBlock);
    user.is_served_as_before(calm, under_attack);
}

#[test]
fn whoever_sends_a_byte_at_a_time_is_out_when_the_time_is_up() {
    const SLOW: usize = 200;
    let relay = Setup::new([1]).section("[limits]\nauth_timeout_ms = 1500").start();
    let mut user = User::new(&relay);
    let calm = user.median();
    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| connect(&relay.address())).collect();
    let stop = AtomicBool::new(false);
    let under_attack = std::thread::scope(|scope| {
        let drip = || {
            // As slow as it takes: the request would be whole long after the time is up.
            for byte in UPGRADE {
                for stream in &slow {
                    let _ = (&*stream).write_all(&[*byte]);
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        };
        scope.spawn(drip);
        let under_attack = user.median();
        let clock = Clock::new();
        let start = clock.now();
        while closed(&relay, "late") < SLOW as f64 {
            assert!(
                u128::from(clock.now().since(start)) < PATIENCE.as_millis(),
                "{}",
                closed(&relay, "late")
            );
        }
        stop.store(true, Ordering::Relaxed);
        under_attack
    });
    // An end, or a reset because it went on sending; no byte in either case.
    for stream in &mut slow {
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    }
    user.is_served_as_before(calm, under_attack);
}

/// Events in another's name whose signatures do not hold; their ids do, so that only the
/// signature can refuse them.
fn forgeries(count: u32) -> Vec<u8> {
    let forged = |n: u32| {
        let builder = EventBuilder {
            kind: axon::base::Kind(1000),
            created_at: unix_now(),
            content: n.to_be_bytes().to_vec(),
            tags: Vec::new(),
        };
        let mut sig = [7; 64];
        sig[63] = 0;
        builder.finish(&pubkey(&key(1)), |_| Signature(sig)).expect("an event").1
    };
    (0..count).flat_map(|n| raw_publish(&forged(n))).collect()
}

#[test]
fn a_flood_of_bad_signatures_costs_its_senders_budget_and_nobody_elses() {
    const PER_SECOND: u64 = 500;
    let section = format!("[roles.agent]\npublishes_per_s = {PER_SECOND}\nbytes_per_s = 0\nkinds = []");
    let relay = Setup::new([1]).section(&section).allow(&key(2), "agent").start();
    let mut user = User::new(&relay);
    let calm = user.median();
    let flood = forgeries(20_000);
    let clock = Clock::new();
    let attacker = relay.client(&key(2));
    let (mut sender, mut receiver) = (attacker.sender(), attacker.sender());
    let start = clock.now();
    let under_attack = std::thread::scope(|scope| {
        // The replies are read: a relay that stops reading would be spared the flood.
        scope.spawn(move || std::io::copy(&mut receiver, &mut std::io::sink()));
        scope.spawn(move || {
            sender.write_all(&flood).expect("the relay reads on");
            sender.shutdown(std::net::Shutdown::Write).expect("an open connection");
        });
        user.median()
    });
    drop(attacker);
    relay.wait_for_metric("axon_connections", |open| open == 1.0);
    let lasted_ms = clock.now().since(start);
    let metrics = relay.get(&relay.http_address(), "/metrics");
    let answered = |code: u16| -> f64 {
        let label = format!("code=\"{code}\"");
        let lines = metrics.lines().filter(|l| l.starts_with("axon_publishes_total") && l.contains(&label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let (looked_at, refused) = (answered(400), answered(429));
    assert!(looked_at >= 1.0 && refused >= 1.0, "{looked_at} {refused}");
    // What a full bucket holds, and what came in while it lasted.
    let paid = PER_SECOND as f64 * (1.0 + lasted_ms as f64 / 1_000.0) + 1.0;
    assert!(looked_at <= paid, "{looked_at} signatures were looked at, {paid} were paid for");
    user.is_served_as_before(calm, under_attack);
}

/// Ends the other threads also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One connection that never stops sending must not keep its shard from others, on either of
/// the two drivers: of many round trips of a neighbour on the same shard each comes back.
#[test]
fn a_connection_at_full_speed_leaves_its_shard_to_others() {
    for epoll in [false, true] {
        let mut setup = Setup::new([1, 2]);
        setup.relay = setup.relay.replace("shards = 2", "shards = 1");
        let relay = if epoll { setup.by_epoll() } else { setup }.start();
        let hog = relay.client(&key(2));
        let (mut sender, mut receiver) = (hog.sender(), hog.sender());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(move || std::io::copy(&mut receiver, &mut std::io::sink()));
            scope.spawn(|| {
                let pings = frame(9, b"x").repeat(10_000);
                while !stop.load(Ordering::Relaxed) {
                    if sender.write_all(&pings).is_err() {
                        break;
                    }
                }
                let _ = sender.shutdown(std::net::Shutdown::Both);
            });
            let stop_in_the_end = Stop(&stop);
            let mut neighbour = relay.client(&key(1));
            for n in 0..100u8 {
                neighbour.publish_ok(&event(&key(1), 1000, &[n], &[]));
            }
            drop(stop_in_the_end);
        });
        assert!(relay.metric("axon_received_bytes_total") > 100_000.0, "the hog did not run");
    }
}

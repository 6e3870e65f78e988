//! Floods against a relay that somebody else is using: strangers that say nothing, strangers that
//! say one byte at a time, and a key whose signatures are all bad. Whoever has logged in is
//! served as before, and the relay's own figures say that the attacker paid for it.
//!
//! What a publish costs is the relay's own CPU time, compared within one run: the test's threads and
//! whoever else uses the machine take no part in that.

use super::harness::*;
use axon::base::{Clock, Signature};
use axon::event::EventBuilder;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// How much more CPU a publish may cost under attack. One that is looked at again and again costs
/// hundreds of times more.
const WORSE_MAX: f64 = 30.0;

/// Publishes whose cost is measured at once.
const PUBLISHES: u32 = 200;

/// Somebody who uses the relay.
pub struct User<'a> {
    relay: &'a Relay,
    client: Client,
    published: u32,
}

impl User<'_> {
    pub fn new(relay: &Relay) -> User<'_> {
        User { relay, client: relay.client(&key(1)), published: 0 }
    }

    /// Publishes, one after the other: each must be answered.
    pub fn is_served(&mut self) {
        for _ in 0..PUBLISHES {
            self.published += 1;
            self.client.publish_ok(&event(&key(1), 1000, &self.published.to_be_bytes(), &[]));
        }
    }

    /// The CPU seconds that the relay uses while it serves one such publish.
    pub fn cost(&mut self) -> f64 {
        let before = cpu_seconds(self.relay);
        self.is_served();
        (cpu_seconds(self.relay) - before) / f64::from(PUBLISHES)
    }
}

pub fn cpu_seconds(relay: &Relay) -> f64 {
    relay.metric("process_cpu_seconds_total")
}

fn is_about_the_same(calm: f64, under_attack: f64) {
    assert!(under_attack <= WORSE_MAX * calm, "{under_attack} s of CPU under attack, {calm} s without");
}

/// Held by whoever opens [`silent_max`] connections: this process has room for one of them.
pub static MANY: Mutex<()> = Mutex::new(());

/// As many silent connections as this process can have, up to ten thousand.
pub fn silent_max() -> usize {
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
    let _many = MANY.lock().unwrap_or_else(PoisonError::into_inner);
    let limits = format!("[limits]\nhalf_open_max = {HALF_OPEN_MAX}\nauth_timeout_ms = 3600000");
    let relay = Setup::new([1, 2]).section(&limits).start();
    let mut user = User::new(&relay);
    let calm = user.cost();
    let count = silent_max();
    assert!(count > 2 * HALF_OPEN_MAX, "the limit on open files leaves {count}");
    let mut silent: Vec<TcpStream> = (0..count).map(|_| connect(&relay.address())).collect();
    user.is_served();
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
    is_about_the_same(calm, user.cost());
}

#[test]
fn whoever_sends_a_byte_at_a_time_is_out_when_the_time_is_up() {
    const SLOW: usize = 200;
    let relay = Setup::new([1]).section("[limits]\nauth_timeout_ms = 1500").start();
    let mut user = User::new(&relay);
    let calm = user.cost();
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
        let stop_in_the_end = Stop(&stop);
        let under_attack = user.cost();
        let clock = Clock::new();
        let start = clock.now();
        while closed(&relay, "late") < SLOW as f64 {
            assert!(
                u128::from(clock.now().since(start)) < PATIENCE.as_millis(),
                "{}",
                closed(&relay, "late")
            );
        }
        drop(stop_in_the_end);
        under_attack
    });
    // An end, or a reset because it went on sending; no byte in either case.
    for stream in &mut slow {
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    }
    is_about_the_same(calm, under_attack);
}

/// Events in another's name whose signatures do not hold; their ids do, so that only the
/// signature can refuse them.
pub fn forgeries(count: u32) -> Vec<u8> {
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
    let honest = user.cost();
    let flood = forgeries(20_000);
    let clock = Clock::new();
    let attacker = relay.client(&key(2));
    let (mut sender, mut receiver) = (attacker.sender(), attacker.sender());
    let (start, used) = (clock.now(), cpu_seconds(&relay));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The replies are read: a relay that stops reading would be spared the flood.
        scope.spawn(move || std::io::copy(&mut receiver, &mut std::io::sink()));
        scope.spawn(|| {
            // At least once, and for as long as the user is there.
            while sender.write_all(&flood).is_ok() && !stop.load(Ordering::Relaxed) {}
            sender.shutdown(std::net::Shutdown::Write).expect("an open connection");
        });
        let stop_in_the_end = Stop(&stop);
        user.is_served();
        drop(stop_in_the_end);
    });
    drop(attacker);
    relay.wait_for_metric("axon_connections", |open| open == 1.0);
    let (lasted_ms, used) = (clock.now().since(start), cpu_seconds(&relay) - used);
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
    // Whoever is refused costs less than whoever is served.
    let refusal = used / (looked_at + refused);
    assert!(refusal < honest, "{refusal} s of CPU for a refusal, {honest} s for a publish");
}

/// Ends the other threads also when the test fails.
pub struct Stop<'a>(pub &'a AtomicBool);

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

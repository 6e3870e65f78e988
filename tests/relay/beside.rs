//! Latency beside an attack: two relays on one machine, one of them attacked, and a user who
//! publishes to both in turn. Whatever else the machine does happens to both; what the attack
//! costs is the ratio of the two medians.

use super::attack::{MANY, Stop, forgeries, silent_max};
use super::floods::and_gone_again;
use super::harness::*;
use axon::base::Clock;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

/// Round trips to each of the two.
const ROUND_TRIPS: u32 = 200;

/// What strangers may cost who hold connections and send next to nothing.
const QUIET_MAX: f64 = 3.0;

/// What one connection may cost that sends as fast as it can to the only shard: the others wait
/// for a turn of it, not for its end.
const FLOOD_MAX: f64 = 40.0;

/// One shard, so that the attack and the user meet.
fn relay(sections: &str) -> Relay {
    let mut setup = Setup::new([1]).section(sections).allow(&key(2), "agent");
    setup.relay = setup.relay.replace("shards = 2", "shards = 1");
    setup.start()
}

/// How many times as long a publish takes at the attacked relay; `meanwhile` is called before
/// each.
fn slower(attacked: &Relay, mut meanwhile: impl FnMut()) -> f64 {
    let calm = relay("");
    let clock = Clock::new();
    let mut users = [calm.client(&key(1)), attacked.client(&key(1))];
    let mut nanos = [Vec::new(), Vec::new()];
    for n in 0..ROUND_TRIPS {
        let event = event(&key(1), 1000, &n.to_be_bytes(), &[]);
        meanwhile();
        for (user, nanos) in users.iter_mut().zip(&mut nanos) {
            let start = clock.nanos();
            user.publish_ok(&event);
            nanos.push(clock.nanos() - start);
        }
    }
    let [calm, attacked] = nanos.map(|mut nanos| {
        nanos.sort_unstable();
        nanos[nanos.len() / 2] as f64
    });
    attacked / calm
}

/// The same while one connection sends these bytes without end.
fn slower_beside(attacked: &Relay, flood: &[u8]) -> f64 {
    let flooder = attacked.client(&key(2));
    let (mut sender, mut receiver) = (flooder.sender(), flooder.sender());
    let before = attacked.metric("axon_received_bytes_total");
    let stop = AtomicBool::new(false);
    let slower = std::thread::scope(|scope| {
        scope.spawn(move || std::io::copy(&mut receiver, &mut std::io::sink()));
        scope.spawn(|| {
            while sender.write_all(flood).is_ok() && !stop.load(Ordering::Relaxed) {}
            let _ = sender.shutdown(std::net::Shutdown::Both);
        });
        let _stop_in_the_end = Stop(&stop);
        slower(attacked, || ())
    });
    let received = attacked.metric("axon_received_bytes_total") - before;
    assert!(received > 1_000_000.0, "{received} bytes are no flood");
    slower
}

#[test]
fn ten_thousand_silent_connections_leave_latency_where_it_was() {
    let _many = MANY.lock().unwrap_or_else(PoisonError::into_inner);
    let attacked = relay("[limits]\nhalf_open_max = 20000\nauth_timeout_ms = 3600000");
    let silent: Vec<TcpStream> = (0..silent_max()).map(|_| connect(&attacked.address())).collect();
    attacked.wait_for_metric("process_open_fds", |open| open >= silent.len() as f64);
    let slower = slower(&attacked, || ());
    assert!(slower < QUIET_MAX, "{slower} times as long beside {} connections", silent.len());
}

#[test]
fn connections_that_send_a_byte_at_a_time_leave_latency_where_it_was() {
    let attacked = relay("[limits]\nauth_timeout_ms = 3600000");
    // Strangers, and one who has logged in and never comes to the end of a message.
    let mut slow: Vec<TcpStream> = (0..100).map(|_| connect(&attacked.address())).collect();
    let member = attacked.client(&key(2));
    slow.push(member.sender());
    let message = frame(2, &vec![0; 100_000]);
    // A tenth of them in turn before each publish: thousands of bytes a second.
    let mut round = 0;
    let slower = slower(&attacked, || {
        for (number, mut stream) in slow.iter().enumerate().skip(round % 10).step_by(10) {
            // The request is never whole.
            let bytes = if number == 100 { &message[..] } else { &UPGRADE[..UPGRADE.len() - 1] };
            if let Some(byte) = bytes.get(round / 10) {
                stream.write_all(&[*byte]).expect("the relay waits for more");
            }
        }
        round += 1;
    });
    assert!(slower < QUIET_MAX, "{slower} times as long");
}

#[test]
fn a_flood_of_bad_signatures_leaves_latency_near_where_it_was() {
    let attacked = relay("[roles.agent]\npublishes_per_s = 500\nbytes_per_s = 0\nkinds = []");
    let slower = slower_beside(&attacked, &forgeries(5_000));
    assert!(slower < FLOOD_MAX, "{slower} times as long");
}

#[test]
fn a_flood_of_subscriptions_leaves_latency_near_where_it_was() {
    let attacked = relay("");
    let slower = slower_beside(&attacked, &and_gone_again().repeat(5_000));
    assert!(slower < FLOOD_MAX, "{slower} times as long");
}

//! A disk that fails or is full: nothing answered is lost, nothing unanswered is forwarded, and
//! the relay comes back by itself.

use super::harness::*;
use axon::base::EventId;
use axon::filter::Filter;
use std::path::{Path, PathBuf};
use std::process::Command;

const EIO: u8 = 5;
const ENOSPC: u8 = 28;

/// The library of `axon torture`, preloaded into a relay, and its control file.
struct Faults {
    control: PathBuf,
}

impl Faults {
    /// A relay with the library in it, and the way to its faults.
    fn start(setup: Setup) -> (Relay, Faults) {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/torture/faults.c");
        let library = dir.path().join("faults.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
        assert!(compiler.status().expect("a C compiler").success());
        let control = dir.path().join("faults");
        std::fs::write(&control, [0; 16]).expect("a control file");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a data directory");
        let env = vec![("LD_PRELOAD", library), ("AXON_FAULTS", control.clone()), ("AXON_FAULTS_DIR", data)];
        (Setup { env, ..setup }.start_in(dir), Faults { control })
    }

    fn set(&self, write: u8, sync: u8, half: u8) {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::OpenOptions::new().write(true).open(&self.control).expect("its control file");
        file.write_all_at(&[write, sync, half], 0).expect("three bytes");
    }

    /// The machine's clock is wrong by so many seconds.
    fn set_clock(&self, seconds: i64) {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::OpenOptions::new().write(true).open(&self.control).expect("its control file");
        file.write_all_at(&seconds.to_be_bytes(), 8).expect("eight bytes");
    }
}

fn numbered(n: u64) -> (EventId, Vec<u8>) {
    event(&key(1), 1000, &n.to_be_bytes(), &[("t", &["x"])])
}

/// Publishes until the relay stores again; what was answered 503 stays unanswered.
fn publish_until_stored(relay: &Relay, client: &mut Client, event: &(EventId, Vec<u8>)) {
    relay.wait_for_metric("axon_serving", |serving| serving == 1.0);
    client.publish(&event.1);
    match client.answer() {
        Received::Ok(id) => assert_eq!(id, event.0.to_hex()),
        Received::Error(409, _) => {}
        other => panic!("{other:?}"),
    }
}

/// Setup: a reader follows live; every write, or every sync, or half of every write fails.
/// Wrong would be: Ok, or a delivery, for what is not on disk; a store that stays closed.
#[test]
fn a_failed_write_or_sync_is_answered_503_and_the_store_comes_back() {
    for (setup, write, sync, half) in [
        (Setup::new(1..=2).fsync(), 0, EIO, 0),
        (Setup::new(1..=2).fsync(), EIO, 0, 1),
        (Setup::new(1..=2), ENOSPC, 0, 1),
    ] {
        let (relay, faults) = Faults::start(setup);
        let mut reader = relay.client(&key(2));
        reader.stored("all", Filter { after: Some(0), ..Filter::default() });
        let mut client = relay.client(&key(1));
        let events: Vec<_> = (0..40).map(numbered).collect();
        events[..10].iter().for_each(|event| client.publish_ok(event));

        faults.set(write, sync, half);
        for event in &events[10..20] {
            client.publish(&event.1);
            let Received::Error(503, text) = client.answer() else { panic!("not 503") };
            assert!(text.starts_with(&event.0.to_hex()), "{text}");
        }
        let health = relay.get(&relay.http_address(), "/healthz");
        assert!(health.starts_with("HTTP/1.1 503") && health.contains("\"failed\""), "{health}");
        let another = pubkey(&key(9)).to_hex();
        let refused = relay.axon(&["allow", "add", &another]);
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && text.contains("try again when"), "{refused:?}");
        assert!(!String::from_utf8_lossy(&relay.axon(&["allow", "list"]).stdout).contains(&another));
        // Reading and live ephemeral events go on.
        let (stored, _) = relay.client(&key(2)).stored("s", Filter::default());
        assert_eq!(stored.len(), 10);
        let ephemeral = event(&key(1), 3000, b"live", &[]);
        client.publish_ok(&ephemeral);

        faults.set(0, 0, 0);
        publish_until_stored(&relay, &mut client, &events[20]);
        assert!(relay.metric("axon_store_reopened_total") >= 1.0);
        assert!(relay.axon(&["allow", "add", &another]).status.success());
        events[21..].iter().for_each(|event| client.publish_ok(event));

        let (log, _) = relay.client(&key(2)).stored("log", Filter { after: Some(0), ..Filter::default() });
        let seqs: Vec<u64> = log.iter().map(|(_, seq)| seq.expect("a position").0).collect();
        assert_eq!(seqs, (1..=log.len() as u64).collect::<Vec<_>>(), "positions have no gap");
        for event in events[..10].iter().chain(&events[20..]) {
            assert_eq!(log.iter().filter(|(wire, _)| *wire == event.1).count(), 1, "stored once");
        }
        // The reader saw the ephemeral event and the whole log, in order.
        let mut live = Vec::new();
        while live.len() < log.len() {
            match reader.recv() {
                Received::Event { wire, seq: None, .. } => assert_eq!(wire, ephemeral.1),
                Received::Event { wire, seq, .. } => live.push((wire, seq)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(live, log);
    }
}

/// After the failure and the reopening, a crash: what was answered on either side is there.
#[test]
fn a_reopened_store_survives_kill_9() {
    let (mut relay, faults) = Faults::start(Setup::new(1..=2).fsync());
    let mut client = relay.client(&key(1));
    let events: Vec<_> = (0..30).map(numbered).collect();
    events[..10].iter().for_each(|event| client.publish_ok(event));
    faults.set(0, EIO, 0);
    client.publish(&events[10].1);
    assert!(matches!(client.answer(), Received::Error(503, _)));
    faults.set(0, 0, 0);
    publish_until_stored(&relay, &mut client, &events[11]);
    events[12..].iter().for_each(|event| client.publish_ok(event));
    relay.crash_and_restart();
    for filter in [Filter::default(), Filter { kinds: vec![1000], ..Filter::default() }] {
        let (stored, _) = relay.client(&key(2)).stored("s", filter);
        for event in events[..10].iter().chain(&events[11..]) {
            assert_eq!(stored.iter().filter(|(wire, _)| *wire == event.1).count(), 1);
        }
    }
}

/// A reserve larger than the disk: full from the start; a smaller one: room again.
#[test]
fn without_room_publishes_are_refused_and_reading_goes_on() {
    let mut relay = Setup::new(1..=2).start();
    let mut client = relay.client(&key(1));
    client.publish_ok(&numbered(0));
    assert_eq!(relay.terminate(), Some(0));
    let plain = std::fs::read_to_string(relay.config()).expect("its configuration");
    let full = plain.replace("[http]", "[store]\nreserve_bytes = 1099511627776\n[http]");
    std::fs::write(relay.config(), full).expect("its configuration");
    relay.restart();
    let mut client = relay.client(&key(1));
    client.publish(&numbered(1).1);
    let Received::Error(503, text) = client.answer() else { panic!("not 503") };
    assert!(text.contains("full"), "{text}");
    let health = relay.get(&relay.http_address(), "/healthz");
    assert!(health.contains("store.reserve_bytes"), "{health}");
    let (stored, _) = relay.client(&key(2)).stored("s", Filter::default());
    assert_eq!(stored.len(), 1);
    let mut reader = relay.client(&key(2));
    reader.stored("live", Filter { kinds: vec![3000], ..Filter::default() });
    let ephemeral = event(&key(1), 3000, b"live", &[]);
    client.publish_ok(&ephemeral);
    assert!(matches!(reader.recv(), Received::Event { wire, .. } if wire == ephemeral.1));
}

/// Setup: one event is deleted, then the machine's clock is set 50 years ahead, for a start of the
/// relay, too; another is deleted in that time, then the clock is set right. Wrong would be: the
/// time for which they are remembered counts as passed, and they are taken again.
#[test]
fn a_clock_that_is_set_lets_no_deleted_event_in_again() {
    const AHEAD: i64 = 50 * 365 * 86_400;
    let setup = Setup::new(1..=1).fsync().section("[retention]\ninterval_ms = 20\n");
    let (mut relay, faults) = Faults::start(setup);
    let events = [numbered(1), numbered(2)];
    let delete = |relay: &Relay, n: &str| {
        let deleted = relay.axon(&["delete", "--all", "--up-to", n, "--yes"]);
        assert!(deleted.status.success(), "{deleted:?}");
    };
    // The second look begins after the deletion.
    let look_twice = |relay: &Relay, is_after: &dyn Fn(f64) -> bool| {
        relay.wait_for_metric("axon_retention_looked_at_seconds", is_after);
        let seen = relay.metric("axon_retention_looked_at_seconds");
        relay.wait_for_metric("axon_retention_looked_at_seconds", |at| is_after(at) && at > seen);
    };
    let refused = |relay: &Relay, event: &(EventId, Vec<u8>)| {
        let mut client = relay.client(&key(1));
        client.publish(&event.1);
        match client.answer() {
            Received::Error(400, text) => assert!(text.contains("was deleted"), "{text}"),
            other => panic!("{other:?}"),
        }
    };
    let now = unix_now() as f64;
    relay.client(&key(1)).publish_ok(&events[0]);
    delete(&relay, "1");
    faults.set_clock(AHEAD);
    look_twice(&relay, &|at| at > now + 1e9);
    refused(&relay, &events[0]);
    relay.client(&key(1)).publish_ok(&events[1]);
    delete(&relay, "2");
    relay.crash_and_restart();
    look_twice(&relay, &|at| at > now + 1e9);
    events.iter().for_each(|event| refused(&relay, event));
    faults.set_clock(0);
    look_twice(&relay, &|at| at > 0.0 && at < now + 1e9);
    events.iter().for_each(|event| refused(&relay, event));
    relay.crash_and_restart();
    look_twice(&relay, &|at| at > 0.0);
    events.iter().for_each(|event| refused(&relay, event));
    assert_eq!(relay.terminate(), Some(0));
}

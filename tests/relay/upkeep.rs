//! Check, repair, backup and restore, as an operator does them, on running and stopped relays.

use super::harness::*;
use axon::base::EventId;
use axon::filter::Filter;
use serde_json::Value;
use std::path::Path;

fn json(output: &std::process::Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn numbered(n: u64) -> (EventId, Vec<u8>) {
    event(&key(1), 1000, &n.to_be_bytes(), &[("t", &["x"])])
}

/// While a publisher goes on, the store is checked and saved twice; what is restored elsewhere
/// is a whole log with another name, which serves.
#[test]
fn a_running_relay_is_checked_and_saved_and_the_backup_serves() {
    let mut relay = Setup::new(1..=2).fsync().start();
    let place = tempfile::tempdir().expect("a scratch directory");
    let (backup, restored) = (place.path().join("backup"), place.path().join("restored"));
    let (to, target) = (backup.to_string_lossy(), restored.to_string_lossy());
    let mut client = relay.client(&key(1));
    let events: Vec<_> = (0..300).map(numbered).collect();
    events[..200].iter().for_each(|event| client.publish_ok(event));
    let report = json(&relay.axon(&["check", "--deep", "--json"]));
    assert_eq!((&report["sound"], &report["events"]), (&Value::Bool(true), &Value::from(200)));
    let stat = json(&relay.axon(&["stat", "--json", "--top", "1"]));
    assert_eq!((&stat["events"], &stat["exact"]), (&Value::from(200), &Value::Bool(true)));
    assert_eq!(
        (&stat["kinds"][0]["kind"], &stat["kinds"][0]["events"]),
        (&Value::from(1000), &Value::from(200))
    );
    assert_eq!(stat["authors"][0]["author"], pubkey(&key(1)).to_hex());
    assert_eq!(
        stat["others"]["days"]["events"].as_u64().zip(stat["days"][0]["events"].as_u64()).map(|(a, b)| a + b),
        Some(200)
    );
    let first = json(&relay.axon(&["backup", &to, "--json"]));
    assert_eq!(first["position"], 200);
    events[200..].iter().for_each(|event| client.publish_ok(event));
    let second = json(&relay.axon(&["backup", &to, "--json"]));
    assert_eq!(second["position"], 300);
    assert!(second["copied_files"].as_u64() < second["files"].as_u64(), "only what is new: {second}");
    let left = std::fs::read_dir(relay.data_dir()).expect("its data").flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().contains("checkpoint")));

    let done = json(&relay.axon(&["restore", &to, "--to", &target, "--json"]));
    assert_eq!(done["position"], 300);
    assert_ne!(done["log_id"], second["log_id"], "another history");
    let again = relay.axon(&["restore", &to, "--to", &target]);
    assert_eq!(again.status.code(), Some(1), "never over something");
    assert_eq!(relay.terminate(), Some(0));
    let config = std::fs::read_to_string(relay.config()).expect("its configuration");
    let moved = config.replace(&*relay.data_dir().to_string_lossy(), &target);
    std::fs::write(relay.config(), moved).expect("its configuration");
    let report = json(&relay.axon(&["check", "--deep", "--json"]));
    assert_eq!(report["sound"], true, "{report}");
    relay.restart();
    let (stored, end) = relay.client(&key(2)).stored("s", Filter { after: Some(0), ..Filter::default() });
    assert!(stored.iter().zip(&events).all(|((wire, _), event)| *wire == event.1));
    assert_eq!(stored.len(), 300);
    let Received::Eose { position: Some((_, log)), .. } = end else { panic!("{end:?}") };
    assert_eq!(done["log_id"], log.to_hex());
}

/// Setup: somebody makes a backup, and somebody else was killed while he made one. Wrong would be:
/// two that copy over each other, or what was left takes room for ever.
#[test]
fn a_second_backup_at_once_is_refused_and_what_a_killed_one_has_left_is_removed() {
    let relay = Setup::new(1..=1).start();
    relay.client(&key(1)).publish_ok(&numbered(1));
    let place = tempfile::tempdir().expect("a scratch directory");
    let to = place.path().join("backup").to_string_lossy().into_owned();
    let scratch = relay.data_dir().join("backup.scratch");
    std::fs::create_dir(&scratch).expect("what was left");
    std::fs::write(scratch.join("gather.db"), "half of it").expect("what was left");
    let lock = std::fs::File::create(relay.data_dir().join("backup.lock")).expect("its lock");
    lock.lock().expect("nobody else has it");
    let refused = relay.axon(&["backup", &to]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && text.contains("under way already: try again"), "{refused:?}");
    assert!(scratch.join("gather.db").exists(), "somebody works with it");
    drop(lock);
    assert_eq!(json(&relay.axon(&["backup", &to, "--json"]))["position"], 1);
    assert!(!scratch.exists());
}

/// The newest file of the write-ahead log that is longer than a few bytes.
fn flip_in_wal(data_dir: &Path) -> String {
    let files = std::fs::read_dir(data_dir.join("log")).expect("its log").flatten().map(|entry| entry.path());
    let logs = files.filter(|path| path.extension().is_some_and(|e| e == "log"));
    let path = logs.max_by_key(|path| path.metadata().expect("a file").len()).expect("a write-ahead log");
    let mut bytes = std::fs::read(&path).expect("its bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("its bytes");
    path.to_string_lossy().into_owned()
}

/// A damaged log is refused with the file's name and what to do; the check finds it; the repair
/// first says what it costs, then does it, and the relay serves what stood before the damage.
#[test]
fn a_damaged_log_is_refused_and_repaired() {
    let mut relay = Setup::new(1..=2).fsync().start();
    let mut client = relay.client(&key(1));
    (0..100).map(numbered).for_each(|event| client.publish_ok(&event));
    assert!(!relay.axon(&["repair", "--yes"]).status.success(), "not while it runs");
    relay.kill();
    let file = flip_in_wal(&relay.data_dir());
    let refused = relay.axon(&["serve"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    for word in [&file[..], "axon check", "axon repair", "backup"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let found = relay.axon(&["check", "--json"]);
    assert_eq!((found.status.code(), &json(&found)["sound"]), (Some(1), &Value::Bool(false)));
    let trial = relay.axon(&["repair", "--json"]);
    assert_eq!((trial.status.code(), &json(&trial)["repaired"]), (Some(1), &Value::Bool(false)));
    assert!(!relay.axon(&["serve"]).status.success(), "nothing was changed");
    let done = json(&relay.axon(&["repair", "--yes", "--json"]));
    assert_eq!(done["repaired"], true, "{done}");
    let kept = Path::new(done["kept"].as_str().expect("a path"));
    let flipped = Path::new(&file).file_name().expect("a name");
    assert!(kept.ends_with("log.damaged-1") && kept.join(flipped).exists(), "the damaged one: {done}");
    assert!(!relay.data_dir().join("log.repair").exists());
    assert_eq!(json(&relay.axon(&["check", "--json"]))["sound"], true);
    relay.restart();
    let (stored, _) = relay.client(&key(2)).stored("s", Filter { after: Some(0), ..Filter::default() });
    assert_eq!(Some(stored.len() as u64), done["head"].as_u64(), "{done}");
    let events: Vec<_> = (0..100).map(numbered).collect();
    assert!((1..100).contains(&stored.len()));
    for ((wire, _), event) in stored.iter().zip(&events) {
        let (mine, arena) = (&event.1, bumpalo::Bump::new());
        let content = |wire| axon::event::EventView::parse(wire, &arena).expect("an event").content.to_vec();
        assert_eq!(content(wire), content(mine), "what stood before the damage stays");
    }
}

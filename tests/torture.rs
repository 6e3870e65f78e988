//! A short `axon torture`: each fault once. The long one is run by hand.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use axon::filter::Filter;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Starts it, with everything in that directory.
fn torture(minutes: &str, dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_axon"))
        .args(["torture", "--minutes", minutes, "--seed", "1", "--json", "--dir"])
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the axon binary")
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

#[test]
fn a_tortured_relay_loses_nothing() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let output = torture("0.2", &dir.path().join("run")).wait_with_output().expect("its end");
    assert!(output.status.success(), "{}", text(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["nothing_lost"], true);
    let number = |name: &str| report[name].as_u64().expect("a number");
    assert!(
        number("kills") >= 1 && number("events") >= 100 && number("whole_store_compared") >= 1,
        "{report}"
    );
    assert!(number("answered") <= number("events"), "{report}");
    assert!((1..number("events")).contains(&number("purged")), "{report}");
}

/// An operator deletes events behind its back, of a kind that stays and of one that retention takes
/// care of: each is missed.
#[test]
fn what_is_taken_from_a_tortured_relay_is_missed() {
    for kind in [1000, 1100] {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let run = dir.path().join("run");
        let mut torture = torture("1", &run);
        while torture.try_wait().expect("a child").is_none() {
            // It is away between a kill and the next start; what is asked then is asked again.
            let _ = delete(&run.join("data/control.sock"), kind);
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = torture.wait_with_output().expect("its end");
        let told = text(&output);
        assert_eq!(output.status.code(), Some(1), "kind {kind}: {told}");
        assert!(told.contains("again: axon torture --seed 1"), "{told}");
        let missed = ["is not there", "was due", "is due", "does not find", "nothing is at", "has left"];
        assert!(missed.iter().any(|word| told.contains(word)), "kind {kind}: {told}");
    }
}

/// Deletes every event of a kind, as `axon delete` does of a running relay. Through the socket: the
/// command would take hold of the store of a relay that has just been killed.
fn delete(socket: &Path, kind: u16) -> std::io::Result<()> {
    let mut filter = Vec::new();
    Filter { kinds: vec![kind], ..Filter::default() }.write(&mut filter);
    let step = serde_json::json!({
        "filter": hex::encode(filter), "after": 0, "to": u64::MAX, "dry_run": false
    });
    let body = step.to_string();
    let head =
        "POST /deletions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let mut stream = UnixStream::connect(socket)?;
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}

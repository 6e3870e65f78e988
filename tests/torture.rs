//! A short `axon torture`: each fault once. The long one is run by hand.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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

/// Somebody deletes events behind its back, of a kind that stays and of one that retention takes
/// care of: each is missed.
#[test]
fn what_is_taken_from_a_tortured_relay_is_missed() {
    for kind in ["1000", "1100"] {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let run = dir.path().join("run");
        let mut torture = torture("1", &run);
        // It is away between a kill and the next start; what is asked then is asked again.
        while torture.try_wait().expect("a child").is_none() {
            let mut delete = Command::new(env!("CARGO_BIN_EXE_axon"));
            delete.args(["delete", "--kind", kind, "--yes", "--json", "--config"]);
            delete.arg(run.join("axon.toml")).output().expect("the axon binary");
        }
        let output = torture.wait_with_output().expect("its end");
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let told = text(&output);
        assert!(told.contains("again: axon torture --seed 1"), "{told}");
        let missed = ["is not there", "was due", "is due", "does not find", "nothing is at", "has left"];
        assert!(missed.iter().any(|word| told.contains(word)), "{told}");
    }
}

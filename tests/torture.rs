//! A short `axon torture`: each fault once. The long one is run by hand.

use std::process::Command;

#[test]
fn a_tortured_relay_loses_nothing() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let output = Command::new(env!("CARGO_BIN_EXE_axon"))
        .args(["torture", "--minutes", "0.2", "--seed", "1", "--json", "--dir"])
        .arg(dir.path().join("run"))
        .output()
        .expect("the axon binary");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["nothing_lost"], true);
    let number = |name: &str| report[name].as_u64().expect("a number");
    assert!(
        number("kills") >= 1 && number("events") >= 100 && number("whole_store_compared") >= 1,
        "{report}"
    );
    assert!(number("answered") <= number("events"), "{report}");
}

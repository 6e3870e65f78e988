//! `axon-perf` beside the real relay: each thing it can do, in a size that takes a second.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::process::Command;

/// One call, on the core every machine has; what it printed.
fn perf(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_axon-perf"))
        .args(args)
        .args(["--smoke", "--json", "--durability", "os", "--client-cores", "0"])
        .output()
        .expect("axon-perf");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_run_is_split_by_stage_and_the_parts_are_the_whole() {
    let report = perf(&["ingest"]);
    let split = &report["server"]["split"];
    let stages = split["stages"].as_object().expect("stages");
    assert!(number(&stages["verify"]) > 0.0 && number(&stages["commit"]) > 0.0, "{split}");
    let sum: f64 = stages.values().map(number).sum();
    let (rest, process) = (number(&split["unexplained"]), number(&split["process"]));
    assert!(process > 0.0 && (sum + rest - process).abs() < 0.01 * process, "{split}");
}

#[test]
fn agents_do_every_job_once() {
    let report = perf(&["mixed", "--connections", "12", "--count", "1000"]);
    assert_eq!(report["jobs"], serde_json::json!({"done": 50, "lost": 0, "doubled": 0}));
    assert_eq!((report["missing"].as_u64(), report["errors"].as_u64()), (Some(0), Some(0)), "{report}");
    assert!(number(&report["further"]["jobs/s"]) > 0.0);
    assert!(number(&report["latency"]["job"]["p50"]) >= number(&report["latency"]["result"]["p50"]));
}

#[test]
fn growth_has_a_point_for_each_size() {
    let dir = tempfile::tempdir().expect("a directory");
    let page = dir.path().join("growth.html");
    let results = perf(&["growth", "--events", "2000", "--html", page.to_str().expect("a path")]);
    let series = results["series"].as_array().expect("series");
    let points = |at: usize| series[at]["points"].as_array().expect("points");
    let places = |at: usize| points(at).iter().map(|point| number(&point["at"])).collect::<Vec<_>>();
    assert_eq!((places(0), places(1)), (vec![10.0, 100.0], vec![10.0, 100.0]));
    assert_eq!((places(2).len(), places(2).last()), (20, Some(&2000.0)));
    assert!((0..3).flat_map(points).all(|point| number(&point["cpu_us"]) > 0.0), "{series:?}");
    let page = std::fs::read_to_string(page).expect("the page");
    assert_eq!(page.matches("Cost of an event").count(), 3);
    assert_eq!(page.matches("CPU by stage").count(), 1);
}

#[test]
fn a_sweep_runs_every_value_of_a_key_of_a_variable_and_of_the_binary() {
    let axon = env!("CARGO_BIN_EXE_axon");
    let binaries = format!("{axon},{axon}");
    for (knob, names) in [
        (&["--key", "store.index_run_events", "--values", "-,512"][..], ["events=-", "events=512"]),
        (&["--env", "AXON_STORE_INDEX_RUN_EVENTS", "--values", "-,512"][..], ["EVENTS=-", "EVENTS=512"]),
        (&["--binary", &binaries][..], ["axon", "axon"]),
    ] {
        let results = perf(&[&["sweep", "ingest", "--rounds", "1", "--count", "500"][..], knob].concat());
        let runs = results["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 2);
        for (run, name) in runs.iter().zip(names) {
            assert!(run["name"].as_str().expect("a name").ends_with(name), "{}", run["name"]);
            assert_eq!((run["count_all"].as_u64(), run["errors"].as_u64()), (Some(500), Some(0)), "{run}");
        }
    }
}

/// What a sweep sets reaches the relay: a value it cannot take ends the start.
#[test]
fn a_value_that_is_refused_ends_the_sweep() {
    let output = Command::new(env!("CARGO_BIN_EXE_axon-perf"))
        .args(["sweep", "ingest", "--smoke", "--count", "10", "--env", "AXON_STORE_READER_THREADS"])
        .args(["--values", "-,many", "--client-cores", "0"])
        .output()
        .expect("axon-perf");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("reader_threads") || said.contains("READER_THREADS"), "{said}");
}

#[test]
fn a_soak_looks_once_a_second_and_draws_what_it_saw() {
    let dir = tempfile::tempdir().expect("a directory");
    let (page, out) = (dir.path().join("soak.html"), dir.path().join("soak.json"));
    let paths = ["--html", page.to_str().expect("a path"), "--out", out.to_str().expect("a path")];
    let report = perf(&[&["soak", "--minutes", "0.1", "--rate", "400"], &paths[..]].concat());
    let seconds = report["seconds"].as_array().expect("seconds");
    assert_eq!(seconds.len(), 6);
    assert!(
        seconds
            .iter()
            .all(|second| number(&second["rss_bytes"]) > 1e6 && number(&second["descriptors"]) > 5.0)
    );
    assert!(number(&report["published"]) > 0.0 && number(&report["delivered"]) > 0.0, "{report}");
    assert_eq!(report["errors"], 0, "no connection is lost");
    assert!(number(&report["verdict"]["rss_bytes"]["rise_max"]) > 8e6);
    let kept: Value = serde_json::from_slice(&std::fs::read(out).expect("the result")).expect("JSON");
    assert_eq!(kept["seconds"], report["seconds"]);
    let page = std::fs::read_to_string(page).expect("the page");
    for title in ["Memory", "Descriptors and threads", "Latency", "Events", "Disk"] {
        assert!(page.contains(title), "{title}");
    }
}

#[test]
fn gather_is_filled_and_everything_is_asked() {
    let found = perf(&["gather", "--posts", "2000"]);
    let counts = &found["store"]["counts"];
    assert_eq!((counts["posts"].as_u64(), counts["agents"].as_u64()), (Some(2_000), Some(200)), "{counts}");
    assert!(number(&counts["votes"]) > 5_000.0 && number(&counts["comments"]) == 800.0, "{counts}");
    let rows = found["rows"].as_array().expect("rows");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(rows.len() > 100, "{}", rows.len());
    assert!(rows.iter().all(|row| row["errors"] == 0 && number(&row["steady"]["p99"]) > 0.0), "{rows:?}");
    // What is asked for is there: a word that stands everywhere, and one that nobody wrote.
    let (common, none) = (row("search: a common word"), row("search: nothing has it"));
    assert!(number(&common["bytes"]) > 10.0 * number(&none["bytes"]), "{common} {none}");
    assert!(number(&row("post")["cpu_ms"]) > 0.0 && row("post")["reads"] == false);
    assert!(number(&found["memory"]["rss_anon"]) > 1e6);
    let beside = &found["beside"];
    assert!(number(&beside["alone"]["p50"]) > 0.0 && number(&beside["requests"]["count"]) > 50.0, "{beside}");
}

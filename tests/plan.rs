//! The way to a plan, with the real programs: measure a machine, describe a deployment, read what
//! it needs. What the planner says of a load is asked in `src/plan/tests.rs`.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A calibration that was made once; what is tested here does not depend on its figures.
const CALIBRATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/calibration.json");

fn axon(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axon"));
    command.args(args).current_dir(dir).env_remove("AXON_CONFIG");
    command.output().expect("the axon binary")
}

fn plan(dir: &Path, args: &[&str]) -> Output {
    axon(dir, &[&["plan", "--calibration", CALIBRATION], args].concat())
}

fn json(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout).expect("one JSON object")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch directory")
}

#[test]
fn a_plan_says_what_is_needed_and_what_limits() {
    let dir = scratch();
    let args = ["--agents", "1000", "--rate", "100", "--deliveries", "5", "--cores", "8", "--ram-gib", "32"];
    let out = plan(dir.path(), &args);
    let said = text(&out.stdout);
    assert!(out.status.success(), "{}{said}", text(&out.stderr));
    for part in [
        "shards",
        "cores",
        "memory",
        "disk",
        "network",
        "latency",
        "bottleneck",
        "headroom",
        "assumptions",
        "limited by",
        "store.cache_bytes = ",
        "100 events/s, 500 deliveries/s",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let out = plan(dir.path(), &[&args[..], &["--json"]].concat());
    let said = json(&out);
    assert_eq!((said["rate"].as_f64(), said["fits"].as_bool()), (Some(100.0), Some(true)));
    assert_eq!(said["curve"].as_array().map(Vec::len), Some(7));
    assert!(said["cores"]["by_part"]["shards"].as_f64().is_some_and(|cores| cores > 0.0));
    // A month of this is more ids than the default has room for.
    let cache = said["settings"][0]["value"].as_f64();
    assert_eq!(said["settings"][0]["key"].as_str(), Some("store.cache_bytes"));
    assert!(cache.is_some() && cache == said["memory"]["block_cache"].as_f64());
    assert!(said["assumptions"].as_array().is_some_and(|all| !all.is_empty()));
}

#[test]
fn a_description_comes_from_a_file_and_a_flag_wins() {
    let dir = scratch();
    std::fs::write(
        dir.path().join("d.toml"),
        "agents = 50\nrate = 10\ncontent_bytes = 1000\ndurability = \"os\"\n",
    )
    .expect("written");
    let said = json(&plan(dir.path(), &["--json", "--file", "d.toml", "--rate", "20"]));
    assert_eq!(said["rate"].as_f64(), Some(20.0));
    assert_eq!(said["deployment"]["connections"].as_f64(), Some(50.0));
    assert_eq!(said["deployment"]["durability"].as_str(), Some("os"));
    for (bad, named) in [("rates = 1\n", "rates"), ("rate = \"many\"\n", "rate"), ("rate =\n", "bad.toml")] {
        std::fs::write(dir.path().join("bad.toml"), bad).expect("written");
        let out = plan(dir.path(), &["--file", "bad.toml"]);
        assert_eq!(out.status.code(), Some(1));
        assert!(text(&out.stderr).contains(named), "{bad}: {}", text(&out.stderr));
    }
}

#[test]
fn what_is_wrong_or_too_much_is_named() {
    let dir = scratch();
    let out = plan(dir.path(), &["--rate=-1", "--cores", "0", "--ephemeral", "2"]);
    assert_eq!(out.status.code(), Some(1));
    for field in ["rate: -1", "cores: 0", "ephemeral: 2"] {
        assert!(text(&out.stderr).contains(field), "{field}: {}", text(&out.stderr));
    }
    // It is planned all the same, and what does not fit is said.
    let out = plan(dir.path(), &["--rate", "1000000000", "--cores", "2"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stdout).contains("does not fit"), "{}", text(&out.stdout));
}

#[test]
fn without_a_calibration_it_says_which_command_makes_one() {
    let dir = scratch();
    let out = axon(dir.path(), &["plan", "--rate", "1"]);
    assert_eq!(out.status.code(), Some(1));
    let said = text(&out.stderr);
    assert!(said.contains("axon-calibration.json") && said.contains("axon-perf calibrate"), "{said}");
    std::fs::write(dir.path().join("axon-calibration.json"), "{\"format\":0}").expect("written");
    let out = axon(dir.path(), &["plan", "--rate", "1"]);
    assert!(text(&out.stderr).contains("format"), "{}", text(&out.stderr));
}

/// The whole way on a tiny size: the figures mean nothing, but they are all there.
#[test]
fn a_machine_is_calibrated_planned_for_and_validated() {
    let dir = scratch();
    let perf = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_axon-perf"));
        command.args(args).args(["--smoke", "--relay", env!("CARGO_BIN_EXE_axon"), "--client-cores", "0"]);
        let out = command.current_dir(dir.path()).output().expect("the axon-perf binary");
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
        out
    };
    let table = text(&perf(&["calibrate"]).stdout);
    assert!(table.contains("shard.event") && table.contains("fan-out to 1 000"), "{table}");
    let calibration =
        std::fs::read_to_string(dir.path().join("axon-calibration.json")).expect("a calibration");
    let calibration = axon::plan::Calibration::read(&calibration).expect("a good one");
    assert!(calibration.prices.values().any(|price| *price > 0.0));
    assert!(calibration.facts.idle_bytes > 0.0 && calibration.facts.sync_p50_us > 0.0);
    let said = json(&axon(dir.path(), &["plan", "--rate", "10", "--json"]));
    assert!(said["cores"]["total"].as_f64().is_some_and(|cores| cores > 0.0), "{said}");
    perf(&["validate", "--out", "validation.json"]);
    let kept = std::fs::read_to_string(dir.path().join("validation.json")).expect("its output");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    let workloads = kept["workloads"].as_array().expect("workloads");
    assert_eq!(workloads.len(), 4);
    for one in workloads {
        for side in ["measured", "predicted"] {
            assert!(one[side]["us_per_event"].as_f64().is_some_and(|us| us > 0.0), "{one}");
        }
    }
}

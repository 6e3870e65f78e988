//! `axon top` beside the real relay: what the relay counts is what a person and an agent see.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A relay with an operator's key; killed when dropped.
struct Relay {
    child: Child,
    facts: Value,
    key: PathBuf,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn axon() -> Command {
    Command::new(env!("CARGO_BIN_EXE_axon"))
}

fn start(dir: &Path) -> Relay {
    let data = dir.join("data");
    let settings = [
        "relay.listen=127.0.0.1:0".to_owned(),
        "http.listen=127.0.0.1:0".to_owned(),
        "relay.shards=2".to_owned(),
        "relay.durability=os".to_owned(),
        format!("relay.data_dir={}", data.display()),
    ];
    let mut command = axon();
    command.args(["serve", "--json"]).current_dir(dir).stdout(Stdio::piped());
    for setting in &settings {
        command.args(["--set", setting]);
    }
    let mut child = command.spawn().expect("the relay");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its first line");
    let facts = serde_json::from_str(&line).unwrap_or_else(|e| panic!("first line {line:?}: {e}"));
    Relay { child, facts, key: data.join("operator.pem") }
}

impl Relay {
    fn publish(&self, events: usize) {
        let url = format!("ws://{}", self.facts["listen"].as_str().expect("an address"));
        let mut publisher = axon()
            .args(["pub", "--json", "--url", &url, "--key"])
            .arg(&self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("a publisher");
        let mut lines = publisher.stdin.take().expect("its input");
        for n in 0..events {
            writeln!(lines, "{{\"content\":\"event {n}\"}}").expect("its input takes a line");
        }
        drop(lines);
        assert!(publisher.wait().expect("its end").success());
    }

    fn top(&self, args: &[&str]) -> Command {
        let url = format!("http://{}", self.facts["http"].as_str().expect("an address"));
        let mut command = axon();
        command.args(["top", "--http", &url]).args(args).stdout(Stdio::piped());
        command
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("axon top");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn refreshes_show_shards_log_and_the_cpu_by_stage() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let relay = start(dir.path());
    // Refreshes until one has seen the events, which are published when the first is out and
    // which every later scrape counts.
    let mut top = relay.top(&["--json", "--count", "60"]).spawn().expect("axon top");
    let mut lines = BufReader::new(top.stdout.take().expect("its output")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a refresh").expect("text");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?}: {e}"))
    };
    assert_eq!(next()["events"], 0.0);
    relay.publish(2_000);
    let mut seen = 0.0;
    let mut commit_seconds = 0.0;
    let last = loop {
        let refresh = next();
        seen += refresh["events"].as_f64().expect("a number");
        let stages = refresh["cpu"]["stages"].as_object().expect("stages").clone();
        commit_seconds += stages["commit"]["seconds"].as_f64().expect("a number");
        let explained: f64 = stages.values().map(|s| s["seconds"].as_f64().expect("a number")).sum();
        let cpu = |of: &str| refresh["cpu"][of]["seconds"].as_f64().expect("a number");
        assert!((explained + cpu("unexplained") - cpu("process")).abs() < 1e-9, "{refresh}");
        if seen >= 2_000.0 {
            break refresh;
        }
    };
    top.kill().expect("axon top");
    top.wait().expect("its end");
    assert_eq!(seen, 2_000.0);
    assert_eq!(last["log"]["head"], 2_000.0);
    assert_eq!(last["shards"].as_array().map(Vec::len), Some(2));
    assert!(commit_seconds > 0.0);

    let text = output(&mut relay.top(&["--count", "1"]));
    for word in ["deliveries/s", "head 2000", "commits/s", "hand-off", "verify", "compact", "unexplained"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn where_no_relay_is_it_says_what_to_check() {
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
    let output = axon().args(["top", "--http", &format!("http://{nobody}")]).output().expect("axon top");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains(&nobody.to_string()) && said.contains("http.listen"), "{said}");
}

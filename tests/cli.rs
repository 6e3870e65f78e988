//! The newcomer's path: the real binary, as it is typed, from an empty directory on.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// A directory in which commands are typed.
struct Shell {
    dir: tempfile::TempDir,
}

impl Shell {
    fn new() -> Shell {
        Shell { dir: tempfile::tempdir().expect("a scratch directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `axon` with no settings of whoever runs the tests.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_axon"));
        command.args(args).current_dir(self.dir.path()).env("HOME", self.dir.path());
        command.env_remove("AXON_URL").env_remove("AXON_KEY").env_remove("AXON_CONFIG");
        command
    }

    fn axon(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the axon binary")
    }

    /// Expects success; its lines of JSON.
    fn json(&self, args: &[&str]) -> Vec<Value> {
        let out = self.axon(&[&["--json"], args].concat());
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
        json_lines(&out.stdout)
    }

    /// Expects success; its output.
    fn text(&self, args: &[&str]) -> String {
        let out = self.axon(args);
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
        text(&out.stdout)
    }

    /// A command that goes on while others are typed.
    fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, |_| {})
    }

    fn start_with(&self, args: &[&str], set: impl FnOnce(&mut Command)) -> Running {
        let mut command = self.command(&[&["--json"], args].concat());
        set(&mut command);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the axon binary");
        let stdout = child.stdout.take().expect("its output");
        Running { child, lines: BufReader::new(stdout).lines() }
    }

    fn serve(&self) -> Serving {
        self.serve_at("127.0.0.1:0")
    }

    fn serve_at(&self, address: &str) -> Serving {
        let listen = format!("relay.listen={address}");
        let mut running = self.start(&["serve", "--set", &listen, "--set", "http.listen=127.0.0.1:0"]);
        let facts = running.next();
        Serving { running, facts }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn json_lines(bytes: &[u8]) -> Vec<Value> {
    text(bytes).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A command under way; killed when dropped.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Its next line of JSON.
    fn next(&mut self) -> Value {
        let line = self.lines.next().expect("another line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32).expect("a pid")
    }

    /// What it has started and not seen the end of, the oldest first.
    fn children(&self) -> Vec<Pid> {
        let pid = self.child.id();
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("a process");
        text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }

    /// The rest of its lines, once it has ended well.
    fn finish(mut self) -> Vec<Value> {
        let lines = self.lines.by_ref().map(|l| serde_json::from_str(&l.expect("text")).expect("JSON"));
        let lines = lines.collect();
        assert!(self.child.wait().expect("its end").success());
        lines
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A relay under way.
struct Serving {
    running: Running,
    facts: Value,
}

impl Serving {
    fn address(&self) -> String {
        self.facts["listen"].as_str().expect("an address").to_owned()
    }

    fn url(&self) -> String {
        format!("ws://{}", self.address())
    }

    /// SIGTERM, and its end.
    fn stop(mut self) {
        kill_process(self.running.pid(), Signal::TERM).expect("a living process");
        assert_eq!(self.running.child.wait().expect("its end").code(), Some(0));
    }
}

/// Waits for something that has to happen.
fn wait_until(mut happened: impl FnMut() -> bool, what: &str) {
    for _ in 0..60_000 {
        if happened() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("not so: {what}");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// The events' contents among the lines of `sub` or `query`.
fn contents(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["content"].as_str()).collect()
}

#[test]
fn from_an_empty_directory_to_a_delivered_event() {
    let shell = Shell::new();
    let relay = shell.serve();
    assert_eq!(relay.facts["log_head"], 0);
    assert_eq!(relay.facts["allowed_keys"], 1);
    assert_eq!(relay.facts["operator_key"], "axon-data/operator.pem");
    assert_eq!(mode(&shell.path("axon-data")), 0o700);
    assert_eq!(mode(&shell.path("axon-data/operator.pem")), 0o600);
    let url = relay.url();
    // The operator's key is found by itself.
    let mut sub = shell.start(&["sub", "--url", &url, "--count", "1"]);
    assert_eq!(sub.next()["eose"]["seq"], 0);
    let sent = shell.json(&["pub", "--url", &url, "--tag", "t=greeting,x", "hello, agents"]);
    assert_eq!(sent[0]["code"], 200);
    let got = sub.finish();
    assert_eq!(got.len(), 1);
    assert_eq!((&got[0]["id"], &got[0]["seq"]), (&sent[0]["id"], &json!(1)));
    assert_eq!(got[0]["pubkey"], relay.facts["operator_pubkey"]);
    assert_eq!((&got[0]["content"], &got[0]["kind"]), (&json!("hello, agents"), &json!(1000)));
    assert_eq!(got[0]["tags"], json!([["t", "greeting", "x"]]));
    let found = shell.json(&["query", "--url", &url, "--tag", "t=greeting"]);
    assert_eq!(contents(&found), ["hello, agents"]);
    assert_eq!(contents(&shell.json(&["query", "--url", &url, "--kind", "2-999"])), [""; 0]);
    let people = shell.text(&["query", "--url", &url]);
    assert!(people.contains("hello, agents") && people.lines().count() == 1, "{people}");
    // Stopped and started again, it is the same relay.
    relay.stop();
    let relay = shell.serve();
    assert_eq!((&relay.facts["log_head"], &relay.facts["allowed_keys"]), (&json!(1), &json!(1)));
}

/// Also beside settings for other relays, and in a directory in which one runs.
#[test]
fn the_demo_delivers_resumes_and_leaves_nothing_behind() {
    let shell = Shell::new();
    let demo = |args: &[&str]| {
        let mut command = shell.command(args);
        let run = command.env("TMPDIR", shell.dir.path()).env("AXON_RELAY_LISTEN", "256.0.0.1:1").output();
        let run = run.expect("the axon binary");
        assert!(run.status.success(), "{}", text(&run.stderr));
        assert_eq!(text(&run.stderr), "");
        run.stdout
    };
    let lines = json_lines(&demo(&["--json", "demo"]));
    let steps: Vec<&str> = lines.iter().map(|line| line["step"].as_str().unwrap_or("event")).collect();
    let expected =
        "relay allowed subscribed published event left published published back event event stopped";
    assert_eq!(steps.join(" "), expected);
    assert_eq!(contents(&lines), ["hello, agents", "the build is green", "who reviews it?"]);
    let ids = |name| lines.iter().filter(move |line| line["step"] == name).map(|line| &line["id"]);
    let received: Vec<&Value> =
        lines.iter().filter(|line| line["seq"].is_u64()).map(|line| &line["id"]).collect();
    assert_eq!(ids("published").collect::<Vec<_>>(), received, "the very events");

    let screen = text(&demo(&["demo"]));
    for part in
        ["axon serve", "axon allow add", "axon sub --state", "Bob receives: 1  1000", "Bob receives: 3  1000"]
    {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    let left: Vec<_> = std::fs::read_dir(shell.dir.path()).expect("the directory").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// At a bad moment: its relay hangs, at its start or later, and the demo waits for it.
#[test]
fn a_demo_that_is_ended_by_a_signal_leaves_nothing_behind_either() {
    for (signal, name, is_late) in
        [(Signal::INT, "SIGINT", true), (Signal::TERM, "SIGTERM", false), (Signal::HUP, "SIGHUP", true)]
    {
        let shell = Shell::new();
        let mut demo = shell.start_with(&["demo"], |command| {
            command.env("TMPDIR", shell.dir.path()).stderr(Stdio::piped());
        });
        if is_late {
            assert_eq!(demo.next()["step"], "relay");
        }
        let command = |pid: Pid| std::fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        let is_relay = |pid: &Pid| command(*pid).is_ok_and(|line| line.contains("serve"));
        wait_until(|| demo.children().iter().any(is_relay), "it has started a relay");
        // The demo first, so that it does not end before its relay waits.
        kill_process(demo.pid(), Signal::STOP).expect("the demo");
        kill_process(demo.children()[0], Signal::STOP).expect("its relay");
        kill_process(demo.pid(), Signal::CONT).expect("the demo");
        let scratch = std::fs::read_dir(shell.dir.path()).expect("the directory").count();
        let started = demo.children();
        kill_process(demo.pid(), signal).expect("the demo");
        assert_eq!((demo.child.wait().expect("its end").code(), scratch), (Some(1), 1));
        let mut said = String::new();
        demo.child.stderr.take().expect("its errors").read_to_string(&mut said).expect("text");
        assert_eq!(said, format!("axon: ended by {name}\n"));
        for process in started {
            assert!(test_kill_process(process).is_err(), "{process:?} is still there");
        }
        let left: Vec<_> = std::fs::read_dir(shell.dir.path()).expect("the directory").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn serve_says_in_one_screen_what_it_does_and_what_to_type_next() {
    let shell = Shell::new();
    let listen = ["--set", "relay.listen=127.0.0.1:0", "--set", "http.listen=127.0.0.1:0"];
    let mut child = shell
        .command(&[&["serve"][..], &listen].concat())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the axon binary");
    let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
    let mut screen = String::new();
    // It is printed at once: when the first line is there, so is the last.
    stdout.read_line(&mut screen).expect("text");
    child.kill().expect("the process");
    child.wait().expect("its end");
    stdout.read_to_string(&mut screen).expect("text");
    assert!(screen.lines().count() < 25, "one screen: {screen}");
    for fact in [
        "serves",
        "127.0.0.1:",
        "shards",
        "driver",
        "fsync",
        "axon-data",
        "log head",
        "allowlist",
        "axon sub",
        "axon pub",
    ] {
        assert!(screen.contains(fact), "{fact}: {screen}");
    }
}

#[test]
fn lines_on_stdin_are_published_in_order_and_a_bad_one_costs_only_itself() {
    let shell = Shell::new();
    let relay = shell.serve();
    let url = relay.url();
    let mut child = shell
        .command(&["--json", "pub", "--url", &url, "--tag", "t=lines"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the axon binary");
    let lines = "{\"content\":\"one\"}\nnonsense\n{\"content\":\"two\",\"kind\":1001}\n\n\
        {\"content\":\"far ahead\",\"created_at\":99999999999}\n{\"content_hex\":\"746872ee\"}\n";
    child.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("written");
    let out = child.wait_with_output().expect("its end");
    assert_eq!(out.status.code(), Some(1), "something was refused");
    let codes: Vec<_> = json_lines(&out.stdout).iter().map(|line| line["code"].as_u64()).collect();
    assert_eq!(codes, [Some(200), Some(200), Some(400), Some(200)]);
    assert!(text(&out.stderr).contains("line 2"), "{}", text(&out.stderr));
    let found = shell.json(&["query", "--url", &url, "--tag", "t=lines", "--after", "0"]);
    assert_eq!(contents(&found), ["one", "two"]);
    assert_eq!(found[2]["content_base64"], "dGhy7g==");
    assert_eq!((&found[2]["seq"], &found[3]["eose"]["seq"]), (&json!(3), &json!(3)));
}

#[test]
fn sub_with_a_state_file_resumes_exactly_also_when_the_relay_was_killed_between() {
    let shell = Shell::new();
    let relay = shell.serve();
    let (url, address) = (relay.url(), relay.address());
    let publish = |from: u32, to: u32| {
        for n in from..to {
            assert_eq!(shell.json(&["pub", "--url", &url, &n.to_string()])[0]["code"], 200);
        }
    };
    let sub = |count: &str| {
        let lines = shell.json(&["sub", "--url", &url, "--state", "position", "--count", count]);
        contents(&lines).join(" ")
    };
    publish(0, 5);
    assert_eq!(sub("3"), "0 1 2");
    publish(5, 7);
    assert_eq!(sub("2"), "3 4");
    // It reconnects by itself while it runs, and goes on where it was.
    let mut following = shell.start(&["sub", "--url", &url, "--state", "position", "--count", "4"]);
    assert_eq!(following.next()["content"], "5");
    assert_eq!(following.next()["content"], "6");
    assert_eq!(following.next()["eose"]["seq"], 7);
    drop(relay);
    let relay = shell.serve_at(&address);
    assert_eq!(relay.facts["log_head"], 7);
    publish(7, 9);
    assert_eq!(contents(&following.finish()), ["7", "8"]);
    publish(9, 10);
    assert_eq!(sub("1"), "9");
}

#[test]
fn the_allowlist_is_changed_on_a_running_and_on_a_stopped_relay() {
    let shell = Shell::new();
    let made = shell.json(&["keygen", "--out", "agent.pem"]);
    let agent = made[0]["pubkey"].as_str().expect("a key").to_owned();
    let listed = || -> Vec<(String, String)> {
        let entry =
            |line: &Value| (line["pubkey"].to_string(), line["role"].to_string() + &line["name"].to_string());
        shell.json(&["allow", "list"]).iter().map(entry).collect()
    };
    let contains = |role: &str| listed().contains(&(format!("\"{agent}\""), role.to_owned()));
    let relay = shell.serve();
    let (url, address) = (relay.url(), relay.address());
    let publish = || shell.axon(&["pub", "--url", &url, "--key", "agent.pem", "hello"]).status.code();
    assert_eq!(publish(), Some(1), "a stranger is refused");
    shell.json(&["allow", "add", &agent, "--name", "worker"]);
    assert!(contains("\"member\"\"worker\""));
    assert_eq!(publish(), Some(0));
    shell.json(&["allow", "remove", &agent]);
    assert_eq!(listed().len(), 1, "the operator");
    assert_eq!(publish(), Some(1));
    assert_eq!(shell.axon(&["allow", "remove", &agent]).status.code(), Some(1), "it was not there");
    relay.stop();
    shell.json(&["allow", "add", &agent, "--role", "auditor", "--name", "eve"]);
    assert!(contains("\"auditor\"\"eve\""));
    let relay = shell.serve_at(&address);
    assert_eq!(publish(), Some(0));
    assert!(contains("\"auditor\"\"eve\""));
    relay.stop();
    let limits = ["--role", "agent", "--publishes-per-s", "3", "--filter-entries-max", "0"];
    shell.json(&[&["allow", "add", &agent], &limits[..]].concat());
    let relay = shell.serve_at(&address);
    let entry = shell.json(&["allow", "list"]).into_iter().find(|line| line["pubkey"] == agent.as_str());
    let said = json!({ "publishes_per_s": 3, "filter_entries_max": 0 });
    assert_eq!(entry.map(|entry| entry["limits"].clone()), Some(said), "limits are kept, too");
    relay.stop();
    shell.json(&["allow", "remove", &agent]);
    let _relay = shell.serve_at(&address);
    assert_eq!(publish(), Some(1));
}

#[test]
fn keygen_makes_a_private_file_and_never_overwrites_one() {
    let shell = Shell::new();
    shell.json(&["keygen", "--out", "key.pem"]);
    assert_eq!(mode(&shell.path("key.pem")), 0o600);
    let made = std::fs::read(shell.path("key.pem")).expect("a key file");
    let again = shell.axon(&["keygen", "--out", "key.pem"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("key.pem"), "{}", text(&again.stderr));
    assert_eq!(std::fs::read(shell.path("key.pem")).expect("a key file"), made);
    let own = shell.text(&["keygen"]);
    assert!(own.contains("axon allow add"), "{own}");
    assert_eq!(mode(&shell.path(".config/axon/key.pem")), 0o600);
}

#[test]
fn info_tells_about_a_relay_and_with_a_configuration_about_its_store() {
    let shell = Shell::new();
    std::fs::write(shell.path("axon.toml"), "[relay]\nname = \"Ours\"\ndata_dir = \"axon-data\"\n")
        .expect("written");
    let address = {
        let relay = shell.serve();
        shell.json(&["pub", "--url", &relay.url(), "hello"]);
        let info = &shell.json(&["info", "--url", &relay.url()])[0];
        assert_eq!((&info["software"], &info["relay_url"]), (&json!("axon"), &json!(relay.url())));
        assert!(shell.text(&["info", "--url", &relay.url()]).contains("relay_url"));
        let running = &shell.json(&["info", "--config", "axon.toml"])[0];
        assert_eq!(running["store"]["head"], 1);
        assert_eq!(running["store"]["log_id"], info["log_id"]);
        let address = relay.address();
        relay.stop();
        address
    };
    assert_eq!(shell.json(&["info", "--config", "axon.toml"])[0]["head"], 1);
    let nobody = shell.axon(&["info", "--url", &format!("ws://{address}")]);
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn config_prints_what_is_in_force_and_reports_everything_wrong_at_once() {
    let shell = Shell::new();
    std::fs::write(shell.path("good.toml"), "[relay]\nshards = 3\n").expect("written");
    let printed = shell.text(&["config", "--config", "good.toml", "--set", "limits.subscriptions_max=9"]);
    assert!(
        printed.contains("relay.shards = 3\n    from good.toml:2; default 0; AXON_RELAY_SHARDS"),
        "{printed}"
    );
    assert!(printed.contains("limits.subscriptions_max = 9\n    from flag; default 256"), "{printed}");
    assert!(printed.contains("    Cost: "), "{printed}");
    let described = &shell.json(&["config", "--config", "good.toml"])[0];
    let shards = described["keys"].as_array().expect("keys").iter().find(|k| k["key"] == "relay.shards");
    let shards = shards.expect("relay.shards");
    assert_eq!((&shards["value"], &shards["origin"]), (&json!(3), &json!("file")));
    let bad = "[relay]\nshards = 65\ncolour = \"red\"\n[limits]\nsubscriptions_max = \"many\"\n[weather]\nsun = 1\n";
    std::fs::write(shell.path("bad.toml"), bad).expect("written");
    for command in ["config", "serve"] {
        let out = shell.axon(&[command, "--config", "bad.toml", "--set", "http.listen=nowhere"]);
        assert_eq!(out.status.code(), Some(1));
        let said = text(&out.stderr);
        for wrong in [
            "bad.toml:2: relay.shards = 65",
            "bad.toml:3: relay.colour",
            "bad.toml:5: limits.subscriptions_max",
            "weather",
            "http.listen",
        ] {
            assert!(said.contains(wrong), "{wrong}: {said}");
        }
        assert!(!shell.path("axon-data").exists(), "nothing was made");
    }
}

#[test]
fn doctor_judges_this_machine_and_leaves_nothing_behind() {
    let shell = Shell::new();
    let set = format!("relay.data_dir={}", shell.path("data/of/it").display());
    // This machine may be ill; the report is whole either way.
    let out = shell.axon(&["--json", "doctor", "--set", &set]);
    let report = &json_lines(&out.stdout)[0];
    let findings = report["findings"].as_array().expect("findings");
    for name in
        ["kernel", "io_uring", "open files", "locked memory", "swap", "disk sync", "clock", "governor"]
    {
        assert!(findings.iter().any(|f| f["name"] == name && f["value"] != ""), "{name}: {report}");
    }
    assert_eq!(out.status.code(), Some(i32::from(report["state"] == "fail")));
    assert_eq!(std::fs::read_dir(shell.dir.path()).expect("the directory").count(), 0);
    let table = text(&shell.axon(&["doctor", "--set", &set]).stdout);
    assert!(table.lines().any(|line| line.contains("disk sync") && line.contains("p99")), "{table}");
    // A limit that does not fit what is configured.
    let greedy = ["--json", "doctor", "--set", &set, "--set", "limits.connections_max=10000000"];
    let report = &json_lines(&shell.axon(&greedy).stdout)[0];
    let files = report["findings"].as_array().and_then(|all| all.iter().find(|f| f["name"] == "open files"));
    let files = files.expect("a finding");
    let fits = files["value"].as_str().is_some_and(|v| v.starts_with("unlimited") || v.len() > 20);
    assert!(fits || (files["state"] == "warn" && files["advice"] != ""), "{files}");
}

#[test]
fn the_systemd_unit_has_the_paths_that_were_given() {
    let shell = Shell::new();
    let unit =
        shell.text(&["service", "systemd", "--binary", "/opt/axon", "--service-config", "/etc/a.toml"]);
    assert!(unit.contains("\nExecStart=/opt/axon serve --config /etc/a.toml "), "{unit}");
    assert!(unit.contains("\nExecReload=/opt/axon reload --config /etc/a.toml "), "{unit}");
    assert!(!unit.contains("@BINARY@") && !unit.contains("@CONFIG@"), "{unit}");
    let bad = shell.axon(&["service", "systemd", "--binary", "axon; rm"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).contains("--binary"));
}

/// What the Dockerfile sets are keys, and its compiler is the one that the package asks for.
#[test]
fn the_dockerfile_fits_the_relay() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect("a file");
    let (dockerfile, manifest) = (read("Dockerfile"), read("Cargo.toml"));
    let version = manifest.lines().find_map(|l| l.strip_prefix("rust-version = \"")).expect("a version");
    let version = version.trim_end_matches('"');
    assert!(dockerfile.contains(&format!("FROM rust:{version}-")), "rust-version is {version}");
    let settings: Vec<(&str, &str)> = dockerfile
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("ENV ").trim_end_matches(" \\").split_once('='))
        .filter(|(name, _)| name.starts_with("AXON_"))
        .collect();
    assert!(settings.len() >= 4, "{settings:?}");
    let shell = Shell::new();
    let out = shell.command(&["--json", "config"]).envs(settings.clone()).output().expect("the axon binary");
    assert!(out.status.success(), "{}", text(&out.stderr));
    let keys = json_lines(&out.stdout)[0]["keys"].clone();
    let from_env = keys.as_array().expect("keys").iter().filter(|key| key["origin"] == "env").count();
    assert_eq!(from_env, settings.len());
}

#[test]
fn the_log_speaks_json_when_asked_and_no_more_than_asked() {
    let shell = Shell::new();
    let lines = |flags: &[&str]| {
        let args = ["serve", "--set", "relay.listen=127.0.0.1:0", "--set", "http.listen=127.0.0.1:0"];
        let mut child = shell.command(&[&["--json"], &args[..], flags].concat());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the axon binary");
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout).lines().next().expect("the start-up line").expect("text");
        let pid = Pid::from_raw(child.id() as i32).expect("a pid");
        kill_process(pid, Signal::TERM).expect("a living process");
        text(&child.wait_with_output().expect("its end").stderr)
    };
    let said = lines(&["--log-format", "json"]);
    assert!(said.lines().count() >= 2, "{said}");
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    assert!(lines(&[]).contains("stopping"));
    assert_eq!(lines(&["--log-level", "error"]), "");
}
